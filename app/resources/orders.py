"""Orders: what a customer asked for, at the price of that moment, and how far it has come.

The flow of a service order is `service_flow`; nothing else moves a status.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Index, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import ValidationError
from app.kit.access import STAFF, Actor, Choice, mine, staff
from app.kit.flow import Flow, Move
from app.kit.reading import embedded
from app.kit.resource import Computed, Look, Resource
from app.kit.schemas import Input, Output, rows_of
from app.kit.table import Currency, Day, Email, Line, Note, Phone, Price, Table, Title, foreign_key, money
from app.resources.documents import EXPIRES_TOO_SOON
from app.resources.emails import mail
from app.resources.order_items import OrderItem, order_items
from app.resources.payments import Payment, PaymentMethod, PaymentStatus
from app.resources.services import DocumentCategory
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.settings import get_settings


class OrderKind(Choice):
    SERVICE = "SERVICE"
    GOODS = "GOODS"


class OrderStatus(Choice):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class CustomerInfo(Input):
    """Whom the order is for and where mails about it go."""

    full_name: Title
    email: Email
    phone: Phone
    country: Title


class ServiceDetails(Input):
    """What a consultant needs to know of the trip."""

    destination: Line | None = None
    travel_date: Day | None = None
    passport_number: Line | None = None
    nationality: Line | None = None
    purpose_of_travel: Line | None = None
    additional_notes: Note | None = None


class Order(Table, table=True):
    __table_args__ = (
        Index("ix_orders_user_id_created_at", "user_id", "created_at"),
        Index("ix_orders_created_at", "created_at"),
    )

    order_number: Line = Field(unique=True)
    kind: OrderKind = Field(default=OrderKind.SERVICE, index=True)
    status: OrderStatus = Field(default=OrderStatus.PENDING, index=True)
    total_amount: Price = Field(default=Decimal(0), index=True)
    currency: Currency
    payment_method: PaymentMethod = PaymentMethod.CARD
    payment_status: PaymentStatus = PaymentStatus.PENDING
    confirmed_without_payment: bool = False
    user_id: UUID | None = foreign_key("users.id", index=False, default=None)
    customer_info: CustomerInfo
    service_details: ServiceDetails | None = None
    admin_notes: Note | None = None
    assigned_to: UUID | None = foreign_key("users.id", default=None)
    required_documents: list[DocumentCategory] = Field(default_factory=list)


class OrderDocuments(Output):
    """How far the documents of an order are: of the `required` categories so many are `verified`, these are `waiting`
    for our staff, and these are `missing`: not handed in, or rejected. `passport_expires_too_soon` is null while it is
    not known."""

    required: int
    verified: int
    waiting: list[DocumentCategory]
    missing: list[DocumentCategory]
    is_complete: bool
    passport_expires_too_soon: bool | None


def documents_of_order(resource: Resource) -> Any:
    """`OrderDocuments` in SQL. Of several verified passports the one that lasts longest counts."""
    return literal_column(f"""(
        SELECT json_build_object(
            'required', count(*),
            'verified', count(*) FILTER (WHERE best = 'VERIFIED'),
            'waiting', coalesce(json_agg(category) FILTER (WHERE best = 'PENDING'), '[]'),
            'missing', coalesce(json_agg(category) FILTER (WHERE best IS NULL), '[]'),
            'is_complete', coalesce(bool_and(best IS NOT DISTINCT FROM 'VERIFIED'), true),
            'passport_expires_too_soon', (
                SELECT {EXPIRES_TOO_SOON} FROM documents
                WHERE order_id = orders.id AND category = 'PASSPORT' AND status = 'VERIFIED'
                ORDER BY expires_on DESC NULLS LAST LIMIT 1
            )
        ) FROM (
            SELECT category, (
                SELECT max(status) FROM documents
                WHERE order_id = orders.id AND documents.category = wanted.category
                AND status IN ('PENDING', 'VERIFIED') AND is_ready
            ) AS best FROM jsonb_array_elements_text(orders.required_documents) AS wanted (category)
        ) AS checked
    )""")  # noqa: S608


def order_letter(order: Mapping[str, Any], items: Iterable[tuple[str, int, Decimal]]) -> dict[str, Any]:
    """What every mail about an order says of it; `items` are title, quantity and line total."""
    currency = order["currency"]
    return {
        "name": order["customer_info"]["full_name"],
        "email": order["customer_info"]["email"],
        "order_number": order["order_number"],
        "order_url": f"{get_settings().frontend_url.rstrip('/')}/dashboard/orders/{order['id']}",
        "items": [
            {"title": title, "quantity": quantity, "line_total": money(total, currency)}
            for title, quantity, total in items
        ],
        "amount": money(order["total_amount"], currency),
        "currency": currency,
    }


async def tell_customer(session: AsyncSession, order: Order, template: str, **more: Any) -> None:
    """Put a mail about this order into the outbox."""
    wanted = (OrderItem.c.title, OrderItem.c.quantity, OrderItem.c.line_total)
    items = await session.execute(select(*wanted).where(OrderItem.c.order_id == order.id).order_by(OrderItem.c.id))
    values = order.values()
    context = order_letter(values, [tuple(item) for item in items])
    session.add(mail(values["customer_info"]["email"], template, order.id, **context, **more))


async def write_history(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    change = StatusChange(
        order_id=order.id, from_status=move.source, to_status=move.target, actor_id=actor.id, reason=reason
    )
    session.add(change)


async def mark_unpaid_confirmation(
    session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None
) -> None:
    if move.target is OrderStatus.CONFIRMED and order.payment_status is not PaymentStatus.SUCCEEDED:
        order.confirmed_without_payment = True


async def mail_the_step(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """One mail for each step; that of a payment is written where its details are known (`settlement.py`)."""
    if move.target is OrderStatus.CANCELLED:
        await tell_customer(session, order, "order_cancelled", reason=reason, **await let_go(session, order))
    elif move.target is not OrderStatus.CONFIRMED:
        status = str(move.target)
        await tell_customer(session, order, "order_status_changed", status=status, reason=reason, tracking_number=None)
    elif order.confirmed_without_payment:
        await tell_customer(session, order, "order_confirmed", reason=reason, payment=None)


async def let_go(session: AsyncSession, order: Order) -> dict[str, Any]:
    """What was paid for a cancelled order is to go back by itself, but for what is before staff; and how much that is,
    for the mail."""
    left = Payment.c.captured_amount - Payment.c.refunded_amount
    paid = update(Payment).where(Payment.c.order_id == order.id, ~Payment.c.needs_review, left > 0)
    amounts = (await session.scalars(paid.values(goes_back=True).returning(left))).all()
    in_review = select(Payment.c.id).where(Payment.c.order_id == order.id, Payment.c.needs_review).limit(1)
    return {
        "refund": money(sum(amounts, Decimal(0)), order.currency) if amounts else None,
        "refund_in_review": await session.scalar(in_review) is not None,
    }


STAFF_ONLY, STAFF_OR_OWNER = frozenset({"staff"}), frozenset({"staff", "owner"})
service_flow = Flow(
    "service",
    Order,
    moves=(
        Move(OrderStatus.PENDING, OrderStatus.CONFIRMED, STAFF_ONLY, "Confirm order", needs=("reason",)),
        Move(OrderStatus.PENDING, OrderStatus.CONFIRMED, frozenset({"payment"}), "Confirm order"),
        Move(OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS, STAFF_ONLY, "Start work"),
        Move(OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED, STAFF_ONLY, "Complete order"),
        Move(OrderStatus.PENDING, OrderStatus.CANCELLED, STAFF_OR_OWNER, "Cancel order", danger=True),
        Move(OrderStatus.CONFIRMED, OrderStatus.CANCELLED, STAFF_OR_OWNER, "Cancel order", danger=True),
    ),
    after=(write_history, mark_unpaid_confirmation, mail_the_step),
)
"""Staff confirm by hand only what is not paid, and say why (bank transfer, cash at the desk)."""
FLOWS = {OrderKind.SERVICE: service_flow}


async def check_assignee(session: AsyncSession, actor: Actor, order: Order, values: dict[str, Any]) -> None:
    """Work is given to active staff only."""
    if values.get("assigned_to"):
        person = await session.get(User, values["assigned_to"])
        if person is None or not person.is_active or person.role not in STAFF:
            raise ValidationError.of("/assigned_to", "not_staff", "Must be the id of an active consultant or admin.")


def allowed_transitions(party: str) -> Computed:
    return Computed(list[OrderStatus], lambda resource: service_flow.options_sql(resource.column("status"), party))


ITEMS = Computed(rows_of(order_items), embedded(order_items, "order_id"))
LISTS: dict[str, Any] = {
    "filters": ("status", "status__in", "kind", "created_at__gte", "created_at__lte"),
    "sort": ("created_at", "total_amount"),
    "order": "-created_at",
}
EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-0000000000b1",
    "order_number": "HT-2026-000001",
    "kind": "SERVICE",
    "status": "PENDING",
    "total_amount": "450.00",
    "currency": "USD",
    "payment_method": "CARD",
    "payment_status": "PENDING",
    "confirmed_without_payment": False,
    "user_id": "019aab12-7c00-7000-8000-000000000001",
    "customer_info": {
        "full_name": "Amina Benali",
        "email": "amina@example.com",
        "phone": "+213 550 12 34 56",
        "country": "DZ",
    },
    "service_details": {"destination": "Canada", "travel_date": "2027-02-08", "purpose_of_travel": "Tourism"},
    "created_at": "2026-11-22T09:30:00.000000Z",
    "updated_at": "2026-11-22T09:30:00.000000Z",
    "items": [order_items.example],
    "allowed_transitions": ["CANCELLED"],
    "documents": {
        "required": 3,
        "verified": 1,
        "waiting": ["BANK_STATEMENT"],
        "missing": ["PHOTO"],
        "is_complete": False,
        "passport_expires_too_soon": False,
    },
}

orders = Resource(
    table=Order,
    owner="user_id",
    read=mine,
    hidden=("admin_notes", "assigned_to", "required_documents"),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("owner"),
        "documents": Computed(OrderDocuments, documents_of_order, single=True),
    },
    example=EXAMPLE,
    **LISTS,
)

desk_orders = Resource(
    table=Order,
    path="admin/orders",
    read=staff,
    update=staff,
    writable=("admin_notes", "assigned_to"),
    hidden=("required_documents",),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("staff"),
        "documents": Computed(OrderDocuments, documents_of_order),
    },
    search=("order_number", "customer_info.full_name", "customer_info.email", "customer_info.phone"),
    prepare=check_assignee,
    example={
        **EXAMPLE,
        "admin_notes": "Called the embassy",
        "assigned_to": None,
        "allowed_transitions": ["CONFIRMED", "CANCELLED"],
    },
    admin=Look(
        group="Work",
        icon="shopping-cart",
        title="order_number",
        columns=(
            "order_number",
            "status",
            "payment_status",
            "documents",
            "customer_info.full_name",
            "total_amount",
            "created_at",
            "assigned_to",
        ),
        order=10,
    ),
    **LISTS,
)
"""The same orders as staff see them: all of them, with notes and the steps that staff may take."""
