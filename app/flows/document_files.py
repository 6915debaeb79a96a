"""The files of documents: reading them, for their owner and for staff; and their thumbnails."""

import re
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Request
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response, StreamingResponse

from app import jobs
from app.clients.storage import PrivateFiles
from app.db import Database, Session
from app.errors import AppError, Conflict, NotFound, Unavailable
from app.inspection import on_disk, picture
from app.jobs import Tools
from app.kit import audit, changes
from app.kit.access import Actor, either
from app.kit.reading import key_of, visible
from app.kit.web import PREFIX, SignedIn, problems
from app.resources.documents import ENDINGS, Document, DocumentStatus, desk_documents, documents
from app.resources.orders import Order, OrderStatus

router = APIRouter(prefix=PREFIX, tags=["Documents"])
WORKED_ON = (OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS)
READERS = either(documents.read, desk_documents.read)
THUMBNAIL = 160
"""Pixels that a thumbnail is wide: enough to tell documents apart, too few to read them."""
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class RangeNotSatisfiable(AppError):
    """The file does not have that part."""

    status = 416


CONTENT = {mime_type: {"schema": {"type": "string", "format": "binary"}} for mime_type in ENDINGS}
ANSWERS: dict[int | str, Any] = {
    200: {"description": "The file.", "content": CONTENT},
    206: {"description": "The part that `Range` asks for.", "content": CONTENT},
}


@router.get(
    "/documents/{id}/file",
    operation_id="getDocumentFile",
    response_model=None,
    response_class=Response,
    responses={**ANSWERS, **problems(401, 404, 416)},
)
async def read_file(
    id: str,
    request: Request,
    actor: SignedIn,
    range: Annotated[str | None, Header(description="A part of the file: `bytes=0-1023`.")] = None,
) -> Response:
    """The file of a document

    For its owner and for staff, to be saved; it is never shown by the browser and never kept on the way. Each opening
    by staff is written down.
    """
    document = await opened(request.app.state.database, actor, id)
    return await file_response(request.app.state.files, document, None if "if-range" in request.headers else range)


async def opened(database: Database, actor: Actor, key: str) -> Document:
    """The document, if the caller may see it. That somebody of staff opened it is written down first."""
    async with database.transaction() as session:
        document = await found(session, actor, key)
        if actor.is_staff:
            session.add(audit.entry(actor, "opened", document, {}))
    return document


async def found(session: AsyncSession, actor: Actor, key: str) -> Document:
    _, id = key_of(documents, key)
    row = select(Document).where(Document.c.id == id, visible(documents, actor, READERS))
    document: Document | None = (await session.scalars(row)).one_or_none()
    if document is None:
        raise NotFound()
    return document


async def file_response(files: PrivateFiles, document: Document, range: str | None) -> Response:
    """The stored bytes, or the part that is asked for. Raises FileGone, StorageDown, RangeNotSatisfiable."""
    start, stop = part(range, document.file_size)
    chunks = await files.open(document.storage_key, start, stop)
    headers = HEADERS | {"Content-Disposition": as_attachment(document.original_name)}
    headers["Content-Length"] = str(stop - start)
    if (start, stop) != (0, document.file_size):
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{document.file_size}"
    status = 206 if "Content-Range" in headers else 200
    return StreamingResponse(chunks, status, headers, media_type=document.mime_type)


def part(range: str | None, size: int) -> tuple[int, int]:
    """The bytes from, and up to which, to send. What is no single range of bytes means all of them (RFC 9110)."""
    asked = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (range or "").strip())
    if not asked or not (asked[1] or asked[2]):
        return 0, size
    if not asked[1]:
        start, stop = max(0, size - int(asked[2])), size
    else:
        start, stop = int(asked[1]), min(size, int(asked[2]) + 1) if asked[2] else size
        if asked[2] and int(asked[2]) < start:
            return 0, size
    if start >= stop:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def as_attachment(name: str) -> str:
    plain = re.sub(r'[^ -~]|["\\%]', "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


class DocumentInUse(Conflict):
    """We are working on your order with this document. You can delete it once the order is completed."""


@router.delete(
    "/documents/{id}",
    status_code=204,
    operation_id="deleteDocument",
    name="deleteDocument",
    responses=problems(401, 404, 409),
)
async def delete_document(id: str, session: Session, actor: SignedIn) -> None:
    """Delete one's own document

    Its file is erased. One that was verified stays while its order is CONFIRMED or IN_PROGRESS (409 `document_in_use`).
    """
    document: Document = await changes.locked(session, documents, actor, id, documents.delete)
    order = await session.get(Order, document.order_id, with_for_update={"read": True}) if document.order_id else None
    if order and document.status is DocumentStatus.VERIFIED and order.status in WORKED_ON:
        raise DocumentInUse()
    await changes.delete(session, documents, actor, document.id)


# -- thumbnails


@jobs.tried_once
async def draw_thumbnail(tools: Tools, id: UUID) -> None:
    """The small picture of a document that has none yet: of the image, or of the PDF's first page.

    They are drawn one after another, so one that cannot be drawn now waits for the reconciler, and no other for it.
    """
    async with tools.database.transaction() as session:
        document = await session.get(Document, id)
    if document is None or not document.is_ready or document.thumbnail_key is not None:
        return
    address = thumbnail_address(document)
    with on_disk(), TemporaryFile() as small:
        try:
            await draw(tools.files, document, small, THUMBNAIL)
        except Unavailable:
            raise
        except AppError:
            return await keep_thumbnail(tools.database, id, "")
        await tools.files.put(address, small, "image/jpeg")
    await keep_thumbnail(tools.database, id, address)


def thumbnail_address(document: Document) -> str:
    """Beside the document itself, where the database has it erased with it."""
    return f"{document.storage_key}-thumbnail"


async def draw(files: PrivateFiles, document: Document, target: BinaryIO, width: int, page: int = 0) -> None:
    """A JPEG of the document. Raises FileGone, NotFound for a page that is not there, ValidationError, Unavailable."""
    with on_disk(), TemporaryFile() as source:
        async for chunk in await files.open(document.storage_key):
            source.write(chunk)
        await picture(source, target, width, page)


async def keep_thumbnail(database: Database, id: UUID, address: str) -> None:
    """Note where it is. Of a document that was deleted meanwhile, the database has written down to erase it later."""
    noted = update(Document).where(Document.c.id == id, Document.c.thumbnail_key.is_(None))
    async with database.transaction() as session:
        await session.execute(noted.values(thumbnail_key=address, updated_at=Document.c.updated_at))
