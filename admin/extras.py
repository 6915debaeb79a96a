"""What a page shows beyond its resource's columns: steps of a flow, a history, rows that belong, what is wrong."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from admin.alarms import Alarm, Belonging, Values, closed, failed, is_lacking, lacking, not_for_sale, to_review
from admin.page import address
from admin.panels import Panel, letter_panel, pictures_panel, refund_panel, review_panel
from app.db import Database
from app.flows.order_steps import timeline
from app.flows.products import take_away
from app.flows.verification import verification
from app.kit.access import Actor, Rule, staff
from app.kit.flow import Flow, Move
from app.kit.resource import RESOURCES, Resource
from app.resources.emails import sendings
from app.resources.order_flows import FLOWS, fulfil
from app.resources.orders import OrderKind
from app.resources.sellers import currency_of
from app.resources.stripe_events import replays

STAFF_PARTY, SELLER_PARTY = "staff", "seller"
TO_VERIFY = "status=PENDING&sortBy=created_at&sort=asc"
History = Callable[[Database, UUID, Actor], Awaitable[list[dict[str, Any]]]]
"""What happened to a row, oldest first, as this reader may know it."""
Step = Callable[..., Awaitable[Any]]
"""Called with session, row, target, actor and what was given."""
TakeAway = Callable[[AsyncSession, Resource, Actor, str], Awaitable[bool]]
"""Whether the row is deleted; otherwise it is archived."""


@dataclass(frozen=True)
class Related:
    """Rows of another resource whose column `by` points to the row of the page; its field `said` sums them up."""

    path: str
    by: str
    columns: tuple[str, ...]
    said: str = ""

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
class Caution:
    """A step to this target is possible, and yet too early for some rows. `text` is said before, `notice` after it."""

    target: str
    applies: Callable[[Values], bool]
    text: str
    notice: str


@dataclass(frozen=True)
class Desk:
    """What the first page says of rows that wait: a title, and where work on them begins, with the words for it."""

    title: str
    begin: str = ""
    words: str = ""


@dataclass(frozen=True)
class Extra:
    """`flows` by the row's kind and payment method, under the empty name where rows have none; the reader is `party` in
    them. `step` is who may move a row when that is not who may update it, `take` how where that is more than the flow.
    `reason` is what is said of the reason a step is given; None: it is not asked for. Staff may always give one, a
    seller where a step needs it.

    `alarms` say what is wrong with a row, `cautions` which step is too early; `wide` are cards too large for the side.
    `untold` are columns that say nothing here, being the same for all rows. The list `opens` with this query from the
    menu, or the page of the `only` row; `badge` is counted there. `take_away` is how rows are deleted that may have to
    stay, which `parting` says; `currency` is of new rows, where it is not typed in.
    """

    flows: Mapping[str, Flow] = field(default_factory=dict)
    party: str = STAFF_PARTY
    step: Rule | None = None
    take: Step | None = None
    reason: str | None = None
    history: History | None = None
    related: tuple[Related, ...] = ()
    panels: tuple[Callable[[Request, Values], Awaitable[Panel | None]], ...] = ()
    worries: tuple[Worry, ...] = ()
    alarms: Callable[[Values, Belonging], Iterable[Alarm]] = lambda values, rows: ()
    cautions: tuple[Caution, ...] = ()
    wide: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    only: bool = False
    take_away: TakeAway | None = None
    parting: str = ""
    currency: Callable[[AsyncSession, Actor], Awaitable[str]] | None = None
    on_home: Desk | None = None
    opens: str = ""
    badge: Worry | None = None

    def flow(self, row: Any) -> Flow | None:
        values = row if isinstance(row, Mapping) else row.values()
        return self.flows.get(" ".join(str(values[name]) for name in ("kind", "payment_method") if name in values))

    def moves(self, row: Values) -> list[Move]:
        """The steps that the reader may take from here."""
        flow = self.flow(row)
        return flow.options(row["status"], self.party) if flow else []

    def caution(self, row: Values, target: str) -> Caution | None:
        """What is to be said of a step that is possible and too early."""
        return next((each for each in self.cautions if each.target == target and each.applies(row)), None)

    def asks_why(self, move: Move) -> bool:
        return self.reason is not None and (self.party == STAFF_PARTY or "reason" in move.needs)

    def may_step(self, resource: Resource) -> Rule:
        return resource.update if self.step is None else self.step

    def fields(self) -> set[str]:
        """What a step may be given: a reason, and whatever some move needs."""
        needed = {name for flow in self.flows.values() for move in flow.moves for name in move.needs}
        return needed if self.reason is None else {"reason", *needed}

    def waiting(self) -> list[str]:
        """The statuses from which the reader can still move a row on."""
        moves = [move for flow in self.flows.values() for move in flow.moves if self.party in move.by]
        return list(dict.fromkeys(str(move.source) for move in moves))

    def has(self, name: str, value: str) -> bool:
        """Whether rows may have this value: a seller's orders are never in progress."""
        statuses = {
            str(end) for flow in self.flows.values() for move in flow.moves for end in (move.source, move.target)
        }
        return name != "status" or self.party == STAFF_PARTY or value in statuses


