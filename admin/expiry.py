"""Passports that end too soon: those that are over, and those that most borders refuse."""

import calendar
from collections.abc import Mapping
from datetime import date
from typing import Any

from app.kit.table import now

LEFT_AFTER = 6
"""Months that a passport must be valid after the journey."""
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


def must_last(order: Mapping[str, Any] | None) -> date | None:
    """The day from which on a passport's end is late enough; None when no journey is known."""
    travels = ((order or {}).get("service_details") or {}).get("travel_date")
    return months_after(date.fromisoformat(travels), LEFT_AFTER) if travels else None


def months_after(day: date, months: int) -> date | None:
    """The same day so many months later, or the last one of its month, as PostgreSQL counts."""
    years, month = divmod(day.month - 1 + months, 12)
    if day.year + years > date.max.year:
        return None
    last = calendar.monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))
