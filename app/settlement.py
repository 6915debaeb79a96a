"""Settling: what Stripe says about a payment becomes what we say, once.

Confirm, webhook and reconciler all come here. Under the lock of the order, amount, currency and order are compared;
then the payment goes forward only, the order with it, history, audit and mail in the same transaction. Whoever comes
second finds it done. Locks are taken in one order: the order, then its payment.
"""

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.stripe import RefundAnswer, Standing, State
from app.errors import Conflict
from app.kit import audit
from app.kit.access import Actor
from app.kit.flow import move
from app.kit.table import from_minor_units, minor_units, money, now
from app.receipt import card
from app.resources.order_flows import flow_of
from app.resources.order_letters import tell_customer
from app.resources.orders import Order, OrderStatus
from app.resources.payments import OPEN, Payment, PaymentStatus
from app.resources.refunds import Refund, RefundStatus

PAID = (PaymentStatus.SUCCEEDED, PaymentStatus.REFUNDED)


class NothingToRefund(Conflict):
    """There is no captured money to give back."""


class RefundExceedsPayment(Conflict):
    """This is more than what is left of the payment."""


class RefundInProgress(Conflict):
    """Another refund of this payment is under way."""


async def settle(session: AsyncSession, standing: Standing, *, is_past: bool = False) -> Payment | None:
    """The payment, as it is after what Stripe says; None when Stripe speaks of a payment that is not ours.

    `is_past` is for events: they tell how it was, and may come late.
    """
    known = await find(session, standing)
    if known is None:
        return None
    order, payment = await lock(session, known)
    before = payment.values()
    payment.stripe_payment_intent_id = payment.stripe_payment_intent_id or standing.intent_id
    if standing.captured:
        await receive(session, order, payment, standing)
    elif payment.status in OPEN:
        await follow(session, order, payment, standing, is_past)
    await write_down(session, "settled", payment, before)
    return payment


async def find(session: AsyncSession, standing: Standing) -> UUID | None:
    """By the intent, or by what we wrote on it when our own answer has not arrived yet."""
    known = select(Payment.c.id).where(Payment.c.stripe_payment_intent_id == standing.intent_id)
    found: UUID | None = (await session.scalars(known)).one_or_none()
    if found:
        return found
    try:
        written = UUID(standing.payment_id)
    except ValueError:
        return None
    unheard = select(Payment.c.id).where(Payment.c.id == written, Payment.c.stripe_payment_intent_id.is_(None))
    found = (await session.scalars(unheard)).one_or_none()
    return found


async def lock(session: AsyncSession, payment_id: UUID) -> tuple[Order, Payment]:
    """Both rows of a payment, locked and as they are now."""
    its_order = select(Order).join(Payment, Payment.c.order_id == Order.c.id).where(Payment.c.id == payment_id)
    fresh = {"populate_existing": True}
    order = (await session.scalars(its_order.with_for_update(of=Order), execution_options=fresh)).one()
    payment = await session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    return order, payment


async def write_down(session: AsyncSession, action: str, payment: Payment, before: dict[str, Any]) -> None:
    """Audit what is different now."""
    before.pop("updated_at")
    changes = {name: [old, getattr(payment, name)] for name, old in before.items() if old != getattr(payment, name)}
    if changes:
        payment.updated_at = now()
        session.add(audit.entry(Actor(), action, payment, changes))
    await session.flush()


# -- money that came, or did not


async def receive(session: AsyncSession, order: Order, payment: Payment, standing: Standing) -> None:
    """Stripe has captured money."""
    payment.stripe_charge_id = standing.charge_id or payment.stripe_charge_id
    payment.card_brand = standing.card_brand or payment.card_brand
    payment.card_last4 = standing.card_last4 or payment.card_last4
    if standing.currency == payment.currency:
        payment.captured_amount = from_minor_units(standing.captured, standing.currency)
    if payment.status not in PAID:
        if wrong := mismatch(order, payment, standing):
            review(payment, wrong)
        else:
            await accept(session, order, payment, left=standing.captured - standing.refunded)
    if standing.currency == payment.currency:
        await give_back(session, order, payment, from_minor_units(standing.refunded, standing.currency))
    elif standing.refunded >= standing.captured:
        payment.status = PaymentStatus.FAILED
        forget(order, payment)


def mismatch(order: Order, payment: Payment, standing: Standing) -> str | None:
    """What does not fit, in a sentence for staff."""
    paid = f"{from_minor_units(standing.captured, standing.currency)} {standing.currency}"
    due = f"{money(payment.amount, payment.currency)} {payment.currency}"
    if standing.order_id and standing.order_id != str(order.id):
        return f"Stripe has this payment of {paid} for another order: {standing.order_id[:40]}."
    minor = minor_units(payment.amount, payment.currency)
    if standing.currency != payment.currency or {standing.captured, standing.amount} != {minor}:
        elsewhere = "" if standing.currency == payment.currency else " Refund it in Stripe's dashboard."
        return f"Stripe captured {paid}; {due} were due.{elsewhere}"
    if (order.total_amount, order.currency) != (payment.amount, payment.currency):
        return f"{due} were paid; the order is {money(order.total_amount, order.currency)} {order.currency} by now."
    return None


