"""`Idempotency-Key`: a POST sent again does its work once, and answers the same.

The answer is kept in the transaction of the work: there is one if and only if the work was done. Repeats that arrive
meanwhile wait for it a few seconds. What failed is not kept; a repeat tries again. An answer that holds a secret is
kept without it: whoever gave it catches `Replayed` and completes it.
"""

import hashlib
import hmac
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from psycopg.errors import LockNotAvailable
from sqlalchemy import ColumnElement, DateTime, Index, String, UniqueConstraint, bindparam, delete, func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Session, Statement, run
from app.errors import AppError, BadRequest, Conflict
from app.kit.access import Actor
from app.kit.table import Line, Table, new_id, now
from app.kit.web import Caller, json_response
from app.settings import signing_key

KEPT = timedelta(hours=24)
LONGEST, SHORTEST_OF_GUESTS = 255, 32
WAITING = "3s"


class RequestInProgress(Conflict):
    """The same request is still running."""


class IdempotencyKeyReused(AppError):
    """This Idempotency-Key was used for another request."""

    status = 422


class IdempotencyKeyInvalid(BadRequest):
    """This Idempotency-Key cannot be used."""


class Replayed(Exception):
    """The work was done before; `kept` is what was kept of the answer then."""

    def __init__(self, kept: bytes, status: int) -> None:
        self.kept, self.status = kept, status

    @property
    def response(self) -> Response:
        return self.answer(self.kept)

    def answer(self, body: bytes) -> Response:
        response = json_response(body, self.status)
        response.headers["Idempotency-Replayed"] = "true"
        return response


class KeptAnswer(Table, table=True):
    """`scope_hash` stands for caller, address and key; `body_hash` for what was asked."""

    __table_args__ = (Index("ix_kept_answers_created_at", "created_at"), UniqueConstraint("scope_hash"))

    scope_hash: Line
    body_hash: Line
    status: int
    answer: str


Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="Makes retries safe: the work is done once."),
]


async def begin(request: Request, session: Session, actor: Caller, idempotency_key: Key = None) -> None:
    """Before the work: raises Replayed with the kept answer, if there is one. Otherwise `keep` will keep it."""
    if idempotency_key is not None:
        await begin_work(session, actor, request.url.path, idempotency_key, await request.body())


async def begin_work(session: AsyncSession, actor: Actor, path: str, key: str, body: bytes) -> None:
    scope, asked = asking(actor, path, key, body)
    await wait_for_turn(session, scope)
    await replay(session, scope, asked)
    session.info["kept_answer"] = (scope, asked)


def asking(actor: Actor, path: str, key: str, body: bytes) -> tuple[str, str]:
    """What stands for caller, address and key, and what for the body. Raises IdempotencyKeyInvalid."""
    check_key(key, actor)
    caller = str(actor.id) if actor.id else "guest"
    scope = hashlib.sha256(f"{caller}\n{path}\n{key}".encode()).hexdigest()
    return scope, hmac.digest(signing_key().encode(), body, "sha256").hex()  # keyed: a body may hold a password


ANSWERED = Statement(
    select(KeptAnswer.c.body_hash, KeptAnswer.c.answer, KeptAnswer.c.status).where(
        KeptAnswer.c.scope_hash == bindparam("scope", type_=String()),
        KeptAnswer.c.created_at > bindparam("since", type_=DateTime(timezone=True)),
    )
)


async def replay(source: AsyncSession | Database, scope: str, asked: str) -> None:
    """Raises Replayed when this was answered before, IdempotencyKeyReused when something else was."""
    for body_hash, answer, status in await run(source, ANSWERED, scope=scope, since=now() - KEPT):
        if body_hash != asked:
            raise IdempotencyKeyReused()
        raise Replayed(answer.encode(), status)


def keeping(answer: ColumnElement[str]) -> Statement:
    """A statement that keeps an answer that the database makes, and gives it. It takes what `to_keep` says."""
    columns = [column for column in KeptAnswer.sql_table.columns if column.name != "answer"]
    given = [bindparam(f"kept_{column.name}", type_=column.type) for column in columns]
    kept = insert(KeptAnswer).from_select([*columns, "answer"], select(*given, answer))
    return Statement(kept.returning(KeptAnswer.c.answer))


def to_keep(scope: str, asked: str, status: int = 201) -> dict[str, Any]:
    """Parameters of `keeping`. Whoever is second with a key breaks its unique constraint."""
    values = {"id": new_id(), "created_at": now(), "updated_at": now(), "scope_hash": scope, "body_hash": asked}
    return {f"kept_{name}": value for name, value in {**values, "status": status}.items()}


FORGET = Statement(
    delete(KeptAnswer).where(
        KeptAnswer.c.scope_hash == bindparam("scope", type_=String()),
        KeptAnswer.c.created_at <= bindparam("since", type_=DateTime(timezone=True)),
    )
)
"""An answer of the same key that is older than a day. It takes `scope` and `since`."""


def check_key(key: str, actor: Actor) -> None:
    """For a guest the key is the only secret, so it must be a long one."""
    if not 0 < len(key) <= LONGEST or not key.isprintable():
        raise IdempotencyKeyInvalid(f"Use 1 to {LONGEST} printable characters.")
    if actor.id is None and len(key) < SHORTEST_OF_GUESTS:
        raise IdempotencyKeyInvalid(f"Without signing in, use at least {SHORTEST_OF_GUESTS} characters.")


async def wait_for_turn(session: AsyncSession, scope: str) -> None:
    """One request at a time for each key; the lock ends with the transaction."""
    try:
        await session.execute(select(func.set_config("lock_timeout", WAITING, True)))
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(scope, 0))))
        await session.execute(select(func.set_config("lock_timeout", "5s", True)))
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise RequestInProgress(headers={"Retry-After": "1"}) from None
        raise


async def keep(session: AsyncSession, body: bytes, status: int = 201, *, kept: bytes | None = None) -> Response:
    """The answer of a POST that did its work; kept when it came with a key, as `kept` if the body holds a secret.
    `flows/reconciling.py` sweeps old ones."""
    if pending := session.info.pop("kept_answer", None):
        scope, asked = pending
        await session.execute(delete(KeptAnswer).where(KeptAnswer.c.scope_hash == scope))
        answer = (body if kept is None else kept).decode()
        session.add(KeptAnswer(scope_hash=scope, body_hash=asked, status=status, answer=answer))
        await session.flush()
    return json_response(body, status)


Once = Depends(begin)
"""For POSTs that create or charge: put it in `dependencies` and answer with `keep`."""
