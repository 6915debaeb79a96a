"""The money of the demo: which orders were paid by card, what went back, what Stripe told us, and the mails."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.doubles.stripe_objects import new_event
from app.jobs import TRIES
from app.kit.table import Table, money
from app.resources.emails import Email, EmailStatus
from app.resources.order_items import OrderItem
from app.resources.order_letters import order_letter
from app.resources.orders import Order, OrderStatus
from app.resources.payments import Payment, PaymentStatus
from app.resources.refunds import Refund, RefundStatus
from app.resources.status_changes import StatusChange
from app.resources.stripe_events import EventStatus, StripeEvent
from app.seed.at_stripe import charge_of, intent_of
from app.settlement import details, paid_by

CARDS = (
    *(("visa", last4) for last4 in ("4242", "1881", "0077", "5556")),
    *(("mastercard", last4) for last4 in ("4444", "3222", "8210")),
    ("amex", "0005"),
)
BY_CARD, CANCELLED_AFTER = 0.75, 0.5
"""Which part of the confirmed orders was paid by card, and which of the cancelled ones was paid before."""
UNPAID = (PaymentStatus.FAILED, PaymentStatus.PENDING) * 3
"""What became of the payments of the newest orders that wait."""
MAILED, TOLD = 60, 4
"""How many of the newest orders have mails, and of the newest payments events."""
PAID_TWICE = "The order was confirmed by hand before: was it paid twice?"
DECLINED = "Your card has insufficient funds."
OTHERS = ("payout.paid", "balance.available", "customer.created")
NO_DATABASE = "The database could not be reached."
FAILURES = (
    (1, "The recipient's address is on the suppression list."),
    (TRIES, "The mail provider did not answer in time."),
)
"""Tries and errors of the two mails that were not sent."""


class Till:
    """Makes the rows of money and mail with a chance of its own, so that orders are the same with or without them."""

    def __init__(self, seed: int = 4242) -> None:
        self.chance = random.Random(seed)
        self.payments: list[tuple[Order, Payment]] = []
        self.refunds: dict[UUID, Refund] = {}

    def stamps(self, moment: datetime, last: datetime | None = None) -> dict[str, Any]:
        """A UUIDv7 of this moment, and when it was made and changed."""
        bits = int(moment.timestamp() * 1000) << 80 | self.chance.getrandbits(80)
        key = UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)
        return {"id": key, "created_at": moment, "updated_at": last or moment}

    def seed_id(self, kind: str) -> str:
        return f"{kind}_seed{self.chance.getrandbits(80):020x}"

    def path(self, path: list[OrderStatus]) -> tuple[list[OrderStatus], bool]:
        """The steps of an order, and whether a card paid for it: a cancelled one may have been paid before."""
        if path == [OrderStatus.CANCELLED] and self.chance.random() < CANCELLED_AFTER:
            return [OrderStatus.CONFIRMED, OrderStatus.CANCELLED], True
        return path, OrderStatus.CONFIRMED in path and self.chance.random() < BY_CARD

    def take(self, order: Order, changes: list[StatusChange]) -> None:
        """The payment that confirmed this order; for a cancelled one also what went back."""
        confirmed = next(change for change in changes if change.to_status == OrderStatus.CONFIRMED)
        payment = self.captured(order, confirmed.at)
        confirmed.actor_id, confirmed.reason = None, paid_by(payment)
        order.payment_status = PaymentStatus.SUCCEEDED
        if order.status is OrderStatus.CANCELLED:
            self.give_back(order, payment, changes[-1].at + timedelta(seconds=3))

    def captured(self, order: Order, paid_at: datetime) -> Payment:
        brand, last4 = self.chance.choice(CARDS)
        payment = self.payment(order, paid_at - timedelta(minutes=self.chance.uniform(1, 4)), paid_at)
        payment.status, payment.paid_at = PaymentStatus.SUCCEEDED, paid_at
        payment.card_brand, payment.card_last4 = brand, last4
        payment.captured_amount, payment.stripe_charge_id = payment.amount, self.seed_id("ch")
        return payment

    def payment(self, order: Order, moment: datetime, last: datetime) -> Payment:
        payment = Payment(
            **self.stamps(moment, last),
            order_id=order.id,
            amount=order.total_amount,
            currency=order.currency,
            stripe_payment_intent_id=self.seed_id("pi"),
        )
        self.payments.append((order, payment))
        return payment

    def give_back(self, order: Order, payment: Payment, moment: datetime) -> None:
        order.payment_status = payment.status = PaymentStatus.REFUNDED
        payment.refunded_amount, payment.updated_at = payment.captured_amount, moment
        self.refunds[payment.id] = Refund(
            **self.stamps(moment),
            payment_id=payment.id,
            amount=payment.amount,
            currency=payment.currency,
            status=RefundStatus.SUCCEEDED,
            reason="The order was cancelled.",
            stripe_refund_id=self.seed_id("re"),
        )

    def close(self, orders: list[Order], now: datetime) -> None:
        """What is not settled: cards that were declined, customers who went away, and an order paid twice."""
        waiting = [order for order in reversed(orders) if order.status is OrderStatus.PENDING]
        for order, status in zip(waiting, UNPAID, strict=False):
            moment = order.created_at + (now - order.created_at) * 0.3
            payment = self.payment(order, moment, moment + timedelta(minutes=1))
            payment.status = order.payment_status = status
        by_hand = (OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS)
        twice = next(each for each in reversed(orders) if each.confirmed_without_payment and each.status in by_hand)
        payment = self.captured(twice, twice.updated_at + (now - twice.updated_at) * 0.5)
        twice.payment_status, payment.needs_review, payment.review_reason = payment.status, True, PAID_TWICE

    # -- what Stripe told us

    def events(self, now: datetime) -> Iterator[StripeEvent]:
        """Of the newest payments, of things that concern nobody, of another shop, and one that could not be worked."""
        paid = [(order, payment) for order, payment in self.payments if payment.paid_at and not payment.refunded_amount]
        newest = sorted(paid, key=lambda each: each[1].paid_at or now)[-TOLD - 1 :]
        for place, (order, payment) in enumerate(newest):
            moment = (payment.paid_at or now) + timedelta(seconds=2)
            intent, charge = intent_of(payment, order.order_number), charge_of(payment, order.order_number)
            yield self.event("payment_intent.succeeded", intent, EventStatus.PROCESSED, moment, payment.id)
            told = self.event("charge.succeeded", charge, EventStatus.PROCESSED, moment, payment.id)
            if place == 0:
                told.status, told.payment_id, told.attempts, told.error = EventStatus.FAILED, None, TRIES, NO_DATABASE
            yield told
        for place, kind in enumerate(OTHERS, 1):
            thing = {"id": self.seed_id("obj"), "object": kind.partition(".")[0], "livemode": False}
            yield self.event(kind, thing, EventStatus.IGNORED, now - timedelta(hours=9 * place))
        stranger = intent_of(newest[-1][1], "from the old web site")
        stranger |= {"id": self.seed_id("pi"), "latest_charge": self.seed_id("ch"), "metadata": {}}
        yield self.event("payment_intent.succeeded", stranger, EventStatus.UNMATCHED, now - timedelta(hours=5))

    def event(
        self,
        kind: str,
        thing: dict[str, Any],
        status: EventStatus,
        moment: datetime,
        payment_id: UUID | None = None,
    ) -> StripeEvent:
        payload = new_event(kind, thing) | {"id": self.seed_id("evt"), "created": int(moment.timestamp())}
        thing.pop("client_secret", None)
        told = {"event_id": payload["id"], "type": kind, "payload": payload, "status": status}
        return StripeEvent(**self.stamps(moment), **told, payment_id=payment_id, attempts=1)

    # -- what the customers were told

    def mails(self, placed: list[list[Table]], now: datetime) -> list[Email]:
        """Those of the newest orders: all sent, but for two."""
        payments = {payment.order_id: payment for _, payment in self.payments}
        made = [mail for rows in placed[-MAILED:] for mail in self.mails_of(rows, payments)]
        made = [mail for mail in made if mail.created_at <= now]
        for mail, failure in zip(self.chance.sample(made, 2), FAILURES, strict=True):
            mail.status, mail.provider_id = EmailStatus.FAILED, None
            mail.attempts, mail.error = failure
        return made

    def mails_of(self, rows: list[Table], payments: dict[UUID, Payment]) -> Iterator[Email]:
        order = rows[0]
        assert isinstance(order, Order)
        payment = payments.get(order.id)
        items = [(row.title, row.quantity, row.line_total) for row in rows if isinstance(row, OrderItem)]
        letter = order_letter(order.values(), items)
        for change in (row for row in rows if isinstance(row, StatusChange)):
            template, more = step_letter(order, change, payment)
            yield self.mail(order, template, change.at, letter | more)
        if payment and payment.status is PaymentStatus.FAILED:
            yield self.mail(order, "payment_failed", payment.updated_at, letter | {"reason": DECLINED})
        if payment and payment.needs_review:
            assert payment.paid_at
            receipt = letter | {"payment": details(payment)}
            yield self.mail(order, "payment_received", payment.paid_at, receipt)
        if payment and (refund := self.refunds.get(payment.id)):
            given = {
                "refunded": money(refund.amount, refund.currency),
                "whole": True,
                "stays_paid": False,
                "reason": refund.reason,
            }
            yield self.mail(order, "order_refunded", refund.created_at, letter | given)

    def mail(self, order: Order, template: str, moment: datetime, context: dict[str, Any]) -> Email:
        return Email(
            **self.stamps(moment, moment + timedelta(seconds=2)),
            recipient=order.values()["customer_info"]["email"],
            template=template,
            context=context,
            order_id=order.id,
            status=EmailStatus.SENT,
            attempts=1,
            provider_id=str(UUID(int=self.chance.getrandbits(128), version=4)),
        )


def step_letter(order: Order, change: StatusChange, payment: Payment | None) -> tuple[str, dict[str, Any]]:
    """The mail of a step, as the flow writes it."""
    status = OrderStatus(change.to_status)
    if status is OrderStatus.PENDING:
        return "order_received", {}
    if status is OrderStatus.CANCELLED:
        back = money(Decimal(order.total_amount), order.currency) if payment and payment.captured_amount else None
        return "order_cancelled", {"reason": change.reason, "refund": back, "refund_in_review": False}
    if status is not OrderStatus.CONFIRMED:
        return "order_status_changed", {
            "status": str(status),
            "reason": change.reason,
            "tracking_number": order.tracking_number,
        }
    if order.confirmed_without_payment or payment is None:
        return "order_confirmed", {"reason": change.reason, "payment": None}
    return "order_confirmed", {"reason": None, "payment": details(payment)}
