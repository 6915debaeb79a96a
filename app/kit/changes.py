"""The one write path, for API and back office alike: may you, is it valid, prepare, save, audit.

Everything happens in the caller's transaction. `values` are validated values (`kit/schemas.py`), never raw input.
"""

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Statement, plain, run
from app.errors import Forbidden, Stale
from app.kit import audit, reading
from app.kit.access import Actor, Rule, allowed
from app.kit.resource import Resource, is_secret
from app.kit.schemas import check_money
from app.kit.table import Table, now

NewRow = tuple[type[Table], dict[str, Any]]
Made = tuple[tuple[tuple[int, str], ColumnElement[Any]], ...]


async def create(session: AsyncSession, resource: Resource, actor: Actor, values: dict[str, Any]) -> Any:
    """A new row, owned by the caller where rows have owners. Raises Forbidden, ValidationError, AlreadyExists."""
    allowed(resource.create, actor)
    row = resource.table(**({resource.owner: actor.id} if resource.owner in resource.names else {}))
    await put(session, resource, actor, row, values)
    session.add(row)
    session.add(audit.entry(actor, "created", row, audit.new_values(row), secrets_of(row)))
    await session.flush()
    return row


async def update(
    session: AsyncSession,
    resource: Resource,
    actor: Actor,
    key: str | UUID,
    values: dict[str, Any],
    if_match: str | None = None,
) -> Any:
    """The changed row. Raises NotFound, Forbidden, Stale (when `if_match` is not the row's present tag)."""
    row = await locked(session, resource, actor, key, resource.update)
    await check_match(session, resource, actor, row.id, if_match)
    await change(session, resource, actor, row, values)
    return row


async def check_match(session: AsyncSession, resource: Resource, actor: Actor, id: UUID, if_match: str | None) -> None:
    """Raises Stale when `if_match` is not the row's present tag."""
    if not if_match or if_match == "*":
        return
    if reading.etag(await reading.one(session, resource, actor, id)) not in if_match:
        raise Stale()


async def change(
    session: AsyncSession, resource: Resource, actor: Actor, row: Any, values: dict[str, Any], action: str = "updated"
) -> None:
    """Put values on a locked row and audit what is different. For flows that did their own checks."""
    before = row.values()
    await put(session, resource, actor, row, values)
    changes = {name: [before[name], value] for name, value in row.values().items() if before[name] != value}
    if changes:
        row.updated_at = now()
        session.add(audit.entry(actor, action, row, changes, secrets_of(row)))
        await session.flush()


async def delete(session: AsyncSession, resource: Resource, actor: Actor, key: str | UUID) -> None:
    """Raises NotFound, Forbidden, InUse."""
    row = await locked(session, resource, actor, key, resource.delete)
    await session.delete(row)
    session.add(
        audit.entry(
            actor,
            "deleted",
            row,
            {name: [pair[1], None] for name, pair in audit.new_values(row).items()},
            secrets_of(row),
        )
    )
    await session.flush()


async def put(session: AsyncSession, resource: Resource, actor: Actor, row: Any, values: dict[str, Any]) -> None:
    if resource.prepare:
        await resource.prepare(session, actor, row, values)
    for name, value in values.items():
        setattr(row, name, value)
    if resource.money:
        check_money(resource, row.values(), row.currency)


async def locked(session: AsyncSession, resource: Resource, actor: Actor, key: str | UUID, rule: Rule) -> Any:
    """The row, locked, if the rule lets the caller change it. What he may see but not change is Forbidden.

    Rows that refer to it may still be written meanwhile: who places an order holds products when he refers to a shop,
    and who closes the shop holds the shop when he takes its products off the shelves.
    """
    column, value = ("id", key) if isinstance(key, UUID) else reading.key_of(resource, key)
    try:
        mine = reading.visible(resource, actor, rule)
    except Forbidden:
        await reading.one(session, resource, actor, key)
        raise
    wanted = select(resource.table).where(resource.column(column) == value)
    if row := (await session.scalars(wanted.where(mine).with_for_update(key_share=True))).one_or_none():
        return row
    await reading.one(session, resource, actor, key)
    raise Forbidden()


async def insert_together(
    source: AsyncSession | Database,
    *rows: NewRow,
    made: Mapping[tuple[int, str], ColumnElement[Any]] | None = None,
    **parameters: Any,
) -> None:
    """New rows of several tables in one statement, prepared once for these tables: one round trip, all or none.

    A row is its table and values (`new_row`); no objects are made, which costs more than the insert. `made` gives
    what the database makes, such as a number from a counter, by place of the row and column; with `parameters`.
    """
    values = {f"{place}_{name}": plain(value) for place, (_, row) in enumerate(rows) for name, value in row.items()}
    statement = insert_statement(tuple(table for table, _ in rows), tuple((made or {}).items()))
    await run(source, statement, **values, **parameters)


def new_row(table: type[Table], **values: Any) -> NewRow:
    """A row for `insert_together`: these values, and the columns' defaults for the others."""
    return table, {name: values[name] if name in values else default() for name, default in defaults(table).items()}


@cache
def defaults(table: type[Table]) -> dict[str, Callable[[], Any]]:
    """For each column what makes its default; a column without one must be given."""

    def maker(name: str) -> Callable[[], Any]:
        field = table.model_fields[name]
        return field.default_factory or (lambda: field.default)  # type: ignore[return-value]

    return {name: maker(name) for name in table.model_fields}


@lru_cache(maxsize=128)
def insert_statement(tables: tuple[type[Table], ...], made: Made) -> Statement:
    inserts = []
    for place, table in enumerate(tables):
        columns = table.sql_table.columns
        given: dict[str, Any] = {
            column.name: bindparam(f"{place}_{column.name}", type_=column.type) for column in columns
        }
        given |= {name: sql for (at, name), sql in made if at == place}
        inserts.append(insert(table).values(given).cte(f"new_{place}"))
    return Statement(select(literal_column("1")).add_cte(*inserts))


def secrets_of(row: Table) -> tuple[str, ...]:
    """Columns whose values never enter the audit."""
    return tuple(name for name in type(row).model_fields if is_secret(name))
