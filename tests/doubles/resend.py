"""Resend's `POST /emails` as tests want it: it keeps the mails, knows idempotency keys and misbehaves when told."""

import base64
import binascii
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Refusal = tuple[int, str, str]
ERRORS: dict[str, Refusal] = {
    "400_key": (400, "validation_error", "API key is invalid"),
    "401": (401, "restricted_api_key", "This API key is restricted."),
    "403": (403, "validation_error", "The souk.example domain is not verified."),
    "408": (408, "application_error", "The request took too long."),
    "409": (409, "concurrent_idempotent_requests", "The original request is still in progress."),
    "422": (422, "validation_error", "Invalid `to` field."),
    "429": (429, "rate_limit_exceeded", "Too many requests."),
    "500": (500, "application_error", "Something went wrong."),
}
"""What a fault answers, and nothing is sent: status, name and message. "400_key" is how a wrong key is met today."""
STRANGE: dict[str, Response] = {
    "garbage": Response("<h1>It works!</h1>", media_type="text/html"),
    "not_found": Response("<h1>Not Found</h1>", 404, media_type="text/html"),
    "foreign": JSONResponse({"detail": "Not Found"}, 404),
    "broken": Response('{"id": ', media_type="application/json"),
    "null": Response("null", media_type="application/json"),
    "list": JSONResponse([1]),
    "no_id": JSONResponse({"object": "email"}),
}
"""Answers that are not Resend's."""
KINDS = (*ERRORS, *STRANGE, "hang", "reset", "reset_after")


class LocalResend:
    """`mails` are the bodies it took, each with its `id` and `idempotency_key`; a repeated key takes nothing more.

    `after_work` is called when the mail is taken and nothing answered yet. With a `limit` it takes so many requests in
    each span of `seconds`; the others are told to come back after `retry_after`, in whole seconds as Resend does.
    """

    def __init__(
        self, key: str = "re_local", limit: int | None = None, seconds: float = 1.0, retry_after: int = 1
    ) -> None:
        self.key = key
        self.limit, self.seconds, self.retry_after = limit, seconds, retry_after
        self.span, self.in_span, self.turned_away = 0, 0, 0
        self.mails: list[dict[str, Any]] = []
        self.requests = 0
        self.faults: list[str] = []
        self.after_work: Callable[[], None] | None = None

    def fault(self, kind: str, times: int = 1) -> None:
        """Trouble the next requests. `hang` never answers, `reset` drops the connection, `reset_after` does so with
        the mail taken; the others are answers."""
        assert kind in KINDS, f"{kind} is none of {KINDS}"
        self.faults += [kind] * times

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.requests += 1
        fault = self.faults.pop(0) if self.faults else ""
        request = Request(scope, receive)
        body = await request.body()
        if fault == "hang":
            return await gone(receive)
        answer = STRANGE.get(fault) or (refused(ERRORS[fault]) if fault in ERRORS else None)
        if answer is None and self.is_too_much():
            answer = refused(ERRORS["429"], {"retry-after": str(self.retry_after)})
        elif answer is None and fault != "reset":
            answer = self.take(request, body)
            if self.after_work:
                self.after_work()
        if fault.startswith("reset"):
            send.__self__.transport.abort()  # type: ignore[attr-defined]  # ASGI has no word for it: uvicorn's own
            return await gone(receive)
        assert answer
        await answer(scope, receive, send)

    def is_too_much(self) -> bool:
        if self.limit is None:
            return False
        span = int(time.monotonic() / self.seconds)
        self.in_span = self.in_span + 1 if span == self.span else 1
        self.span = span
        self.turned_away += self.in_span > self.limit
        return self.in_span > self.limit

    def take(self, request: Request, body: bytes) -> Response:
        key = request.headers.get("idempotency-key")
        mail: dict[str, Any] = {}
        try:
            mail = json.loads(body)
        except ValueError:
            return refused((400, "validation_error", "The body is not JSON."))
        if wrong := self.misled(request) or invalid(mail, key):
            return refused(wrong)
        known = next((each for each in self.mails if key and each["idempotency_key"] == key), None)
        if known is None:
            known = {**mail, "id": str(uuid4()), "idempotency_key": key}
            self.mails.append(known)
        elif known != {**mail, "id": known["id"], "idempotency_key": key}:
            return refused((409, "invalid_idempotent_request", "The key was used with another body."))
        return JSONResponse({"id": known["id"]})

    def misled(self, request: Request) -> Refusal | None:
        if (request.method, request.url.path) != ("POST", "/emails"):
            return (404, "not_found", "The requested endpoint does not exist.")
        if "authorization" not in request.headers:
            return (401, "missing_api_key", "Missing API key in the authorization header.")
        if request.headers["authorization"] != f"Bearer {self.key}":
            return (403, "invalid_api_key", "API key is invalid.")
        return None


def invalid(mail: dict[str, Any], key: str | None) -> Refusal | None:
    if key is not None and not 1 <= len(key) <= 256:
        return (400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
    if missing := [name for name in ("from", "to", "subject") if not mail.get(name)]:
        return (422, "missing_required_field", f"Missing `{missing[0]}` field.")
    if not (mail.get("html") or mail.get("text")):
        return (422, "missing_required_field", "Missing `html` or `text` field.")
    if "@" not in mail["from"] or not all("@" in each for each in mail["to"]):
        return (422, "validation_error", "Invalid `to` field.")
    if not all(sound(each) for each in mail.get("attachments", [])):
        return (422, "invalid_attachment", "An attachment is not base64.")
    return None


def sound(attachment: dict[str, Any]) -> bool:
    try:
        return bool(attachment["filename"] and base64.b64decode(attachment["content"], validate=True))
    except (binascii.Error, KeyError):
        return False


def refused(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    status, name, message = refusal
    return JSONResponse({"statusCode": status, "name": name, "message": message}, status, headers)


async def gone(receive: Receive) -> None:
    """Until the caller is."""
    while (await receive())["type"] != "http.disconnect":
        pass
