"""Handing in a document: its bytes are counted as they come, looked into in a process of their own, and stored.

The row is written first and seen by nobody; the bytes are stored next; then it is ready. What a crash leaves between
is swept (`reconciling.py`, `document_files.py`).
"""

import asyncio
import logging
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.clamav import ClamAv
from app.clients.storage import PrivateFiles
from app.db import Database
from app.errors import Conflict, NotFound, Unavailable, ValidationError
from app.inspection import Inspected, inspect, on_disk
from app.kit import audit, changes, reading
from app.kit.access import Actor, mine
from app.kit.once import Key, begin_work, keep
from app.kit.schemas import Input, data_of, read_schema
from app.kit.web import PREFIX, SignedIn, example_of, problems
from app.multipart import Sent, in_turn, received
from app.resources.documents import ENDINGS, Document, documents
from app.resources.order_views import orders
from app.resources.orders import Order, OrderStatus
from app.resources.services import DocumentCategory
from app.resources.users import User

log = logging.getLogger("souk.uploads")
router = APIRouter(prefix=PREFIX, tags=["Documents"])
TOO_LARGE = (
    "A document may have at most 10 MiB (10,485,760 bytes). Please take the photo at a lower resolution, or save the "
    "PDF with smaller pictures."
)
MOST = 500
"""Documents that one customer may keep."""
LONGEST_NAME = 120
Asked = tuple[Actor, str, str, bytes]
"""Who asks, at which address, with which Idempotency-Key, for what."""


class QuotaReached(Conflict):
    """You have no room left for documents: delete some that are not needed any more."""


class OrderCancelled(Conflict):
    """This order is cancelled, so it takes no documents."""


class UploadFields(Input):
    """What comes with the file."""

    category: DocumentCategory
    order_id: UUID | None = None


@dataclass(frozen=True)
class Upload:
    """A file as it was sent, and what was said of it."""

    sent: Sent
    category: DocumentCategory
    order_id: UUID | None

    def fingerprint(self) -> bytes:
        """What tells two uploads apart."""
        return f"{self.category}\n{self.order_id}\n{self.sent.name}\n{self.sent.digest()}".encode()


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "category"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "PDF, JPEG or PNG, ≤ 10 MiB."},
                        "category": {"type": "string", "enum": [str(each) for each in DocumentCategory]},
                        "order_id": {
                            "type": "string",
                            "description": "The id of the order it belongs to.",
                            "example": "",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/documents/upload",
    status_code=201,
    operation_id="uploadDocument",
    response_model=None,
    openapi_extra=BODY,
    responses={
        201: {"model": data_of(read_schema(documents)), **example_of(documents)},
        **problems(400, 401, 404, 409, 413, 415, 422),
    },
)
async def upload_document(request: Request, actor: SignedIn, idempotency_key: Key = None) -> Response:
    """Hand in a document

    A PDF, JPEG or PNG by its content, at most 10 MiB and 40 megapixels. Pictures are stored without their metadata.
    PDFs with a password, scripts or attachments are refused. Our staff look at it and write to you.
    """
    with on_disk(), TemporaryFile() as clean:
        async with received(request, TOO_LARGE, UploadFields) as sent:
            upload = Upload(sent, sent.fields["category"], sent.fields.get("order_id"))
            async with in_turn(actor):
                found = await inspect(sent.file, clean)
            await scan(request.app.state.scanner, clean)
            return await store(request, actor, upload, clean, found, idempotency_key)


