"""Verifying documents: staff look at one and decide, once; the customer is told, with what to do next."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, ConfigDict, Field
from sqlalchemy import ColumnElement, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import mrz
from app.db import Session
from app.errors import ValidationError
from app.kit import changes, flow, reading
from app.kit.access import Actor, staff
from app.kit.flow import Flow, Move
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import Day, Note, now, readable
from app.kit.web import PREFIX, Caller, example_of, json_response, problems, rule_needed
from app.resources.documents import (
    EXPIRES_TOO_SOON,
    Document,
    DocumentStatus,
    advice,
    desk_documents,
    documents_of_order,
)
from app.resources.emails import mail
from app.resources.order_letters import tell_customer
from app.resources.order_views import desk_orders
from app.resources.orders import Order, OrderStatus
from app.resources.services import DocumentCategory
from app.resources.users import User
from app.settings import get_settings

router = APIRouter(prefix=PREFIX, tags=["Staff"])


async def sign(session: AsyncSession, document: Document, move: Move, actor: Actor, reason: str | None) -> None:
    document.decided_by, document.decided_at = actor.id, now()


async def mail_the_verdict(
    session: AsyncSession, document: Document, move: Move, actor: Actor, reason: str | None
) -> None:
    """To whom the order is for; to the account where there is no order.

    Verdicts on documents of one order wait for each other here, so that the last one knows what the others said.
    """
    table, key = (Order, document.order_id) if document.order_id else (User, document.user_id)
    whose: Any = await session.get_one(table, key, with_for_update={"key_share": True}, populate_existing=True)
    order = whose if document.order_id else None
    verified = move.target is DocumentStatus.VERIFIED
    about: dict[str, Any] = {"category": str(document.category), "file_name": document.original_name}
    about |= await (what_is_left if verified else what_to_do)(session, document, order)
    template = "document_verified" if verified else "document_rejected"
    if order:
        await tell_customer(session, order, template, **about)
    else:
        url = f"{get_settings().frontend_url.rstrip('/')}/dashboard/documents"
        session.add(mail(whose.email, template, None, name=whose.full_name, order_number=None, order_url=url, **about))


SHORTFALL: ColumnElement[str | None] = literal_column(f"""CASE
    WHEN documents.category <> 'PASSPORT' THEN NULL
    WHEN documents.expires_on < current_date THEN 'expired'
    WHEN {EXPIRES_TOO_SOON} THEN 'expiring'
END""")
"""`expired`, or `expiring` within six months of the journey; NULL for a passport that lasts, and for all else."""
OVER = {
    OrderStatus.CANCELLED: "Your order is cancelled, so there is nothing you need to send.",
    OrderStatus.COMPLETED: "Your order is complete, so there is nothing you need to send.",
}
REPLACED = (
    "We have another file of yours. If that one takes the place of this one, there is nothing you need to do; if not, "
    "please send this one again."
)


async def what_is_left(session: AsyncSession, document: Document, order: Order | None) -> dict[str, Any]:
    """What an order that goes on still lacks, and what is wrong with this passport, unless its order is over."""
    if order and order.status in OVER:
        return {"documents": None, "shortfall": None}
    progress = select(documents_of_order(desk_orders)).select_from(Order).where(Order.c.id == document.order_id)
    shortfall = select(SHORTFALL).select_from(Document).where(Document.c.id == document.id)
    return {"documents": await session.scalar(progress), "shortfall": await session.scalar(shortfall)}


async def what_to_do(session: AsyncSession, document: Document, order: Order | None) -> dict[str, Any]:
    """Why it was rejected and what to do now: maybe nothing, when the order is over or another file is there."""
    another = select(Document.c.id).where(
        Document.c.user_id == document.user_id,
        Document.c.order_id == document.order_id,
        Document.c.category == document.category,
        Document.c.status.in_((DocumentStatus.PENDING, DocumentStatus.VERIFIED)),
        Document.c.is_ready,
    )
    reason = document.rejection_reason or ""
    nothing = OVER.get(order.status) if order else None
    nothing = nothing or (REPLACED if await session.scalar(another.limit(1)) else None)
    return {"reason": reason, "advice": nothing or advice(reason), "send_again": not nothing}


LONGEST_REASON = 1000
STAFF = frozenset({"staff"})
verification = Flow(
    "document",
    Document,
    moves=(
        Move(DocumentStatus.PENDING, DocumentStatus.VERIFIED, STAFF, "Verify"),
        Move(DocumentStatus.PENDING, DocumentStatus.REJECTED, STAFF, "Reject", ("rejection_reason",), danger=True),
    ),
    after=(sign, mail_the_verdict),
)


class Verdict(Input):
    """VERIFIED, maybe with what was read in a passport; or REJECTED with the reason that the customer reads."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "VERIFIED", "expires_on": "2031-03-14"},
                {"status": "REJECTED", "rejection_reason": "The picture is blurred or cut off"},
            ]
        }
    )

    status: DocumentStatus
    rejection_reason: Annotated[Note, Field(max_length=LONGEST_REASON), AfterValidator(readable)] | None = Field(
        None, description="The customer reads it."
    )
    expires_on: Day | None = Field(None, description="Until when the document is valid.")
    mrz: str | None = Field(
        None, max_length=200, description="The two lines at the foot of a passport; their check digits are verified."
    )


