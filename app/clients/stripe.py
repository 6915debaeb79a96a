"""Stripe: the only place that knows its library. Amounts here are in minor units, as Stripe counts.

Every POST carries a key made from the row that was written before it, so it may be sent again: the same key does the
work once. What Stripe cannot do now is `Unavailable`; what it will not do is `StripeRefused`.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

import stripe

from app.clients.stripe_shapes import Card, Charge, ChargeFacts, Intent, Listed, Method, Page, Refund, Unreadable, seen
from app.errors import AppError, BadRequest, Unavailable

log = logging.getLogger("souk.stripe")
DEADLINE, ATTEMPT = 10.0, 6.0
"""Seconds for a call with its repeats, and for one try."""
PAUSES = (0.2, 0.6, 1.5)
TOLERANCE = 300
CHARGE = ["latest_charge"]
AWAY = "Payments cannot be reached right now; try again in a moment."
Said = TypeVar("Said")


class StripeRefused(AppError):
    """Stripe does not do this."""

    status = 409

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.reason = code

    @property
    def missing(self) -> bool:
        return self.reason == "resource_missing"


class InvalidSignature(BadRequest):
    """This was not signed by Stripe, or not lately."""


class State(StrEnum):
    """How a payment stands at Stripe."""

    OPEN = "open"
    PROCESSING = "processing"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


@dataclass(frozen=True)
class Standing:
    """What Stripe says about one payment: told by its intent or by its charge. `refunded` is what went back so far."""

    intent_id: str
    state: State
    amount: int
    currency: str
    captured: int = 0
    refunded: int = 0
    order_id: str = ""
    payment_id: str = ""
    charge_id: str | None = None
    card_brand: str | None = None
    card_last4: str | None = None
    problem: str | None = None
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class RefundAnswer:
    """What became of a refund. `standing` is that of its payment afterwards, where Stripe says it."""

    id: str
    status: str
    standing: Standing | None = None
    problem: str | None = None


class Stripe:
    """Stripe's API with one key. Opens nothing before its first call."""

    def __init__(self, key: str, api_base: str) -> None:
        self.key, self.api_base = key, api_base.rstrip("/")

    @cached_property
    def client(self) -> stripe.StripeClient:
        if not self.key:
            raise Unavailable("Card payments are not set up here.")
        return stripe.StripeClient(
            self.key,
            http_client=stripe.HTTPXClient(timeout=ATTEMPT),
            base_addresses={"api": self.api_base},
            max_network_retries=0,
        )

    async def close(self) -> None:
        if "client" in self.__dict__:
            await self.client._requestor._client.close_async()  # type: ignore[union-attr]

    async def create_intent(
        self, key: str, amount: int, currency: str, description: str, metadata: Mapping[str, str]
    ) -> Standing:
        """A new payment intent, or the one that the same key made before."""
        params: Any = {
            "amount": amount,
            "currency": currency.lower(),
            "description": description,
            "metadata": dict(metadata),
            "automatic_payment_methods": {"enabled": True},
        }
        intents = self.client.v1.payment_intents
        return await self.post(key, by_intent, lambda options: intents.create_async(params, options))

    async def intent(self, intent_id: str) -> Standing:
        params: Any = {"expand": CHARGE}
        return await self.call(by_intent, lambda: self.client.v1.payment_intents.retrieve_async(intent_id, params))

    async def cancel_intent(self, intent_id: str) -> Standing:
        """Raises StripeRefused when it is too late. Without a key: Stripe would repeat a refusal that is past."""
        params: Any = {"expand": CHARGE}
        return await self.call(by_intent, lambda: self.client.v1.payment_intents.cancel_async(intent_id, params))

    async def refund(self, key: str, intent_id: str, amount: int, metadata: Mapping[str, str]) -> RefundAnswer:
        """Give back part or all of what an intent captured. Raises StripeRefused when that is too much."""
        params: Any = {
            "payment_intent": intent_id,
            "amount": amount,
            "metadata": dict(metadata),
            "expand": ["charge"],
        }
        return await self.post(key, by_refund, lambda options: self.client.v1.refunds.create_async(params, options))

    async def find_refund(self, intent_id: str, metadata: Mapping[str, str]) -> RefundAnswer | None:
        """The refund of this intent that carries this metadata."""

        def ours(page: Mapping[str, Any]) -> RefundAnswer | None:
            found = (each for each in by_page(page).data if each.get("metadata") == dict(metadata))
            return next(map(by_refund, found), None)

        params: Any = {"payment_intent": intent_id, "limit": 100, "expand": ["data.charge"]}
        return await self.call(ours, lambda: self.client.v1.refunds.list_async(params))

    async def events(self, types: Sequence[str], since: datetime) -> list[Mapping[str, Any]]:
        """Events of these types since then, newest first; at most a thousand."""
        params: Any = {"types": list(types), "created": {"gte": int(since.timestamp())}, "limit": 100}
        found: list[Mapping[str, Any]] = []
        for _ in range(10):
            page = await self.call(by_page, lambda: self.client.v1.events.list_async(params))
            found += page.data
            if not (page.has_more and page.data):
                break
            params["starting_after"] = found[-1]["id"]
        return found

    async def post(
        self, key: str, read: Callable[[Mapping[str, Any]], Said], request: Callable[[Any], Awaitable[Any]]
    ) -> Said:
        return await self.call(read, lambda: request({"idempotency_key": f"souk-{key}"}))

    async def call(self, read: Callable[[Mapping[str, Any]], Said], request: Callable[[], Awaitable[Any]]) -> Said:
        """What `read` finds in the answer. Tried again while Stripe stumbles, as long as there is time."""
        self.client  # noqa: B018  (without a key this says so)
        try:
            async with asyncio.timeout(DEADLINE):
                return read(await patiently(request))
        except TimeoutError:
            log.warning("Stripe gave no answer in %s seconds", DEADLINE)
            raise Unavailable(AWAY) from None
        except stripe.StripeError as error:
            raise as_ours(error) from None
        except Unreadable as error:
            log.error("Stripe's answer cannot be read: %s", error)
            raise Unavailable(AWAY) from None


