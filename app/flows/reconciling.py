"""The reconciler: whatever got lost is found again. Every in-between state of money and mail has its sweep here.

It runs every `RECONCILE_SECONDS`. A shop whose every webhook was lost is right again after one round.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, column, delete, exists, func, or_, select, table, update

from app import jobs
from app.errors import AppError, Unavailable
from app.jobs import LONGEST, Tools
from app.kit.access import Actor
from app.kit.flow import move
from app.kit.once import KEPT, KeptAnswer
from app.kit.table import Table, now
from app.resources.documents import Document
from app.resources.emails import Email, EmailStatus
from app.resources.erasures import Erasure
from app.resources.order_flows import flow_of
from app.resources.orders import Order, OrderKind, OrderStatus
from app.resources.payments import OPEN, Payment, PaymentMethod, PaymentStatus
from app.resources.product_images import ProductImage
from app.resources.refunds import Refund, RefundStatus
from app.resources.stripe_events import EventStatus, InvalidEvent, StripeEvent, remember
from app.settlement import settle

log = logging.getLogger("souk.reconciling")
AT_ONCE, MOST = 8, 2000
YOUNG, OLD_EVERY = timedelta(days=1), timedelta(hours=1)
"""Young payments are looked at in every round, older ones once an hour."""
AFTERWARDS = ("charge.refunded", "refund.failed", "refund.updated", "charge.dispute.created")
LOOK_BACK = timedelta(days=1)
UNFINISHED = timedelta(minutes=15)
"""Longer than any upload takes."""
PAYING = timedelta(minutes=15)
"""So long somebody who has begun to pay may take, even when the time to pay is over."""
JOBS = table("procrastinate_jobs", column("task_name"), column("args"), column("status"))


@jobs.every(lambda settings: settings.reconcile_seconds)
async def reconcile(tools: Tools) -> None:
    """One round. Parts do not wait for each other's luck: one that fails is logged, and tried again next time."""
    for part in (sweep_jobs, sweep_uploads, sweep_answers, look_at_open_payments, expire_orders, look_for_lost_events):
        try:
            await part(tools)
        except Exception as error:
            log.warning("%s: %r", part.__name__, error)


# -- rows that wait for a job which is no more


async def sweep_jobs(tools: Tools) -> None:
    """Touch rows that should have a job and have none: the triggers enqueue it again."""
    await touch(tools, StripeEvent, "work_stripe_event", StripeEvent.c.status == EventStatus.RECEIVED)
    await touch(tools, Email, "send_email", Email.c.status == EmailStatus.QUEUED)
    await touch(tools, Refund, "carry_out_refund", Refund.c.status == RefundStatus.PENDING)
    await touch(tools, Order, "release_payments", unreleased())
    undrawn = and_(Document.c.is_ready, Document.c.thumbnail_key.is_(None))
    await touch(tools, Document, "draw_thumbnail", undrawn, "is_ready")
    without = and_(ProductImage.c.is_ready, ~ProductImage.c.has_variants, ~ProductImage.c.has_failed)
    await touch(tools, ProductImage, "draw_variants", without, "is_ready")
    await touch(tools, Erasure, "erase_file", Erasure.c.due_at < now(), "due_at")


def unreleased() -> ColumnElement[bool]:
    """Orders that are over, and whose payments are not."""
    open_intent = and_(
        Payment.c.status.in_(OPEN),
        Payment.c.stripe_payment_intent_id.is_not(None),
        Payment.c.captured_amount == 0,
        ~Payment.c.needs_review,
    )
    money_left = and_(
        Payment.c.goes_back,
        Payment.c.captured_amount > Payment.c.refunded_amount,
        ~exists().where(Refund.c.payment_id == Payment.c.id, Refund.c.status == RefundStatus.PENDING),
    )
    over = or_(Order.c.status == OrderStatus.CANCELLED, Order.c.confirmed_without_payment)
    return and_(
        over, exists().where(Payment.c.order_id == Order.c.id, Payment.c.is_current, or_(open_intent, money_left))
    )


async def touch(
    tools: Tools, of: type[Table], task: str, waiting: ColumnElement[bool], watched: str = "status"
) -> None:
    """Set the column that the trigger watches to what it is, for rows that wait without a job."""
    has_job = exists().where(
        JOBS.c.task_name == task,
        cast(JOBS.c.status, Text).in_(("todo", "doing")),
        func.jsonb_extract_path_text(JOBS.c.args, "id") == cast(of.c.id, Text),
    )
    orphans = select(of.c.id).where(waiting, ~has_job).limit(MOST).with_for_update(skip_locked=True)
    async with tools.database.transaction() as session:
        touched = await session.execute(
            update(of).where(of.c.id.in_(orphans)).values({watched: of.c[watched], "updated_at": of.c.updated_at}),
            execution_options={"synchronize_session": False},
        )
    if touched.rowcount:  # type: ignore[attr-defined]
        log.warning("%s waited without a job: %s", of.__tablename__, touched.rowcount)  # type: ignore[attr-defined]


