"""The outbox: every mail is a row, written in the transaction that causes it. Its context may hold a login link."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import Conflict
from app.kit.access import Actor, Choice, staff
from app.kit.flow import Flow, Move
from app.kit.resource import Look, Resource
from app.kit.table import Email as Address
from app.kit.table import Json, Line, Note, Table, Whole, foreign_key


class EmailStatus(Choice):
    """KEPT: no provider is configured. FAILED: it was tried for sixteen hours, or will never be taken."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    KEPT = "KEPT"
    FAILED = "FAILED"


class Email(Table, table=True):
    """`template` names a folder of `email_templates/`, `context` what it is filled with.

    The provider's idempotency key is the id with `sendings`, which counts up when staff send it once more.
    """

    __table_args__ = (Index("ix_emails_created_at", "created_at"),)

    recipient: Address = Field(index=True)
    template: Line = Field(index=True)
    context: Json
    order_id: UUID | None = foreign_key("orders.id", default=None)
    status: EmailStatus = Field(default=EmailStatus.QUEUED, index=True)
    attempts: Whole = 0
    sendings: Whole = 0
    provider_id: Line | None = None
    error: Note | None = None


ERASED = "•••"
"""In place of a login link, once the mail is sent and wherever staff look at it."""


def mail(recipient: str, template: str, order_id: UUID | None = None, **context: Any) -> Email:
    """A mail for the outbox: add it to the session that causes it."""
    return Email(recipient=recipient, template=template, order_id=order_id, context=context)


class LinkIsGone(Conflict):
    """The link in this mail was erased when it was sent; its reader can ask for a new one."""


async def begin_again(session: AsyncSession, email: Email, move: Move, actor: Actor, reason: str | None) -> None:
    """With a key of its own when it went out before, so that the provider does not take it for the same."""
    if email.context.get("link") == ERASED:
        raise LinkIsGone()
    email.attempts, email.error = 0, None
    email.sendings += move.source is not EmailStatus.FAILED


RESENDABLE = (EmailStatus.SENT, EmailStatus.KEPT, EmailStatus.FAILED)
sendings = Flow(
    "e-mail",
    Email,
    moves=tuple(Move(status, EmailStatus.QUEUED, frozenset({"staff"}), "Send again") for status in RESENDABLE),
    after=(begin_again,),
)

emails = Resource(
    table=Email,
    path="admin/emails",
    read=staff,
    hidden=("context", "sendings"),
    filters=("status", "template", "order_id"),
    search=("recipient",),
    sort=("created_at",),
    example={
        "id": "019aab12-7c00-7000-8000-0000000000e1",
        "recipient": "amina@example.com",
        "template": "order_confirmed",
        "order_id": "019aab12-7c00-7000-8000-0000000000b1",
        "status": "SENT",
        "attempts": 1,
        "provider_id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
        "error": None,
    },
    admin=Look(
        group="System",
        icon="mail",
        title="recipient",
        columns=("recipient", "template", "status", "order_id", "created_at"),
        order=80,
    ),
)
