"""Slugs: names in addresses, made from a title when a row is new, unique in its table."""

from collections.abc import Collection
from typing import Any

from slugify import slugify
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ValidationError
from app.kit.table import Table


async def name_slug(
    session: AsyncSession, row: Table, values: dict[str, Any], source: str, reserved: Collection[str] = ()
) -> None:
    """A new row without a slug gets one from its column `source`; when that is taken, with the end of its id.

    Raises ValidationError for a given one that is `reserved`.
    """
    if values.get("slug") in reserved:
        raise ValidationError.of("/slug", "reserved", "This slug is an address of its own.")
    if row.values()["slug"] or values.get("slug"):
        return
    column = type(row).c.slug
    slug = slugify(values[source], max_length=180) or str(type(row).__tablename__)
    key = f"{type(row).__tablename__}/{slug}"
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))  # one namesake at a time
    taken = slug in reserved or await session.scalar(select(column).where(column == slug))
    values["slug"] = f"{slug}-{row.id.hex[-6:]}" if taken else slug