async def patiently(request: Callable[[], Awaitable[Any]]) -> Mapping[str, Any]:
    """The answer as plain JSON, after pauses where Stripe stumbles."""
    for pause in PAUSES:
        try:
            return await plain(request)
        except stripe.StripeError as error:
            if not is_passing(error):
                raise
        await asyncio.sleep(pause)
    return await plain(request)


def is_passing(error: stripe.StripeError) -> bool:
    """Whether the same request may go well a moment later."""
    status = error.http_status or 0
    return isinstance(error, stripe.APIConnectionError) or status in (409, 429) or status >= 500


def as_ours(error: stripe.StripeError) -> AppError:
    """A refusal names a reason. What names none is not Stripe's, and is logged without its words, maybe secrets."""
    is_told = isinstance(error.user_message, str) and (error.error or isinstance(error, stripe.APIConnectionError))
    refuses = isinstance(error, stripe.InvalidRequestError | stripe.CardError) and not is_passing(error)
    if is_told and refuses:
        return StripeRefused(str(error.user_message), str(error.code or ""))
    said = error.user_message if is_told else "its answer is not one of Stripe's"
    log.error("Stripe cannot be used: %s %s", type(error).__name__, said)
    return Unavailable(AWAY)


async def plain(request: Callable[[], Awaitable[Any]]) -> Mapping[str, Any]:
    """Stripe's object as a dict. What is none is not Stripe's answer: it may be another the next time."""
    try:
        answer = await request()
        found = answer.to_dict() if hasattr(answer, "to_dict") else answer
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # the library takes JSON's shape for granted
        raise Unreadable(f"{type(error).__name__} in Stripe's library") from None
    if not isinstance(found, Mapping):
        raise stripe.APIError("not an object", http_status=502)
    return found


# -- reading what Stripe says


def by_intent(told: Mapping[str, Any]) -> Standing:
    """The standing that a payment intent tells; its charge may be a bare id. Raises Unreadable."""
    intent = seen(Intent, told)
    charge, metadata, error = intent.latest_charge, intent.metadata or {}, intent.last_payment_error
    states = {"succeeded": State.SUCCEEDED, "processing": State.PROCESSING, "canceled": State.CANCELED}
    state = states.get(intent.status, State.FAILED if error else State.OPEN)
    received = intent.amount if intent.amount_received is None else intent.amount_received
    return Standing(
        intent_id=intent.id,
        state=state,
        amount=intent.amount,
        currency=intent.currency.upper(),
        captured=received if state is State.SUCCEEDED else 0,
        order_id=str(metadata.get("order_id", "")),
        payment_id=str(metadata.get("payment_id", "")),
        problem=error.message if error else None,
        client_secret=intent.client_secret or "",
        **(facts_of(charge) if isinstance(charge, ChargeFacts) else {"charge_id": charge}),
    )


def by_charge(told: Mapping[str, Any]) -> Standing:
    """The standing that a charge tells; it carries its intent's metadata. Raises Unreadable."""
    return standing_of(seen(Charge, told))


def standing_of(charge: Charge) -> Standing:
    metadata, succeeded = charge.metadata or {}, charge.status == "succeeded" and charge.captured
    captured = charge.amount if charge.amount_captured is None else charge.amount_captured
    return Standing(
        intent_id=charge.payment_intent or "",
        state=State.SUCCEEDED if succeeded else State.OPEN,
        amount=charge.amount,
        currency=charge.currency.upper(),
        captured=captured if succeeded else 0,
        order_id=str(metadata.get("order_id", "")),
        payment_id=str(metadata.get("payment_id", "")),
        **facts_of(charge),
    )


def facts_of(charge: ChargeFacts) -> dict[str, Any]:
    card = (charge.payment_method_details or Method()).card or Card()
    return {
        "charge_id": charge.id,
        "card_brand": card.brand,
        "card_last4": card.last4,
        "refunded": charge.amount_refunded or 0,
    }


def by_refund(told: Mapping[str, Any]) -> RefundAnswer:
    """Raises Unreadable."""
    refund = seen(Refund, told)
    standing = standing_of(refund.charge) if isinstance(refund.charge, Charge) else None
    return RefundAnswer(refund.id, refund.status or "pending", standing, refund.failure_reason)


def by_page(told: Mapping[str, Any]) -> Page:
    """A page of a list, of things that have ids. Raises Unreadable."""
    page = seen(Page, told)
    for each in page.data:
        seen(Listed, each)
    return page


# -- webhooks


def check_signature(body: bytes, header: str, secrets: list[str]) -> None:
    """Raises InvalidSignature unless one of the secrets signed this body within five minutes of now."""
    moments = [part[2:] for part in header.split(",") if part.startswith("t=")]
    if not header.isascii() or len(moments) != 1 or not re.fullmatch(r"\d{1,12}", moments[0]):
        raise InvalidSignature()
    if abs(time.time() - int(moments[0])) > TOLERANCE:
        raise InvalidSignature()
    if not any(signed_by(body, header, secret) for secret in secrets):
        raise InvalidSignature()


def signed_by(body: bytes, header: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body.decode(), header, secret))
    except (stripe.SignatureVerificationError, ValueError, IndexError):
        return False