def forget(order: Order, payment: Payment) -> None:
    """Money that never counted has gone back: the order may be paid anew."""
    payment.is_current, payment.needs_review = False, False
    order.payment_status = PaymentStatus.PENDING


def review(payment: Payment, reason: str) -> None:
    """Put it before staff. From then on nothing of it goes back by itself."""
    payment.needs_review, payment.review_reason, payment.goes_back = True, reason, False


async def accept(session: AsyncSession, order: Order, payment: Payment, *, left: int) -> None:
    """The right sum for the right order: confirm it. What comes too late goes back, as far as it is `left`."""
    payment.status, payment.paid_at = PaymentStatus.SUCCEEDED, now()
    if order.payment_status in PAID:
        return await undo(session, payment, left, "The order was paid twice.")
    await make_current(session, payment)
    order.payment_status, order.updated_at = PaymentStatus.SUCCEEDED, now()
    if order.status is OrderStatus.CANCELLED:
        return await undo(session, payment, left, "The order was cancelled before the payment arrived.")
    if order.status is OrderStatus.PENDING:
        await move(session, flow_of(order), order, OrderStatus.CONFIRMED, Actor(), "payment", reason=paid_by(payment))
        return await tell_customer(session, order, "order_confirmed", payment=details(payment), reason=None)
    review(payment, "The order was confirmed by hand before: was it paid twice?")
    await tell_customer(session, order, "payment_received", payment=details(payment))


async def undo(session: AsyncSession, payment: Payment, left: int, reason: str) -> None:
    """Give back what is left, in minor units."""
    if left > 0:
        await request_refund(session, payment, from_minor_units(left, payment.currency), reason)


async def make_current(session: AsyncSession, payment: Payment) -> None:
    """Of several payments of an order the one that was paid counts."""
    if not payment.is_current:
        others = update(Payment).where(Payment.c.order_id == payment.order_id, Payment.c.is_current)
        await session.execute(others.values(is_current=False))
        payment.is_current = True


def paid_by(payment: Payment) -> str:
    return f"Paid by {card(payment.values()) or 'card'}"


def details(payment: Payment) -> dict[str, Any]:
    """What mail and receipt say of a payment."""
    assert payment.paid_at
    return {
        "amount": money(payment.amount, payment.currency),
        "currency": payment.currency,
        "card_brand": payment.card_brand,
        "card_last4": payment.card_last4,
        "paid_at": payment.paid_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reference": payment.stripe_charge_id or payment.stripe_payment_intent_id,
    }


async def follow(session: AsyncSession, order: Order, payment: Payment, standing: Standing, is_past: bool) -> None:
    """No money yet: the payment is on its way, was declined, or will never be."""
    if is_past and standing.state is State.FAILED and payment.status is PaymentStatus.PROCESSING:
        return  # which of the two came last is for the reconciler to ask
    if standing.state is State.PROCESSING and not (is_past and payment.status is PaymentStatus.FAILED):
        payment.status = PaymentStatus.PROCESSING
    elif standing.state is State.FAILED and payment.status is not PaymentStatus.FAILED:
        payment.status = PaymentStatus.FAILED
        if order.status is OrderStatus.PENDING:
            await tell_customer(session, order, "payment_failed", reason=standing.problem)
    if payment.is_current and order.payment_status not in PAID:
        order.payment_status = PaymentStatus.PENDING if standing.state is State.CANCELED else payment.status
    if standing.state is State.CANCELED:
        payment.status, payment.is_current = PaymentStatus.FAILED, False


# -- money that goes back


async def request_refund(
    session: AsyncSession,
    payment: Payment,
    amount: Decimal | None,
    reason: str | None,
    asked_by: UUID | None = None,
    asked_as: str | None = None,
) -> Refund:
    """A refund to be done, of `amount` or all that is left. The payment must be locked.

    One of the same amount that is under way already is returned, unless the request has a name of its own.
    """
    left = payment.captured_amount - payment.refunded_amount
    pending = await session.scalar(
        select(Refund).where(Refund.c.payment_id == payment.id, Refund.c.status == RefundStatus.PENDING)
    )
    if pending:
        if asked_as is None and pending.amount == (left if amount is None else amount):
            return pending
        raise RefundInProgress(headers={"Retry-After": "5"})
    if left <= 0:
        raise NothingToRefund()
    if amount is not None and amount > left:
        raise RefundExceedsPayment(f"At most {money(left, payment.currency)} {payment.currency} can be refunded.")
    refund = Refund(payment_id=payment.id, amount=amount or left, currency=payment.currency, reason=reason)
    refund.asked_by, refund.asked_as = asked_by, asked_as
    payment.goes_back = payment.goes_back and refund.amount < left
    session.add(refund)
    await session.flush()
    return refund


