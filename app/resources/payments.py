"""Payments: the money of orders. A row is written before Stripe is asked, and moves by what Stripe says, in
`settlement.py`; one that got no intent is given up by `flows/payments.py`.

Of an order's payments at most one is `is_current`. Another follows when its intent was cancelled or could not be made,
or when its money never counted and has gone back; if an older one is paid after all, that one counts.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from app.kit.access import Choice, either, key_holder, mine, staff
from app.kit.resource import Look, Resource
from app.kit.table import Currency, Line, Note, Price, Table, foreign_key


class PaymentMethod(Choice):
    CARD = "CARD"
    CASH_ON_DELIVERY = "CASH_ON_DELIVERY"


class PaymentStatus(Choice):
    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


OPEN = (PaymentStatus.PENDING, PaymentStatus.PROCESSING, PaymentStatus.FAILED)
"""Statuses from which money may still come."""


class Payment(Table, table=True):
    """`captured_amount` is what Stripe holds of the customer, `amount` what it should be.

    `needs_review` puts it before staff, with a reason; `goes_back` when its order was cancelled and what is left of it
    is to be refunded by itself; `checked_at` is when the reconciler last asked Stripe.
    """

    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("refunded_amount BETWEEN 0 AND captured_amount", name="refunded_amount"),
        Index("uq_payments_order_id", "order_id", unique=True, postgresql_where=text("is_current")),
        Index("ix_payments_created_at", "created_at"),
    )

    order_id: UUID = foreign_key("orders.id")
    amount: Price
    currency: Currency
    status: PaymentStatus = Field(default=PaymentStatus.PENDING, index=True)
    payment_method: PaymentMethod = PaymentMethod.CARD
    stripe_payment_intent_id: Line | None = Field(default=None, unique=True)
    stripe_charge_id: Line | None = None
    card_brand: Line | None = None
    card_last4: Line | None = None
    captured_amount: Price = Decimal(0)
    refunded_amount: Price = Decimal(0)
    paid_at: datetime | None = None
    needs_review: bool = Field(default=False, index=True)
    review_reason: Note | None = None
    goes_back: bool = False
    is_current: bool = True
    checked_at: datetime | None = None


EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-0000000000d1",
    "order_id": "019aab12-7c00-7000-8000-0000000000b1",
    "amount": "450.00",
    "currency": "USD",
    "status": "SUCCEEDED",
    "payment_method": "CARD",
    "stripe_payment_intent_id": "pi_3PqL8c2eZvKYlo2C1",
    "stripe_charge_id": "ch_3PqL8c2eZvKYlo2C1",
    "card_brand": "visa",
    "card_last4": "4242",
    "refunded_amount": "0.00",
    "created_at": "2026-11-22T09:31:00.000000Z",
    "updated_at": "2026-11-22T09:32:00.000000Z",
}

payments = Resource(
    table=Payment,
    owner="order_id.user_id",
    key="order_id.token_hash",
    read=either(mine, key_holder),
    hidden=("captured_amount", "paid_at", "needs_review", "review_reason", "goes_back", "is_current", "checked_at"),
    filters=("status", "order_id"),
    sort=("created_at",),
    example=EXAMPLE,
)

desk_payments = Resource(
    table=Payment,
    path="admin/payments",
    read=staff,
    hidden=("goes_back", "is_current", "checked_at"),
    filters=("status", "needs_review", "order_id"),
    search=("stripe_payment_intent_id", "stripe_charge_id"),
    sort=("created_at",),
    example={
        **EXAMPLE,
        "captured_amount": "450.00",
        "paid_at": "2026-11-22T09:32:00.000000Z",
        "needs_review": False,
        "review_reason": None,
    },
    admin=Look(
        group="Work",
        icon="credit-card",
        title="order_id",
        columns=("order_id", "status", "amount", "refunded_amount", "card_brand", "needs_review", "created_at"),
        order=15,
    ),
)
"""The same as staff see them: all of them, and what needs a look."""
