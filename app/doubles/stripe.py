"""The local Stripe: an HTTP server that answers, refuses and sends signed webhooks as Stripe does, and moves no money.

The `stripe` library talks to it by `base_addresses={"api": url}`. It knows payment intents, refunds, charges and events
as far as a shop with cards needs them; `/pay/{client_secret}` is the page on which the customer pays.
"""

import asyncio
import contextlib
import copy
import hashlib
import hmac
import json
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from app.doubles import stripe_pages
from app.doubles.stripe_account import StripeAccount
from app.doubles.stripe_objects import API_VERSION, Json, Refusal
from app.doubles.stripe_params import EXPANDABLE, page_of, read, required

RETRY_AFTER = (1, 3, 10, 30)
"""Seconds before a webhook that was not received is sent again; Stripe itself goes on for three days."""


@dataclass(frozen=True)
class Call:
    """One call of the API: what it may be sent, and its work, which is given the id in the path."""

    method: str
    path: str
    work: Callable[[StripeAccount, str, Json], Json]
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What a call came to; a `kept` one is given again to the same idempotency key."""

    status: int
    body: Json
    kept: bool = True


INTENT = ("amount", "currency", "metadata", "description", "receipt_email", "automatic_payment_methods")
LIST = ("limit", "starting_after", "created")
CALLS = (
    Call("POST", "/v1/payment_intents", lambda stripe, _, sent: stripe.create_intent(sent), INTENT),
    Call("GET", "/v1/payment_intents", lambda stripe, _, sent: page_of([*stripe.intents.values()], sent), LIST),
    Call("GET", "/v1/payment_intents/{id}", lambda stripe, id, _: stripe.find("payment_intent", id)),
    Call(
        "POST",
        "/v1/payment_intents/{id}/confirm",
        lambda stripe, id, sent: stripe.confirm(id, required(sent, "payment_method")),
        ("payment_method", "return_url"),
    ),
    Call(
        "POST",
        "/v1/payment_intents/{id}/cancel",
        lambda stripe, id, sent: stripe.cancel(id, sent.get("cancellation_reason")),
        ("cancellation_reason",),
    ),
    Call(
        "POST",
        "/v1/refunds",
        lambda stripe, _, sent: stripe.refund(sent),
        ("payment_intent", "charge", "amount", "metadata", "reason"),
    ),
    Call(
        "GET",
        "/v1/refunds",
        lambda stripe, _, sent: page_of(refunds_of(stripe, sent.get("payment_intent")), sent),
        (*LIST, "payment_intent"),
    ),
    Call("GET", "/v1/refunds/{id}", lambda stripe, id, _: stripe.find("refund", id)),
    Call("GET", "/v1/charges/{id}", lambda stripe, id, _: stripe.find("charge", id)),
    Call(
        "GET",
        "/v1/events",
        lambda stripe, _, sent: page_of(stripe.events, sent),
        (*LIST, "type", "types", "delivery_success"),
    ),
    Call("GET", "/v1/events/{id}", lambda stripe, id, _: stripe.find("event", id)),
)


def refunds_of(stripe: StripeAccount, intent_id: str | None) -> list[Json]:
    return [refund for refund in stripe.refunds.values() if intent_id in (None, refund["payment_intent"])]


class LocalStripe(StripeAccount):
    """Serve `app`, with its lifespan, and it is Stripe to whoever has the key.

    Events are posted, signed, to `webhook_url`; those an earlier run could not deliver are sent at the start. Without
    an address they are only kept.
    """

    app: ASGIApp

    def __init__(self, key: str, webhook_secret: str, webhook_url: str | None, keep: Path | None = None) -> None:
        super().__init__(keep)
        self.key, self.webhook_secret, self.webhook_url = key, webhook_secret, webhook_url
        self._running: set[str] = set()
        self._deliveries: set[asyncio.Task[bool]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        unknown = Route("/v1/{path:path}", self._unknown, methods=["GET", "POST", "DELETE"])
        routes = [*map(self._route, CALLS), unknown, *stripe_pages.routes(self)]
        self.app = Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        for event in self.events:
            if event["pending_webhooks"]:
                self.send(event)
        yield
        self._loop = None
        for delivery in self._deliveries:
            delivery.cancel()

    def _route(self, call: Call) -> Route:
        async def endpoint(request: Request) -> Response:
            answer, headers = await self._answer(request, call)
            headers |= {"Request-Id": f"req_{secrets.token_hex(7)}", "Stripe-Version": API_VERSION}
            return JSONResponse(answer.body, answer.status, headers)

        return Route(call.path, endpoint, methods=[call.method])

    async def _unknown(self, request: Request) -> Response:
        message = f"Unrecognized request URL ({request.method}: {request.url.path})."
        return JSONResponse(refused(Refusal(404, message)).body, 404)

    async def _answer(self, request: Request, call: Call) -> tuple[Answer, dict[str, str]]:
        """The answer and its headers: who asks, what, whether it was asked before, and then the work."""
        try:
            self._check_key(request)
            form = (await request.body()).decode() if call.method == "POST" else request.url.query
            sent = read(form, call.allowed)
            key = request.headers.get("idempotency-key", "")
            if call.method != "POST" or not key:
                return await self.perform(request, call, sent), {}
            return await self._once(key, request, call, sent)
        except Refusal as refusal:
            return refused(refusal), {}

    def _check_key(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not hmac.compare_digest(key.encode(), self.key.encode()):
            raise Refusal(401, "Invalid API Key provided." if key else "You did not provide an API key.")

    async def _once(self, key: str, request: Request, call: Call, sent: Json) -> tuple[Answer, dict[str, str]]:
        """The work, unless this key did it already, does it now or did something else."""
        asked = json.dumps([request.url.path, sent], sort_keys=True)
        if (kept := self.answers.get(key)) is not None:
            return same(kept, asked), {"Idempotent-Replayed": "true"}
        if key in self._running:
            message = "There is another request in progress with this idempotency key."
            raise Refusal(409, message, code="idempotency_key_in_use")
        self._running.add(key)
        try:
            answer = await self.perform(request, call, sent)
            if answer.kept:
                with self.changing():
                    self.answers[key] = {"asked": asked, "status": answer.status, "body": answer.body}
            return answer, {}
        finally:
            self._running.discard(key)

    async def perform(self, request: Request, call: Call, sent: Json) -> Answer:
        """The work of one call; it runs once for each idempotency key."""
        try:
            with self.lock:
                found = copy.deepcopy(call.work(self, request.path_params.get("id", ""), sent))
                for path in sent["expand"]:
                    self._expand(found, path.split("."))
        except Refusal as refusal:
            return refused(refusal)
        if found["object"] == "list":
            found["url"] = request.url.path
        return Answer(200, found)

    def _expand(self, found: Json, path: list[str]) -> None:
        """Put the object in place of its id; `data.latest_charge` does so for every one of a list."""
        name, *rest = path
        if name in EXPANDABLE and isinstance(id := found.get(name), str):
            found[name] = copy.deepcopy((self.intents if id.startswith("pi_") else self.charges)[id])
        for inner in found[name] if isinstance(found.get(name), list) else [found.get(name)]:
            if rest and isinstance(inner, dict):
                self._expand(inner, rest)

    async def complete(self, intent_id: str, ok: bool = True) -> Json:
        """Let a payment in `processing` end."""
        return self.settle(intent_id, ok)

    def send(self, event: Json) -> None:
        """Deliver it in the background, on the loop that serves."""
        if not self.webhook_url:
            event["pending_webhooks"] = 0
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._start_delivery, event)

    def _start_delivery(self, event: Json) -> None:
        delivery = asyncio.get_running_loop().create_task(self.deliver(event))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def deliver(self, event: Json) -> bool:
        """Post one event until it is received; whether it was, after all attempts."""
        for pause in (*RETRY_AFTER, None):
            if self.webhook_url and 200 <= await self.post(event, self.webhook_url) < 300:
                with self.changing():
                    event["pending_webhooks"] = 0
                return True
            if pause is not None:
                await asyncio.sleep(pause)
        return False

    async def post(self, event: Json, url: str) -> int:
        """Post one event once; the status of the answer, 0 for none."""
        body = json.dumps(event).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": self.signature(body)}
        without_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reading them costs more than the delivery
        async with httpx.AsyncClient(verify=without_authorities, trust_env=False, timeout=10) as client:
            try:
                return (await client.post(url, content=body, headers=headers)).status_code
            except httpx.HTTPError:
                return 0

    def signature(self, body: bytes, at: int | None = None) -> str:
        """The header `Stripe-Signature` for this body; `at` in seconds since 1970, now by default."""
        at = int(time.time()) if at is None else at
        mac = hmac.new(self.webhook_secret.encode(), b"%d." % at + body, hashlib.sha256)
        return f"t={at},v1={mac.hexdigest()}"


def refused(refusal: Refusal) -> Answer:
    return Answer(refusal.status, {"error": refusal.error}, refusal.kept)


def same(kept: Json, asked: str) -> Answer:
    """The kept answer to the same question; another question is refused."""
    if kept["asked"] != asked:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        raise Refusal(400, message, "idempotency_error")
    return Answer(kept["status"], kept["body"])
