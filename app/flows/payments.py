"""Paying an order by card: the intent that the customer's browser pays, and looking at Stripe how it went."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field, model_validator
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.stripe import Standing, State, Stripe, StripeRefused
from app.db import Database
from app.errors import Conflict, NotFound, Unavailable
from app.kit import audit, changes, reading
from app.kit.access import Actor
from app.kit.once import Key, Replayed, begin, keep
from app.kit.schemas import Data, Input, Output, data_of, read_schema
from app.kit.table import Line, minor_units, now
from app.kit.web import PREFIX, Caller, OrderToken, example_of, json_response, problems, rule_needed
from app.resources.order_flows import OrderNotPaid
from app.resources.order_views import orders, own
from app.resources.orders import Order, OrderStatus
from app.resources.payments import Payment, PaymentMethod, PaymentStatus, payments
from app.settlement import PAID, settle

router = APIRouter(prefix=PREFIX, tags=["Payments"])
ROUNDS = 3
"""How often a cancelled intent is followed by a new one before we give up for this request."""
PATIENCE = timedelta(minutes=2)
"""A payment that has no intent after this time is replaced: Stripe may repeat a 500 to the same key for a day."""
PaymentShown: Any = read_schema(payments)


class AlreadyPaid(Conflict):
    """This order is paid already."""


class OrderCancelled(Conflict):
    """This order was cancelled."""


class CashOnDelivery(Conflict):
    """This order is paid in cash on delivery."""


class NothingToPay(Conflict):
    """There is nothing to pay for this order."""


class PaymentInReview(Conflict):
    """We are looking into a payment of this order; please do not pay again."""


class NotPayable(Conflict):
    """This sum cannot be paid by card."""


class AmountMismatch(Conflict):
    """What was paid is not what was due; we are looking into it."""


class IntentWanted(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"order_id": "019aab12-7c00-7000-8000-0000000000b1"}]})

    order_id: UUID


class Confirmation(Input):
    """One of the two."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"order_id": "019aab12-7c00-7000-8000-0000000000b1"}]})

    order_id: UUID | None = None
    payment_intent_id: Line | None = None

    @model_validator(mode="after")
    def one_of_them(self) -> "Confirmation":
        if (self.order_id is None) == (self.payment_intent_id is None):
            raise ValueError("give order_id or payment_intent_id")
        return self


class IntentShown(Output):
    client_secret: str = Field(description="For Stripe.js or the mobile SDK.")
    payment: PaymentShown


SECRET = "pi_3PqL8c2eZvKYlo2C1_secret_Yx7"  # noqa: S105  (an example)
INTENT: dict[str, Any] = {
    "model": Data[IntentShown],
    "content": {
        "application/json": {"example": {"data": {"client_secret": SECRET, "payment": dict(payments.example)}}}
    },
}


# -- the intent


@router.post(
    "/payments/create-intent",
    status_code=201,
    operation_id="createPaymentIntent",
    dependencies=[rule_needed(own), OrderToken],
    response_model=None,
    responses={201: INTENT, 200: INTENT, **problems(400, 401, 404, 409, 422)},
)
async def create_intent(request: Request, actor: Caller, body: IntentWanted, idempotency_key: Key = None) -> Response:
    """Begin to pay an order by card

    Give the `client_secret` to Stripe.js. Asking again gives the same open intent (200), also after a declined card;
    a new one only when Stripe has cancelled it.
    """
    try:
        return await begin_to_pay(request, actor, str(body.order_id), idempotency_key)
    except Replayed as replayed:
        payment = json.loads(replayed.kept)["data"]["payment"]
        standing = await request.app.state.stripe.intent(payment["stripe_payment_intent_id"])
        return replayed.answer(with_secret(payment, standing))


async def begin_to_pay(request: Request, actor: Actor, order_id: str, key: str | None) -> Response:
    """The intent and its secret. The secret is the browser's alone, so it is not in what is kept."""
    database: Database = request.app.state.database
    stripe: Stripe = request.app.state.stripe
    for _ in range(ROUNDS):
        async with database.transaction() as session:
            await begin(request, session, actor, key)
            order, payment, is_new = await open_payment(session, actor, order_id)
        standing = await intent_of(database, stripe, order, payment)
        if standing.state in (State.OPEN, State.FAILED, State.PROCESSING):
            break
        async with database.transaction() as session:
            await settle(session, standing)
    else:
        raise AlreadyPaid() if standing.captured else PaymentInReview()
    async with database.transaction() as session:
        await begin(request, session, actor, key)
        await attach(session, payment, standing)
        shown = json.loads(await reading.one(session, payments, actor, payment.id))["data"]
        kept = json.dumps({"data": {"payment": shown}}).encode()
        return await keep(session, with_secret(shown, standing), 201 if is_new else 200, kept=kept)


def with_secret(payment: Any, standing: Standing) -> bytes:
    """The answer to who wants to pay."""
    if not standing.client_secret:
        raise Unavailable("Stripe did not say how this is to be paid; try again in a moment.")
    return json.dumps({"data": {"client_secret": standing.client_secret, "payment": payment}}).encode()


