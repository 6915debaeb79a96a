"""One's own account: registering, signing in and out, profile, password. Mailed links are in `mailed_links.py`."""

import json
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Header, Request, Response
from pydantic import AfterValidator, ConfigDict, Field
from sqlalchemy import String, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from app import auth
from app.db import Database, Session, Statement
from app.errors import AlreadyExists, InvalidCredentials, NotAuthenticated, ValidationError
from app.kit import audit, changes, reading
from app.kit.access import Actor, Role
from app.kit.audit import REQUEST
from app.kit.once import Key, begin, keep
from app.kit.router import read_route
from app.kit.schemas import Input, Output, data_of, given, read_schema, update_schema
from app.kit.table import Email, Line, Phone, Title, now
from app.kit.web import PREFIX, Caller, SignedIn, example_of, json_response, problems
from app.limits import FIVE_MINUTES, REGISTRATIONS, guessing, throttle
from app.resources import carts
from app.resources.cart_items import KeptCart
from app.resources.emails import mail
from app.resources.orders import UNCLAIMED, claim
from app.resources.sessions import RevokedToken
from app.resources.users import EXAMPLE, Password, Typed, User, by_email, profiles, set_password
from app.settings import get_settings, signing_key

router = APIRouter(prefix=PREFIX, tags=["Accounts"])
Profile = read_schema(profiles)
ProfileUpdate = update_schema(profiles)
PROFILE: dict[str, Any] = {"model": data_of(Profile), **example_of(profiles)}


class EmailTaken(AlreadyExists):
    """There is an account with this e-mail already."""


class Registration(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "amina@example.com",
                    "password": "olive-tree-42",
                    "full_name": "Amina Benali",
                    "phone": "+213 550 12 34 56",
                }
            ]
        }
    )

    email: Email
    password: Password
    full_name: Title
    phone: Phone | None = None
    country: Line | None = None


class Credentials(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "amina@example.com", "password": "olive-tree-42"}]}
    )

    email: Annotated[Typed, AfterValidator(str.strip)]
    password: Typed
    cart: KeptCart | None = None


class TokenForm(Input):
    """The OAuth2 password form; scopes and clients are not used."""

    username: Typed
    password: Typed
    grant_type: Literal["password"] = "password"
    scope: Line = ""
    client_id: Line | None = None
    client_secret: Line | None = None


class PasswordChange(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"current_password": "olive-tree-42", "new_password": "lemon-tree-43"}]}
    )

    current_password: Typed
    new_password: Password


class SignedInToken(Output):
    access_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds until the token expires.")
    user: Profile  # type: ignore[valid-type]


class BareToken(Output):
    access_token: str
    token_type: str = "bearer"  # noqa: S105
    expires_in: int


