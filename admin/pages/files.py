"""The files of documents for staff: drawn for the screen, whole for download, and as small pictures.

Each opening is written into the audit, except for the small pictures of lists.
"""

from tempfile import TemporaryFile

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from admin.door import actor
from admin.page import database_of
from app.errors import BadRequest, NotFound
from app.flows.document_files import draw, file_response, found, opened
from app.inspection import on_disk

WIDTH = 1600
"""Pixels that a picture for the screen is wide."""
PRIVATE = {"Cache-Control": "private, no-store"}
JPEG = "image/jpeg"


async def picture(request: Request) -> Response:
    """The document, or the `page` of it that is asked for, as a JPEG. What browsers do with PDFs is not ours to say."""
    page = page_of(request)
    document = await opened(database_of(request), actor(request), request.path_params["pk"])
    with on_disk(), TemporaryFile() as drawn:
        await draw(request.app.state.files, document, drawn, WIDTH, page - 1)
        drawn.seek(0)
        return Response(drawn.read(), media_type=JPEG, headers=PRIVATE)


async def file(request: Request) -> Response:
    """What is kept, to be saved; a part of it when one is asked for."""
    document = await opened(database_of(request), actor(request), request.path_params["pk"])
    part = None if "if-range" in request.headers else request.headers.get("range")
    return await file_response(request.app.state.files, document, part)


async def thumbnail(request: Request) -> Response:
    async with database_of(request).transaction() as session:
        document = await found(session, actor(request), request.path_params["pk"])
    if not document.thumbnail_key:
        raise NotFound()
    chunks = await request.app.state.files.open(document.thumbnail_key)
    return StreamingResponse(chunks, media_type=JPEG, headers=PRIVATE)


def page_of(request: Request) -> int:
    """The page an address asks for; the first is 1."""
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        raise BadRequest("There is no such page.")
    return int(text)
