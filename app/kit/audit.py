"""Who changed what, when, from where: written in the transaction of the change, never altered after.

The database itself refuses UPDATE and DELETE on this table (`migrations/`).
"""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.kit.access import Actor
from app.kit.table import Line, Table, now

MASK = "•••"


class AuditEntry(Table, table=True):
    """`changes` maps each field to its old and new value: `{"status": ["PENDING", "CONFIRMED"]}`."""

    __table_args__ = (Index("ix_audit_entries_row", "resource", "row_id"),)

    at: datetime = Field(default_factory=now, index=True)
    actor_id: UUID | None = Field(default=None, index=True)
    action: Line = Field(index=True)
    resource: Line
    row_id: UUID | None = None
    changes: dict[str, list[Any]] = Field(default_factory=dict, sa_type=JSONB)
    request_id: Line = ""
    ip: Line = ""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the audit keeps of the request that is being served."""

    id: str = ""
    ip: str = ""


REQUEST: ContextVar[RequestFacts] = ContextVar("request", default=RequestFacts())  # noqa: B039


def entry(
    actor: Actor, action: str, row: Table, changes: dict[str, list[Any]], secret: tuple[str, ...] = ()
) -> AuditEntry:
    """An audit row for a change of `row`; the values of secret fields are masked."""
    shown = {name: [MASK, MASK] if name in secret else values for name, values in changes.items()}
    return AuditEntry(**facts(actor, action, type(row), row.id, shown))


def facts(actor: Actor, action: str, table: type[Table], row_id: UUID, changes: dict[str, list[Any]]) -> dict[str, Any]:
    """The values of an audit row, with those of the request."""
    request = REQUEST.get()
    return {
        "actor_id": actor.id,
        "action": action,
        "resource": str(table.__tablename__),
        "row_id": row_id,
        "changes": to_jsonable_python(changes),
        "request_id": request.id,
        "ip": request.ip,
    }


def new_values(row: Table) -> dict[str, list[Any]]:
    """A new row as changes: every field that is not empty, from nothing to its value."""
    skipped = {"id", "created_at", "updated_at"}
    return {
        name: [None, value]
        for name, value in row.values().items()
        if name not in skipped and value not in (None, "", [], {})
    }