def clean_name(name: str, mime_type: str) -> str:
    """The name without folders, control characters and what turns text round, with the ending of its real type."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    shown = " ".join("".join(each for each in last if unicodedata.category(each)[0] != "C").split())
    stem, ending = shown.rpartition(".")[::2] if "." in shown else (shown, "")
    if f".{ending.lower()}" not in ENDINGS[mime_type]:
        stem, ending = shown, ENDINGS[mime_type][0].lstrip(".")
    return f"{stem.strip('. ')[:LONGEST_NAME] or 'document'}.{ending.lower()}"


async def scan(scanner: ClamAv | None, file: BinaryIO) -> None:
    """Raises ValidationError when a configured virus scanner finds something, Unavailable when it is away."""
    if scanner and (found := await scanner.scan(file)):
        log.warning("an upload was refused: %s", found)
        raise ValidationError.of(
            "/file", "virus", "This file carries a virus. Please check your device before you try again."
        )


# -- row, bytes, ready


async def store(
    request: Request, actor: Actor, upload: Upload, clean: BinaryIO, found: Inspected, key: str | None
) -> Response:
    """Raises NotFound for an order that is not the caller's, QuotaReached, Unavailable; then nothing is left behind.

    Of repeats with one key that run at once the first to be ready counts; the others give its answer and are forgotten.
    """
    database: Database = request.app.state.database
    files: PrivateFiles = request.app.state.files
    asked = (actor, request.url.path, key, await asyncio.to_thread(upload.fingerprint)) if key is not None else None
    quota = request.app.state.settings.document_quota_mb * 1024 * 1024
    async with database.transaction() as session:
        document = await expected(session, actor, upload, found, files, quota, asked)
    try:
        await files.put(document.storage_key, clean, found.mime_type)
        async with database.transaction() as session:
            if asked:
                await begin_work(session, *asked)
            return await finished(session, actor, document.id)
    except Exception:
        await forget(database, document.id)
        raise


def file_key(document: Document) -> str:
    return f"documents/{document.user_id}/{document.id}"


async def expected(
    session: AsyncSession,
    actor: Actor,
    upload: Upload,
    found: Inspected,
    files: PrivateFiles,
    quota: int,
    asked: Asked | None,
) -> Document:
    """The row of a document whose bytes are on their way."""
    if asked:
        await begin_work(session, *asked)
    await check_order(session, actor, upload.order_id)
    await check_quota(session, actor, found.size, quota)
    document = Document(
        user_id=actor.id,
        order_id=upload.order_id,
        category=upload.category,
        original_name=clean_name(upload.sent.name, found.mime_type),
        file_size=found.size,
        mime_type=found.mime_type,
        pages=found.pages,
        storage_key="",
    )
    document.storage_key = files.address(file_key(document))
    session.add(document)
    return document


async def check_order(session: AsyncSession, actor: Actor, order_id: UUID | None) -> None:
    if order_id is None:
        return
    try:
        order: Order = await changes.locked(session, orders, actor, order_id, mine)
    except NotFound:
        raise NotFound("You have no such order.") from None
    if order.status is OrderStatus.CANCELLED:
        raise OrderCancelled()


async def check_quota(session: AsyncSession, actor: Actor, size: int, quota: int) -> None:
    """One upload of a customer at a time, so that many at once do not slip through."""
    await session.execute(select(User.c.id).where(User.c.id == actor.id).with_for_update(key_share=True))
    kept = select(func.count(), func.coalesce(func.sum(Document.c.file_size), 0)).where(Document.c.user_id == actor.id)
    count, used = (await session.execute(kept)).one()
    if count >= MOST or used + size > quota:
        raise QuotaReached()


async def finished(session: AsyncSession, actor: Actor, document_id: UUID) -> Response:
    """The answer about a document that is ready now. Raises Unavailable when it took so long that it was swept."""
    document = await session.get(Document, document_id, with_for_update=True, populate_existing=True)
    if document is None:
        raise Unavailable()
    document.is_ready = True
    values = {name: pair for name, pair in audit.new_values(document).items() if name != "is_ready"}
    session.add(audit.entry(actor, "created", document, values, changes.secrets_of(document)))
    await session.flush()
    return await keep(session, await reading.one(session, documents, actor, document.id))


async def forget(database: Database, document_id: UUID) -> None:
    """Take the row away, and with it the file; when the database is away too, the sweeper does."""
    with suppress(Exception):
        async with database.transaction() as session:
            await session.execute(delete(Document).where(Document.c.id == document_id, ~Document.c.is_ready))