@router.patch(
    "/admin/documents/{id}/verify",
    operation_id="verifyDocument",
    dependencies=[rule_needed(staff)],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(desk_documents)), **example_of(desk_documents)},
        **problems(401, 403, 404, 409, 422),
    },
)
async def verify_document(id: str, session: Session, actor: Caller, body: Verdict) -> Response:
    """Verify or reject a document

    Once: who comes second gets 409 `illegal_transition`. The customer is mailed, with what to do about a rejection.
    `expires_too_soon` says whether a passport is valid for less than six months after the journey.
    """
    document = await decide(session, actor, id, body)
    return json_response(await reading.one(session, desk_documents, actor, document.id))


async def decide(session: AsyncSession, actor: Actor, key: str | UUID, verdict: Verdict) -> Document:
    """Raises Forbidden, NotFound, IllegalTransition, and ValidationError for what does not belong together."""
    document: Document = await changes.locked(session, desk_documents, actor, key, desk_documents.read)
    rejected = verdict.status is DocumentStatus.REJECTED
    reason = (verdict.rejection_reason or "").strip() or None
    if reason and not rejected:
        raise ValidationError.of("/rejection_reason", "not_allowed", "A reason goes with REJECTED.")
    for name in ("expires_on", "mrz"):
        if getattr(verdict, name) and rejected:
            raise ValidationError.of(f"/{name}", "not_allowed", "This goes with VERIFIED.")
    order = await session.get(Order, document.order_id) if document.order_id else None
    number = (order.values()["service_details"] or {}).get("passport_number") if order else None
    given = {"rejection_reason": reason, "expires_on": expiry(document, number, verdict)}
    await flow.move(session, verification, document, verdict.status, actor, "staff", **given)
    return document


def expiry(document: Document, number: str | None, verdict: Verdict) -> date | None:
    """Until when the document is valid, as far as it was given. `number` is the passport the order is about."""
    if not verdict.mrz:
        return verdict.expires_on
    if document.category is not DocumentCategory.PASSPORT:
        raise ValidationError.of("/mrz", "not_allowed", "Only passports have these lines.")
    passport = mrz.read(verdict.mrz)
    if verdict.expires_on and verdict.expires_on != passport.expires:
        said = passport.expires.isoformat()
        raise ValidationError.of("/expires_on", "differs", f"The lines of the passport say {said}.")
    if number and plain(number) != plain(passport.number):
        raise ValidationError.of(
            "/mrz",
            "another_passport",
            f"The order names passport {number}, these lines say {passport.number}. If the order is wrong, leave the "
            "lines out and give the date alone.",
        )
    return passport.expires


def plain(number: str) -> str:
    return "".join(filter(str.isalnum, number)).upper()
