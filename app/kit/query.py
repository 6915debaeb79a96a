"""The grammar of lists: `page` or `cursor`, `limit`, `sort`, `search`, and the filters a resource declares.

A query string is parsed once and kept; the same string gives the same `Query` again.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter
from pydantic import ValidationError as Invalid
from pydantic.alias_generators import to_camel

from app.errors import ValidationError
from app.kit.cursors import place
from app.kit.resource import Resource
from app.kit.schemas import field_problem, input_type
from app.kit.table import no_nul

PLACES = ("page", "limit", "sort", "cursor")
"""What says where in a list one is; the other parameters say which rows."""
MAX_LIMIT, MAX_PAGE, MAX_WORDS, MAX_CHOICES = 100, 1_000_000_000, 6, 50
Filter = tuple[str, str]
"""Column and operator: ("price", "gte"); the operator is empty for equality."""


@dataclass(frozen=True)
class Shape:
    """What decides the SQL of a list, its values apart: one statement is prepared for each shape.

    `short` counts the words that `Resource.short_words` is for. A `feed` has no page; it `goes_on` after a cursor.
    """

    filters: tuple[Filter, ...] = ()
    sort: tuple[str, ...] = ()
    words: int = 0
    short: int = 0
    feed: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class Query:
    """A parsed list request: its shape, its values by parameter name, and the page."""

    shape: Shape
    values: dict[str, Any]
    page: int = 1
    limit: int = 20

    def parameters(self) -> dict[str, Any]:
        return {**self.values, "limit": self.limit, "offset": (self.page - 1) * self.limit}


def parameter(filter: Filter) -> str:
    """Its name in the statement: none that the rules use, or a filter on `actor_id` would say who calls."""
    return "__".join(("filter", *filter))


def parse(resource: Resource, query_string: bytes, whole_list: bool = False) -> Query:
    """The list request in a raw query string; with `whole_list` only filters and search are allowed.

    Raises ValidationError naming what is allowed.
    """
    return (parse_once if len(query_string) < 500 else parse_once.__wrapped__)(resource, query_string, whole_list)


@lru_cache(maxsize=2048)
def parse_once(resource: Resource, query_string: bytes, whole_list: bool) -> Query:
    given = pairs(query_string)
    names = allowed_names(resource, whole_list)
    filters: list[Filter] = []
    values: dict[str, Any] = {}
    for spelling, text in given.items():
        name = names.get(spelling)
        if name is None:
            raise ValidationError.of(
                f"?{spelling}", "unknown_parameter", "There is no such parameter.", sorted(set(names.values()))
            )
        if name in resource.filters:
            column, _, operator = name.partition("__")
            if (column, operator) in filters:
                raise ValidationError.of(f"?{spelling}", "repeated", "This parameter is given twice.")
            filters.append((column, operator))
            values[parameter(filters[-1])] = filter_value(resource, column, operator, spelling, text)
    words, short = search_words(resource, given.get("search", ""))
    values |= {f"word_{number}": like(word) for number, word in enumerate(words)}
    values |= {f"short_{number}": "% " + like(word)[1:] for number, word in enumerate(short)}
    sort, after = sort_keys(resource, given.get("sort")), given.get("cursor")
    values |= place(resource, sort, after) if after else {}
    if after is not None and "page" in given:
        raise ValidationError.of("?cursor", "page_and_cursor", "A list is read by page or by cursor, not by both.")
    shape = Shape(tuple(sorted(filters)), sort, len(words), len(short), after is not None, bool(after))
    return Query(shape, values, whole(given, "page", 1, MAX_PAGE), whole(given, "limit", 20, MAX_LIMIT))


def pairs(query_string: bytes) -> dict[str, str]:
    """Names and values; each name at most once, nothing with a NUL."""
    found: dict[str, str] = {}
    try:
        parts = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise ValidationError.of("", "too_many_parameters", "At most 50 parameters.") from None
    for name, value in parts:
        if name in found:
            raise ValidationError.of(f"?{name}", "repeated", "This parameter is given twice.")
        try:
            found[name] = no_nul(value)
        except ValueError as error:
            raise ValidationError.of(f"?{name}", "not_text", f"It {error}.") from None
    return found


@lru_cache
def allowed_names(resource: Resource, whole_list: bool) -> dict[str, str]:
    """Each spelling of each parameter, by its name."""
    names = [*(() if whole_list else PLACES), *(["search"] if resource.search else []), *resource.filters]
    return {camel(name): name for name in names} | {name: name for name in names}


def camel(name: str) -> str:
    column, mark, operator = name.partition("__")
    return to_camel(column) + mark + operator


def whole(given: dict[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and 1 <= int(text) <= most):
        raise ValidationError.of(f"?{name}", "out_of_range", f"Must be a whole number from 1 to {most}.")
    return int(text)


def sort_keys(resource: Resource, text: str | None) -> tuple[str, ...]:
    """Columns to sort by, a leading minus for descending; the id ends every order."""
    keys = tuple(text.split(",")) if text else (resource.order,)
    keys = tuple(snake(key) for key in keys)
    for key in keys if text else ():
        if key.removeprefix("-") not in resource.sort:
            allowed = [sign + name for name in resource.sort for sign in ("", "-")]
            raise ValidationError.of("?sort", "unknown_sort", f"Cannot sort by {key!r}.", allowed)
    if len({key.lstrip("-") for key in keys}) < len(keys):
        raise ValidationError.of("?sort", "repeated", "A column is named twice.")
    last = "-id" if keys[-1].startswith("-") else "id"
    return keys if keys[-1] == last else (*keys, last)


def snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key.strip())


def search_words(resource: Resource, text: str) -> tuple[list[str], list[str]]:
    """The words to look for, and those too short to be found by three letters, where they are looked for apart."""
    if len(text) > 200:
        raise ValidationError.of("?search", "string_too_long", "At most 200 characters.")
    words = text.split()
    if len(words) > MAX_WORDS:
        raise ValidationError.of("?search", "too_many_words", f"At most {MAX_WORDS} words.")
    short = [word for word in words if len(word) < 3 and resource.short_words]
    return [word for word in words if word not in short], short


def like(word: str) -> str:
    """An ILIKE pattern that finds the word as it is."""
    return "%" + word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def filter_value(resource: Resource, column: str, operator: str, spelling: str, text: str) -> Any:
    texts = text.split(",") if operator == "in" else [text]
    if len(texts) > MAX_CHOICES:
        raise ValidationError.of(f"?{spelling}", "too_many", f"At most {MAX_CHOICES} values.")
    try:
        values = [adapter(resource, column).validate_python(part.strip()) for part in texts]
    except Invalid as error:
        problem = field_problem(error.errors()[0], None)
        raise ValidationError([problem | {"pointer": f"?{spelling}"}]) from None
    if isinstance(values[0], datetime) and not re.match(r"\d{4}-\d\d-\d\d", text.strip()):
        raise ValidationError.of(f"?{spelling}", "datetime_parsing", "Must be a date or moment such as 2026-11-22.")
    if operator == "lte" and isinstance(values[0], datetime) and len(text.strip()) == 10:
        values = [values[0].replace(hour=23, minute=59, second=59, microsecond=999_999)]  # the whole of that day
    values = [str(value) if isinstance(value, str) else value for value in values]
    return values if operator == "in" else values[0]


@lru_cache
def adapter(resource: Resource, column: str) -> TypeAdapter[Any]:
    return TypeAdapter(input_type(resource.annotation(column)))
