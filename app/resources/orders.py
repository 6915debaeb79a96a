"""Orders: what a customer asked for, at the price of that moment, and how far it has come.

Services and goods are one table. How an order moves is in `order_flows.py`, what customers, guests, staff and sellers
see of it in `order_views.py`.
"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Uuid, and_, bindparam, exists, func, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.db import Statement
from app.kit import audit
from app.kit.access import Actor, Choice
from app.kit.audit import AuditEntry
from app.kit.schemas import Input
from app.kit.table import Currency, Day, Email, Line, Note, Phone, Price, Table, Title, foreign_key, now
from app.resources.payments import PaymentMethod, PaymentStatus
from app.resources.services import DocumentCategory
from app.resources.users import User


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


OF_GUEST: ColumnElement[str] = literal_column("lower(orders.customer_info ->> 'email')")


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


UNCLAIMED = Statement(
    select(literal_column("1")).where(
        User.c.id == bindparam("user_id", type_=Uuid()),
        User.c.is_verified,
        exists().where(Order.c.user_id.is_(None), func.lower(User.c.email) == OF_GUEST),
    )
)
"""Whether there are orders for this account to claim."""


async def claim(session: AsyncSession, user: User) -> None:
    """Orders that guests placed with the e-mail of this account are its own, once that is verified."""
    if not user.is_verified:
        return
    theirs = and_(Order.c.user_id.is_(None), OF_GUEST.in_([user.email.lower()]))
    moved = update(Order).where(theirs).values(user_id=user.id, updated_at=now()).returning(Order.c.id)
    for order_id in await session.scalars(moved):
        entry = audit.facts(Actor(user.id, user.role), "claimed", Order, order_id, {"user_id": [None, user.id]})
        session.add(AuditEntry(**entry))
