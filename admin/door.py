"""The door of the back office: who may pass, from where, and what every answer carries.

Nobody passes who is not signed in as staff; only the login page and the files of the design are open. The session is
a row of `staff_sessions`, found by the hash of the cookie's key. It ends with its twelve hours, with a logout, and
with any change of the account's password, role or activity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import String, bindparam, func, select
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import secret_hash
from app.db import Database, Statement
from app.errors import Forbidden
from app.kit.access import STAFF, Actor, Role
from app.resources.sessions import StaffSession
from app.resources.users import User

BASE = "/admin"
LIFETIME = timedelta(hours=12)
READING = frozenset({"GET", "HEAD", "OPTIONS"})
FILES = (f"{BASE}/statics/", f"{BASE}/files/")
LOGIN = f"{BASE}/login"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class FromAnotherSite(Forbidden):
    """This did not come from a page of the back office, so it was not done."""


@dataclass(frozen=True)
class Person:
    """The member of staff who is signed in."""

    actor: Actor
    name: str
    email: str

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


SIGNED_IN = Statement(
    select(User.c.id, User.c.role, User.c.full_name, User.c.email)
    .join(StaffSession, StaffSession.c.user_id == User.c.id)
    .where(
        StaffSession.c.key_hash == bindparam("key_hash", type_=String()),
        StaffSession.c.expires_at > func.now(),
        StaffSession.c.token_version == User.c.token_version,
        User.c.is_active,
    )
)


async def person_of(database: Database, key: str) -> Person | None:
    """Who holds the session of this key, if it is alive and its account still staff."""
    rows = await database.read(SIGNED_IN, key_hash=secret_hash(key)) if key else []
    if not rows or Role(rows[0][1]) not in STAFF:
        return None
    user_id, role, name, email = rows[0]
    return Person(Actor(user_id, Role(role)), name, email)


def is_same_origin(headers: Headers) -> bool:
    """Whether a page of ours sent this. Every browser says so, by Origin, Sec-Fetch-Site or both."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    scheme, _, host = (origin or "").partition("://")
    return scheme in ("http", "https") and host == headers.get("host") if origin else site == "same-origin"


class Door:
    """Middleware around every page of the back office."""

    def __init__(self, app: ASGIApp, database: Database, cookie: str) -> None:
        self.app, self.database, self.cookie = app, database, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1000})
        path: str = scope["path"]
        if path.startswith(FILES):
            return await self.app(scope, receive, with_headers(send, {"Cache-Control": "public, max-age=3600"}))
        connection = HTTPConnection(scope)
        if scope["method"] not in READING and not is_same_origin(connection.headers):
            raise FromAnotherSite()
        person = await person_of(self.database, connection.cookies.get(self.cookie, ""))
        scope["person"] = person
        answer: ASGIApp = self.app if person or path == LOGIN else to_login(scope)
        await answer(scope, receive, with_headers(send))


def to_login(scope: Scope) -> RedirectResponse:
    """To the login page, and after it back to what was asked for."""
    wanted = scope["path"] + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
    here = scope["method"] != "GET" or scope["path"].rstrip("/") == BASE
    return RedirectResponse(LOGIN if here else f"{LOGIN}?next={quote(wanted, safe='/')}", 303)


def with_headers(send: Send, changed: dict[str, str] | None = None) -> Callable[[Message], Any]:
    """Adds the headers of all pages; those a page has itself stay."""

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in (HEADERS | (changed or {})).items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped


def person_or_nobody(request: Request) -> Person | None:
    return request.scope.get("person")


def actor(request: Request) -> Actor:
    """Who is signed in; there is somebody on every page behind the door."""
    found: Person = request.scope["person"]
    return found.actor


class BehindTheDoor(AuthenticationBackend):
    """SQLAdmin's own idea of a login, should a stock page ever be mounted: whoever passed the door."""

    def __init__(self) -> None:
        self.middlewares = []

    async def authenticate(self, request: Request) -> bool:
        return request.scope.get("person") is not None

    async def get_user_id(self, request: Request) -> str | None:
        found: Person | None = request.scope.get("person")
        return str(found.actor.id) if found else None
