"""Signing in to the back office and out of it. Customers have no business here, and sellers need a shop."""

import secrets
from typing import Any

from sqladmin.i18n import gettext as _
from sqlalchemy import Uuid, bindparam, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from admin.door import BASE, LIFETIME, LOGIN, MAY_ENTER
from admin.page import database_of, office_of, posted, render
from app import auth
from app.db import Statement
from app.errors import Forbidden, InvalidCredentials, RateLimited, ValidationError
from app.flows.accounts import Credentials, sign_in
from app.kit.access import Actor, secret_hash
from app.kit.schemas import validated
from app.kit.table import now
from app.resources.sessions import StaffSession
from app.resources.users import User
from app.settings import signing_key


class NotStaff(Forbidden):
    """This account may not enter the back office."""


ENTERING = Statement(select(User.c.id).where(User.c.id == bindparam("user_id", type_=Uuid()), MAY_ENTER))


async def login_page(request: Request) -> Response:
    return await render(request, "login.html", next=inside(request.query_params.get("next", "")))


async def log_in(request: Request) -> Response:
    """A fresh session for staff and sellers; whatever session the browser held before ends."""
    typed = await posted(request)
    email, password = typed.last("username"), typed.last("password")
    goal = inside(typed.last("next"))
    try:
        person, version = await checked(request, email, password)
    except (InvalidCredentials, NotStaff, RateLimited) as error:
        said = {"next": goal, "email": email[:254], "error": _(error.detail)}
        return await render(request, "login.html", error.status, error.headers, **said)
    key = secrets.token_urlsafe(32)
    async with database_of(request).transaction() as session:
        await end(session, cookie_of(request))
        lasts = {"token_version": version, "expires_at": now() + LIFETIME}
        session.add(StaffSession(key_hash=secret_hash(key), user_id=person.id, **lasts))
    answer = RedirectResponse(goal or f"{BASE}/", 303)
    answer.set_cookie(office_of(request).cookie, key, int(LIFETIME.total_seconds()), **flags(request))
    return answer


async def checked(request: Request, email: str, password: str) -> tuple[Actor, int]:
    """Who has this password and may enter, and the version of the account. Counts wrong guesses as the API does."""
    try:
        given = validated(Credentials, {"email": email, "password": password})
    except ValidationError:
        raise InvalidCredentials() from None
    actor, token = await sign_in(request, given["email"], given["password"])
    if not await database_of(request).read(ENTERING, user_id=actor.id):
        raise NotStaff()
    return actor, auth.verified_claims(token, signing_key())[1]


async def log_out(request: Request) -> Response:
    """The session ends on the server, not only in the browser."""
    async with database_of(request).transaction() as session:
        await end(session, cookie_of(request))
    answer = RedirectResponse(LOGIN, 303)
    answer.delete_cookie(office_of(request).cookie, **flags(request))
    return answer


async def end(session: AsyncSession, key: str) -> None:
    """Forget this session, and all whose time is over."""
    mine = StaffSession.c.key_hash == secret_hash(key)
    await session.execute(delete(StaffSession).where(or_(mine, StaffSession.c.expires_at < now())))


def cookie_of(request: Request) -> str:
    return request.cookies.get(office_of(request).cookie, "")


def flags(request: Request) -> dict[str, Any]:
    """Scripts cannot read the cookie, other sites cannot use it."""
    return {"path": "/", "secure": office_of(request).secure, "httponly": True, "samesite": "strict"}


def inside(goal: str) -> str:
    """The address to go on to, if it is a page of the back office; else nothing."""
    plain = goal.startswith(f"{BASE}/") and goal.isprintable() and "\\" not in goal and len(goal) < 2000
    return goal if plain and not goal.startswith((LOGIN, f"{BASE}/logout")) else ""
