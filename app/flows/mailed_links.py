"""What mailed links are for: setting a forgotten password, and proving that an address is one's own."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from app import auth
from app.clients.valkey import Counters
from app.db import Session
from app.kit import audit, reading
from app.kit.access import Actor
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import Email, now
from app.kit.web import PREFIX, example_of, json_response, problems
from app.limits import HOUR, MAILS
from app.resources.emails import mail
from app.resources.orders import claim
from app.resources.users import Password, Typed, User, by_email, profiles, set_password

router = APIRouter(prefix=PREFIX, tags=["Accounts"])
PROFILE: dict[str, Any] = {"model": data_of(read_schema(profiles)), **example_of(profiles)}


class EmailOnly(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "amina@example.com"}]})

    email: Email


class PasswordReset(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOi…", "password": "lemon-tree-43"}]})

    token: Typed
    password: Password


class Verification(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"token": "eyJhbGciOi…"}]})

    token: Typed


SENT = {"data": {"message": "If there is such an account, a mail is on its way."}}
ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"content": {"application/json": {"example": SENT}}}}


async def mail_link(request: Request, session: AsyncSession, email: str, purpose: str, template: str) -> None:
    """Enqueue a link for the account, if there is one and it did not ask too often. Nobody learns which."""
    counters: Counters | None = request.app.state.counters
    often = counters and await counters.hit(f"mail:{email.lower()}", HOUR) > MAILS
    user = await by_email(session, email)
    if user and user.is_active and not often and not (purpose == "verify" and user.is_verified):
        session.add(mail(user.email, template, name=user.full_name, link=auth.mailed_link(user, purpose)))


@router.post(
    "/auth/forgot-password", status_code=202, operation_id="forgotPassword", responses={**ACCEPTED, **problems(422)}
)
async def forgot_password(request: Request, session: Session, body: EmailOnly) -> dict[str, Any]:
    """Ask for a link to set a new password

    The answer is the same whether or not the account exists. The link works once, for an hour.
    """
    await mail_link(request, session, body.email, "reset", "reset_password")
    return SENT


@router.post(
    "/auth/request-verify", status_code=202, operation_id="requestVerify", responses={**ACCEPTED, **problems(422)}
)
async def request_verify(request: Request, session: Session, body: EmailOnly) -> dict[str, Any]:
    """Ask for a link to verify the e-mail address

    The answer is the same whether or not the account exists. The link works once, for three days.
    """
    await mail_link(request, session, body.email, "verify", "verify_email")
    return SENT


async def holder(session: AsyncSession, token: str, purpose: str) -> User:
    """The account a mailed token was made for, locked. Raises ValidationError when it was used."""
    claims = auth.mailed_claims(token, purpose)
    user = await session.get(User, claims["sub"], with_for_update=True)
    if user is None or not user.is_active or auth.fingerprint(user) != claims["print"]:
        raise auth.bad_link()
    return user


@router.post("/auth/reset-password", status_code=204, operation_id="resetPassword", responses=problems(422))
async def reset_password(request: Request, body: PasswordReset) -> None:
    """Set a new password with a mailed token

    Every token of the account dies.
    """
    auth.mailed_claims(body.token, "reset")
    auth.check_password(body.password, "/password")
    hashed = await auth.hash_password(body.password)
    async with request.app.state.database.transaction() as session:
        user = await holder(session, body.token, "reset")
        auth.check_password(body.password, "/password", user.email, user.full_name)
        await set_password(session, user, hashed)


@router.post("/auth/verify", operation_id="verify", response_model=None, responses={200: PROFILE, **problems(422)})
async def verify(session: Session, body: Verification) -> Response:
    """Verify an e-mail address with a mailed token

    What was ordered with this address without signing in belongs to the account from then on.
    """
    user = await holder(session, body.token, "verify")
    actor = Actor(user.id, user.role)
    user.is_verified, user.updated_at = True, now()
    await claim(session, user)
    session.add(audit.entry(actor, "verified", user, {"is_verified": [False, True]}))
    await session.flush()
    return json_response(await reading.one(session, profiles, actor, user.id))
