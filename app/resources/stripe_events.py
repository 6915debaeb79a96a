"""The inbox of Stripe's webhooks: each event once, as it came. The row is its own queue: RECEIVED ones are worked."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.db import Database, Statement, plain
from app.errors import BadRequest
from app.kit.access import Actor, Choice, staff
from app.kit.changes import new_row
from app.kit.flow import Flow, Move
from app.kit.resource import Look, Resource
from app.kit.table import Json, Line, Note, Table, Whole, foreign_key, storable_json


class EventStatus(Choice):
    """UNMATCHED: about a payment that is not ours. IGNORED: of a kind that changes nothing here."""

    RECEIVED = "RECEIVED"
    PROCESSED = "PROCESSED"
    IGNORED = "IGNORED"
    UNMATCHED = "UNMATCHED"
    FAILED = "FAILED"


class StripeEvent(Table, table=True):
    __table_args__ = (Index("ix_stripe_events_created_at", "created_at"),)

    event_id: Line = Field(unique=True)
    type: Line = Field(index=True)
    status: EventStatus = Field(default=EventStatus.RECEIVED, index=True)
    payment_id: UUID | None = foreign_key("payments.id", default=None)
    payload: Json
    attempts: Whole = 0
    error: Note | None = None


class InvalidEvent(BadRequest):
    """This is not an event of Stripe's."""


COLUMNS = StripeEvent.sql_table.columns
STORE = Statement(
    insert(StripeEvent)
    .values({column.name: bindparam(column.name, type_=column.type) for column in COLUMNS})
    .on_conflict_do_nothing(index_elements=["event_id"])
)


async def remember(database: Database, payload: Any) -> None:
    """Store an event, unless it is there already; the database enqueues its work. Raises InvalidEvent."""
    _, row = new_row(StripeEvent, **read_event(payload))
    await database.run(STORE, **{name: plain(value) for name, value in row.items()})


def read_event(payload: Any) -> dict[str, Any]:
    """What is stored of an event: everything, but the secret that lets a browser pay."""
    try:
        payload = storable_json(payload, depth=-12)
        event_id, kind, thing = payload["id"], payload["type"], payload["data"]["object"]
        thing.pop("client_secret", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidEvent() from None
    if not all(isinstance(text, str) and 0 < len(text) <= 200 for text in (event_id, kind)):
        raise InvalidEvent()
    return {"event_id": event_id, "type": kind, "payload": payload}


async def begin_again(session: AsyncSession, event: StripeEvent, move: Move, actor: Actor, reason: str | None) -> None:
    event.attempts, event.error = 0, None


DONE = (EventStatus.PROCESSED, EventStatus.IGNORED, EventStatus.UNMATCHED, EventStatus.FAILED)
replays = Flow(
    "stripe event",
    StripeEvent,
    moves=tuple(Move(status, EventStatus.RECEIVED, frozenset({"staff"}), "Replay event") for status in DONE),
    after=(begin_again,),
)
"""Staff may have an event worked again; what was settled already stays as it is."""

stripe_events = Resource(
    table=StripeEvent,
    path="admin/stripe-events",
    read=staff,
    filters=("status", "type", "payment_id"),
    search=("event_id",),
    sort=("created_at",),
    example={
        "id": "019aab12-7c00-7000-8000-0000000000e9",
        "event_id": "evt_1PqL9c2eZvKYlo2C",
        "type": "payment_intent.succeeded",
        "status": "PROCESSED",
        "payment_id": "019aab12-7c00-7000-8000-0000000000d1",
        "payload": {"id": "evt_1PqL9c2eZvKYlo2C", "type": "payment_intent.succeeded"},
        "attempts": 1,
        "error": None,
    },
    admin=Look(
        group="System",
        icon="bolt",
        title="event_id",
        columns=("type", "status", "payment_id", "event_id", "created_at"),
        order=85,
    ),
)
