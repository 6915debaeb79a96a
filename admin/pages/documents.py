"""The page on which staff look at a document and decide about it; then the next one opens by itself."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

from markupsafe import Markup
from sqladmin.i18n import gettext as _
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from admin.alarms import not_verified
from admin.door import actor
from admin.expiry import SENTENCES, shortfall
from admin.extras import entrance
from admin.kinds import label, words
from admin.page import (
    FAILED,
    NOTICES,
    Typed,
    address,
    as_problem,
    database_of,
    messages,
    noticed,
    office_of,
    posted,
    redirect,
    render,
)
from admin.pages.details import trail
from admin.pages.files import page_of
from admin.pages.lists import newest
from admin.queue import oldest, place_of
from admin.references import names_in
from admin.show import Row, ago, any_value
from app.errors import AppError, NotFound, ValidationError
from app.flows.verification import LONGEST_REASON, Verdict, decide
from app.kit.reading import one
from app.kit.schemas import validated
from app.resources.audit import audit
from app.resources.documents import REASONS, DocumentStatus, desk_documents
from app.resources.order_views import desk_orders
from app.resources.users import User

FIELDS = {"expires_on": "Expires on", "mrz": "Machine-readable lines", "rejection_reason": "Reason"}
"""What a wrong value is said beside, and named on top; everything else is said on top alone."""
MOST_BESIDE = 20
"""Other documents of the order that are named."""
Facts = list[tuple[str, Markup]]


# -- the queue


async def first(request: Request) -> Response:
    """To the document that waits longest, or to the list when none does."""
    async with database_of(request).transaction() as session:
        key = await oldest(session, actor(request))
    return redirect(page_at(key)) if key else redirect(page_at(None), "no_more_documents")


def page_at(key: UUID | None) -> str:
    """The page of a document; without one, of the queue."""
    return address(desk_documents.name, key) if key else entrance(desk_documents)


# -- the page


async def document_page(request: Request) -> Response:
    return await shown(request)


async def shown(request: Request, error: AppError | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """The page as it is now; after a verdict that failed, with its error and what was typed."""
    reader, database = actor(request), database_of(request)
    values = json.loads(await one(database, desk_documents, reader, request.path_params["pk"]))["data"]
    page = page_of(request)
    if page > max(1, values["pages"]):
        raise NotFound()
    order = await order_of(request, values)
    async with database.transaction() as session:
        place = await place_of(session, reader, values)
        owner = await session.get_one(User, UUID(values["user_id"]))
        entries = await trail(session, desk_documents, reader, UUID(values["id"]))
        names = await names_in(session, reader, [(desk_documents, values), *entries])
        beside = await documents_beside(session, request, values)
    row, is_open = Row(desk_documents, values, names), place.number is not None
    said = messages(error) if error else {}
    notice = await notice_of(request)
    return await render(
        request,
        "document.html",
        error.status if error else 200,
        notice=notice,
        view=office_of(request).view_named(request, desk_documents.name),
        row=row,
        page=page,
        place=place,
        queue=entrance(desk_documents),
        facts=facts_of_order(row, order) if order else facts_of_account(row, owner),
        order=order,
        beside=beside,
        lacking=list(not_verified(order)) if order else [],
        reasons=list(REASONS),
        too_soon=SENTENCES.get(shortfall(values), ""),
        trail=[Row(audit, entry, names) for _, entry in entries],
        is_late=error is not None and not is_open,
        said=said,
        on_top=[text for name, texts in said.items() if name not in FIELDS or not is_open for text in texts],
        fields=FIELDS,
        typed=typed or {},
    )


async def order_of(request: Request, values: Mapping[str, Any]) -> dict[str, Any] | None:
    if not values["order_id"]:
        return None
    found: dict[str, Any] = json.loads(
        await one(database_of(request), desk_orders, actor(request), values["order_id"])
    )["data"]
    return found


async def notice_of(request: Request) -> Markup | None:
    """What was decided just before, with a way back to it, in place of the plain words."""
    names, reader = noticed(request), actor(request)
    if not names or names[-1] in NOTICES:
        return None
    try:
        values = json.loads(await one(database_of(request), desk_documents, reader, names[-1]))["data"]
    except NotFound:
        return None
    order = await order_of(request, values)
    async with database_of(request).transaction() as session:
        row = Row(desk_documents, values, await names_in(session, reader, [(desk_documents, values)]))
    said = {
        "decision": _(words(values["status"])),
        "document": row.title,
        "name": order["customer_info"]["full_name"] if order else row.text("user_id"),
    }
    sentences = [_("%(decision)s: %(document)s of %(name)s.") % said]
    sentences += [_(SENTENCES[short])] if (short := shortfall(values)) else []
    sentences += [_(NOTICES["next_document"])] if "next_document" in names else []
    return Markup('<span>{} <a class="alert-link" href="{}">{}</a></span>').format(
        " ".join(sentences), row.link, _("Look again")
    )


async def documents_beside(session: AsyncSession, request: Request, values: Mapping[str, Any]) -> list[Row]:
    """The other documents of the same order, the newest first."""
    if not values["order_id"]:
        return []
    query = f"order_id={values['order_id']}"
    found = await newest(session, request, desk_documents, query, MOST_BESIDE + 1)
    return [row for row in found if row.values["id"] != values["id"]]


def facts_of_order(row: Row, order: Mapping[str, Any]) -> Facts:
    """What the document must agree with."""
    customer, details = order["customer_info"], order["service_details"] or {}
    link = Markup('<a href="{}">{}</a>').format(
        address(desk_orders.name, order["id"]), any_value(order["order_number"])
    )
    given: Facts = [
        (_("Name"), any_value(customer["full_name"])),
        (_("Country"), any_value(customer["country"])),
        (_("Phone"), any_value(customer["phone"])),
        (_("Order"), link),
        (_("Service"), Markup("<br>").join(any_value(item["title"]) for item in order["items"])),
    ]
    told = [name for name in ("travel_date", "passport_number", "nationality") if details.get(name)]
    given += [(_(label(name)), any_value(details[name])) for name in told]
    return [*given, (_("Received"), ago(row.values["created_at"]))]


def facts_of_account(row: Row, owner: User) -> Facts:
    """Whose it is, where no order says more."""
    given: Facts = [
        (_("Account"), row.show("user_id")),
        (_("E-mail"), any_value(owner.email)),
        (_("Country"), any_value(owner.country)),
        (_("Phone"), any_value(owner.phone)),
        (_("Order"), Markup('<span class="text-secondary">{}</span>').format(_("None: it belongs to the account"))),
    ]
    return [*given, (_("Received"), ago(row.values["created_at"]))]


# -- the verdict


async def no_verdict(request: Request) -> Response:
    """The address of a verdict, opened again after one that failed: there is only the page to go back to."""
    return RedirectResponse(address(desk_documents.name, quote(request.path_params["pk"], safe="")), 303)


async def verdict(request: Request) -> Response:
    """Decide, and go on to the next one. What cannot be done is said on the page, with what was typed still there."""
    typed = await posted(request)
    try:
        goal, notices = await decided(request, verdict_of(typed))
    except FAILED as error:
        return await shown(request, as_problem(error), {name: typed.last(name) for name in typed.texts})
    return redirect(goal, *notices)


async def decided(request: Request, given: Verdict) -> tuple[str, list[str]]:
    """Where to go on, and what to say there: the next one in the queue, the first of all after the last."""
    reader = actor(request)
    async with database_of(request).transaction() as session:
        document = await decide(session, reader, request.path_params["pk"], given)
        values = json.loads(await one(session, desk_documents, reader, document.id))["data"]
        place = await place_of(session, reader, values)
        following = place.after or await oldest(session, reader)
    done = "rejected" if values["status"] == DocumentStatus.REJECTED else "verified"
    short = shortfall(values) if done == "verified" else ""
    done = f"verified_{short}" if short else done
    return page_at(following), [done, "next_document" if following else "no_more_documents", str(document.id)]


def verdict_of(typed: Typed) -> Verdict:
    """What was typed; an empty field is not given. Raises ValidationError."""
    texts = {name: typed.last(name).strip() for name in ("status", "expires_on", "mrz")}
    texts["rejection_reason"] = rejection(typed.last("reason"), typed.last("more").strip())
    if texts["status"] == DocumentStatus.REJECTED and not texts["rejection_reason"]:
        raise ValidationError.of("/rejection_reason", "missing", "Choose a reason, or write one.")
    return Verdict(**validated(Verdict, {name: text for name, text in texts.items() if text}))


def rejection(reason: str, more: str) -> str:
    """One of the reasons, what staff wrote, or both: the customer reads it as one text."""
    if reason and reason not in REASONS:
        raise ValidationError.of("/rejection_reason", "not_allowed", "Choose one of the reasons.")
    text = ". ".join(filter(None, (reason, more)))
    if len(text) > LONGEST_REASON:
        sentence = _("At most %(most)s characters, these are %(n)s.") % {"most": LONGEST_REASON, "n": len(text)}
        raise ValidationError.of("/rejection_reason", "too_long", sentence)
    return text
