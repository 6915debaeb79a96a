"""Documents: files that customers hand in, and what was found out about them. The bytes lie in `clients/storage.py`.

A row is written before its bytes are stored and is seen by nobody until they are (`is_ready`). When it is deleted, the
database itself writes down which files are to be erased (`erasures.py`).
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, cast, literal_column
from sqlmodel import Field

from app.kit.access import Choice, mine, only, staff
from app.kit.resource import Computed, Look, Resource
from app.kit.schemas import Output
from app.kit.table import Day, Line, Note, Table, Whole, foreign_key
from app.resources.services import DocumentCategory


class DocumentStatus(Choice):
    PENDING = "PENDING"
    VERIFIED = "VERIFIED"
    REJECTED = "REJECTED"


class Document(Table, table=True):
    """`storage_key` is where the bytes are (`local:documents/…`), `thumbnail_key` where their small picture is: None
    until a job has made it, empty when there can be none.
    """

    __table_args__ = (
        Index("ix_documents_user_id_created_at", "user_id", "created_at"),
        Index("ix_documents_created_at", "created_at"),
        CheckConstraint("status <> 'REJECTED' OR rejection_reason <> ''", name="rejection_reason"),
    )

    user_id: UUID = foreign_key("users.id", index=False)
    order_id: UUID | None = foreign_key("orders.id", default=None)
    category: DocumentCategory = Field(index=True)
    status: DocumentStatus = Field(default=DocumentStatus.PENDING, index=True)
    original_name: Line
    file_size: Whole
    mime_type: Line
    rejection_reason: Note | None = None
    expires_on: Day | None = None
    pages: Whole = 1
    decided_by: UUID | None = foreign_key("users.id", default=None)
    decided_at: datetime | None = None
    storage_key: Line
    thumbnail_key: Line | None = None
    is_ready: bool = False


ENDINGS = {
    "application/pdf": (".pdf",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
}
"""What is taken, and how the names of such files end."""

REASONS = {
    "The picture is blurred or cut off": "Please take it again in daylight, with all four corners in the picture.",
    "The document has expired": "Please send us a document that is still valid.",
    "This is the wrong document": "Please look at the list in your order and send us the document that is named there.",
    "The name does not match the order": "Please send us the document of the person the order is for, or tell us "
    "if the name in the order is wrong.",
    "Pages are missing": "Please send us one file with all pages, the first to the last.",
}
"""What staff most often reject a document for, and what the customer is told to do next."""
OTHERWISE = "Please put this right and send us the document once more."


def advice(reason: str) -> str:
    """What to do about a rejection, in words for the customer."""
    return next((todo for known, todo in REASONS.items() if reason.startswith(known)), OTHERWISE)


def file_url(resource: Resource) -> Any:
    return literal_column("'/api/v1/documents/'") + cast(resource.column("id"), String) + literal_column("'/file'")


MUST_LAST = """(
    SELECT CAST(to_date(left(day, 7), 'YYYY-MM') + right(day, 2)::int - 1 + interval '6 months' AS date)
    FROM orders AS journey, LATERAL (SELECT journey.service_details->>'travel_date' AS day) AS travel
    WHERE journey.id = documents.order_id AND day ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'
)"""
"""Until when a passport must be valid: six months after the journey, for which most borders ask. NULL without one."""
EXPIRES_TOO_SOON = f"(documents.expires_on < coalesce({MUST_LAST}, current_date))"
"""Whether a passport is not valid for so long; without a journey, whether it has expired. NULL while nobody has said
when it expires."""


def must_last(resource: Resource) -> Any:
    return literal_column(MUST_LAST)


def expires_too_soon(resource: Resource) -> Any:
    return literal_column(f"CASE WHEN documents.category = 'PASSPORT' THEN {EXPIRES_TOO_SOON} END")


def has_thumbnail(resource: Resource) -> Any:
    return literal_column("coalesce(documents.thumbnail_key, '') <> ''")


class OrderDocuments(Output):
    """How far the documents of an order are: of the `required` categories so many are `verified`, these are `waiting`
    for our staff, and these are `missing`: not handed in, or rejected. `passport_expires_too_soon` is null while it is
    not known."""

    required: int
    verified: int
    waiting: list[DocumentCategory]
    missing: list[DocumentCategory]
    is_complete: bool
    passport_expires_too_soon: bool | None


def documents_of_order(resource: Resource) -> Any:
    """`OrderDocuments` in SQL. Of several verified passports the one that lasts longest counts."""
    return literal_column(f"""(
        SELECT json_build_object(
            'required', count(*),
            'verified', count(*) FILTER (WHERE best = 'VERIFIED'),
            'waiting', coalesce(json_agg(category) FILTER (WHERE best = 'PENDING'), '[]'),
            'missing', coalesce(json_agg(category) FILTER (WHERE best IS NULL), '[]'),
            'is_complete', coalesce(bool_and(best IS NOT DISTINCT FROM 'VERIFIED'), true),
            'passport_expires_too_soon', (
                SELECT {EXPIRES_TOO_SOON} FROM documents
                WHERE order_id = orders.id AND category = 'PASSPORT' AND status = 'VERIFIED'
                ORDER BY expires_on DESC NULLS LAST LIMIT 1
            )
        ) FROM (
            SELECT category, (
                SELECT max(status) FROM documents
                WHERE order_id = orders.id AND documents.category = wanted.category
                AND status IN ('PENDING', 'VERIFIED') AND is_ready
            ) AS best FROM jsonb_array_elements_text(orders.required_documents) AS wanted (category)
        ) AS checked
    )""")  # noqa: S608


FILE_URL = Computed(str, file_url)
HIDDEN = ("storage_key", "thumbnail_key", "is_ready", "updated_at")
LISTS: dict[str, Any] = {
    "filters": ("status", "category", "order_id"),
    "sort": ("created_at",),
    "order": "-created_at",
}
EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-0000000000f1",
    "user_id": "019aab12-7c00-7000-8000-000000000001",
    "order_id": "019aab12-7c00-7000-8000-0000000000b1",
    "category": "PASSPORT",
    "status": "PENDING",
    "original_name": "passport.jpg",
    "file_size": 824113,
    "mime_type": "image/jpeg",
    "rejection_reason": None,
    "expires_on": None,
    "created_at": "2026-11-22T09:40:00.000000Z",
    "file_url": "/api/v1/documents/019aab12-7c00-7000-8000-0000000000f1/file",
}

documents = Resource(
    table=Document,
    owner="user_id",
    read=only(mine, is_ready=True),
    delete=only(mine, is_ready=True),
    hidden=(*HIDDEN, "pages", "decided_by", "decided_at"),
    computed={"file_url": FILE_URL},
    example=EXAMPLE,
    **LISTS,
)

desk_documents = Resource(
    table=Document,
    path="admin/documents",
    read=only(staff, is_ready=True),
    hidden=HIDDEN,
    computed={
        "file_url": FILE_URL,
        "expires_too_soon": Computed(bool | None, expires_too_soon),
        "must_last": Computed(Day | None, must_last, single=True),
        "has_thumbnail": Computed(bool, has_thumbnail),
    },
    search=("original_name",),
    example={
        **EXAMPLE,
        "pages": 1,
        "decided_by": None,
        "decided_at": None,
        "expires_too_soon": None,
        "must_last": "2027-08-08",
        "has_thumbnail": True,
    },
    admin=Look(
        group="Work",
        icon="file-certificate",
        title="category",
        columns=("has_thumbnail", "category", "status", "user_id", "order_id", "original_name", "created_at"),
        order=12,
    ),
    **LISTS,
)
"""The same as staff see them: everybody's, with who decided and whether a passport expires too soon (null: unknown)."""
