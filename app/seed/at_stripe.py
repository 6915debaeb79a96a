"""The payments of the demo as Stripe has them, so that the local Stripe can give their money back."""

from typing import Any

from sqlalchemy import select

from app.db import Database
from app.doubles.stripe_account import StripeAccount
from app.doubles.stripe_objects import Method as Card
from app.doubles.stripe_objects import new_charge, new_intent, new_refund
from app.kit.table import minor_units
from app.resources.orders import Order
from app.resources.payments import Payment, PaymentStatus
from app.resources.refunds import Refund, RefundStatus

DECLINED = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
DECLINED |= {"message": "Your card has insufficient funds."}


def intent_of(payment: Payment, number: str) -> dict[str, Any]:
    """The payment intent, with its charge's id."""
    metadata = {"order_id": str(payment.order_id), "payment_id": str(payment.id), "order_number": number}
    amount, made = minor_units(payment.amount, payment.currency), int(payment.created_at.timestamp())
    intent = new_intent(amount, payment.currency.lower(), metadata, {"description": f"Order {number}"})
    intent |= {"id": payment.stripe_payment_intent_id, "created": made}
    intent["client_secret"] = f"{intent['id']}_secret_{payment.id.hex[-24:]}"
    if payment.captured_amount:
        intent |= {"status": "succeeded", "amount_received": amount, "latest_charge": payment.stripe_charge_id}
    elif payment.status is PaymentStatus.FAILED:
        intent["last_payment_error"] = DECLINED
    return intent


def charge_of(payment: Payment, number: str) -> dict[str, Any]:
    """The charge that captured its money."""
    assert payment.paid_at
    card = Card("pm_seed", f"****{payment.card_last4}", payment.card_brand or "", "succeeds", "")
    charge = new_charge(intent_of(payment, number), card, "succeeded")
    refunded = minor_units(payment.refunded_amount, payment.currency)
    charge |= {"id": payment.stripe_charge_id, "created": int(payment.paid_at.timestamp())}
    return charge | {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}


async def tell(database: Database, stripe: StripeAccount) -> None:
    """Let Stripe know the payments of the demo; those it knows stay as they are."""
    ours = Payment.c.stripe_payment_intent_id.like("pi\\_seed%")
    wanted = select(Payment, Order.c.order_number).join(Order, Order.c.id == Payment.c.order_id).where(ours)
    async with database.transaction() as session:
        paid = [(payment, number) for payment, number in await session.execute(wanted)]
        given = select(Refund).where(Refund.c.stripe_refund_id.like("re\\_seed%"))
        refunds = {refund.payment_id: refund for refund in await session.scalars(given)}
    stripe.learn([past(payment, number, refunds.get(payment.id)) for payment, number in paid])


def past(payment: Payment, number: str, refund: Refund | None) -> tuple[dict[str, Any], ...]:
    """The intent, then its charge and refund where there are some."""
    intent = intent_of(payment, number)
    if not payment.captured_amount:
        return (intent,)
    charge = charge_of(payment, number)
    if refund is None or refund.status is not RefundStatus.SUCCEEDED:
        return intent, charge
    metadata = {"refund_id": str(refund.id), "payment_id": str(payment.id)}
    back = new_refund(charge, minor_units(refund.amount, refund.currency), metadata, {})
    return intent, charge, back | {"id": refund.stripe_refund_id, "created": int(refund.created_at.timestamp())}
