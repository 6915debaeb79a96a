"""How orders move: the flows of services and of goods, paid by card or in cash, and what follows each step.

What a cancelled order had taken is for sale again once that is committed: the database itself sees to it
(`return_stock` in `migrations/`), so that no product is locked while the rest of the step is done.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, ValidationError
from app.kit import audit, changes
from app.kit.access import Actor
from app.kit.flow import Flow, Move
from app.kit.flow import move as take
from app.kit.resource import Resource
from app.kit.table import money, now
from app.resources.order_letters import tell_customer, tell_seller
from app.resources.orders import Order, OrderKind, OrderStatus
from app.resources.payments import Payment, PaymentMethod, PaymentStatus
from app.resources.status_changes import StatusChange


class OrderRefunded(Conflict):
    """The money for this order was given back."""


class OrderNotPaid(Conflict):
    """This order has not been paid yet."""


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
        told = None if is_the_customer(order, actor) else reason
        await tell_customer(session, order, "order_cancelled", reason=told, **await let_go(session, order))
    elif move.target is not OrderStatus.CONFIRMED:
        news = {"status": str(move.target), "tracking_number": order.tracking_number}
        await tell_customer(session, order, "order_status_changed", reason=reason, **news)
    elif order.confirmed_without_payment or order.payment_method is PaymentMethod.CASH_ON_DELIVERY:
        await tell_customer(session, order, "order_confirmed", reason=reason, payment=None)


def is_the_customer(order: Order, actor: Actor) -> bool:
    """His own words are not mailed: the address may be a stranger's, who would read them as ours."""
    return actor.key_hash is not None or (actor.id is not None and actor.id == order.user_id)


async def mail_the_sale(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """The seller hears of an order that is paid; of one to be paid in cash he heard when it came in. He also hears when
    somebody else cancels what he had heard of."""
    is_card = order.payment_method is PaymentMethod.CARD
    if move.target is OrderStatus.CONFIRMED and is_card:
        await tell_seller(session, order, "new_sale")
    heard = not is_card or move.source is not OrderStatus.PENDING
    if move.target is OrderStatus.CANCELLED and heard:
        await tell_seller(session, order, "sale_cancelled", unless=actor.id)


async def refuse_refunded(session: AsyncSession, order: Order, move: Move, actor: Actor, reason: str | None) -> None:
    """What was paid back is not shipped."""
    if move.target is OrderStatus.SHIPPED and order.payment_status is PaymentStatus.REFUNDED:
        raise OrderRefunded()


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
AFTER = (write_history, mark_unpaid_confirmation, mail_the_step)
service_flow = Flow(
    "service",
    Order,
    moves=(
        *CARD_CONFIRMED,
        Move(OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS, STAFF_ONLY, "Start work"),
        Move(OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED, STAFF_ONLY, "Complete order"),
        *(Move(status, OrderStatus.CANCELLED, STAFF_OR_OWNER, "Cancel order", danger=True) for status in CANCELLING),
    ),
    after=AFTER,
)
GOODS = (refuse_refunded, *AFTER, mail_the_sale)
card_flow = Flow("goods paid by card", Order, moves=(*CARD_CONFIRMED, *DELIVERING), after=GOODS)
cash_flow = Flow("goods paid in cash", Order, moves=(*CASH_CONFIRMED, *DELIVERING), after=(*GOODS, take_cash))
FLOWS = {
    (OrderKind.SERVICE, PaymentMethod.CARD): service_flow,
    (OrderKind.GOODS, PaymentMethod.CARD): card_flow,
    (OrderKind.GOODS, PaymentMethod.CASH_ON_DELIVERY): cash_flow,
}


async def fulfil(session: AsyncSession, order: Order, target: OrderStatus, actor: Actor, **given: Any) -> None:
    """A step that its seller takes. Raises OrderNotPaid, IllegalTransition, ValidationError."""
    if given.get("reason") and target is not OrderStatus.CANCELLED:
        raise ValidationError.of("/reason", "not_allowed", "Only a cancellation takes a reason.")
    unpaid = order.payment_method is PaymentMethod.CARD and order.status is OrderStatus.PENDING
    if unpaid and target is not OrderStatus.CANCELLED:
        raise OrderNotPaid()
    await take(session, flow_of(order), order, target, actor, "seller", **given)


async def correct_tracking(
    session: AsyncSession, resource: Resource, actor: Actor, order: Order, number: str | None
) -> None:
    """Another tracking number for an order that is shipped; the customer is told. Raises ValidationError."""
    if not number:
        raise ValidationError.of("/status", "missing", "Say what is to change.")
    if order.status is not OrderStatus.SHIPPED:
        raise ValidationError.of("/tracking_number", "not_allowed", "It goes with the status SHIPPED.")
    await changes.change(session, resource, actor, order, {"tracking_number": number})
    news = {"status": str(order.status), "tracking_number": number, "reason": None}
    await tell_customer(session, order, "order_status_changed", **news)


def flow_of(order: Order) -> Flow:
    """The flow that this order goes through."""
    return FLOWS[order.kind, order.payment_method]
