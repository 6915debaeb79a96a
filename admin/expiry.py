"""Passports that end too soon: those that are over, and those that most borders refuse."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.kit.table import now

EXPIRED, EXPIRING = "expired", "expiring"
SENTENCES = {
    EXPIRED: "This passport has expired.",
    EXPIRING: "This passport is valid for less than six months after the journey.",
}


def shortfall(document: Mapping[str, Any]) -> str:
    """EXPIRED or EXPIRING; empty for a passport that lasts, for one whose end nobody has said, and for all else."""
    if document["category"] != "PASSPORT" or not document["expires_on"]:
        return ""
    if date.fromisoformat(document["expires_on"]) < now().date():
        return EXPIRED
    return EXPIRING if document["expires_too_soon"] else ""
