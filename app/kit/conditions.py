"""Which rows a list asks for and in what order, as SQL: the rule, the filters, the words, the place in a feed."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Numeric,
    Select,
    String,
    Uuid,
    and_,
    any_,
    bindparam,
    false,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY

from app.kit.access import Rule, condition
from app.kit.query import Filter, Shape, parameter
from app.kit.resource import Resource


def matching(resource: Resource, clauses: Rule, shape: Shape) -> ColumnElement[bool]:
    """The rows that the rule shows and the filters and words of the shape leave."""
    words = [resource.searched.ilike(bindparam(f"word_{n}", type_=String())) for n in range(shape.words)]
    short = [resource.beginnings.ilike(bindparam(f"short_{n}", type_=String())) for n in range(shape.short)]
    filters = [compared(resource, filter) for filter in shape.filters]
    return and_(condition(clauses, resource), *filters, *words, *short)


def keys(columns: Any, shape: Shape) -> list[ColumnElement[Any]]:
    return [columns[key.lstrip("-")] for key in shape.sort]


def sorting(columns: Any, keys: Iterable[str]) -> list[ColumnElement[Any]]:
    return [columns[key[1:]].desc() if key.startswith("-") else columns[key] for key in keys]


def after(columns: Any, resource: Resource, shape: Shape) -> ColumnElement[bool]:
    """Rows behind the place that a cursor says; one comparison of rows, where an index can begin, if all keys agree."""
    pairs = [
        (column, bindparam(f"after_{n}", type_=kind_of(resource.column(key.lstrip("-")))), key.startswith("-"))
        for n, (key, column) in enumerate(zip(shape.sort, keys(columns, shape), strict=True))
    ]
    if len({falls for _, _, falls in pairs}) == 1:
        row, place = tuple_(*(pair[0] for pair in pairs)), tuple_(*(pair[1] for pair in pairs))
        return row < place if pairs[0][2] else row > place
    behind: ColumnElement[bool] = false()
    for column, value, falls in reversed(pairs):
        behind = or_(column < value if falls else column > value, and_(column == value, behind))
    return behind


def compared(resource: Resource, filter: Filter) -> ColumnElement[bool]:
    name, operator = filter
    column = resource.column(name)
    kind = kind_of(column)
    plain = type_coerce(column, kind)
    if (tree := tree_behind(column)) is not None:
        return plain == any_(func.array(branches(tree, filter).scalar_subquery()))
    if operator == "in":
        return plain == any_(bindparam(parameter(filter), type_=ARRAY(kind)))
    value = bindparam(parameter(filter), type_=kind)
    return {"": plain == value, "gte": plain >= value, "lte": plain <= value}[operator]


def kind_of(column: ColumnElement[Any]) -> Any:
    """The type that its values are sent as: enumerations go as text."""
    return column.type if isinstance(column.type, Uuid | Boolean | Date | DateTime | Numeric | Integer) else String()


def tree_behind(column: Column[Any]) -> Column[Any] | None:
    """The column of another table by which that table's rows hang below each other, when this one refers to it."""
    for reference in column.foreign_keys:
        target = reference.column.table
        if target is not column.table:
            own = [one for one in target.c for key in one.foreign_keys if key.column is reference.column]
            return next(iter(own), None)
    return None


def branches(tree: Column[Any], filter: Filter) -> Select[Any]:
    """The ids that a filter names, and those of all rows below them."""
    kind: Any = ARRAY(Uuid()) if filter[1] == "in" else Uuid()
    given = bindparam(parameter(filter), type_=kind)
    top = select((func.unnest(given) if filter[1] == "in" else given).label("id"))
    branch = top.cte(f"below_{parameter(filter)}", recursive=True)
    below = tree.table.alias("below")
    branch = branch.union(select(below.c.id).where(below.c[tree.name] == branch.c.id))
    return select(branch.c.id)