async def open_payment(session: AsyncSession, actor: Actor, order_id: str) -> tuple[Order, Payment, bool]:
    """The order's open payment, made if there is none, and whether it was made. Raises why it cannot be paid."""
    order: Order = await changes.locked(session, orders, actor, order_id, own)
    current = await session.scalar(select(Payment).where(Payment.c.order_id == order.id, Payment.c.is_current))
    check_payable(order, current)
    if current and current.stripe_payment_intent_id is None and current.created_at < now() - PATIENCE:
        current.is_current, current.status = False, PaymentStatus.FAILED
        await session.flush()
        current = None
    if current:
        return order, current, False
    payment = Payment(order_id=order.id, amount=order.total_amount, currency=order.currency)
    order.payment_status, order.updated_at = PaymentStatus.PENDING, now()
    session.add(payment)
    session.add(audit.entry(actor, "created", payment, audit.new_values(payment)))
    await session.flush()
    return order, payment, True


def check_payable(order: Order, current: Payment | None) -> None:
    if order.payment_method is PaymentMethod.CASH_ON_DELIVERY:
        raise CashOnDelivery()
    if order.payment_status in PAID or order.confirmed_without_payment:
        raise AlreadyPaid()
    if order.status is OrderStatus.CANCELLED:
        raise OrderCancelled()
    if not order.total_amount:
        raise NothingToPay()
    if current and current.needs_review:
        raise PaymentInReview()


async def intent_of(database: Database, stripe: Stripe, order: Order, payment: Payment) -> Standing:
    """The payment's intent as Stripe has it, made if need be. One over another sum than the order's is cancelled."""
    if known := payment.stripe_payment_intent_id:
        is_right = (payment.amount, payment.currency) == (order.total_amount, order.currency)
        try:
            return await (stripe.intent(known) if is_right else stripe.cancel_intent(known))
        except StripeRefused as refused:
            if refused.missing:
                return Standing(known, State.CANCELED, 0, payment.currency)
            return await stripe.intent(known)
    amount, key = minor_units(payment.amount, payment.currency), f"intent-{payment.id}"
    metadata = {"order_id": str(order.id), "payment_id": str(payment.id), "order_number": order.order_number}
    try:
        return await stripe.create_intent(key, amount, payment.currency, f"Order {order.order_number}", metadata)
    except StripeRefused as refused:
        await give_up(database, payment)
        raise NotPayable(f"Stripe says: {refused.detail}") from None


async def give_up(database: Database, payment: Payment) -> None:
    """This payment will never have an intent: the next request begins another."""
    closed = update(Payment).where(Payment.c.id == payment.id, Payment.c.captured_amount == 0)
    async with database.transaction() as session:
        await session.execute(closed.values(is_current=False, status=PaymentStatus.FAILED))


async def attach(session: AsyncSession, payment: Payment, standing: Standing) -> None:
    """Write the intent's id down; twenty requests at once all have the same one."""
    lacking = update(Payment).where(Payment.c.id == payment.id, Payment.c.stripe_payment_intent_id.is_(None))
    await session.execute(lacking.values(stripe_payment_intent_id=standing.intent_id))


# -- looking at Stripe


@router.post(
    "/payments/confirm",
    operation_id="confirmPayment",
    dependencies=[rule_needed(own), OrderToken],
    response_model=None,
    responses={200: {"model": data_of(PaymentShown), **example_of(payments)}, **problems(401, 404, 409, 422)},
)
async def confirm_payment(request: Request, actor: Caller, body: Confirmation) -> Response:
    """Find out whether an order is paid

    Looks at Stripe, whatever the caller believes. 200 when the payment succeeded or is on its way (PROCESSING), else
    409 `order_not_paid`.
    """
    database: Database = request.app.state.database
    async with database.transaction() as session:
        payment = await own_payment(session, actor, body)
    problem = None
    if payment.status not in PAID and payment.stripe_payment_intent_id:
        problem = await look(database, request.app.state.stripe, payment.stripe_payment_intent_id)
    async with database.transaction() as session:
        payment = await session.get_one(Payment, payment.id)
        answer = await reading.one(session, payments, actor, payment.id)
    if payment.needs_review and payment.status not in PAID:
        raise AmountMismatch()
    never_counted = body.order_id is not None and not payment.is_current
    if never_counted or payment.status not in (*PAID, PaymentStatus.PROCESSING):
        raise OrderNotPaid(problem)
    return json_response(answer)


async def own_payment(session: AsyncSession, actor: Actor, body: Confirmation) -> Payment:
    """The caller's payment that is meant. Raises NotFound, OrderNotPaid when payment was never begun."""
    own = select(Payment).where(reading.visible(payments, actor, payments.read))
    if body.payment_intent_id is not None:
        meant = own.where(Payment.c.stripe_payment_intent_id == body.payment_intent_id)
    else:
        await reading.one(session, orders, actor, body.order_id or "")
        meant = own.where(Payment.c.order_id == body.order_id).order_by(
            Payment.c.is_current.desc(), Payment.c.id.desc()
        )
    payment = await session.scalar(meant.limit(1))
    if payment is None:
        raise OrderNotPaid() if body.order_id else NotFound()
    return payment


async def look(database: Database, stripe: Stripe, intent_id: str) -> str | None:
    """Settle with what Stripe says now; why the card was declined, if it was."""
    try:
        standing = await stripe.intent(intent_id)
    except StripeRefused:
        raise OrderNotPaid("Stripe does not know this payment.") from None
    async with database.transaction() as session:
        await settle(session, standing)
    return standing.problem
