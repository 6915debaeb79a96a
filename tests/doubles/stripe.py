"""A Stripe with troubles: it hangs, drops connections, repeats itself and tells things in the wrong order."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from app.doubles.stripe import Answer, Call, LocalStripe
from app.doubles.stripe_objects import Json, Refusal

BEFORE = {
    "500": (500, "api_error", ""),
    "503": (503, "api_error", ""),
    "429": (429, "invalid_request_error", "rate_limit"),
    "409": (409, "invalid_request_error", "lock_timeout"),
}
"""Faults that answer before any work: status, type and code of the error."""
KINDS = (*BEFORE, "hang", "slow", "reset", "reset_after", "500_after", "503_after")


@dataclass
class Fault:
    """A trouble for the next `times` requests with `part` in their "METHOD path"."""

    part: str
    kind: str
    times: int


class TroubledStripe(LocalStripe):
    """`LocalStripe` with faults, which the test sets from its own thread while another serves `app`.

    `requests` are all that came, as ("METHOD path", idempotency key). `after_work` is called with "METHOD path" when
    the work is done and nothing answered yet. `hold_webhooks` keeps events for `deliver_now`; `webhooks_first` delivers
    them before the API answers; `twice` sends each two times.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.requests: list[tuple[str, str | None]] = []
        self.after_work: Callable[[str], None] | None = None
        self.hold_webhooks = self.webhooks_first = self.twice = False
        self._faults: list[Fault] = []
        self._go = asyncio.Event()
        self._at_work = False
        self._untroubled, self.app = self.app, self._troubled

    def fault(self, part: str, kind: str, times: int = 1) -> None:
        """Trouble the next requests.

        Before the work, with the key still free: `500`, `503`, `429`, `409`, `reset` (dropped), `hang` (until
        `release`, then as if nothing had been, even if the client is gone). While the key is in use: `slow` (1.5
        seconds, then the work). After the work: `reset_after` (answer kept for the key, connection dropped),
        `503_after` (the same with a 503), `500_after` (a 500, which the key gets again as it does at Stripe).
        """
        assert kind in KINDS, f"{kind} is none of {KINDS}"
        self._faults.append(Fault(part, kind, times))

    def release(self) -> None:
        """Let hanging requests go on, and forget faults that have not happened."""
        self._faults.clear()
        hanging, self._go = self._go, asyncio.Event()
        if self._loop:
            self._loop.call_soon_threadsafe(hanging.set)

    def pay(self, intent_id: str, method: str = "pm_card_visa") -> Json:
        """The customer pays, or tries to; the intent afterwards."""
        with suppress(Refusal):
            self.confirm(intent_id, method)
        return self.intents[intent_id]

    def sum_captured(self, order_id: str | None = None) -> int:
        """Minor units taken from customers, for one order or all."""
        paid = (charge for charge in self.charges.values() if charge["paid"] and of_order(charge, order_id))
        return sum(charge["amount_captured"] for charge in paid)

    def sum_refunded(self, order_id: str | None = None) -> int:
        """Minor units given back, for one order or all."""
        return sum(charge["amount_refunded"] for charge in self.charges.values() if of_order(charge, order_id))

    async def deliver_now(self, event: Json, to: str | None = None) -> int:
        """Post one event once, from the caller's own loop; the status of the answer, 0 for none."""
        url = to or self.webhook_url
        assert url, "there is no address to deliver to"
        return await self.post(event, url)

    def send(self, event: Json) -> None:
        if not self.hold_webhooks and not (self.webhooks_first and self._at_work):
            for _ in range(2 if self.twice else 1):
                super().send(event)

    async def perform(self, request: Request, call: Call, sent: Json) -> Answer:
        fault = request.scope.get("fault")
        if fault == "slow":
            await asyncio.sleep(1.5)
        answer, events = await self._work(request, call, sent)
        if self.webhooks_first and not self.hold_webhooks and self.webhook_url:
            for event in events:
                for _ in range(2 if self.twice else 1):
                    await self.deliver(event)
        if self.after_work:
            self.after_work(f"{request.method} {request.url.path}")
        return Answer(500, error_of("500")) if fault == "500_after" else answer

    async def _work(self, request: Request, call: Call, sent: Json) -> tuple[Answer, list[Json]]:
        """The answer and the events that came of it."""
        with self.lock:
            known, self._at_work = len(self.events), True
            try:
                return await super().perform(request, call, sent), self.events[known:]
            finally:
                self._at_work = False

    async def _troubled(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole app, with the fault that is next for this request."""
        fault = self._next_fault(scope) if scope["type"] == "http" else None
        if fault == "hang":
            going, receive = self._go, await read_now(receive)
            await going.wait()
        if fault == "reset":
            return await drop(receive, send)
        if fault in BEFORE:
            return await JSONResponse(error_of(fault), BEFORE[fault][0])(scope, receive, send)
        scope["fault"] = fault
        if fault in ("reset_after", "503_after"):
            return await self._unheard(fault, scope, receive, send)
        return await self._untroubled(scope, receive, send)

    async def _unheard(self, fault: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Everything is done and kept, but the answer gets lost."""

        async def lose(_: Message) -> None:
            pass

        await self._untroubled(scope, receive, lose)
        if fault == "reset_after":
            return await drop(receive, send)
        return await JSONResponse(error_of("503"), 503)(scope, receive, send)

    def _next_fault(self, scope: Scope) -> str | None:
        """Write the request down; the kind of its fault, which is used up by it."""
        name = f"{scope['method']} {scope['path']}"
        self.requests.append((name, dict(scope["headers"]).get(b"idempotency-key", b"").decode() or None))
        with self.lock:
            fault = next((each for each in self._faults if each.part in name and each.times > 0), None)
            if fault is None:
                return None
            fault.times -= 1
            return fault.kind


def of_order(thing: Json, order_id: str | None) -> bool:
    return order_id is None or thing["metadata"].get("order_id") == order_id


def error_of(fault: str) -> Json:
    status, type, code = BEFORE[fault]
    return {"error": {"type": type, "message": f"A {status} by order of the test."} | ({"code": code} if code else {})}


async def read_now(receive: Receive) -> Receive:
    """Gives the body later even if the client is gone by then."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break

    async def kept() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return kept


async def drop(receive: Receive, send: Any) -> None:
    """Close the connection without a byte of answer; ASGI has no word for that, so this is uvicorn's own."""
    send.__self__.transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
