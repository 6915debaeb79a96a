"""Payments before staff: somebody looked into one, and it needs no more looking at."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Session
from app.errors import Conflict
from app.kit import audit, reading
from app.kit.access import Actor, admin, allowed
from app.kit.once import Once, keep
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import Note, now
from app.kit.web import PREFIX, Caller, example_of, problems, rule_needed
from app.resources.payments import desk_payments
from app.settlement import PAID, lock

router = APIRouter(prefix=PREFIX, tags=["Staff"])


class NothingToReview(Conflict):
    """This payment needs no review."""


class PaymentNotAccepted(Conflict):
    """This money was never accepted for its order, so it must go back: refund it here, or in Stripe's dashboard."""


class Review(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "Called the customer: both payments are meant"}]}
    )

    note: Note = Field(min_length=1, max_length=5000, description="What was found out; staff read it.")


@router.post(
    "/admin/payments/{id}/review",
    operation_id="reviewPayment",
    dependencies=[rule_needed(admin), Once],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(desk_payments)), **example_of(desk_payments)},
        **problems(400, 401, 403, 404, 409, 422),
    },
)
async def review_payment(id: str, session: Session, actor: Caller, body: Review) -> Response:
    """Say that a payment was looked into

    It leaves the review queue with your note. Money of a wrong amount is never accepted this way: refund it.
    """
    await close_review(session, actor, id, body.note)
    return await keep(session, await reading.one(session, desk_payments, actor, id), 200)


async def close_review(session: AsyncSession, actor: Actor, payment_id: str, note: str) -> None:
    """Raises Forbidden, NotFound, NothingToReview, PaymentNotAccepted."""
    allowed(admin, actor)
    await reading.one(session, desk_payments, actor, payment_id)
    _, payment = await lock(session, UUID(payment_id))
    if not payment.needs_review:
        raise NothingToReview()
    if payment.status not in PAID:
        raise PaymentNotAccepted()
    before, payment.needs_review, payment.updated_at = payment.review_reason, False, now()
    payment.review_reason = f"{before}\n{note}"
    changes: dict[str, list[Any]] = {"needs_review": [True, False], "review_reason": [before, payment.review_reason]}
    session.add(audit.entry(actor, "reviewed", payment, changes))
    await session.flush()
