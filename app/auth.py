"""Who is calling: passwords, tokens, and the look-up that turns a token into an Actor.

Hashing and token encoding are fastapi-users'. Its manager and routers are not used: they hash on the event loop,
and their tokens cannot be revoked. Here a token carries the account's version and dies with it, or by itself at logout.
"""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any
from uuid import UUID

import jwt
from fastapi_users.jwt import generate_jwt
from fastapi_users.password import PasswordHelper
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import String, Uuid, bindparam, exists, select

from app.db import Database, Statement
from app.errors import NotAuthenticated, ValidationError
from app.kit.access import Actor, Role, secret_hash
from app.kit.table import new_id
from app.resources.sessions import RevokedToken
from app.resources.users import User
from app.settings import get_settings, signing_key

AUDIENCE = "souk:auth"
LEEWAY = timedelta(seconds=30)
passwords = PasswordHelper(PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),)))
"""OWASP's Argon2id parameters: 19 MiB, two passes, one lane."""
hashing = asyncio.Semaphore(2)
NO_ACCOUNT_HASH = passwords.hash("nobody has this password")


async def hash_password(password: str) -> str:
    """In a thread, two at a time: hashing on the event loop would stop everybody."""
    async with hashing:
        return await asyncio.to_thread(passwords.hash, password)


async def password_matches(password: str, known: str | None) -> bool:
    """Whether the hash is this password's. Takes as long without a hash. Call it holding `hashing`."""
    matches, _ = await asyncio.to_thread(passwords.verify_and_update, password, known or NO_ACCOUNT_HASH)
    return matches and known is not None


@lru_cache
def common_passwords() -> frozenset[str]:
    """zxcvbn's list, from its file alone: importing the package would keep 13 MB of other dictionaries."""
    folder = Path(find_spec("zxcvbn").origin).parent  # type: ignore[union-attr, arg-type]
    lists = run_path(str(folder / "frequency_lists.py"))["FREQUENCY_LISTS"]
    return frozenset(word for word in lists["passwords"] if len(word) >= 8)


def check_password(password: str, pointer: str, *known: str) -> None:
    """Refuse what is guessed first: common passwords, one's own e-mail or name."""
    lowered = password.lower()
    if (
        len(password) < 8
        or lowered in common_passwords()
        or len(set(lowered)) < 4
        or lowered in {word.lower() for word in known}
    ):
        raise ValidationError.of(pointer, "common_password", "This password is too easy to guess.")


def make_token(user_id: UUID, version: int) -> str:
    """A bearer token of this account, valid for JWT_EXPIRATION unless it is revoked first."""
    issued = datetime.now(UTC)
    claims = {"sub": str(user_id), "aud": AUDIENCE, "iat": issued, "ver": version, "jti": str(new_id())}
    return generate_jwt(claims | {"exp": issued + get_settings().jwt_expiration}, signing_key())


@lru_cache(maxsize=8192)
def verified_claims(token: str, key: str) -> tuple[UUID, int, datetime]:
    """Account, version and expiry of a token with a good signature; kept, as the same token comes again and again."""
    claims = jwt.decode(
        token,
        key,
        algorithms=["HS256"],
        audience=AUDIENCE,
        leeway=LEEWAY,
        options={"require": ["sub", "aud", "iat", "exp", "ver"], "strict_aud": True},
    )
    if type(claims["ver"]) is not int:
        raise jwt.InvalidTokenError("ver is not a number")
    return UUID(claims["sub"]), claims["ver"], datetime.fromtimestamp(claims["exp"], UTC)


def token_hash(token: str) -> str:
    """Of what the token says, not of its signature: that has more than one spelling (`=` at its end)."""
    return secret_hash(token.rpartition(".")[0])


ACCOUNT = Statement(
    select(User.c.role, User.c.token_version).where(
        User.c.id == bindparam("user_id", type_=Uuid()),
        User.c.is_active,
        ~exists().where(RevokedToken.c.token_hash == bindparam("token_hash", type_=String())),
    )
)


def dead_token() -> NotAuthenticated:
    return NotAuthenticated(
        "This token is not valid, or no longer.", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
    )


async def authenticate(database: Database, token: str) -> Actor:
    """The owner of a bearer token, with one prepared look-up. Raises NotAuthenticated."""
    try:
        user_id, version, expires = verified_claims(token, signing_key())
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        raise dead_token() from None
    if datetime.now(UTC) >= expires + LEEWAY:
        raise dead_token()
    rows = await database.read(ACCOUNT, user_id=user_id, token_hash=token_hash(token))
    if not rows or rows[0][1] != version:
        raise dead_token()
    return Actor(user_id, Role(rows[0][0]), token)


PURPOSES = {"reset": timedelta(hours=1), "verify": timedelta(days=3)}


def mailed_token(user: User, purpose: str) -> str:
    """A token for a mailed link. It carries a fingerprint of what it changes, so it works once."""
    expires = datetime.now(UTC) + PURPOSES[purpose]
    claims = {"sub": str(user.id), "aud": f"souk:{purpose}", "print": fingerprint(user), "exp": expires}
    return generate_jwt(claims, signing_key())


def mailed_link(user: User, purpose: str) -> str:
    """The address of the site's page that takes the token."""
    page = {"reset": "reset-password", "verify": "verify"}[purpose]
    return f"{get_settings().frontend_url.rstrip('/')}/{page}?token={mailed_token(user, purpose)}"


def mailed_claims(token: str, purpose: str) -> dict[str, Any]:
    """Raises ValidationError for a token that is forged, expired or for something else."""
    try:
        claims = jwt.decode(
            token,
            signing_key(),
            algorithms=["HS256"],
            audience=f"souk:{purpose}",
            options={"require": ["sub", "exp", "print"]},
        )
        return claims | {"sub": UUID(claims["sub"])}
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, RecursionError):
        raise bad_link() from None


def bad_link() -> ValidationError:
    return ValidationError.of("/token", "invalid_token", "This link is no longer valid, please ask for a new one.")


def fingerprint(user: User) -> str:
    """Changes with the password, the e-mail and its verification."""
    text = f"{user.hashed_password}|{user.email}|{user.is_verified}|{user.is_active}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]
