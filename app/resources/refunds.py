"""Refunds: money that goes back. A row is written, PENDING, before Stripe is asked; the database enqueues its doing."""

from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from app.kit.access import Choice, admin
from app.kit.resource import Resource
from app.kit.table import Currency, Line, Note, Price, Table, foreign_key


class RefundStatus(Choice):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class Refund(Table, table=True):
    """`asked_by` is empty when nobody did: a paid order was cancelled, or paid twice. `asked_as` names the request."""

    __table_args__ = (
        UniqueConstraint("payment_id", "asked_as", name="uq_refunds_asked_as"),
        Index("uq_refunds_payment_id", "payment_id", unique=True, postgresql_where=text("status = 'PENDING'")),
    )

    payment_id: UUID = foreign_key("payments.id")
    amount: Price
    currency: Currency
    status: RefundStatus = Field(default=RefundStatus.PENDING, index=True)
    reason: Note | None = None
    asked_by: UUID | None = foreign_key("users.id", default=None)
    asked_as: Line | None = None
    stripe_refund_id: Line | None = Field(default=None, unique=True)
    error: Note | None = None
    attempts: int = 0


refunds = Resource(
    table=Refund,
    path="admin/refunds",
    read=admin,
    filters=("status", "payment_id"),
    hidden=("attempts", "asked_as"),
    example={
        "id": "019aab12-7c00-7000-8000-0000000000d2",
        "payment_id": "019aab12-7c00-7000-8000-0000000000d1",
        "amount": "100.00",
        "currency": "USD",
        "status": "SUCCEEDED",
        "reason": "The embassy closed",
        "asked_by": "019aab12-7c00-7000-8000-000000000002",
        "stripe_refund_id": "re_3PqL8c2eZvKYlo2C0x",
        "error": None,
    },
)
"""One at a time for each payment: the index lets no second be PENDING."""
