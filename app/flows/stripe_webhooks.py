"""Stripe's webhooks: verified, stored once, answered; then worked from the stored row, as often as staff like."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import jobs
from app.clients.stripe import Standing, State, StripeRefused, by_charge, by_intent, check_signature
from app.db import Database, Session
from app.errors import NotFound, Unavailable, in_words
from app.jobs import TRIES, Tools
from app.kit import changes, flow, reading
from app.kit.access import staff
from app.kit.once import Once, keep
from app.kit.schemas import Data, Output, data_of, read_schema
from app.kit.web import PREFIX, Caller, example_of, problems, rule_needed
from app.resources.payments import Payment
from app.resources.refunds import Refund, RefundStatus
from app.resources.stripe_events import EventStatus, InvalidEvent, StripeEvent, remember, replays, stripe_events
from app.settings import Settings
from app.settlement import refund_failed, review, settle

router = APIRouter(prefix=PREFIX)
RECEIVED = b'{"data":{"received":true}}'


class Received(Output):
    received: bool = True


@router.post(
    "/payments/webhook",
    tags=["Payments"],
    operation_id="receiveStripeEvent",
    response_model=None,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
    responses={200: {"model": Data[Received]}, **problems(400, 404, 413)},
)
async def receive_event(request: Request) -> Response:
    """For Stripe only

    The body must be signed (`Stripe-Signature`) within five minutes. Each event is stored once and worked afterwards.
    Without `STRIPE_WEBHOOK_SECRET` there is no such address.
    """
    settings: Settings = request.app.state.settings
    if not settings.webhook_secrets:
        raise NotFound()
    body = await request.body()
    check_signature(body, request.headers.get("stripe-signature", ""), settings.webhook_secrets)
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidEvent() from None
    await remember(request.app.state.database, payload)
    return Response(RECEIVED, media_type="application/json")


# -- working an event


@jobs.task
async def work_stripe_event(tools: Tools, id: UUID) -> None:
    """Apply a stored event. Applying it twice is harmless; what fails is tried again, and shown to staff in the end."""
    async with tools.database.transaction() as session:
        event = await session.get(StripeEvent, id)
    if event is None or event.status is not EventStatus.RECEIVED:
        return
    try:
        standing = standing_of(event)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return await note(tools.database, id, f"It cannot be read: {error!r}", final=True)
    try:
        await apply(tools.database, id, await complete(tools, event, standing))
    except StripeRefused as refused:
        await note(tools.database, id, in_words(refused), final=True)
    except Exception as error:
        await note(tools.database, id, in_words(error), final=event.attempts + 1 >= TRIES)
        raise


INTENTS = ("amount_capturable_updated", "canceled", "created", "payment_failed", "processing", "requires_action")
READERS: dict[str, Callable[[Mapping[str, Any]], Standing]] = {
    **{f"payment_intent.{what}": by_intent for what in (*INTENTS, "succeeded")},
    **{f"charge.{what}": by_charge for what in ("succeeded", "refunded", "updated", "captured")},
}
REFUNDS = ("refund.failed", "refund.updated", "charge.refund.updated")
DISPUTES = ("charge.dispute.created",)


def standing_of(event: StripeEvent) -> Standing | None:
    """The standing of a payment that an event tells; None for other kinds of event."""
    read = READERS.get(event.type)
    return read(event.payload["data"]["object"]) if read else None


async def complete(tools: Tools, event: StripeEvent, standing: Standing | None) -> Standing | None:
    """What an event does not say. A refund that failed changes sums: only Stripe knows them now. An intent's event does
    not name the card, which the receipt does: if nobody answers, it goes without."""
    if event.type in REFUNDS and event.payload["data"]["object"].get("status") in ("failed", "canceled"):
        with suppress(StripeRefused):  # of a payment that Stripe does not know by this name
            return await tools.stripe.intent(str(event.payload["data"]["object"].get("payment_intent")))
        return None
    if standing and standing.refunded and await was_sent_back(tools, standing.intent_id):
        return await tools.stripe.intent(standing.intent_id)
    if standing is None or standing.state is not State.SUCCEEDED or standing.card_last4:
        return standing
    known = select(Payment.c.card_last4).where(Payment.c.stripe_payment_intent_id == standing.intent_id)
    async with tools.database.transaction() as session:
        if await session.scalar(known):
            return standing
    try:
        told = await tools.stripe.intent(standing.intent_id)
    except (StripeRefused, Unavailable):
        return standing
    return replace(standing, card_brand=told.card_brand, card_last4=told.card_last4)


async def was_sent_back(tools: Tools, intent_id: str) -> bool:
    """Whether a refund of this payment failed: an event from before would give back again what came back to us."""
    failed = select(Refund.c.id).join(Payment, Payment.c.id == Refund.c.payment_id)
    wanted = failed.where(Payment.c.stripe_payment_intent_id == intent_id, Refund.c.status == RefundStatus.FAILED)
    async with tools.database.transaction() as session:
        return await session.scalar(wanted.limit(1)) is not None


async def apply(database: Database, id: UUID, standing: Standing | None) -> None:
    async with database.transaction() as session:
        event = await session.get_one(StripeEvent, id, with_for_update=True)
        if event.status is not EventStatus.RECEIVED:
            return
        thing = event.payload["data"]["object"]
        if standing and event.type in REFUNDS:
            payment = await refund_failed(session, thing, standing)
        elif standing:
            payment = await settle(session, standing, is_past=True)
        elif event.type in DISPUTES:
            payment = await dispute(session, thing)
        else:
            payment = None
        event.status = outcome(event, standing, payment)
        event.payment_id = payment.id if payment else None
        event.attempts, event.error = event.attempts + 1, None


def outcome(event: StripeEvent, standing: Standing | None, payment: Payment | None) -> EventStatus:
    if payment:
        return EventStatus.PROCESSED
    return EventStatus.UNMATCHED if standing or event.type in DISPUTES else EventStatus.IGNORED


async def dispute(session: AsyncSession, thing: Mapping[str, Any]) -> Payment | None:
    """The customer's bank wants the money back: staff must answer at Stripe."""
    intent = Payment.c.stripe_payment_intent_id == str(thing.get("payment_intent"))
    payment: Payment | None = await session.scalar(select(Payment).where(intent).with_for_update(key_share=True))
    if payment:
        review(payment, f"The customer's bank disputes it ({thing.get('reason')}); answer in Stripe's dashboard.")
    return payment


async def note(database: Database, id: UUID, error: str, *, final: bool) -> None:
    """Keep what went wrong with the event; `final` gives up."""
    async with database.transaction() as session:
        event = await session.get_one(StripeEvent, id, with_for_update=True)
        if event.status is EventStatus.RECEIVED:
            event.attempts, event.error = event.attempts + 1, error[:2000]
            event.status = EventStatus.FAILED if final else event.status


@router.post(
    "/admin/stripe-events/{id}/replay",
    tags=["Staff"],
    operation_id="replayStripeEvent",
    dependencies=[rule_needed(staff), Once],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(stripe_events)), **example_of(stripe_events)},
        **problems(400, 401, 403, 404, 409, 422),
    },
)
async def replay_event(id: str, session: Session, actor: Caller) -> Response:
    """Work an event again

    What it says is applied once more; payments that are settled stay as they are.
    """
    event = await changes.locked(session, stripe_events, actor, id, staff)
    await flow.move(session, replays, event, EventStatus.RECEIVED, actor, "staff")
    return await keep(session, await reading.one(session, stripe_events, actor, event.id), 200)
