"""The outbox: every mail is a row, written in the transaction that causes it. Its context may hold a login link."""

from typing import Any

from sqlalchemy import Index
from sqlmodel import Field

from app.kit.access import Choice, staff
from app.kit.resource import Look, Resource
from app.kit.table import Email as Address
from app.kit.table import Json, Line, Table, Whole


class EmailStatus(Choice):
    QUEUED = "QUEUED"


class Email(Table, table=True):
    """`template` names a folder of `email_templates/`, `context` what it is filled with."""

    __table_args__ = (Index("ix_emails_created_at", "created_at"),)

    recipient: Address = Field(index=True)
    template: Line = Field(index=True)
    context: Json
    status: EmailStatus = Field(default=EmailStatus.QUEUED, index=True)
    attempts: Whole = 0


def mail(recipient: str, template: str, **context: Any) -> Email:
    """A mail for the outbox: add it to the session that causes it."""
    return Email(recipient=recipient, template=template, context=context)


emails = Resource(
    table=Email,
    path="admin/emails",
    read=staff,
    hidden=("context",),
    filters=("status", "template"),
    search=("recipient",),
    sort=("created_at",),
    example={
        "id": "019aab12-7c00-7000-8000-0000000000e1",
        "recipient": "amina@example.com",
        "template": "reset_password",
        "status": "QUEUED",
        "attempts": 0,
    },
    admin=Look(
        group="System",
        icon="mail",
        title="recipient",
        columns=("recipient", "template", "status", "created_at"),
        order=80,
    ),
)
