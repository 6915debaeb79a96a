"""What every page needs: rendering, what was posted, notices, links, and errors as pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqladmin.i18n import gettext as _
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from admin.door import BASE, headers_of_pages
from app.db import Database, as_app_error
from app.errors import AppError, BadRequest

if TYPE_CHECKING:
    from admin.site import BackOffice

NOTICES = {
    "saved": "Saved.",
    "unchanged": "Nothing was changed.",
    "created": "Created.",
    "deleted": "Deleted.",
    "archived": "Archived, not deleted: it was ordered or lies in a cart. Nobody can buy it any more.",
    "partly_archived": "Deleted, but for what was ordered or lies in a cart: that is archived, and nobody can buy it.",
    "picture_added": "The picture is added.",
    "picture_removed": "The picture is removed.",
    "moved": "Done.",
    "queued": "It is being done. Load the page again to see what came of it.",
    "reviewed": "Reviewed. Your note is kept with the payment.",
    "refunded": "Refunded. The customer is told by e-mail.",
    "documents_missing": "Mind that not all documents are verified yet.",
    "verified": "Verified.",
    "verified_expired": "Verified, though that passport has expired.",
    "verified_expiring": "Verified, though that passport is valid for less than six months after the journey.",
    "rejected": "Rejected, and the customer is told.",
    "next_document": "This is the next one.",
    "no_more_documents": "There is nothing left to verify.",
    "refund_waits": "Stripe cannot be reached right now. The refund is written down and will be done.",
}
CALM = {
    "unchanged",
    "archived",
    "partly_archived",
    "queued",
    "refund_waits",
    "documents_missing",
    "verified_expired",
    "verified_expiring",
}
"""Notices that are no plain success."""
NOTICE = "souk_notice"
SENT_WITH_ERRORS = ("Retry-After", "Allow", "Connection")
FAILED = (AppError, DBAPIError)
"""What a form catches, to be shown with what was typed."""


def office_of(request: Request) -> "BackOffice":
    office: BackOffice = request.app.state.back_office
    return office


def database_of(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def render(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    notice: str | None = None,
    **context: Any,
) -> Response:
    """A page. A notice from the step before is shown once, in its own words or in those given here."""
    names = [name for name in noticed(request) if name in NOTICES]
    notice = notice or " ".join(_(NOTICES[name]) for name in names)
    badges = await office_of(request).badges(request) if request.scope.get("person") else {}
    shown = {
        "badges": badges,
        "notice": notice,
        "notice_tone": "success" if CALM.isdisjoint(names) else "info",
        **context,
    }
    answer = await office_of(request).templates.TemplateResponse(request, f"sqladmin/{template}", shown, status)
    answer.headers.update({name: value for name, value in (headers or {}).items() if name == "Retry-After"})
    if NOTICE in request.cookies:
        answer.delete_cookie(NOTICE, path=BASE, httponly=True, samesite="strict")
    return answer


def noticed(request: Request) -> list[str]:
    """What the step before left to be said: names of NOTICES, and maybe the id of the row it was about."""
    return [name for name in request.cookies.get(NOTICE, "").split(".") if name]


def redirect(to: str, *notices: str) -> Response:
    answer = RedirectResponse(to, 303)
    names = ".".join(notices)  # no secret
    answer.set_cookie(NOTICE, names, 60, path=BASE, httponly=True, samesite="strict")
    return answer


@dataclass(frozen=True)
class Typed:
    """What a form sent: for each name its texts, with plain line ends."""

    texts: Mapping[str, list[str]]

    def __contains__(self, name: str) -> bool:
        return name in self.texts

    def last(self, name: str) -> str:
        return self.texts.get(name, [""])[-1]

    def all(self, name: str) -> list[str]:
        return [text for text in self.texts.get(name, []) if text]


async def posted(request: Request) -> Typed:
    """The texts of the form. Files and text that is no Unicode are refused."""
    texts: dict[str, list[str]] = {}
    async with request.form(max_files=0) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile) or not is_unicode(name + value):
                raise BadRequest("The form could not be read.")
            texts.setdefault(name, []).append(unix(value))
    return Typed(texts)


def is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unix(text: str) -> str:
    """The text with plain line ends: browsers send CRLF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_problem(error: BaseException) -> AppError:
    """An error of a form as ours. Raises what is not for the reader's eyes."""
    found = error if isinstance(error, AppError) else as_app_error(error)
    if found is None:
        raise error
    return found


def messages(error: AppError) -> dict[str, list[str]]:
    """The sentences of an error by field; those about no field are under the empty name."""
    found: dict[str, list[str]] = {}
    for problem in error.extra.get("errors") or [{"pointer": "", "message": error.detail}]:
        name = problem["pointer"].lstrip("/?").partition("/")[0]
        found.setdefault(name, []).append(_(problem["message"]))
    return found


def address(page: str, key: Any = None, action: str = "") -> str:
    """`/admin/orders/list`, or with a key `/admin/orders/details/{key}`."""
    return f"{BASE}/{page}/list" if key is None else f"{BASE}/{page}/{action or 'details'}/{key}"


def with_query(request: Request, **changed: Any) -> str:
    """The present query with other values; None takes a name away."""
    kept = {name: value for name, value in request.query_params.items() if value} | changed
    return "?" + urlencode({name: value for name, value in kept.items() if value is not None})


def in_words(error: AppError) -> str:
    """All sentences of an error in one line."""
    return " ".join(sentence for found in messages(error).values() for sentence in found)


async def error_page(request: Request, error: AppError, request_id: str) -> Response:
    """An error as a page of its own, with the headers of all pages."""
    context = {"status_code": error.status, "message": in_words(error), "request_id": request_id}
    answer = await office_of(request).templates.TemplateResponse(request, "sqladmin/error.html", context, error.status)
    answer.headers.update(
        headers_of_pages() | {name: error.headers[name] for name in SENT_WITH_ERRORS if name in error.headers}
    )
    return answer