async def order_history(database: Database, order_id: UUID, reader: Actor) -> list[dict[str, Any]]:
    return await timeline(database, order_id)


async def sale_history(database: Database, order_id: UUID, reader: Actor) -> list[dict[str, Any]]:
    return await timeline(database, order_id, reader, for_seller=True)


ORDER_FLOWS = {f"{kind} {method}": flow for (kind, method), flow in FLOWS.items()}
SALE_FLOWS = {name: flow for name, flow in ORDER_FLOWS.items() if name.startswith(OrderKind.GOODS)}
SHELF: Mapping[str, Any] = {
    "alarms": not_for_sale,
    "take_away": take_away,
    "parting": "What was ordered, or lies in a cart, is archived instead: its orders keep it, and nobody can buy it.",
}
"""What both pages of products have."""
NOTHING_EXTRA = Extra()
EXTRAS: Mapping[str, Extra] = {
    "admin/orders": Extra(
        ORDER_FLOWS,
        reason="– the customer reads it",
        history=order_history,
        related=(
            Related("admin/documents", "order_id", ("category", "status", "original_name", "created_at"), "documents"),
            Related("admin/payments", "order_id", ("created_at", "status", "amount", "refunded_amount", "card_brand")),
            Related("admin/emails", "order_id", ("created_at", "template", "status", "recipient")),
        ),
        alarms=lacking,
        cautions=(Caution("IN_PROGRESS", is_lacking, "Not all documents are verified yet.", "documents_missing"),),
        on_home=Desk("Waiting longest"),
    ),
    "admin/documents": Extra(
        {"": verification},
        on_home=Desk("Documents to verify", "next", "Verify documents"),
        opens=TO_VERIFY,
        badge=Worry("status", "PENDING", "to verify"),
    ),
    "admin/payments": Extra(
        related=(
            Related("admin/refunds", "payment_id", ("created_at", "amount", "status", "reason", "asked_by", "error")),
            Related("admin/stripe-events", "payment_id", ("created_at", "status", "type")),
        ),
        panels=(review_panel, refund_panel),
        worries=(Worry("needs_review", "true", "Payments to review"),),
        alarms=to_review,
    ),
    "admin/emails": Extra(
        {"": sendings},
        step=staff,
        panels=(letter_panel,),
        worries=(Worry("status", "FAILED", "Failed emails"),),
        alarms=failed,
    ),
    "products": Extra(panels=(pictures_panel,), **SHELF),
    "seller/products": Extra(panels=(pictures_panel,), currency=currency_of, **SHELF),
    "admin/stripe-events": Extra(
        {"": replays},
        step=staff,
        worries=(
            Worry("status", "FAILED", "Failed Stripe events"),
            Worry("status", "UNMATCHED", "Unmatched Stripe events"),
        ),
        alarms=failed,
        wide=("payload",),
    ),
    "admin/sellers": Extra(
        related=(Related("products", "seller_id", ("name", "category_id", "price", "stock", "is_active")),),
        alarms=closed,
    ),
    "seller/orders": Extra(
        SALE_FLOWS,
        party=SELLER_PARTY,
        take=fulfil,
        reason="– the customer reads it",
        history=sale_history,
        untold=("kind", "checkout_id"),
        on_home=Desk("Waiting longest"),
        badge=Worry("status", "PENDING", "to confirm"),
    ),
    "seller/shop": Extra(alarms=closed, only=True),
}
"""By the path of the resource."""


def extra_of(resource: Resource) -> Extra:
    return EXTRAS.get(resource.path, NOTHING_EXTRA)


def entrance(resource: Resource) -> str:
    """Where the menu leads: the list, as it is worked on."""
    opens = extra_of(resource).opens
    return address(resource.name) + (f"?{opens}" if opens else "")
