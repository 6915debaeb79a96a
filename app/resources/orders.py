"""Orders: what a customer asked for, at the price of that moment, and how far it has come.

Services and goods are one table, each with a flow of its own; nothing else moves a status. Staff, customers, guests and
sellers see the same rows, each what is his.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Index, and_, case, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import ValidationError
from app.kit import audit
from app.kit.access import STAFF, Actor, Choice, either, key_holder, mine, seller, staff
from app.kit.flow import Flow, Move
from app.kit.reading import embedded
from app.kit.resource import Computed, Look, Resource
from app.kit.schemas import Input, rows_of
from app.kit.table import Currency, Day, Email, Line, Note, Phone, Price, Table, Title, foreign_key, money, now
from app.resources.documents import OrderDocuments, documents_of_order
from app.resources.emails import mail
from app.resources.order_items import PRODUCT_ITEM, OrderItem, order_items
from app.resources.payments import Payment, PaymentMethod, PaymentStatus
from app.resources.products import Product
from app.resources.services import DocumentCategory
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.settings import get_settings, signing_key


class OrderKind(Choice):
    SERVICE = "SERVICE"
    GOODS = "GOODS"


class OrderStatus(Choice):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


class CustomerInfo(Input):
    """Whom the order is for and where mails about it go, if they go anywhere."""

    full_name: Title
    email: Email | None = None
    phone: Phone
    country: Title | None = None


class ServiceDetails(Input):
    """What a consultant needs to know of the trip."""

    destination: Line | None = None
    travel_date: Day | None = None
    passport_number: Line | None = None
    nationality: Line | None = None
    purpose_of_travel: Line | None = None
    additional_notes: Note | None = None


GUESTS_EMAIL = text("lower(customer_info ->> 'email')")


class Order(Table, table=True):
    __table_args__ = (
        Index("ix_orders_user_id_created_at", "user_id", "created_at"),
        Index("ix_orders_created_at", "created_at"),
        Index("ix_orders_seller_id_created_at", "seller_id", "created_at"),
        Index("ix_orders_unclaimed", GUESTS_EMAIL, postgresql_where=text("user_id IS NULL")),
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
    seller_id: UUID | None = foreign_key("sellers.id", index=False, default=None)
    checkout_id: UUID | None = Field(default=None, index=True)
    token_hash: Line | None = Field(default=None, unique=True)
    customer_info: CustomerInfo
    service_details: ServiceDetails | None = None
    delivery_address: Note | None = None
    tracking_number: Line | None = None
    admin_notes: Note | None = None
    assigned_to: UUID | None = foreign_key("users.id", default=None)
    required_documents: list[DocumentCategory] = Field(default_factory=list)


def guest_token(order_id: UUID) -> str:
    """The secret that opens one order to whoever ordered without signing in. Made of the id, so that a mail can have it
    without its being kept; the row has its hash."""
    digest = hmac.digest(signing_key().encode(), b"order:" + order_id.bytes, "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def order_letter(order: Mapping[str, Any], items: Iterable[tuple[str, int, Decimal]]) -> dict[str, Any]:
    """What every mail about an order says of it; `items` are title, quantity and line total. A guest's mail gets his
    token when it is written (`letters.py`)."""
    currency, page = order["currency"], "dashboard/orders" if order["user_id"] else "orders"
    return {
        "name": order["customer_info"]["full_name"],
        "email": order["customer_info"]["email"],
        "order_number": order["order_number"],
        "order_url": f"{get_settings().frontend_url.rstrip('/')}/{page}/{order['id']}",
        **({} if order["user_id"] else {"guest_order": str(order["id"])}),
        "items": [
            {"title": title, "quantity": quantity, "line_total": money(total, currency)}
            for title, quantity, total in items
        ],
        "amount": money(order["total_amount"], currency),
        "currency": currency,
    }


async def tell_customer(session: AsyncSession, order: Order, template: str, **more: Any) -> None:
    """Put a mail about this order into the outbox, if there is an address."""
    values = order.values()
    if not (recipient := values["customer_info"].get("email")):
        return
    wanted = (OrderItem.c.title, OrderItem.c.quantity, OrderItem.c.line_total)
    items = await session.execute(select(*wanted).where(OrderItem.c.order_id == order.id).order_by(OrderItem.c.id))
    context = order_letter(values, [tuple(item) for item in items])
    session.add(mail(recipient, template, order.id, **context, **more))


async def write_history(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    change = StatusChange(
        order_id=order.id, from_status=move.source, to_status=move.target, actor_id=actor.id, reason=reason
    )
    session.add(change)


async def mark_unpaid_confirmation(
    session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None
) -> None:
    is_card = order.payment_method is PaymentMethod.CARD
    if is_card and move.target is OrderStatus.CONFIRMED and order.payment_status is not PaymentStatus.SUCCEEDED:
        order.confirmed_without_payment = True


async def mail_the_step(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """One mail for each step; that of a payment is written where its details are known (`settlement.py`)."""
    if move.target is OrderStatus.CANCELLED:
        await tell_customer(session, order, "order_cancelled", reason=reason, **await let_go(session, order))
    elif move.target is not OrderStatus.CONFIRMED:
        news = {"status": str(move.target), "tracking_number": order.tracking_number}
        await tell_customer(session, order, "order_status_changed", reason=reason, **news)
    elif order.confirmed_without_payment or order.payment_method is PaymentMethod.CASH_ON_DELIVERY:
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


async def return_stock(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """What a cancelled order had taken is for sale again: once, as an order is cancelled once. In id order, as checkout
    takes it."""
    if move.target is not OrderStatus.CANCELLED:
        return
    taken = select(OrderItem.c.product_id, OrderItem.c.quantity).where(OrderItem.c.order_id == order.id).subquery()
    held = select(Product.c.id, taken.c.quantity).join(taken, taken.c.product_id == Product.c.id)
    locked = held.order_by(Product.c.id).with_for_update(of=Product).cte("locked")
    returned = update(Product).where(Product.c.id == locked.c.id)
    await session.execute(
        returned.values(stock=Product.c.stock + locked.c.quantity, updated_at=Product.c.updated_at),
        execution_options={"synchronize_session": False},
    )


async def take_cash(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """Cash on delivery is a payment once the goods are handed over."""
    if move.target is OrderStatus.DELIVERED and order.total_amount:
        paid = {"amount": order.total_amount, "captured_amount": order.total_amount, "currency": order.currency}
        payment = Payment(order_id=order.id, payment_method=PaymentMethod.CASH_ON_DELIVERY, **paid)
        payment.status, payment.paid_at = PaymentStatus.SUCCEEDED, now()
        order.payment_status = PaymentStatus.SUCCEEDED
        session.add_all([payment, audit.entry(actor, "created", payment, audit.new_values(payment))])


STAFF_ONLY, STAFF_OR_OWNER, STAFF_OR_SELLER = (
    frozenset({"staff", *others}) for others in ((), ("owner",), ("seller",))
)
CANCELLING = (OrderStatus.PENDING, OrderStatus.CONFIRMED)
CARD_CONFIRMED = (
    Move(OrderStatus.PENDING, OrderStatus.CONFIRMED, STAFF_ONLY, "Confirm order", needs=("reason",)),
    Move(OrderStatus.PENDING, OrderStatus.CONFIRMED, frozenset({"payment"}), "Confirm order"),
)
"""Staff confirm by hand only what is not paid, and say why (bank transfer, cash at the desk)."""
CASH_CONFIRMED = (Move(OrderStatus.PENDING, OrderStatus.CONFIRMED, STAFF_OR_SELLER, "Confirm order"),)
DELIVERING = (
    Move(OrderStatus.CONFIRMED, OrderStatus.SHIPPED, STAFF_OR_SELLER, "Ship order", needs=("tracking_number",)),
    Move(OrderStatus.SHIPPED, OrderStatus.DELIVERED, STAFF_OR_SELLER, "Mark as delivered"),
    *(Move(status, OrderStatus.CANCELLED, STAFF_OR_OWNER, "Cancel order", danger=True) for status in CANCELLING),
    *(
        Move(status, OrderStatus.CANCELLED, frozenset({"seller"}), "Cancel order", needs=("reason",), danger=True)
        for status in CANCELLING
    ),
    Move(OrderStatus.PENDING, OrderStatus.CANCELLED, frozenset({"guest", "clock"}), "Cancel order", danger=True),
)
"""A seller says why he cancels; a guest may while nobody has begun; the clock does when a card was never charged."""
AFTER = (write_history, mark_unpaid_confirmation, return_stock, mail_the_step)
service_flow = Flow(
    "service",
    Order,
    moves=(
        *CARD_CONFIRMED,
        Move(OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS, STAFF_ONLY, "Start work"),
        Move(OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED, STAFF_ONLY, "Complete order"),
        *(Move(status, OrderStatus.CANCELLED, STAFF_OR_OWNER, "Cancel order", danger=True) for status in CANCELLING),
    ),
    after=(write_history, mark_unpaid_confirmation, mail_the_step),
)
card_flow = Flow("goods paid by card", Order, moves=(*CARD_CONFIRMED, *DELIVERING), after=AFTER)
cash_flow = Flow("goods paid in cash", Order, moves=(*CASH_CONFIRMED, *DELIVERING), after=(*AFTER, take_cash))
FLOWS = {
    (OrderKind.SERVICE, PaymentMethod.CARD): service_flow,
    (OrderKind.GOODS, PaymentMethod.CARD): card_flow,
    (OrderKind.GOODS, PaymentMethod.CASH_ON_DELIVERY): cash_flow,
}


def flow_of(order: Order) -> Flow:
    """The flow that this order goes through."""
    return FLOWS[order.kind, order.payment_method]


async def check_assignee(session: AsyncSession, actor: Actor, order: Order, values: dict[str, Any]) -> None:
    """Work is given to active staff only."""
    if values.get("assigned_to"):
        person = await session.get(User, values["assigned_to"])
        if person is None or not person.is_active or person.role not in STAFF:
            raise ValidationError.of("/assigned_to", "not_staff", "Must be the id of an active consultant or admin.")


def allowed_transitions(party: str, guest: str = "") -> Computed:
    """Where the party may move an order, by its flow."""

    def sql(resource: Resource) -> Any:
        status, is_guests = resource.column("status"), resource.column("user_id").is_(None)
        options = []
        for (of, paid), flow in FLOWS.items():
            wanted = and_(literal_column(f"orders.kind = '{of}'"), literal_column(f"orders.payment_method = '{paid}'"))
            if guest:
                options.append((and_(is_guests, wanted), flow.options_sql(status, guest)))
            options.append((wanted, flow.options_sql(status, party)))
        return case(*options, else_=literal_column("'[]'::json"))

    return Computed(list[OrderStatus], sql)


own = either(mine, key_holder)
ITEMS = Computed(rows_of(order_items), embedded(order_items, "order_id"))
LISTS: dict[str, Any] = {
    "filters": ("status", "status__in", "kind", "created_at__gte", "created_at__lte"),
    "sort": ("created_at", "total_amount"),
    "order": "-created_at",
}
SEARCH = ("order_number", "customer_info.full_name", "customer_info.email", "customer_info.phone")
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
    "seller_id": None,
    "checkout_id": None,
    "customer_info": {
        "full_name": "Amina Benali",
        "email": "amina@example.com",
        "phone": "+213 550 12 34 56",
        "country": "DZ",
    },
    "service_details": {"destination": "Canada", "travel_date": "2027-02-08", "purpose_of_travel": "Tourism"},
    "delivery_address": None,
    "tracking_number": None,
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
SALE = {
    **{name: value for name, value in EXAMPLE.items() if name not in ("user_id", "seller_id", "documents")},
    "order_number": "ZST-00001",
    "kind": "GOODS",
    "payment_method": "CASH_ON_DELIVERY",
    "total_amount": "13000.00",
    "currency": "DZD",
    "checkout_id": "019aab12-7c00-7000-8000-0000000000b9",
    "delivery_address": "12 rue Didouche Mourad, Alger",
    "items": [PRODUCT_ITEM],
    "allowed_transitions": ["CONFIRMED", "CANCELLED"],
}

orders = Resource(
    table=Order,
    owner="user_id",
    key="token_hash",
    read=own,
    hidden=("admin_notes", "assigned_to", "required_documents", "token_hash"),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("owner", guest="guest"),
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
    hidden=("required_documents", "token_hash"),
    computed={
        "items": ITEMS,
        "allowed_transitions": allowed_transitions("staff"),
        "documents": Computed(OrderDocuments, documents_of_order),
    },
    search=SEARCH,
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

shop_orders = Resource(
    table=Order,
    path="seller/orders",
    owner="seller_id.user_id",
    read=seller,
    update=seller,
    hidden=(
        *("admin_notes", "assigned_to", "required_documents", "token_hash", "service_details", "user_id"),
        *("confirmed_without_payment", "seller_id"),
    ),
    computed={"items": ITEMS, "allowed_transitions": allowed_transitions("seller")},
    search=SEARCH,
    example=SALE,
    admin=Look(
        group="Shop",
        icon="shopping-cart",
        title="order_number",
        columns=(
            *("order_number", "status", "payment_method", "payment_status", "customer_info.full_name", "total_amount"),
            "created_at",
        ),
        order=10,
    ),
    **LISTS,
)
"""The same as their seller sees them: his own sales, with whom to deliver to."""
