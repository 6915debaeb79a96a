"""The page of one row: its facts, what belongs to it, its history, and the steps that are allowed next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.extras import extra_of
from admin.kinds import kind_of
from admin.page import address, database_of, office_of, render
from admin.pages.lists import shown_columns
from admin.references import names_in
from admin.show import Row
from app.errors import AppError
from app.kit.access import Actor, Rule, answer
from app.kit.reading import one, visible
from app.kit.resource import RESOURCES, Resource
from app.kit.schemas import read_schema
from app.resources.audit import audit

LAST_ENTRIES = 20


@dataclass(frozen=True)
class Table:
    """Rows that belong to the row of the page, such as the items of an order."""

    title: str
    columns: list[str]
    rows: list[Row]
    linked: bool


async def details_page(request: Request) -> Response:
    return await shown(request)


async def shown(request: Request, error: AppError | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """The page as it is now; after a step that failed, with its error and what was typed."""
    view = office_of(request).view_of(request)
    resource, reader, database = view.resource, actor(request), database_of(request)
    values = json.loads(await one(database, resource, reader, request.path_params["pk"]))["data"]
    key, extra = UUID(values["id"]), extra_of(resource)
    async with database.transaction() as session:
        can_update = await applies(session, resource, reader, resource.update, key)
        can_delete = await applies(session, resource, reader, resource.delete, key)
        entries = await trail(session, resource, reader, key)
        names = await names_in(session, reader, [(resource, values), *belonging(resource, values), *entries])
    row, typed = Row(resource, values, names), typed or {}
    moves = extra.moves(values) if extra and can_update else []
    has_form = typed.get("status") in {str(move.target) for move in moves}
    return await render(
        request,
        "details.html",
        error.status if error else 200,
        view=view,
        row=row,
        facts=[name for name in resource.columns if name not in above(resource) and not is_aside(resource, name)],
        cards=[name for name in resource.columns if is_aside(resource, name) and values[name]],
        tables=[table for name in resource.computed if (table := table_of(row, name))],
        moves=moves,
        history=await extra.history(database, key) if extra else [],
        trail=[Row(audit, entry, names) for _, entry in entries],
        edit=address(resource.name, key, "edit") if can_update and resource.writable else None,
        can_delete=can_delete,
        error=error,
        typed=typed,
        unplaced="" if has_form else typed.get("reason"),
    )


def above(resource: Resource) -> set[str]:
    """Columns that are no line of their own: what the heading says already, and the currency, which amounts carry."""
    title = resource.admin.title if resource.admin else ""
    return {"id", "status", title, *(["currency"] if resource.money else [])}


def is_aside(resource: Resource, name: str) -> bool:
    """Whether a column gets a card of its own instead of a line among the facts."""
    return kind_of(resource, name) in ("json", "note")


async def applies(session: AsyncSession, resource: Resource, reader: Actor, rule: Rule, key: UUID) -> bool:
    """Whether the rule covers this row for this reader."""
    clauses = answer(rule, reader)
    if not clauses or any(clause.rows is None for clause in clauses):
        return bool(clauses)
    row = select(resource.column("id")).where(resource.column("id") == key, visible(resource, reader, rule))
    return await session.scalar(row) is not None


async def trail(
    session: AsyncSession, resource: Resource, reader: Actor, key: UUID
) -> list[tuple[Resource, dict[str, Any]]]:
    """The latest audit entries of the row, for those who may read the audit."""
    if not answer(audit.read, reader) or resource is audit:
        return []
    entries = (
        select(audit.table)
        .where(visible(audit, reader, audit.read))
        .where(audit.column("resource") == resource.table.sql_table.name, audit.column("row_id") == key)
        .order_by(audit.column("at").desc())
        .limit(LAST_ENTRIES)
    )
    return [(audit, entry.model_dump(mode="json")) for entry in await session.scalars(entries)]


def child_of(resource: Resource, name: str) -> Resource | None:
    """The resource whose rows a computed field lists, if it does."""
    kind = resource.computed[name].type
    if get_origin(kind) is not list:
        return None
    shapes = {read_schema(child, single=False): child for child in RESOURCES.values()}
    return shapes.get(get_args(kind)[0])


def belonging(resource: Resource, values: Mapping[str, Any]) -> list[tuple[Resource, dict[str, Any]]]:
    found = [(child, row) for name in resource.computed if (child := child_of(resource, name)) for row in values[name]]
    return [(child, row) for child, row in found if child.admin]


def table_of(row: Row, name: str) -> Table | None:
    child = child_of(row.resource, name)
    if child is None:
        return None
    columns = [*shown_columns(child)] if child.admin else plain_columns(child)
    currency = str(row.values.get("currency") or "")
    rows = [Row(child, values, row.names, brief=True, currency=currency) for values in row.values[name]]
    return Table(name, columns, rows, linked=child.admin is not None)


def plain_columns(child: Resource) -> list[str]:
    return [name for name in child.columns if kind_of(child, name) not in ("id", "reference", "json", "note")]