async def record_refund(session: AsyncSession, refund_id: UUID, answer: RefundAnswer) -> Refund:
    """What Stripe answered to a refund of ours."""
    refund = await session.get_one(Refund, refund_id)
    order, payment = await lock(session, refund.payment_id)
    await session.refresh(refund)
    if refund.status is not RefundStatus.PENDING:
        return refund
    before = payment.values()
    refund.stripe_refund_id, refund.updated_at = answer.id or None, now()
    if answer.status in ("failed", "canceled"):
        refund.status, refund.error = RefundStatus.FAILED, answer.problem or answer.status
        review(payment, f"A refund of {money(refund.amount, refund.currency)} {refund.currency} failed at Stripe.")
    else:
        refund.status = RefundStatus.SUCCEEDED
        await session.flush()
        await give_back(session, order, payment, await refunded_in_all(session, payment, answer), refund.reason)
    await write_down(session, "refunded", payment, before)
    return refund


async def refunded_in_all(session: AsyncSession, payment: Payment, answer: RefundAnswer) -> Decimal:
    """As Stripe says; otherwise what our own refunds add up to."""
    if answer.standing:
        return from_minor_units(answer.standing.refunded, payment.currency)
    ours = select(func.sum(Refund.c.amount)).where(
        Refund.c.payment_id == payment.id, Refund.c.status == RefundStatus.SUCCEEDED
    )
    return Decimal(await session.scalar(ours) or 0)


async def give_back(
    session: AsyncSession, order: Order, payment: Payment, total: Decimal, reason: str | None = None
) -> None:
    """So much went back in all. The customer is told of what is new."""
    more = min(total, payment.captured_amount) - payment.refunded_amount
    if more <= 0:
        return
    payment.refunded_amount += more
    whole = payment.refunded_amount == payment.captured_amount
    if whole:
        payment.status, payment.needs_review = PaymentStatus.REFUNDED, False
        if order.payment_status not in PAID:
            forget(order, payment)
        elif payment.is_current:
            order.payment_status, order.updated_at = PaymentStatus.REFUNDED, now()
    reason = reason or await asked(session, payment, more)
    over = order.status is OrderStatus.CANCELLED
    stays_paid = not (over or payment.is_current) and order.payment_status is PaymentStatus.SUCCEEDED
    told = {"refunded": money(more, payment.currency), "whole": whole, "stays_paid": stays_paid, "reason": reason}
    await tell_customer(session, order, "order_refunded", **told)


async def asked(session: AsyncSession, payment: Payment, amount: Decimal) -> str | None:
    """Why this much is to go back, when Stripe's event was faster than its answer to us."""
    pending = select(Refund.c.reason).where(Refund.c.payment_id == payment.id, Refund.c.amount == amount)
    reason: str | None = await session.scalar(pending.where(Refund.c.status == RefundStatus.PENDING))
    return reason


async def refund_failed(session: AsyncSession, failed: Mapping[str, Any], standing: Standing) -> Payment | None:
    """The bank sent a refund back: the money is with us again, as `standing` says. Staff must find another way."""
    known = await find(session, standing)
    if known is None:
        return None
    order, payment = await lock(session, known)
    before, amount = payment.values(), from_minor_units(failed["amount"], payment.currency)
    refund = await own_refund(session, failed)
    if refund is None:  # it was made at Stripe
        refund = Refund(payment_id=payment.id, amount=amount, currency=payment.currency, stripe_refund_id=failed["id"])
        session.add(refund)
    elif refund.status is RefundStatus.FAILED:
        return payment
    refund.status, refund.error, refund.stripe_refund_id = (
        RefundStatus.FAILED,
        failed.get("failure_reason"),
        failed["id"],
    )
    refund.updated_at = now()
    payment.refunded_amount = min(from_minor_units(standing.refunded, payment.currency), payment.refunded_amount)
    if payment.status is PaymentStatus.REFUNDED and payment.refunded_amount < payment.captured_amount:
        payment.status = PaymentStatus.SUCCEEDED
        if payment.is_current:
            order.payment_status = PaymentStatus.SUCCEEDED
    review(payment, f"The bank sent back a refund of {money(amount, payment.currency)} {payment.currency}.")
    await write_down(session, "refund failed", payment, before)
    return payment


async def own_refund(session: AsyncSession, told: Mapping[str, Any]) -> Refund | None:
    """Our row of a refund that Stripe tells of: by Stripe's id, or by what we wrote on it."""
    mine = Refund.c.stripe_refund_id == told["id"]
    with suppress(ValueError):
        mine |= Refund.c.id == UUID(str((told.get("metadata") or {}).get("refund_id")))
    found: Refund | None = await session.scalar(select(Refund).where(mine))
    return found
