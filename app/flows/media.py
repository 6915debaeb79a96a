"""Public media: handing out the pictures that are kept here, and making the smaller ones of each."""

import re
from hashlib import blake2b
from tempfile import TemporaryFile
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import update
from starlette.responses import Response, StreamingResponse

from app import jobs
from app.clients.storage import PublicMedia
from app.db import Database
from app.errors import AppError, NotFound, Unavailable
from app.inspection import on_disk, variant
from app.jobs import Tools
from app.resources.product_images import ENDINGS, MEDIUM, SMALL, ProductImage, variant_key

router = APIRouter(include_in_schema=False)
KEY = re.compile(r"products/[0-9a-f-]{36}/[0-9a-f-]{36}/[0-9a-f-]{36}(-\d{3,4})?\.(jpg|png|webp)")
KINDS = {ending: mime_type for mime_type, ending in ENDINGS.items()}
HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/media/{key:path}")
async def read_media(request: Request) -> Response:
    """A picture. What a key stands for never changes, so browsers keep it. Raises NotFound, StorageDown."""
    key = request.scope["path"].removeprefix("/media/")
    if not KEY.fullmatch(key):
        raise NotFound()
    headers = HEADERS | {"ETag": f'"{blake2b(key.encode(), digest_size=12).hexdigest()}"'}
    known = request.headers.get("if-none-match", "")
    if headers["ETag"] in known or known.strip() == "*":
        return Response(status_code=304, headers=headers)
    media: PublicMedia = request.app.state.media
    return StreamingResponse(await media.open(key), 200, headers, media_type=KINDS[key.rpartition(".")[2]])


# -- smaller ones


@jobs.tried_once
async def draw_variants(tools: Tools, id: UUID) -> None:
    """The smaller ones of a picture that has none yet.

    They are drawn one after another, so one that cannot be drawn now waits for the reconciler, and no other for it.
    """
    async with tools.database.transaction() as session:
        image = await session.get(ProductImage, id)
    if image is None or not image.is_ready or image.has_variants or image.has_failed:
        return
    try:
        await draw(tools.media, image)
    except Unavailable:
        raise
    except AppError:
        return await note(tools.database, id, has_failed=True)
    await note(tools.database, id, has_variants=True)


async def draw(media: PublicMedia, image: ProductImage) -> None:
    """Raises FileGone, ValidationError, Unavailable."""
    with on_disk(), TemporaryFile() as source:
        async for chunk in await media.open(image.media_key):
            source.write(chunk)
        for side in (MEDIUM, SMALL):
            with TemporaryFile() as smaller:
                made = await variant(source, smaller, side)
                await media.put(variant_key(image.media_key, side), smaller, made.mime_type)


async def note(database: Database, id: UUID, **values: bool) -> None:
    """Write down what came of it. Of a picture that was deleted meanwhile, the database has all files erased later."""
    noted = update(ProductImage).where(ProductImage.c.id == id)
    async with database.transaction() as session:
        await session.execute(noted.values(updated_at=ProductImage.c.updated_at, **values))
