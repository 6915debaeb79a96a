"""What happens to every request, in one plain ASGI middleware: id, limits, caller, errors, headers.

Inside it everything may raise; here each error becomes a problem answer, and what nobody foresaw is logged and says
no more than its request id.
"""

import logging
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import authenticate
from app.clients.valkey import Counters, seconds_left
from app.db import as_app_error
from app.errors import (
    BY_STATUS,
    PROBLEM_JSON,
    SEND_JSON,
    AppError,
    BadRequest,
    InternalError,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    UnsupportedMediaType,
    ValidationError,
)
from app.flows import product_images, uploads
from app.kit.access import NOBODY, Actor, secret_hash
from app.kit.audit import REQUEST, RequestFacts
from app.kit.once import Replayed
from app.kit.schemas import WRITTEN, as_validation_error
from app.kit.table import new_id
from app.limits import looking_up
from app.multipart import LARGEST

log = logging.getLogger("souk")
MAX_BODY = 1024 * 1024
SMALL = (MAX_BODY, f"At most {MAX_BODY} bytes.")
A_FILE = LARGEST + 64 * 1024
LARGE = {
    re.compile(r"/api/v1/documents/upload"): (A_FILE, uploads.TOO_LARGE),
    re.compile(r"/api/v1/products/[^/]+/images|/admin/products/pictures/[^/]+"): (A_FILE, product_images.TOO_LARGE),
}
"""Bytes that a body may have, and what is said to more: there, a file and what wraps it; anywhere else SMALL."""
SIGNED_IN, ANONYMOUS, MINUTE = 600, 300, 60
UNCOUNTED = {"/api/v1/payments/webhook"}
"""Stripe calls these, in bursts and from few addresses; their signature is checked instead."""
LOOKED_UP = ("/api/v1/orders", "/api/v1/payments")
"""Below these a guest's token opens something, so that wrong ones are counted."""
GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
PRIVATE = (b"cache-control", b"private, no-store")
STRICT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def address(text: str) -> str:
    """An IP address, or nothing where a proxy passed on something else."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def limited(receive: Receive, scope: Scope) -> Receive:
    """A `receive` that counts: more bytes than this address takes is PayloadTooLarge, however they come."""
    most, sentence = next((room for path, room in LARGE.items() if path.fullmatch(scope["path"])), SMALL)
    length = header(scope, b"content-length")
    if length.isdigit() and (len(length) > 18 or int(length) > most):
        raise PayloadTooLarge(sentence)
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise PayloadTooLarge(sentence)
        return message

    return counted


def to_app_error(error: BaseException) -> AppError:
    """Any exception as an answer."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        if isinstance(error.body, bytes):
            return UnsupportedMediaType(SEND_JSON)
        if any(part["type"] == "json_invalid" for part in error.errors()):
            return BadRequest("The body is not valid JSON.")
        return as_validation_error([{**each, "loc": each["loc"][1:]} for each in error.errors()], error.body)
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, AppError):  # FastAPI wraps what `limited` raises while it reads the body
            return error.__cause__
        if type(error.__cause__) is ValueError:
            return ValidationError.of("", "out_of_range", "A number has too many digits.")
        kind = BY_STATUS.get(error.status_code, InternalError if error.status_code >= 500 else BadRequest)
        return kind(headers=dict(error.headers or {}))
    if isinstance(error, ClientDisconnect):
        return BadRequest("The request ended before its body did.")
    if known := as_app_error(error):
        if known.status == Unavailable.status:
            log.warning("unavailable: %r", error)
        return known
    log.exception("unforeseen error", exc_info=error)
    return InternalError()


def as_written(error: AppError) -> AppError:
    """Errors found after validation name fields as we do; the caller may have written camelCase."""
    for found in error.extra.get("errors", ()):
        ours = found["pointer"]
        if theirs := WRITTEN.get().get(ours.removeprefix("/")):
            found["pointer"] = f"/{theirs}"
            error.detail = error.detail.replace(f"{ours}:", f"/{theirs}:")
    return error


