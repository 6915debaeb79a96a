"""Pictures of a product: adding one, and taking one away. Only the product's own seller does; an admin may take away.

The row is written first and seen by nobody; the bytes are stored next; then it is ready (`uploads.py` does the same).
Places are given out under the product's lock, so the order stays whatever comes at once.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request, Response
from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.storage import PublicMedia
from app.db import Database, Session
from app.errors import Conflict, NotFound, Unavailable
from app.inspection import Photo, on_disk, photo
from app.kit import audit, changes
from app.kit.access import Actor, seller
from app.kit.once import Key, begin_work, keep
from app.kit.reading import key_of
from app.kit.schemas import Output, data_of
from app.kit.table import new_id, now
from app.kit.web import PREFIX, SignedIn, problems
from app.multipart import in_turn, received
from app.resources.product_images import LARGEST_SIDE, ProductImage, media_key
from app.resources.products import Product, products

router = APIRouter(prefix=PREFIX, tags=["Products"])
MOST = 10
"""Pictures of a product."""
TOO_LARGE = "A picture may have at most 10 MiB (10,485,760 bytes). Please save it smaller and upload that."
IN_ORDER = (ProductImage.c.position, ProductImage.c.id)


class TooManyPictures(Conflict):
    """A product has at most ten pictures: delete one of them first."""


class ProductPicture(Output):
    """Where a new picture is, whole and smaller; its place among the product's pictures, from 0."""

    image_url: str
    medium_url: str
    small_url: str
    position: int


@dataclass(frozen=True)
class Upload:
    """A picture for a product, as far as it is known. `asked` is what an Idempotency-Key came with."""

    actor: Actor
    product_key: str
    found: Photo
    asked: tuple[Actor, str, str, bytes] | None


FILE = {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP, ≤ 10 MiB."}
FORM = {"type": "object", "required": ["file"], "additionalProperties": False, "properties": {"file": FILE}}
EXAMPLE = "https://souk.example/media/products/019aab12/019aab13/019aab14.jpg"
SHOWN = {"image_url": EXAMPLE, "medium_url": EXAMPLE, "small_url": EXAMPLE, "position": 0}


@router.post(
    "/products/{id}/images",
    status_code=201,
    operation_id="addProductImage",
    response_model=None,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}},
    responses={
        201: {"model": data_of(ProductPicture), "content": {"application/json": {"example": {"data": SHOWN}}}},
        **problems(400, 401, 403, 404, 409, 413, 415, 422),
    },
)
async def add_product_image(id: str, request: Request, actor: SignedIn, idempotency_key: Key = None) -> Response:
    """Add a picture to a product

    A JPEG, PNG or WebP by its content, at most 10 MiB and 40 megapixels; it comes after those that are there, of which
    there may be ten. It is kept without its metadata and at most 2,000 pixels wide or high. Smaller ones are made
    a little later; until then their addresses are those of the picture itself.
    """
    return await add(request, actor, id, idempotency_key)


async def add(request: Request, actor: Actor, product_key: str, idempotency_key: str | None = None) -> Response:
    """Who may not is told before anything is read. Raises what is wrong with the form or the picture."""
    database: Database = request.app.state.database
    async with database.transaction() as session:
        await changes.locked(session, products, actor, product_key, seller)
    with on_disk(), TemporaryFile() as clean:
        async with received(request, TOO_LARGE) as sent:
            async with in_turn(actor):
                found = await photo(sent.file, clean, LARGEST_SIDE)
            asked = None
            if idempotency_key is not None:
                digest = await asyncio.to_thread(sent.digest)
                asked = (actor, request.url.path, idempotency_key, digest.encode())
        upload = Upload(actor, product_key, found, asked)
        return await store(database, request.app.state.media, upload, clean)


# -- row, bytes, ready


async def store(database: Database, media: PublicMedia, upload: Upload, clean: BinaryIO) -> Response:
    """Raises NotFound, Forbidden, TooManyPictures, Unavailable; then nothing is left behind.

    Of repeats with one key that run at once the first to be ready counts; the others give its answer and are forgotten.
    """
    async with database.transaction() as session:
        image = await expected(session, upload)
    try:
        await media.put(image.media_key, clean, image.mime_type)
        async with database.transaction() as session:
            if upload.asked:
                await begin_work(session, *upload.asked)
            return await finished(session, media, upload.actor, image)
    except Exception:
        await forget(database, image.id)
        raise


