"""Lists: the rows a member of staff may see, by the same grammar and statements as the API's lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.kinds import kind_of, label, members
from admin.page import database_of, in_words, office_of, render, with_query
from admin.references import names_in
from admin.show import Row
from app.errors import BadRequest, Forbidden, ValidationError
from app.kit.access import Actor, answer
from app.kit.query import Query, parse
from app.kit.reading import page, visible
from app.kit.resource import Resource

SIZES = (25, 50)
WIDGETS = {"choice": "select", "bool": "select", "moment": "date", "date": "date", "money": "number", "text": "text"}
WORDS = {"gte": "from", "lte": "up to"}


def asked(request: Request, resource: Resource) -> Query:
    """The list an address asks for: SQLAdmin's page, pageSize, search, sortBy and sort, and the declared filters."""
    given = {name: value for name, value in request.query_params.multi_items() if value}
    if len(request.query_params.multi_items()) > len(request.query_params.keys()):
        raise BadRequest("A parameter is given twice.")
    size, by, order = given.pop("pageSize", str(SIZES[0])), given.pop("sortBy", ""), given.pop("sort", "asc")
    if size not in map(str, SIZES) or order not in ("asc", "desc") or "limit" in given:
        raise BadRequest("There is no such page size or order.")
    wanted = given | {"limit": size} | ({"sort": ("-" if order == "desc" else "") + by} if by else {})
    try:
        return parse(resource, urlencode(wanted, errors="surrogatepass").encode())
    except ValidationError as error:
        raise BadRequest(in_words(error)) from None


async def list_page(request: Request) -> Response:
    view = office_of(request).view_of(request)
    resource, reader = view.resource, actor(request)
    if not view.is_accessible(request):
        raise Forbidden()
    query = asked(request, resource)
    found = json.loads(await page(database_of(request), resource, reader, query))
    async with database_of(request).transaction() as session:
        names = await names_in(session, reader, [(resource, row) for row in found["data"]])
        tabs = await tabs_of(session, request, resource)
    return await render(
        request,
        "list.html",
        view=view,
        rows=[Row(resource, row, names, brief=True) for row in found["data"]],
        columns=[heading(request, resource, name) for name in shown_columns(resource)],
        meta=found["meta"],
        tabs=tabs,
        tabs_name=tabs_column(resource),
        filters=filters_of(request, resource),
        sizes=SIZES,
        can_create=await view.check_can_create(request),
        can_delete=await view.check_can_delete(request, None),
        can_export=await view.check_can_export(request),
    )


def shown_columns(resource: Resource) -> tuple[str, ...]:
    assert resource.admin
    return tuple(name for name in resource.admin.columns if name.partition(".")[0] in resource.columns)


@dataclass(frozen=True)
class Heading:
    """A column's head: its words, and where a click sorts by it (nowhere: it is not sortable)."""

    path: str
    text: str
    link: str | None
    order: str
    is_title: bool
    is_amount: bool


def heading(request: Request, resource: Resource, path: str) -> Heading:
    given = request.query_params
    order = given.get("sort") or "asc" if given.get("sortBy") == path else ""
    link = with_query(request, sortBy=path, sort="asc" if order == "desc" else "desc", page=None)
    is_amount = "." not in path and kind_of(resource, path) in ("money", "number")
    is_title = resource.admin is not None and path == resource.admin.title
    return Heading(path, label(path), link if path in resource.sort else None, order, is_title, is_amount)


@dataclass(frozen=True)
class Tab:
    value: str
    count: int
    link: str
    is_open: bool


def tabs_column(resource: Resource) -> str | None:
    """The first filter that is an enumeration: its values are the tabs above the list."""
    return next((name for name in resource.filters if "__" not in name and kind_of(resource, name) == "choice"), None)


async def counts_by(session: AsyncSession, resource: Resource, reader: Actor, name: str) -> Mapping[str, int]:
    """How many of the rows the reader may see have each value."""
    value = type_coerce(resource.column(name), String)
    rows = select(value, func.count()).where(visible(resource, reader, resource.read)).group_by(value)
    return {str(key): count for key, count in await session.execute(rows)}


async def tabs_of(session: AsyncSession, request: Request, resource: Resource) -> list[Tab]:
    name = tabs_column(resource)
    if name is None:
        return []
    counts = await counts_by(session, resource, actor(request), name)
    chosen = request.query_params.get(name, "")
    every = Tab("", sum(counts.values()), with_query(request, **{name: None, "page": None}), not chosen)
    return [every] + [
        Tab(value, counts.get(value, 0), with_query(request, **{name: value, "page": None}), chosen.upper() == value)
        for value in members(resource, name)
    ]


@dataclass(frozen=True)
class Filter:
    """A control above the list: `select` of choices, `date`, `number` or `text`."""

    name: str
    text: str
    widget: str
    choices: list[tuple[str, str]]
    value: str


def filters_of(request: Request, resource: Resource) -> list[Filter]:
    found = []
    for name in resource.filters:
        column, _mark, operator = name.partition("__")
        widget = WIDGETS.get(kind_of(resource, column))
        if widget is None or operator == "in" or name == tabs_column(resource):
            continue
        choices = {"choice": lambda c=column: [(v, v) for v in members(resource, c)]}.get(kind_of(resource, column))
        found.append(
            Filter(
                name,
                " ".join(filter(None, (label(column), WORDS.get(operator)))),
                widget,
                choices() if choices else [("true", "YES"), ("false", "NO")],
                request.query_params.get(name, ""),
            )
        )
    return found


async def newest(
    session: AsyncSession, request: Request, resource: Resource, query_string: str, limit: int
) -> list[Row]:
    """The first rows of a list, for other pages."""
    reader = actor(request)
    if not answer(resource.read, reader):
        return []
    query = replace(parse(resource, query_string.encode()), limit=limit)
    rows = json.loads(await page(database_of(request), resource, reader, query))["data"]
    names = await names_in(session, reader, [(resource, row) for row in rows])
    return [Row(resource, row, names, brief=True) for row in rows]