TOKEN_EXAMPLE = {"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 604800}
TOKEN: dict[str, Any] = {
    "model": data_of(SignedInToken),
    "content": {"application/json": {"example": {"data": {**TOKEN_EXAMPLE, "user": EXAMPLE}}}},
}
ACCOUNT = Statement(
    select(User.c.id, User.c.role, User.c.token_version, User.c.hashed_password).where(
        func.lower(User.c.email) == bindparam("email", type_=String()), User.c.is_active
    )
)


def database_of(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


# -- signing up, in and out


@router.post(
    "/auth/register",
    status_code=201,
    operation_id="register",
    response_model=None,
    responses={201: PROFILE, **problems(409, 422)},
)
async def register(request: Request, actor: Caller, body: Registration, idempotency_key: Key = None) -> Response:
    """Create an account

    It is a CUSTOMER's; a mail with a link to verify the address is on its way.
    """
    auth.check_password(body.password, "/password", body.email, body.full_name)
    await throttle(request, f"register:{REQUEST.get().ip}", REGISTRATIONS, FIVE_MINUTES)
    hashed = await auth.hash_password(body.password)
    async with database_of(request).transaction() as session:
        await begin(request, session, actor, idempotency_key)
        if await by_email(session, body.email):
            raise taken()
        user = User(**body.model_dump(exclude={"password"}), hashed_password=hashed)
        actor = Actor(user.id, user.role)
        session.add(user)
        session.add(audit.entry(actor, "registered", user, audit.new_values(user), changes.secrets_of(user)))
        session.add(mail(user.email, "welcome", name=user.full_name, link=auth.mailed_link(user, "verify")))
        await flush_unless_taken(session)
        return await keep(session, await reading.one(session, profiles, actor, user.id))


async def flush_unless_taken(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError:
        raise taken() from None


def taken() -> EmailTaken:
    return EmailTaken(
        errors=[{"pointer": "/email", "code": "taken", "message": "There is an account with this e-mail already."}]
    )


async def sign_in(request: Request, email: str, password: str) -> tuple[Actor, str]:
    """The caller and a fresh token. Wrong password and unknown e-mail look and take the same."""
    async with guessing(request, email):
        rows = await database_of(request).read(ACCOUNT, email=email.lower())
        user_id, role, version, hashed = rows[0] if rows else (None, None, 0, None)
        if not await auth.password_matches(password, hashed) or not isinstance(user_id, UUID):
            raise InvalidCredentials()
    return Actor(user_id, Role(role)), auth.make_token(user_id, version)


def lifetime() -> int:
    return int(get_settings().jwt_expiration.total_seconds())


async def token_response(source: Database | AsyncSession, actor: Actor, token: str) -> Response:
    assert actor.id
    profile = await reading.one(source, profiles, actor, actor.id)
    head = json.dumps({"access_token": token, "token_type": "bearer", "expires_in": lifetime()})[:-1]
    return json_response(b'{"data":' + head.encode() + b',"user":' + profile.removeprefix(b'{"data":') + b"}")


@router.post("/auth/login", operation_id="login", response_model=None, responses={200: TOKEN, **problems(401, 422)})
async def login(request: Request, body: Credentials) -> Response:
    """Sign in

    Send the token as `Authorization: Bearer …`. Ten wrong passwords for an account from one address block it there
    for up to five minutes.

    A client that kept a `cart` for its guest may send it along: of each product the larger quantity of both carts
    counts, as far as the stock goes. What is no longer sold is left out, and sending it again changes nothing.
    """
    actor, token = await sign_in(request, body.email, body.password)
    assert actor.id
    database = database_of(request)
    if body.cart or await database.read(UNCLAIMED, user_id=actor.id):
        async with database.transaction() as session:
            await carts.merge(session, actor.id, body.cart or [])
            await claim(session, await session.get_one(User, actor.id))
    return await token_response(database_of(request), actor, token)


@router.post(
    "/auth/token",
    operation_id="token",
    response_model=None,
    responses={200: {"model": BareToken}, **problems(401, 422)},
)
async def token(request: Request, form: Annotated[TokenForm, Form()]) -> dict[str, Any]:
    """Sign in by form

    The OAuth2 password form that Swagger's Authorize button sends: `username` is the e-mail.
    """
    _, bearer = await sign_in(request, form.username, form.password)
    return {"access_token": bearer, "token_type": "bearer", "expires_in": lifetime()}


@router.post("/auth/logout", status_code=204, operation_id="logout", responses=problems(401))
async def logout(session: Session, actor: SignedIn) -> None:
    """Sign out

    This token is dead at once; others of the account live on.
    """
    _, _, expires = auth.verified_claims(actor.token, signing_key())
    await session.execute(delete(RevokedToken).where(RevokedToken.c.expires_at < now() - timedelta(days=1)))
    dead = RevokedToken(token_hash=auth.token_hash(actor.token), expires_at=expires)
    await session.execute(insert(RevokedToken).values(dead.values()).on_conflict_do_nothing())


# -- profile


async def own_profile(scope: Scope, database: Database, actor: Actor) -> bytes:
    if actor.id is None:
        raise NotAuthenticated()
    return await reading.one(database, profiles, actor, actor.id)


PROFILE_DOCS: dict[str, Any] = {
    "summary": "Your account",
    "description": "Comes with an `ETag`; `If-None-Match` gives 304.",
    "tags": ["Accounts"],
    "responses": {200: PROFILE, **problems(401)},
}
router.routes += [
    read_route("/auth/me", own_profile, name="getMe", operation_id="getMe", **PROFILE_DOCS),
    read_route("/users/me", own_profile, name="getUser", operation_id="getUser", **PROFILE_DOCS),
]


@router.patch(
    "/auth/me", operation_id="updateMe", response_model=None, responses={200: PROFILE, **problems(401, 412, 422)}
)
async def update_profile(
    session: Session,
    actor: SignedIn,
    body: ProfileUpdate,  # type: ignore[valid-type]
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Change your name, phone or country"""
    assert actor.id
    await changes.update(session, profiles, actor, actor.id, given(body), if_match)
    return json_response(await reading.one(session, profiles, actor, actor.id))


# -- the password


@router.post(
    "/auth/change-password",
    operation_id="changePassword",
    response_model=None,
    responses={200: TOKEN, **problems(401, 422)},
)
async def change_password(request: Request, actor: SignedIn, body: PasswordChange) -> Response:
    """Change your password

    Every token of the account dies; the answer holds a new one.
    """
    auth.check_password(body.new_password, "/new_password")
    database = database_of(request)
    async with database.transaction() as session:
        known = (await session.get_one(User, actor.id)).hashed_password
    async with guessing(request, str(actor.id)):
        if not await auth.password_matches(body.current_password, known):
            raise ValidationError.of("/current_password", "wrong_password", "This is not your present password.")
    hashed = await auth.hash_password(body.new_password)
    async with database.transaction() as session:
        user = await session.get_one(User, actor.id, with_for_update=True)
        auth.check_password(body.new_password, "/new_password", user.email, user.full_name)
        if user.hashed_password != known:
            raise InvalidCredentials("The password was changed meanwhile.")
        await set_password(session, user, hashed)
        return await token_response(session, actor, auth.make_token(user.id, user.token_version))
