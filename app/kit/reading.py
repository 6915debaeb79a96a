"""Reading: from one SQL statement to the bytes of the answer.

PostgreSQL makes the JSON of each row; Python never sees its columns. For each shape of request (rule, filters, sort)
the statement is built by SQLAlchemy once and stays prepared on the connection. The rule's condition is in every
statement: there is one base query and no way round it.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    String,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Statement, run
from app.errors import NotFound
from app.kit.access import Actor, Rule, allowed, as_parameters, condition
from app.kit.conditions import after, keys, matching, sorting
from app.kit.cursors import cursor
from app.kit.query import Query, Shape
from app.kit.resource import Resource
from app.kit.table import NOT_TWO_DIGITS

MOMENT: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")

LIMIT, OFFSET = bindparam("limit", type_=BigInteger()), bindparam("offset", type_=BigInteger())


def moment(value: ColumnElement[Any]) -> ColumnElement[str]:
    """A timestamp as ISO 8601 in UTC with a Z."""
    return func.to_char(func.timezone(literal_column("'UTC'"), value), MOMENT)


def amount(value: ColumnElement[Any], currency: ColumnElement[str]) -> ColumnElement[str]:
    """Money as text with the digits of its currency."""
    by_digits: dict[int, list[str]] = {}
    for code, digits in NOT_TWO_DIGITS.items():
        by_digits.setdefault(digits, []).append(f"'{code}'")
    places: ColumnElement[int] = case(
        *(
            (currency.in_([literal_column(code) for code in codes]), literal_column(str(n)))
            for n, codes in by_digits.items()
        ),
        else_=literal_column("2"),
    )
    return cast(func.round(value, places), Text)


def as_json(resource: Resource, name: str) -> ColumnElement[Any]:
    """A column as it goes into the JSON of a row."""
    column = resource.column(name)
    if name in resource.money:
        return amount(column, resource.column("currency"))
    return moment(column) if isinstance(column.type, DateTime) else type_coerce(column, String)


def fields(resource: Resource, single: bool) -> list[ColumnElement[Any]]:
    """What a row shows, in order: its visible columns, then what is computed."""
    shown: list[ColumnElement[Any]] = [as_json(resource, name).label(name) for name in resource.columns]
    extras = [
        extra.sql(resource).label(name) for name, extra in resource.computed.items() if single or not extra.single
    ]
    return shown + extras


def row_json(rows: Select[Any], alias: str = "r") -> Select[Any]:
    """The rows of a select as JSON texts, joined by commas in their order; the empty string for none."""
    each = cast(func.row_to_json(literal_column(alias)), Text)
    joined = func.coalesce(func.string_agg(each, literal_column("','")), literal_column("''"))
    return select(joined).select_from(rows.subquery(alias))


def embedded(child: Resource, link: str, *wanted: ColumnElement[bool], order: str = "id") -> Any:
    """SQL of a computed field: the child's rows that point here and are wanted, oldest first, as a JSON array."""

    def sql(parent: Resource) -> ColumnElement[Any]:
        rows = (
            select(*fields(child, single=False))
            .where(child.column(link) == parent.column("id"), *wanted)
            .order_by(*sorting(child.table.c, dict.fromkeys((order, "id"))))
            .correlate(parent.table.sql_table)
            .subquery("child")
        )
        array = func.json_agg(func.row_to_json(literal_column("child")))
        return select(func.coalesce(array, literal_column("'[]'::json"))).select_from(rows).scalar_subquery()

    return sql


@lru_cache(maxsize=1024)
def one_statement(resource: Resource, clauses: Rule, key: str) -> Statement:
    wanted = resource.column(key) == bindparam("key", type_=resource.column(key).type)
    row = select(*fields(resource, single=True)).where(wanted, condition(clauses, resource)).subquery("r")
    return Statement(select(cast(func.row_to_json(literal_column("r")), Text)).select_from(row))