async def expected(session: AsyncSession, upload: Upload) -> ProductImage:
    """The row of a picture whose bytes are on their way, behind all others of the product."""
    if upload.asked:
        await begin_work(session, *upload.asked)
    product: Product = await changes.locked(session, products, upload.actor, upload.product_key, seller)
    last = func.coalesce(func.max(ProductImage.c.position) + 1, 0)
    kept = select(func.count(), last).where(ProductImage.c.product_id == product.id)
    count, position = (await session.execute(kept)).one()
    if count >= MOST:
        raise TooManyPictures()
    id, found = new_id(), upload.found
    image = ProductImage(
        id=id,
        product_id=product.id,
        position=position,
        media_key=media_key(product.seller_id, product.id, id, found.mime_type),
        mime_type=found.mime_type,
        file_size=found.size,
        width=found.width,
        height=found.height,
    )
    session.add(image)
    return image


async def finished(session: AsyncSession, media: PublicMedia, actor: Actor, stored: ProductImage) -> Response:
    """The answer about a picture that is ready now. Raises NotFound when its product went meanwhile, Unavailable when
    it took so long that it was swept."""
    product: Product = await changes.locked(session, products, actor, stored.product_id, seller)
    image = await session.get(ProductImage, stored.id, with_for_update=True, populate_existing=True)
    if image is None:
        raise Unavailable()
    image.is_ready, product.updated_at = True, now()
    url = media.url(image.media_key)
    session.add(audit.entry(actor, "updated", product, {"images": [None, image.media_key]}))
    await session.flush()
    position = await session.scalar(select(func.count()).where(*before(image))) or 0
    shown = ProductPicture(image_url=url, medium_url=url, small_url=url, position=position)
    return await keep(session, b'{"data":' + shown.model_dump_json().encode() + b"}")


def shown_images(product_id: UUID) -> Select[tuple[ProductImage]]:
    """A product's pictures in their order."""
    return (
        select(ProductImage).where(ProductImage.c.product_id == product_id, ProductImage.c.is_ready).order_by(*IN_ORDER)
    )


def before(image: ProductImage) -> tuple[Any, ...]:
    """The pictures that are shown before this one."""
    here = (ProductImage.c.product_id == image.product_id, ProductImage.c.is_ready)
    earlier = ProductImage.c.position < image.position
    level = (ProductImage.c.position == image.position) & (ProductImage.c.id < image.id)
    return (*here, or_(earlier, level))


async def forget(database: Database, image_id: UUID) -> None:
    """Take the row away, and with it the file; when the database is away too, the sweeper does."""
    with suppress(Exception):
        async with database.transaction() as session:
            await session.execute(delete(ProductImage).where(ProductImage.c.id == image_id, ~ProductImage.c.is_ready))


# -- away


Place = Annotated[
    str,
    Path(
        description="Which picture, from 0, in their present order.",
        json_schema_extra={"type": "integer", "minimum": 0},
    ),
]


@router.delete(
    "/products/{id}/images/{n}",
    status_code=204,
    operation_id="deleteProductImage",
    name="deleteProductImage",
    responses=problems(401, 403, 404, 412),
)
async def delete_product_image(
    id: str, n: Place, session: Session, actor: SignedIn, if_match: Annotated[str | None, Header()] = None
) -> None:
    """Delete a picture of a product

    Those behind it move up. Two who delete the same picture at once delete that one only: the second gets 404. Send the
    product's `ETag` as `If-Match` to be told when its pictures are not those you saw.
    """
    meant = await at_place(session, id, n)
    product: Product = await changes.locked(session, products, actor, id, products.delete)
    await changes.check_match(session, products, actor, product.id, if_match)
    await take_away(session, actor, product, meant)


async def at_place(session: AsyncSession, product_key: str, n: str) -> UUID | None:
    """The picture that is meant, looked up before anybody is waited for, who may be deleting it."""
    if not (n.isascii() and n.isdigit() and len(n) <= len(str(MOST))):
        return None
    column, value = key_of(products, product_key)
    ours = select(ProductImage.c.id).join(Product.sql_table).where(Product.c[column] == value, ProductImage.c.is_ready)
    return await session.scalar(ours.order_by(*IN_ORDER).offset(int(n)).limit(1))


async def remove(session: AsyncSession, actor: Actor, product_key: str, image_id: UUID) -> None:
    """The same by the picture's id, for pages that know it. Raises NotFound, Forbidden."""
    product: Product = await changes.locked(session, products, actor, product_key, products.delete)
    await take_away(session, actor, product, image_id)


async def take_away(session: AsyncSession, actor: Actor, product: Product, image_id: UUID | None) -> None:
    ours = (ProductImage.c.id == image_id, ProductImage.c.product_id == product.id, ProductImage.c.is_ready)
    gone = await session.scalar(delete(ProductImage).where(*ours).returning(ProductImage.c.media_key))
    if gone is None:
        raise NotFound("There is no such picture.")
    product.updated_at = now()
    session.add(audit.entry(actor, "updated", product, {"images": [gone, None]}))
