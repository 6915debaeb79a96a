"""Sending what is in the outbox: each mail once, patiently. A mail that cannot be sent disturbs nobody else."""

import asyncio
import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import case, update

from app import jobs
from app.clients.mail import Busy, MailRefused, Resend
from app.db import Database, Session
from app.errors import in_words
from app.jobs import DELAYS, TRIES, Later, Tools
from app.kit import changes, flow, reading
from app.kit.access import staff
from app.kit.once import Once, keep
from app.kit.schemas import data_of, read_schema
from app.kit.table import now
from app.kit.web import PREFIX, Caller, example_of, problems, rule_needed
from app.letters import Letter, LetterError, letter
from app.resources.emails import ERASED, Email, EmailStatus, emails, sendings

log = logging.getLogger("souk.mailing")
router = APIRouter(prefix=PREFIX, tags=["Staff"])
PATIENCE = timedelta(seconds=sum(DELAYS))
"""So long a mail is tried, also when the provider does not get round to looking at it."""


@jobs.task
async def send_email(tools: Tools, id: UUID) -> None:
    """A mail that is QUEUED: sent by the provider, or KEPT where there is none.

    The provider's idempotency key makes it one mail, also when we die before its answer is written down.
    """
    email = await count_try(tools.database, id)
    if email is None:
        return
    if tools.post is None:
        return await finish(tools.database, email, EmailStatus.KEPT, error=None)
    try:
        written = await asyncio.to_thread(letter, email.template, email.context, tools.settings.shop)
        provider_id = await send(tools.post, email, written)
    except Exception as error:
        return await put_off(tools.database, email, error)
    await finish(tools.database, email, EmailStatus.SENT, provider_id=provider_id, error=None)


async def count_try(database: Database, id: UUID) -> Email | None:
    """The mail, if it is still to be sent; this try is counted before it is made.

    While it waits, `updated_at` stays at its first try: from then on its time runs.
    """
    first = case((Email.c.error.is_(None), now()), else_=Email.c.updated_at)
    waiting = update(Email).where(Email.c.id == id, Email.c.status == EmailStatus.QUEUED)
    counted = waiting.values(attempts=Email.c.attempts + 1, updated_at=first).returning(Email)
    async with database.transaction() as session:
        email: Email | None = await session.scalar(counted)
        return email


async def send(post: Resend, email: Email, written: Letter) -> str:
    attached = [(each.filename, each.content_type, each.content) for each in written.attachments]
    key = f"souk-{email.id}-{email.sendings}"
    return await post.send(email.recipient, written.subject, written.text, written.html, attachments=attached, key=key)


async def put_off(database: Database, email: Email, error: Exception) -> None:
    """Keep what went wrong. Raises Later, unless it was the last try; one that nobody looked at does not count."""
    pause = pause_after(error, email)
    if pause is None:
        log.error("mail %s: %s", email.id, error)
        return await finish(database, email, EmailStatus.FAILED, error=in_words(error))
    attempts = email.attempts - isinstance(error, Busy)
    await finish(database, email, EmailStatus.QUEUED, error=in_words(error), attempts=attempts)
    raise Later(pause) from error


def pause_after(error: Exception, email: Email) -> float | None:
    """Seconds to the next try; None when there is none."""
    if isinstance(error, LetterError | MailRefused):
        return None
    if isinstance(error, Busy):
        return error.seconds if now() - email.updated_at < PATIENCE else None
    return DELAYS[email.attempts - 1] if email.attempts < TRIES else None


async def finish(database: Database, email: Email, status: EmailStatus, **values: Any) -> None:
    """Write down what became of it. A login link does not outlive its sending."""
    values["updated_at"] = Email.c.updated_at
    if status is not EmailStatus.QUEUED:
        values |= {"status": status, "updated_at": now()}
    if status is EmailStatus.SENT and "link" in email.context:
        values["context"] = email.context | {"link": ERASED}
    still_ours = (Email.c.id == email.id, Email.c.status == EmailStatus.QUEUED, Email.c.sendings == email.sendings)
    async with database.transaction() as session:
        await session.execute(update(Email).where(*still_ours).values(**values))


@router.post(
    "/admin/emails/{id}/resend",
    operation_id="resendEmail",
    dependencies=[rule_needed(staff), Once],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(emails)), **example_of(emails)},
        **problems(400, 401, 403, 404, 409, 422),
    },
)
async def resend_email(id: str, session: Session, actor: Caller) -> Response:
    """Send a mail again

    One that FAILED, or one more of one that went out. Not those with a login link that was used up by sending.
    """
    email = await changes.locked(session, emails, actor, id, staff)
    await flow.move(session, sendings, email, EmailStatus.QUEUED, actor, "staff")
    return await keep(session, await reading.one(session, emails, actor, email.id), 200)
