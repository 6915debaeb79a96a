"""Pictures of products, in their order. The bytes are public media (`clients/storage.py`); a job makes smaller ones.

A row is written before its bytes are stored and is seen by nobody until they are (`is_ready`). When it is deleted, the
database itself writes down which files are to be erased (`erasures.py`).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, Text, case, cast, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlmodel import Field

from app.kit.resource import Resource
from app.kit.schemas import Output
from app.kit.table import Line, Table, Whole, foreign_key
from app.settings import get_settings

ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
"""What is taken, and how the keys of such pictures end."""
LARGEST_SIDE, MEDIUM, SMALL = 2000, 1000, 400
"""Pixels that a picture is wide or high at most: the one that is kept, and the smaller ones beside it."""


class ProductImage(Table, table=True):
    """`media_key` is where the picture is: `products/<seller>/<product>/<id>.jpg`. The smaller ones lie beside it once
    `has_variants`; there are never any of one that `has_failed`.
    """

    __table_args__ = (Index("ix_product_images_product_id", "product_id", "position", "id"),)

    product_id: UUID = foreign_key("products.id", index=False, ondelete="CASCADE")
    position: Whole
    media_key: Line
    mime_type: Line
    file_size: Whole
    width: Whole
    height: Whole
    is_ready: bool = Field(default=False)
    has_variants: bool = Field(default=False)
    has_failed: bool = Field(default=False)


class Picture(Output):
    """A picture of a product in three widths; `medium` and `small` are the full one until a job has made them."""

    url: str
    medium_url: str
    small_url: str


def media_key(seller_id: UUID, product_id: UUID, id: UUID, mime_type: str) -> str:
    return f"products/{seller_id}/{product_id}/{id}.{ENDINGS[mime_type]}"


def variant_key(key: str, side: int) -> str:
    """Beside the picture itself, where the database has it erased with it."""
    return f"{key.rpartition('.')[0]}-{side}.webp"


# -- in SQL


def url() -> ColumnElement[str]:
    return cast(literal(f"{get_settings().media_url}/"), Text).op("||")(ProductImage.c.media_key)


def variant_url(side: int) -> ColumnElement[str]:
    """Where the smaller picture is, or the picture itself while there is none."""
    beside = func.regexp_replace(url(), literal_column("'[.][a-z]+$'"), literal_column(f"'-{side}.webp'"))
    return case((ProductImage.c.has_variants, beside), else_=url())


def in_order(what: Any, product_id: ColumnElement[Any]) -> Select[Any]:
    ours = (ProductImage.c.product_id == product_id, ProductImage.c.is_ready)
    return select(what).where(*ours).correlate(product_id.table)


def together(what: ColumnElement[Any], product_id: ColumnElement[Any]) -> Any:
    """One JSON value for each picture of the product, in their order, as an array."""
    ordered = aggregate_order_by(what, ProductImage.c.position, ProductImage.c.id)
    return in_order(func.coalesce(func.json_agg(ordered), literal_column("'[]'::json")), product_id).scalar_subquery()


def image_urls(resource: Resource) -> Any:
    return together(url(), resource.column("id"))


def pictures(resource: Resource) -> Any:
    sizes = {"url": url(), "medium_url": variant_url(MEDIUM), "small_url": variant_url(SMALL)}
    pairs = [part for name, each in sizes.items() for part in (literal_column(f"'{name}'"), each)]
    return together(func.json_build_object(*pairs), resource.column("id"))


def thumbnail_of(product_id: ColumnElement[Any]) -> Any:
    """The small one of a product's first picture, or null."""
    first = in_order(variant_url(SMALL), product_id).order_by(ProductImage.c.position, ProductImage.c.id).limit(1)
    return first.scalar_subquery()


def thumbnail_url(resource: Resource) -> Any:
    return thumbnail_of(resource.column("id"))
