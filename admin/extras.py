"""What a page shows beyond its resource's columns: steps of a flow, a history, rows that belong, what is wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.requests import Request

from admin.panels import Panel, letter_panel, refund_panel, review_panel
from app.db import Database
from app.flows.order_steps import timeline
from app.kit.access import Rule, staff
from app.kit.flow import Flow, Move
from app.kit.resource import RESOURCES, Resource
from app.resources.emails import sendings
from app.resources.orders import service_flow
from app.resources.stripe_events import replays

STAFF_PARTY = "staff"
Values = Mapping[str, Any]
History = Callable[[Database, UUID], Awaitable[list[dict[str, Any]]]]
"""What happened to a row, oldest first, for staff."""


@dataclass(frozen=True)
class Related:
    """Rows of another resource whose column `by` points to the row of the page."""

    path: str
    by: str
    columns: tuple[str, ...]

    @property
    def resource(self) -> Resource:
        return RESOURCES[self.path]


@dataclass(frozen=True)
class Worry:
    """Rows that need somebody: those whose column `name` has this value."""

    name: str
    value: str
    text: str


@dataclass(frozen=True)
class Extra:
    """`flows` by the row's `kind`, under the empty name where rows have none; `step` is who may move a row when that is
    not who may update it. `reason` is what is said of the reason a step is given; None: it is not asked for.

    `alarm` is a heading and the column that says what is wrong with a row; `wide` are cards too large for the side.
    """

    flows: Mapping[str, Flow] = field(default_factory=dict)
    step: Rule | None = None
    reason: str | None = None
    history: History | None = None
    related: tuple[Related, ...] = ()
    panels: tuple[Callable[[Request, Values], Awaitable[Panel | None]], ...] = ()
    worries: tuple[Worry, ...] = ()
    alarm: Callable[[Values], tuple[str, str] | None] = lambda values: None
    wide: tuple[str, ...] = ()
    on_home: bool = False

    def flow(self, row: Any) -> Flow | None:
        kind = row.get("kind", "") if isinstance(row, Mapping) else getattr(row, "kind", "")
        return self.flows.get(str(kind))

    def moves(self, row: Values) -> list[Move]:
        """The steps that staff may take from here."""
        flow = self.flow(row)
        return flow.options(row["status"], STAFF_PARTY) if flow else []

    def may_step(self, resource: Resource) -> Rule:
        return resource.update if self.step is None else self.step

    def fields(self) -> set[str]:
        """What a step may be given: a reason, and whatever some move needs."""
        needed = {name for flow in self.flows.values() for move in flow.moves for name in move.needs}
        return needed if self.reason is None else {"reason", *needed}

    def waiting(self) -> list[str]:
        """The statuses from which staff can still move a row on."""
        moves = [move for flow in self.flows.values() for move in flow.moves if STAFF_PARTY in move.by]
        return list(dict.fromkeys(str(move.source) for move in moves))


async def order_history(database: Database, order_id: UUID) -> list[dict[str, Any]]:
    return await timeline(database, order_id)


def to_review(payment: Values) -> tuple[str, str] | None:
    return ("This payment needs review.", "review_reason") if payment["needs_review"] else None


def failed(row: Values) -> tuple[str, str] | None:
    if not row["error"]:
        return None
    return ("This failed." if row["status"] == "FAILED" else "The last try failed; there will be another."), "error"


NOTHING_EXTRA = Extra()
EXTRAS: Mapping[str, Extra] = {
    "admin/orders": Extra(
        {"SERVICE": service_flow},
        reason="– the customer reads it",
        history=order_history,
        related=(
            Related("admin/payments", "order_id", ("created_at", "status", "amount", "refunded_amount", "card_brand")),
            Related("admin/emails", "order_id", ("created_at", "template", "status", "recipient")),
        ),
        on_home=True,
    ),
    "admin/payments": Extra(
        related=(
            Related("admin/refunds", "payment_id", ("created_at", "amount", "status", "reason", "asked_by", "error")),
            Related("admin/stripe-events", "payment_id", ("created_at", "status", "type")),
        ),
        panels=(review_panel, refund_panel),
        worries=(Worry("needs_review", "true", "Payments to review"),),
        alarm=to_review,
    ),
    "admin/emails": Extra(
        {"": sendings},
        step=staff,
        panels=(letter_panel,),
        worries=(Worry("status", "FAILED", "Failed emails"),),
        alarm=failed,
    ),
    "admin/stripe-events": Extra(
        {"": replays},
        step=staff,
        worries=(
            Worry("status", "FAILED", "Failed Stripe events"),
            Worry("status", "UNMATCHED", "Unmatched Stripe events"),
        ),
        alarm=failed,
        wide=("payload",),
    ),
}
"""By the path of the resource."""


def extra_of(resource: Resource) -> Extra:
    return EXTRAS.get(resource.path, NOTHING_EXTRA)
