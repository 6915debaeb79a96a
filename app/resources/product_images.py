"""Pictures of products, in their order. The bytes are public media (`clients/storage.py`); a job makes smaller ones.

A row is written before its bytes are stored and is seen by nobody until they are (`is_ready`). When it is deleted, the
database itself writes down which files are to be erased (`erasures.py`).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, literal_column
from sqlmodel import Field

from app.kit.resource import Resource
from app.kit.schemas import Output
from app.kit.table import Line, Table, Whole, foreign_key


class ProductImage(Table, table=True):
    """`media_key` is where the picture is: `products/<seller>/<product>/<id>.jpg`. The smaller ones lie beside it once
    `has_variants`.
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


class Picture(Output):
    """A picture of a product in three widths; `small` and `medium` are the full one until a job has made them."""

    url: str
    medium_url: str
    small_url: str


def image_urls(resource: Resource) -> Any:
    return literal_column("'[]'::json")


def pictures(resource: Resource) -> Any:
    return literal_column("'[]'::json")