@lru_cache(maxsize=1024)
def list_statement(resource: Resource, clauses: Rule, shape: Shape) -> Statement:
    """Two columns: the rows as JSON texts joined by commas, and the total or, of a feed, what its cursor is made of.

    The ids of a page are chosen first, from an index alone where one has all that is asked. A search is materialized.
    """
    table, wanted = resource.table.sql_table, matching(resource, clauses, shape)
    source: Any = table
    if shape.words or shape.short:
        hit = select(*keys(table.c, shape)).where(wanted).cte("hit").prefix_with("MATERIALIZED")
        source, wanted = hit, true()
    ids, rest = (feed_of if shape.feed else page_of)(source, wanted, resource, shape)
    chosen = table.c.id == any_(func.array(ids.scalar_subquery()))
    rows = select(*fields(resource, single=False)).where(chosen).order_by(*sorting(table.c, shape.sort))
    return Statement(select(row_json(rows).scalar_subquery(), rest.scalar_subquery()))


def page_of(
    source: Any, wanted: ColumnElement[bool], resource: Resource, shape: Shape
) -> tuple[Select[Any], Select[Any]]:
    """The ids of a page, and the total."""
    ids = select(source.c.id).where(wanted).order_by(*sorting(source.c, shape.sort)).limit(LIMIT).offset(OFFSET)
    return ids, select(func.count()).select_from(source).where(wanted)


def feed_of(
    source: Any, wanted: ColumnElement[bool], resource: Resource, shape: Shape
) -> tuple[Select[Any], Select[Any]]:
    """The ids of the rows after the cursor, and the sort values of the last one as an array of texts if more follow."""
    going_on = and_(wanted, after(source.c, resource, shape)) if shape.goes_on else wanted
    rows = select(*keys(source.c, shape)).where(going_on).order_by(*sorting(source.c, shape.sort)).limit(LIMIT + 1)
    next_rows = rows.cte("next_rows").prefix_with("MATERIALIZED")
    order = sorting(next_rows.c, shape.sort)
    texts = func.json_build_array(*(as_text(column) for column in keys(next_rows.c, shape)))
    more = select(func.count() > LIMIT).select_from(next_rows).scalar_subquery()
    last = select(cast(texts, Text)).where(more).order_by(*order).offset(LIMIT - 1).limit(1)
    return select(next_rows.c.id).order_by(*order).limit(LIMIT), last


def as_text(value: ColumnElement[Any]) -> ColumnElement[str]:
    return moment(value) if isinstance(value.type, DateTime) else cast(value, Text)


async def page(database: Database, resource: Resource, actor: Actor, query: Query) -> bytes:
    """A page or a part of a feed of the rows the caller may see, as the bytes of the whole answer."""
    statement = list_statement(resource, allowed(resource.read, actor), query.shape)
    ((rows, rest),) = await database.read(statement, **as_parameters(actor), **query.parameters())
    if query.shape.feed:
        following = f'"{cursor(query.shape.sort, rest)}"' if rest else "null"
        meta = f'"limit":{query.limit},"next_cursor":{following}'
    else:
        meta = f'"page":{query.page},"limit":{query.limit},"total":{rest},"pages":{-(-rest // query.limit)}'
    return f'{{"data":[{rows}],"meta":{{{meta}}}}}'.encode()


def key_of(resource: Resource, text: str) -> tuple[str, UUID | str]:
    """The column and value that `…/{id}` means: an id or, where the resource has them, a slug."""
    if len(text) == 36:
        try:
            return "id", UUID(text)
        except ValueError:
            pass
    if resource.slug and 0 < len(text) <= 200 and text.isprintable():
        return resource.slug, text
    raise NotFound()


async def one(source: Database | AsyncSession, resource: Resource, actor: Actor, key: str | UUID) -> bytes:
    """One row the caller may see, as the bytes of the whole answer. Raises NotFound.

    Given a session, it reads inside that transaction and sees what it has written.
    """
    clauses = allowed(resource.read, actor)
    column, value = ("id", key) if isinstance(key, UUID) else key_of(resource, key)
    statement = one_statement(resource, clauses, column)
    if isinstance(source, Database):
        rows = await source.read(statement, **as_parameters(actor), key=value)
    else:
        rows = await run(source, statement, **as_parameters(actor), key=value)
    if not rows:
        raise NotFound()
    return f'{{"data":{rows[0][0]}}}'.encode()


def etag(body: bytes) -> str:
    """A strong entity tag: the same bytes give the same tag."""
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def visible(resource: Resource, actor: Actor, rule: Rule) -> ColumnElement[bool]:
    """The rule's answer for this caller as a condition with its values filled in, for statements of a session."""
    return condition(allowed(rule, actor), resource).params(as_parameters(actor))
