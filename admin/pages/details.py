"""The page of one row: its facts, what belongs to it, its history, and the steps that are allowed next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin
from uuid import UUID

from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.extras import Extra, Related, extra_of
from admin.kinds import kind_of
from admin.page import address, database_of, office_of, render
from admin.pages.lists import shown_columns
from admin.references import names_in
from admin.show import SPECIAL, Row
from app.errors import AppError
from app.kit.access import Actor, Rule, answer
from app.kit.query import parse
from app.kit.reading import one, page, visible
from app.kit.resource import RESOURCES, Resource
from app.kit.schemas import read_schema
from app.resources.audit import audit

LAST_ENTRIES, MOST_RELATED = 20, 10
Found = list[tuple[Resource, dict[str, Any]]]
"""Rows with the resource each is of."""


@dataclass(frozen=True)
class Table:
    """Rows that belong to the row of the page, such as the items of an order. `more` leads to all of them."""

    title: str
    columns: list[str]
    rows: list[Row]
    linked: bool
    more: str | None = None
    total: Markup | None = None
    said: Markup | None = None


async def details_page(request: Request) -> Response:
    return await shown(request)


async def shown(request: Request, error: AppError | None = None, typed: Mapping[str, str] | None = None) -> Response:
    """The page as it is now; after a step that failed, with its error and what was typed."""
    view = office_of(request).view_of(request)
    resource, reader, database = view.resource, actor(request), database_of(request)
    values = json.loads(await one(database, resource, reader, request.path_params["pk"]))["data"]
    key, extra = UUID(values["id"]), extra_of(resource)
    found = [(each, *await related(request, each, key)) for each in extra.related]
    panels = [panel for make in extra.panels if (panel := await make(request, values))]
    async with database.transaction() as session:
        can_update = await applies(session, resource, reader, resource.update, key)
        can_step = await applies(session, resource, reader, extra.may_step(resource), key)
        can_delete = await applies(session, resource, reader, resource.delete, key)
        entries = await trail(session, resource, reader, key)
        belong = [*belonging(resource, values), *(row for _, rows, _ in found for row in rows)]
        names = await names_in(session, reader, [(resource, values), *belong, *entries])
    row, typed = Row(resource, values, names), typed or {}
    moves = extra.moves(values) if can_step else []
    in_panel = any(name in typed for panel in panels for name in panel.fields)
    has_form = in_panel or typed.get("status") in {str(move.target) for move in moves}
    alarms = list(extra.alarms(values, {each.path: [row for _, row in rows] for each, rows, _ in found}))
    tables = [table for name in resource.computed if (table := table_of(row, name))]
    return await render(
        request,
        "details.html",
        error.status if error else 200,
        view=view,
        row=row,
        alarms=alarms,
        facts=facts(resource, extra),
        cards=cards(resource, extra, values, {alarm.column for alarm in alarms}),
        wide=extra.wide,
        tables=tables + [related_table(row, key, *each) for each in found if each[1]],
        panels=panels,
        moves=moves,
        cautions={str(move.target): extra.caution(values, str(move.target)) for move in moves},
        reason=extra.reason,
        asks_why=extra.asks_why,
        history=await extra.history(database, key, reader) if extra.history else [],
        trail=[Row(audit, entry, names) for _, entry in entries],
        edit=address(resource.name, key, "edit") if can_update and resource.writable else None,
        can_delete=can_delete,
        error=error,
        at_field=in_panel and error is not None and "errors" in error.extra,
        typed=typed,
        unplaced="" if has_form else typed.get("reason"),
    )


def facts(resource: Resource, extra: Extra) -> list[str]:
    """The columns that are a line each, and words that are computed."""
    told = [name for name in resource.columns if name not in above(resource) and not is_aside(resource, name)]
    told = [name for name in told if kind_of(resource, name) != "id" or (resource.path, name) in SPECIAL]
    words = [name for name in resource.computed if kind_of(resource, name) == "choice"]
    return [name for name in words + told if name not in extra.untold]


def above(resource: Resource) -> set[str]:
    """Columns that are no line of their own: what the heading or another line says already. A title that is a reference
    is a line too, as its link."""
    title = resource.admin.title if resource.admin else "id"
    said = {"id", "status", "card_last4", *([] if kind_of(resource, title) == "reference" else [title])}
    return said | ({"currency"} if resource.money else set())


def is_aside(resource: Resource, name: str) -> bool:
    """Whether a column gets a card of its own instead of a line among the facts."""
    return kind_of(resource, name) in ("json", "note")


def cards(resource: Resource, extra: Extra, values: Mapping[str, Any], said: set[str]) -> list[str]:
    """The columns with a card at the side; not those that an alarm has said."""
    return [
        name
        for name in resource.columns
        if is_aside(resource, name) and values[name] and name not in {*said, *extra.wide}
    ]


async def applies(session: AsyncSession, resource: Resource, reader: Actor, rule: Rule, key: UUID) -> bool:
    """Whether the rule covers this row for this reader."""
    clauses = answer(rule, reader)
    if not clauses or any(clause.rows is None for clause in clauses):
        return bool(clauses)
    row = select(resource.column("id")).where(resource.column("id") == key, visible(resource, reader, rule))
    return await session.scalar(row) is not None


async def trail(session: AsyncSession, resource: Resource, reader: Actor, key: UUID) -> Found:
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


async def related(request: Request, each: Related, key: UUID) -> tuple[Found, int]:
    """The latest rows that point here, by the statement of their own list, and how many there are."""
    resource = each.resource
    if not answer(resource.read, actor(request)):
        return [], 0
    query = replace(parse(resource, f"{each.by}={key}".encode()), limit=MOST_RELATED)
    found = json.loads(await page(database_of(request), resource, actor(request), query))
    return [(resource, row) for row in found["data"]], found["meta"]["total"]


def related_table(row: Row, key: UUID, each: Related, found: Found, total: int) -> Table:
    resource = each.resource
    more = f"{address(resource.name)}?{each.by}={key}" if resource.admin and total > len(found) else None
    rows = [Row(resource, values, row.names, brief=True) for _, values in found]
    said = row.show(each.said) if each.said else None
    return Table(resource.name, list(each.columns), rows, resource.admin is not None, more, said=said)


def belonging(resource: Resource, values: Mapping[str, Any]) -> Found:
    found = [(child, row) for name in resource.computed if (child := child_of(resource, name)) for row in values[name]]
    return [(child, row) for child, row in found if child.admin]


def table_of(row: Row, name: str) -> Table | None:
    child = child_of(row.resource, name)
    if child is None:
        return None
    columns = [*shown_columns(child)] if child.admin else plain_columns(child)
    currency = str(row.values.get("currency") or "")
    rows = [Row(child, values, row.names, brief=True, currency=currency) for values in row.values[name]]
    total = row.show("total_amount") if "total_amount" in row.values else None
    return Table(name, columns, rows, linked=child.admin is not None, total=total)


def plain_columns(child: Resource) -> list[str]:
    return [name for name in child.columns if kind_of(child, name) not in ("id", "reference", "json", "note")]
