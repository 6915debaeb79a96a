"""What products are filed under: a tree, in which a product hangs on any branch."""

from typing import Any
from uuid import UUID

from sqlalchemy import literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import ValidationError
from app.kit.access import Actor, admin, everyone
from app.kit.resource import Look, Resource
from app.kit.slugs import name_slug
from app.kit.table import Slug, Table, Title, Whole, foreign_key


class Category(Table, table=True):
    """`position` orders the branches of one parent."""

    parent_id: UUID | None = foreign_key("categories.id", default=None)
    name: Title = Field(index=True)
    slug: Slug = Field(unique=True)
    position: Whole = Field(default=0, index=True)


MOVING = 7_305_673
"""Lock of changes to the tree: two moves at once could make a ring of it."""


async def prepare(session: AsyncSession, actor: Actor, category: Category, values: dict[str, Any]) -> None:
    """A slug from the name; and no category below itself."""
    await name_slug(session, category, values, "name")
    above = values.get("parent_id")
    if above is None:
        return
    await session.execute(select(literal_column(f"pg_advisory_xact_lock({MOVING})")))
    while above:
        if above == category.id:
            raise ValidationError.of("/parent_id", "circular", "A category cannot be below itself.")
        parent = await session.get(Category, above, populate_existing=True)
        if parent is None:
            raise ValidationError.of("/parent_id", "unknown_category", "There is no such category.")
        above = parent.parent_id


categories = Resource(
    table=Category,
    read=everyone,
    create=admin,
    update=admin,
    delete=admin,
    writable=("parent_id", "name", "position"),
    create_only=("slug",),
    filters=("parent_id",),
    search=("name",),
    sort=("position", "name"),
    order="position",
    slug="slug",
    prepare=prepare,
    example={
        "id": "019aab12-7c00-7000-8000-0000000000f2",
        "parent_id": "019aab12-7c00-7000-8000-0000000000f1",
        "name": "Olive oil",
        "slug": "olive-oil",
        "position": 2,
    },
    admin=Look(
        group="Catalogue",
        icon="category",
        title="name",
        columns=("name", "parent_id", "position"),
        order=56,
    ),
)