async def sweep_uploads(tools: Tools) -> None:
    """Files whose bytes never came, because the process died: their rows go, and the files are erased."""
    uploaded: tuple[type[Document | ProductImage], ...] = (Document, ProductImage)
    for of in uploaded:
        never = (~of.c.is_ready, of.c.created_at < now() - UNFINISHED)
        async with tools.database.transaction() as session:
            swept = await session.execute(delete(of).where(*never))
        if swept.rowcount:  # type: ignore[attr-defined]
            log.warning("%s never finished: %s", of.__tablename__, swept.rowcount)  # type: ignore[attr-defined]


async def sweep_answers(tools: Tools) -> None:
    """Answers kept for an Idempotency-Key live a day."""
    async with tools.database.transaction() as session:
        await session.execute(delete(KeptAnswer).where(KeptAnswer.c.created_at < now() - KEPT))


# -- payments that may have gone on without us


async def look_at_open_payments(tools: Tools, seconds: float = LONGEST / 4) -> None:
    """Ask Stripe about each, a few at a time; if it is away, or time is over, that is all for this round."""
    if not tools.stripe.key:
        return
    gate, away, until = asyncio.Semaphore(AT_ONCE), asyncio.Event(), time.monotonic() + seconds

    async def look(payment: Payment) -> None:
        async with gate:
            if away.is_set() or time.monotonic() > until:
                return
            try:
                await look_at(tools, payment)
            except AppError as error:
                log.warning("payment %s: %s", payment.id, error)
                if isinstance(error, Unavailable):
                    away.set()

    await asyncio.gather(*map(look, await open_payments(tools)))


async def expire_orders(tools: Tools, seconds: float = LONGEST / 4) -> None:
    """Goods that were to be paid by card and were not, are for sale again. Stripe is asked once more before."""
    unpaid = is_unpaid(tools.settings.unpaid_order_expiration)
    async with tools.database.transaction() as session:
        due = list(await session.scalars(select(Order.c.id).where(unpaid).order_by(Order.c.id).limit(MOST)))
    until = time.monotonic() + seconds
    for order_id in due:
        if time.monotonic() > until or (tools.stripe.key and not await asked_stripe(tools, order_id)):
            return
        try:
            async with tools.database.transaction() as session:
                held = select(Order).where(Order.c.id == order_id, unpaid).with_for_update(skip_locked=True)
                if order := await session.scalar(held):
                    given = {"reason": "It was not paid in time."}
                    await move(session, flow_of(order), order, OrderStatus.CANCELLED, Actor(), "clock", **given)
        except Exception as error:
            log.warning("order %s cannot expire: %r", order_id, error)


async def asked_stripe(tools: Tools, order_id: UUID) -> bool:
    """Settle the order's open payment with what Stripe says, if it has one. False when Stripe is away."""
    async with tools.database.transaction() as session:
        known = Payment.c.stripe_payment_intent_id.is_not(None)
        current = await session.scalar(
            select(Payment).where(Payment.c.order_id == order_id, Payment.c.is_current, known)
        )
    try:
        if current:
            await look_at(tools, current)
    except AppError as error:
        log.warning("payment %s: %s", current and current.id, error)
        return not isinstance(error, Unavailable)
    return True


def is_unpaid(window: timedelta) -> ColumnElement[bool]:
    """Orders of goods whose time to be paid is over, and which nobody is paying just now."""
    may_be_paid = or_(Payment.c.needs_review, Payment.c.created_at > now() - min(window, PAYING))
    return and_(
        Order.c.kind == OrderKind.GOODS,
        Order.c.payment_method == PaymentMethod.CARD,
        Order.c.status == OrderStatus.PENDING,
        Order.c.payment_status.in_((PaymentStatus.PENDING, PaymentStatus.FAILED)),
        Order.c.created_at < now() - window,
        ~exists().where(Payment.c.order_id == Order.c.id, Payment.c.is_current, may_be_paid),
    )


async def look_for_lost_events(tools: Tools) -> None:
    """What happens to settled payments is told by events alone: those that Stripe could not deliver are fetched."""
    if tools.stripe.key:
        for event in await tools.stripe.events(AFTERWARDS, now() - LOOK_BACK):
            with suppress(InvalidEvent):
                await remember(tools.database, event)


async def open_payments(tools: Tools) -> Sequence[Payment]:
    due = or_(
        Payment.c.created_at > now() - YOUNG,
        Payment.c.checked_at.is_(None),
        Payment.c.checked_at < now() - OLD_EVERY,
    )
    wanted = (
        select(Payment)
        .where(Payment.c.status.in_(OPEN), Payment.c.is_current, ~Payment.c.needs_review, due)
        .where(Payment.c.stripe_payment_intent_id.is_not(None))
        .order_by(Payment.c.checked_at.asc().nulls_first())
        .limit(MOST)
    )
    async with tools.database.transaction() as session:
        return list(await session.scalars(wanted))


async def look_at(tools: Tools, payment: Payment) -> None:
    """Settle one with what Stripe says."""
    assert payment.stripe_payment_intent_id
    looked = update(Payment).where(Payment.c.id == payment.id).values(checked_at=now(), updated_at=Payment.c.updated_at)
    try:
        standing = await tools.stripe.intent(payment.stripe_payment_intent_id)
    finally:
        async with tools.database.transaction() as session:
            await session.execute(looked, execution_options={"synchronize_session": False})
    async with tools.database.transaction() as session:
        await settle(session, standing)
