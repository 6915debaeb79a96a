"""The history of an order: every status it had, since when, by whom and why. The first row is its making."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from app.kit.table import Line, Note, Table, foreign_key, now


class StatusChange(Table, table=True):
    order_id: UUID = foreign_key("orders.id")
    from_status: Line | None = None
    to_status: Line
    at: datetime = Field(default_factory=now, index=True)
    actor_id: UUID | None = foreign_key("users.id", default=None)
    reason: Note | None = None
