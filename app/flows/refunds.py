"""Giving money back: staff ask for it, a cancelled order does by itself; Stripe is asked for what was written down."""

from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import jobs
from app.clients.stripe import RefundAnswer, Standing, State, Stripe, StripeRefused
from app.db import Database
from app.errors import Conflict
from app.jobs import TRIES, Tools
from app.kit import audit, reading
from app.kit.access import Actor, admin, allowed
from app.kit.once import IdempotencyKeyReused, Key, begin, keep
from app.kit.schemas import Input, check_money, data_of, read_schema
from app.kit.table import Note, Price, minor_units, now
from app.kit.web import PREFIX, Caller, example_of, problems, rule_needed
from app.resources.orders import Order
from app.resources.payments import OPEN, Payment, PaymentMethod, desk_payments
from app.resources.refunds import Refund, RefundStatus
from app.settlement import RefundInProgress, lock, record_refund, request_refund, review, settle

router = APIRouter(prefix=PREFIX, tags=["Staff"])
PATIENCE = timedelta(minutes=1)
"""After this time we look for the refund at Stripe before we ask for it again: keys are forgotten after a day."""


class PaidInCash(Conflict):
    """This was paid in cash, so it goes back by hand."""


class RefundFailed(Conflict):
    """Stripe did not do this refund."""


class RefundWanted(Input):
    """The whole of what is left, unless an `amount` is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "100.00", "reason": "The embassy closed"}]})

    amount: Price | None = Field(None, gt=0)
    reason: Note | None = Field(None, description="The customer reads it in the mail.")


@router.post(
    "/admin/payments/{id}/refund",
    operation_id="refundPayment",
    dependencies=[rule_needed(admin)],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(desk_payments)), **example_of(desk_payments)},
        **problems(400, 401, 403, 404, 409, 422),
    },
)
async def refund_payment(
    id: str, request: Request, actor: Caller, body: RefundWanted | None = None, idempotency_key: Key = None
) -> Response:
    """Refund a payment

    Whole or part, never more than what is left. When Stripe cannot be reached (503) the refund stays written down and
    is done as soon as it can: send the same `Idempotency-Key` again to hear of that one, and not to ask for another.
    """
    database: Database = request.app.state.database
    wanted = body or RefundWanted()
    async with database.transaction() as session:
        await begin(request, session, actor, idempotency_key)
        refund = await ask(session, actor, id, wanted, asked_as(request, actor, idempotency_key))
    await carry_out(database, request.app.state.stripe, refund.id)
    async with database.transaction() as session:
        await begin(request, session, actor, idempotency_key)
        return await keep(session, await reading.one(session, desk_payments, actor, refund.payment_id), 200)


def asked_as(request: Request, actor: Actor, key: str | None) -> str | None:
    """The same for all repeats with a key: no answer is kept before Stripe has answered, and its job may be faster."""
    return key and sha256(f"{actor.id}\n{request.url.path}\n{key}".encode()).hexdigest()


async def ask(
    session: AsyncSession, actor: Actor, payment_id: str, wanted: RefundWanted, asked_as: str | None = None
) -> Refund:
    """Write a refund down. Raises Forbidden, NotFound, NothingToRefund, RefundExceedsPayment, RefundInProgress.

    Whoever comes again with the same `asked_as` gets the same refund.
    """
    allowed(admin, actor)
    await reading.one(session, desk_payments, actor, payment_id)
    _, payment = await lock(session, UUID(payment_id))
    if payment.payment_method is not PaymentMethod.CARD:
        raise PaidInCash()
    asked_before = select(Refund).where(Refund.c.payment_id == payment.id, Refund.c.asked_as == asked_as)
    if asked_as and (known := await session.scalar(asked_before)):
        if wanted.reason != known.reason or wanted.amount not in (None, known.amount):
            raise IdempotencyKeyReused()
        return known
    if wanted.amount is not None:
        check_money(desk_payments, {"amount": wanted.amount}, payment.currency)
    refund = await request_refund(session, payment, wanted.amount, wanted.reason, actor.id, asked_as)
    session.add(audit.entry(actor, "asked for a refund", payment, {"refund": [None, refund.amount]}))
    await session.flush()
    return refund


async def carry_out(database: Database, stripe: Stripe, refund_id: UUID) -> None:
    """Have Stripe do a refund that is written down. Its key makes sure that it happens once, however often we ask.

    Raises RefundFailed when Stripe will not.
    """
    async with database.transaction() as session:
        refund = await session.get_one(Refund, refund_id)
        payment = await session.get_one(Payment, refund.payment_id)
    if refund.status is not RefundStatus.PENDING:
        return check_done(refund)
    assert payment.stripe_payment_intent_id
    amount = minor_units(refund.amount, refund.currency)
    metadata = {"refund_id": str(refund.id), "payment_id": str(payment.id)}
    known = None
    if refund.created_at < now() - PATIENCE:
        known = await stripe.find_refund(payment.stripe_payment_intent_id, metadata)
    try:
        key = f"refund-{refund.id}"
        answer = known or await stripe.refund(key, payment.stripe_payment_intent_id, amount, metadata)
    except StripeRefused as refused:
        answer = RefundAnswer("", "failed", problem=refused.detail)
    async with database.transaction() as session:
        refund = await record_refund(session, refund.id, answer)
    check_done(refund)


def check_done(refund: Refund) -> None:
    if refund.status is RefundStatus.FAILED:
        raise RefundFailed(refund.error)


@jobs.task
async def carry_out_refund(tools: Tools, id: UUID) -> None:
    """A refund that is PENDING."""
    try:
        await carry_out(tools.database, tools.stripe, id)
    except RefundFailed:
        return  # it is written down as FAILED, and its payment is before staff
    except Exception:
        await count_try(tools.database, id)
        raise


async def count_try(database: Database, refund_id: UUID) -> None:
    """After the last try the payment is put before staff; the reconciler goes on trying."""
    async with database.transaction() as session:
        refund = await session.get_one(Refund, refund_id)
        _, payment = await lock(session, refund.payment_id)
        await session.refresh(refund)
        refund.attempts += 1
        if refund.attempts >= TRIES and refund.status is RefundStatus.PENDING:
            review(payment, "A refund could not be carried out for hours; it is tried again.")


@jobs.task
async def release_payments(tools: Tools, id: UUID) -> None:
    """After an order was cancelled, or confirmed unpaid: no more may be paid; what was paid in vain goes back."""
    async with tools.database.transaction() as session:
        await session.get_one(Order, id, with_for_update=True)
        owned = select(Payment).where(Payment.c.order_id == id).order_by(Payment.c.id).with_for_update()
        of_order = list(await session.scalars(owned))
        for payment in of_order:
            if payment.goes_back and payment.captured_amount > payment.refunded_amount:
                with suppress(RefundInProgress):  # the reconciler comes back for the rest
                    await request_refund(session, payment, None, "The order was cancelled.")
    for payment in of_order:
        waits = payment.stripe_payment_intent_id if payment.status in OPEN and not payment.needs_review else None
        if waits and not payment.captured_amount:
            await close(tools, waits)


async def close(tools: Tools, intent_id: str) -> None:
    """Cancel an intent. When it was paid meanwhile, that is what is settled."""
    try:
        standing = await tools.stripe.cancel_intent(intent_id)
    except StripeRefused as refused:
        gone = Standing(intent_id, State.CANCELED, 0, "")
        standing = gone if refused.missing else await tools.stripe.intent(intent_id)
    async with tools.database.transaction() as session:
        await settle(session, standing)
