"""The door of the back office: who may pass, from where, and what every answer carries.

Nobody passes who is not signed in as staff or as a seller whose shop is not blocked; only the login page and the
files of the design are open. For a seller nothing is behind it but the pages of his shop: any other address is one
that is not there. The session is a row of `staff_sessions`, found by the hash of the cookie's key. It ends with its
twelve hours, with a logout, and with any change of the account's password, role or activity.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sqladmin.authentication import AuthenticationBackend
from sqlalchemy import String, and_, bindparam, exists, func, or_, select
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import media
from admin.kinds import pages_of
from app.db import Database, Statement
from app.errors import Forbidden, NotFound
from app.kit.access import STAFF, Actor, Role, secret_hash
from app.resources.sellers import Seller
from app.resources.sessions import StaffSession
from app.resources.users import User

BASE = "/admin"
LIFETIME = timedelta(hours=12)
READING = frozenset({"GET", "HEAD", "OPTIONS"})
FILES = (f"{BASE}/statics/", f"{BASE}/files/")
LOGIN = f"{BASE}/login"
EVERYBODYS = frozenset({"", "login", "logout"})
"""What comes first in the addresses of those who may enter at all."""
PAGES = (
    "default-src 'self'; img-src 'self' data: {pictures}; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class FromAnotherSite(Forbidden):
    """This did not come from a page of the back office, so it was not done."""


@dataclass(frozen=True)
class Person:
    """The member of staff, or the seller, who is signed in."""

    actor: Actor
    name: str
    email: str

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


HAS_SHOP = exists().where(Seller.c.user_id == User.c.id, ~Seller.c.is_blocked)
MAY_ENTER = or_(*(User.c.role == role for role in sorted(STAFF)), and_(User.c.role == Role.SELLER, HAS_SHOP))
SIGNED_IN = Statement(
    select(User.c.id, User.c.role, User.c.full_name, User.c.email)
    .join(StaffSession, StaffSession.c.user_id == User.c.id)
    .where(
        StaffSession.c.key_hash == bindparam("key_hash", type_=String()),
        StaffSession.c.expires_at > func.now(),
        StaffSession.c.token_version == User.c.token_version,
        User.c.is_active,
        MAY_ENTER,
    )
)


async def person_of(database: Database, key: str) -> Person | None:
    """Who holds the session of this key, if it is alive and its account may still enter."""
    rows = await database.read(SIGNED_IN, key_hash=secret_hash(key)) if key else []
    if not rows:
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
        if person and is_nowhere(person, path):
            raise NotFound()
        answer: ASGIApp = self.app if person or path == LOGIN else to_login(scope)
        await answer(scope, receive, with_headers(send))


def headers_of_pages() -> dict[str, str]:
    """Pictures may come from the open bucket, too."""
    return HEADERS | {"Content-Security-Policy": PAGES.format(pictures=media.origin()).replace(" ;", ";")}


def is_nowhere(person: Person, path: str) -> bool:
    """Whether there is no such page for a seller, of whatever method and whatever comes after its name."""
    if person.actor.role is not Role.SELLER:
        return False
    name = path.removeprefix(BASE).strip("/").partition("/")[0]
    return name not in EVERYBODYS and name not in {page.name for page in pages_of(Role.SELLER)}


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
            for name, value in (headers_of_pages() | (changed or {})).items():
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
