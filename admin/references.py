"""Names instead of ids: the titles of the rows that other rows refer to, as far as the reader may know them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, false, literal, null, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from admin.kinds import looks, open_to, pages_of, target_of
from app.kit.access import STAFF, Actor, Role
from app.kit.reading import visible
from app.kit.resource import Resource
from app.kit.table import Table
from app.resources.audit import audit
from app.resources.categories import Category
from app.resources.users import User

COLLEAGUES: Mapping[type[Table], ColumnElement[bool]] = {User: User.c.role.in_(sorted(STAFF))}
"""Rows whose title all staff may read, whatever the rules say: people know each other's names."""
CHOICES: Mapping[type[Table], ColumnElement[bool]] = {User: and_(User.c.role.in_(sorted(STAFF)), User.c.is_active)}
"""Rows a form offers for a reference: work is given to active staff."""
EVERYBODYS: Mapping[type[Table], ColumnElement[bool]] = {Category: true()}
"""Rows whose title all may read, whoever may open them."""
MOST_CHOICES = 200
MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class Name:
    """The title of a row, and the page of the back office that opens it for this reader, if one does."""

    title: str
    page: str | None


Names = Mapping[str, Name]


async def names_in(session: AsyncSession, actor: Actor, rows: Iterable[tuple[Resource, Mapping[str, Any]]]) -> Names:
    """The names of everything these rows refer to, by id: one select for each table that is referred to."""
    wanted: dict[type[Table], set[str]] = {}
    for resource, row in rows:
        for target, key in referred(resource, row):
            wanted.setdefault(target, set()).add(key)
    found: dict[str, Name] = {}
    for table, ids in wanted.items():
        found |= await names_of(session, actor, table, ids)
    return found


def referred(resource: Resource, row: Mapping[str, Any]) -> Iterator[tuple[type[Table], str]]:
    """The tables and ids that a row refers to; an audit entry also by the values that were changed."""
    for name in resource.columns:
        if row.get(name) and (target := target_of(resource, name)):
            yield target, row[name]
    if resource is audit:
        about = next((page for page in pages_of(Role.ADMIN) if page.table.sql_table.name == row.get("resource")), None)
        for name, pair in row["changes"].items() if about else ():
            if about and name in about.table.c and (target := target_of(about, name)):
                yield from ((target, value) for value in pair if value)


async def names_of(session: AsyncSession, actor: Actor, table: type[Table], ids: set[str]) -> dict[str, Name]:
    opened = readable(actor, table)
    page = case(*((rows, literal(place.name)) for place, rows in opened), else_=null()) if opened else null()
    seen = or_(*(rows for _, rows in opened), known(actor, table))
    statement = select(table.c.id, title_of(table), page).where(table.c.id.in_(map(UUID, ids)), seen)
    return {str(key): Name(str(title), place) for key, title, place in await session.execute(statement)}


def readable(actor: Actor, table: type[Table]) -> list[tuple[Resource, ColumnElement[bool]]]:
    """The places of the back office where this reader sees rows of the table, and which rows."""
    return [(place, visible(place, actor, place.read)) for place in open_to(actor) if place.table is table]


def known(actor: Actor, table: type[Table]) -> ColumnElement[bool]:
    """Rows whose title this reader may read, whatever pages he has."""
    return EVERYBODYS.get(table, COLLEAGUES.get(table, false()) if actor.is_staff else false())


def title_of(table: type[Table]) -> ColumnElement[Any]:
    """Its title column; where that is a reference, the title of what it refers to: a payment is called by its order."""
    place = next(place for place in looks() if place.table is table)
    assert place.admin
    column, target = table.c[place.admin.title], target_of(place, place.admin.title)
    return select(title_of(target)).where(target.c.id == column).scalar_subquery() if target else column


async def choices_of(session: AsyncSession, actor: Actor, table: type[Table]) -> list[tuple[str, str]]:
    """The ids and titles a form offers for a reference to this table."""
    if table is Category:
        return await branches(session)
    rows = CHOICES.get(table) if actor.is_staff else None
    if rows is None:
        rows = or_(false(), *(rows for _, rows in readable(actor, table)))
    title = title_of(table)
    found = await session.execute(select(table.c.id, title).where(rows).order_by(title).limit(MOST_CHOICES))
    return [(str(key), str(text)) for key, text in found]


async def branches(session: AsyncSession) -> list[tuple[str, str]]:
    """All categories, each by the way that leads to it: `Groceries › Olive oil`."""
    columns = (Category.c.id, Category.c.name, Category.c.parent_id)
    rows = await session.execute(select(*columns).order_by(Category.c.name).limit(MOST_CATEGORIES))
    tree = {key: (name, above) for key, name, above in rows}

    def way(key: UUID | None) -> str:
        name, above = tree.get(key, ("", None)) if key else ("", None)
        return f"{way(above)} › {name}" if above in tree else name

    return sorted(((str(key), way(key)) for key in tree), key=lambda choice: choice[1].casefold())