class Edge:
    """The middleware around everything but CORS. Callers and rates are looked at below /api/ only."""

    def __init__(self, app: ASGIApp, counters: Callable[[], Counters | None], https: bool) -> None:
        self.app = app
        self.counters = counters
        self.headers = [*SECURITY, *([HTTPS_ONLY] if https else [])]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = header(scope, b"x-request-id")
        request_id = given if GIVEN_ID.fullmatch(given) else new_id().hex.encode()
        ip = address(scope["client"][0]) if scope.get("client") else ""
        if head := scope["method"] == "HEAD" and not scope["path"].startswith("/admin"):
            scope = {**scope, "method": "GET"}
        REQUEST.set(RequestFacts(request_id.decode(), ip))
        WRITTEN.set({})
        extra = [(b"x-request-id", request_id), *self.headers]
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                names = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in names)]
                if b"content-security-policy" not in names:
                    message["headers"].append(STRICT)
                if b"cache-control" not in names and scope["path"].startswith("/api/v1/"):
                    message["headers"].append(PRIVATE)
            elif head:
                message = {**message, "body": b""}
            await send(message)

        try:
            if scope["path"].startswith("/api/"):
                await self.admit(scope, ip, extra)
            async with self.looked_up(scope, ip):
                await self.app(scope, limited(receive, scope), with_headers)
        except Replayed as replayed:
            await replayed.response(scope, receive, with_headers)
        except Exception as error:
            if started:
                raise
            await self.refuse(as_written(to_app_error(error)), request_id.decode(), scope, with_headers)

    async def admit(self, scope: Scope, ip: str, extra: list[tuple[bytes, bytes]]) -> None:
        """Find out who calls, and whether too often."""
        scheme, _, token = header(scope, b"authorization").partition(b" ")
        counters = None if scope["path"] in UNCOUNTED else self.counters()
        bearer = bool(token) and scheme.lower() == b"bearer"
        if counters and not bearer:
            self.count(counters, f"ip:{ip}", ANONYMOUS, extra)
        actor: Actor = NOBODY
        if bearer:
            try:
                actor = await authenticate(scope["app"].state.database, token.decode("latin-1").strip())
            except AppError:
                if counters:
                    self.count(counters, f"ip:{ip}", ANONYMOUS, extra)
                raise
            if counters:
                self.count(counters, f"user:{actor.id}", SIGNED_IN, extra)
        if token := header(scope, b"x-order-token"):
            actor = replace(actor, key_hash=secret_hash(token.decode("latin-1")))
        scope["actor"] = actor

    def looked_up(self, scope: Scope, ip: str) -> AbstractAsyncContextManager[None]:
        """What is around a request that may look for somebody else's order."""
        actor: Actor = scope.get("actor", NOBODY)
        is_look_up = actor.key_hash and scope["path"].startswith(LOOKED_UP)
        return looking_up(self.counters(), ip) if is_look_up else nullcontext()

    def count(self, counters: Counters, name: str, most: int, extra: list[tuple[bytes, bytes]]) -> None:
        used, reset = counters.tick(name, MINUTE), seconds_left(MINUTE)
        values = {"limit": most, "remaining": max(0, most - used), "reset": reset}
        extra += [(f"ratelimit-{key}".encode(), str(value).encode()) for key, value in values.items()]
        if used > most:
            raise RateLimited(f"At most {most} requests a minute.", headers={"Retry-After": str(reset)})

    async def refuse(self, error: AppError, request_id: str, scope: Scope, send: Send) -> None:
        """A problem answer; below a path in `state.error_pages`, the page that is made there."""
        for path, page in getattr(scope["app"].state, "error_pages", {}).items():
            if scope["path"].startswith(f"{path}/"):
                answer: ASGIApp = await page(scope, error, request_id)
                return await answer(scope, nothing_more, send)
        body = error.problem(request_id)
        headers = {
            "content-type": PROBLEM_JSON,
            "content-length": str(len(body)),
            "cache-control": "no-store",
            **error.headers,
        }
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": error.status, "headers": pairs})
        await send({"type": "http.response.body", "body": body})


async def nothing_more() -> Message:
    """A `receive` for answers that do not read the request."""
    return {"type": "http.disconnect"}


async def raise_again(request: Any, error: Exception) -> Any:
    """Handler for the framework's own errors: Edge answers them like all others."""
    raise error
