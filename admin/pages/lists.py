"""Lists: the rows a member of staff may see, by the same grammar and statements as the API's lists."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from markupsafe import Markup
from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from admin.door import actor
from admin.extras import extra_of
from admin.kinds import kind_of, label, members, target_of, words
from admin.page import address, database_of, in_words, office_of, render, with_query
from admin.references import names_in
from admin.show import Row
from app.errors import BadRequest, Forbidden, ValidationError
from app.kit.access import Actor, answer
from app.kit.query import Query, parameter, parse
from app.kit.reading import page, visible
from app.kit.resource import Resource
from app.letters import templates

SIZES = (25, 50)
WIDGETS = {"moment": "date", "date": "date", "money": "number", "text": "text"}
PICTURES = ("has_thumbnail", "thumbnail_url")
"""The columns that are shown as a small picture."""
WORDS = {"gte": "from", "lte": "up to"}
KNOWN = {("admin/emails", "template"): templates}
"""Columns of text that has only so many values."""


def asked(request: Request, resource: Resource) -> Query:
    """The list an address asks for: SQLAdmin's page, pageSize, search, sortBy and sort, and the declared filters."""
    given = {name: value for name, value in request.query_params.multi_items() if value}
    if len(request.query_params.multi_items()) > len(request.query_params.keys()):
        raise BadRequest("A parameter is given twice.")
    size, by, order = given.pop("pageSize", str(SIZES[0])), given.pop("sortBy", ""), given.pop("sort", "asc")
    if size not in map(str, SIZES) or order not in ("asc", "desc") or {"limit", "cursor"} & given.keys():
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
    if extra_of(resource).only and found["meta"]["total"] == 1:
        return RedirectResponse(address(resource.name, found["data"][0]["id"]), 303)
    async with database_of(request).transaction() as session:
        narrowing = narrowed_by(query, resource)
        names = await names_in(session, reader, [(resource, row) for row in [*found["data"], narrowing]])
        tabs = await tabs_of(session, request, resource)
    return await render(
        request,
        "list.html",
        view=view,
        rows=[Row(resource, row, names, brief=True) for row in found["data"]],
        columns=[heading(request, resource, name) for name in shown_columns(resource)],
        meta=found["meta"],
        tabs=tabs,
        filters=filters_of(request, resource),
        narrowed=[narrowed(request, Row(resource, narrowing, names), name) for name in narrowing],
        sizes=SIZES,
        can_create=await view.check_can_create(request),
        can_delete=await view.check_can_delete(request, None),
        can_export=await view.check_can_export(request),
    )


def shown_columns(resource: Resource) -> tuple[str, ...]:
    assert resource.admin
    known = {*resource.columns, *resource.computed}
    return tuple(name for name in resource.admin.columns if name.partition(".")[0] in known)


@dataclass(frozen=True)
class Heading:
    """A column's head: its words, and where a click sorts by it (nowhere: it is not sortable)."""

    path: str
    text: str
    link: str | None
    order: str
    is_title: bool
    is_amount: bool
    is_picture: bool


def heading(request: Request, resource: Resource, path: str) -> Heading:
    given = request.query_params
    order = given.get("sort") or "asc" if given.get("sortBy") == path else ""
    link = with_query(request, sortBy=path, sort="asc" if order == "desc" else "desc", page=None)
    is_amount = "." not in path and kind_of(resource, path) in ("money", "number")
    is_title = resource.admin is not None and path == resource.admin.title
    sorts = link if path in resource.sort else None
    return Heading(path, label(path, resource), sorts, order, is_title, is_amount, path in PICTURES)


@dataclass(frozen=True)
class Tab:
    """Rows whose column `name` has this value; `warns` when there are some and there should be none."""

    name: str
    value: str
    text: str
    count: int
    link: str
    is_open: bool
    warns: bool = False


def tabs_column(resource: Resource) -> str | None:
    """The first filter that is an enumeration: its values are the tabs above the list."""
    return next((name for name in resource.filters if "__" not in name and kind_of(resource, name) == "choice"), None)


async def counts_by(session: AsyncSession, resource: Resource, reader: Actor, name: str) -> Mapping[str, int]:
    """How many of the rows the reader may see have each value, as filters spell it."""
    value = type_coerce(resource.column(name), String)
    rows = select(value, func.count()).where(visible(resource, reader, resource.read)).group_by(value)
    return {
        str(key).lower() if isinstance(key, bool) else str(key): count for key, count in await session.execute(rows)
    }


async def tabs_of(session: AsyncSession, request: Request, resource: Resource) -> list[Tab]:
    """One for each value of the tabs' column, and one for each worry about another column."""
    name, worries = tabs_column(resource), extra_of(resource).worries
    if name is None:
        return []
    wanted = [(name, value, words(value)) for value in members(resource, name) if extra_of(resource).has(name, value)]
    wanted += [(worry.name, worry.value, label(worry.name)) for worry in worries if worry.name != name]
    names = dict.fromkeys(each for each, _, _ in wanted)
    counts = {each: await counts_by(session, resource, actor(request), each) for each in names}
    apart: dict[str, None] = {**dict.fromkeys(names), "page": None}
    found = []
    for each, value, text in wanted:
        count, is_worry = counts[each].get(value, 0), any((w.name, w.value) == (each, value) for w in worries)
        link = with_query(request, **{**apart, each: value})
        is_open = request.query_params.get(each, "").lower() == value.lower()
        found.append(Tab(each, value, text, count, link, is_open, is_worry and count > 0))
    is_open = not any(request.query_params.get(each) for each in names)
    return [Tab("", "", "All", sum(counts[name].values()), with_query(request, **apart), is_open), *found]


@dataclass(frozen=True)
class Filter:
    """A control above the list: `select` of choices, `date`, `number` or `text`."""

    name: str
    text: str
    widget: str
    choices: list[tuple[str, str]]
    value: str


def filters_of(request: Request, resource: Resource) -> list[Filter]:
    extra = extra_of(resource)
    found, elsewhere = [], {tabs_column(resource), *(worry.name for worry in extra.worries), *extra.untold}
    for name in resource.filters:
        column, _mark, operator = name.partition("__")
        choices = choices_of(resource, column)
        widget = "select" if choices else WIDGETS.get(kind_of(resource, column))
        if widget is None or operator == "in" or name in elsewhere:
            continue
        text = " ".join(filter(None, (label(column), WORDS.get(operator))))
        found.append(Filter(name, text, widget, choices, request.query_params.get(name, "")))
    return found


def choices_of(resource: Resource, column: str) -> list[tuple[str, str]]:
    """The values to choose from, where they are known, and their words."""
    if known := KNOWN.get((resource.path, column)):
        return [(value, value) for value in known()]
    kind = kind_of(resource, column)
    if kind == "bool":
        return [("true", "YES"), ("false", "NO")]
    return [(value, value) for value in members(resource, column)] if kind == "choice" else []


@dataclass(frozen=True)
class Narrowed:
    """The list shows only what belongs to one row; `link` takes that away."""

    name: str
    text: str
    title: Markup
    link: str


def narrowed_by(query: Query, resource: Resource) -> dict[str, str]:
    """The references by which the address filters; links of other pages lead here so."""
    equal = [filter for filter in query.shape.filters if not filter[1] and target_of(resource, filter[0])]
    return {filter[0]: str(query.values[parameter(filter)]) for filter in equal}


def narrowed(request: Request, row: Row, name: str) -> Narrowed:
    return Narrowed(name, label(name), row.show(name), with_query(request, **{name: None, "page": None}))


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
