"""A resource: everything Souk knows about one table as one group of people sees it.

Declared once, it is a REST resource (`kit/router.py`), a back-office page (`admin/`) and a chapter of the docs. A
table may have several: `/orders` shows customers their own, `/admin/orders` shows staff all of them. What is declared
wrongly fails at import, with a sentence that names the resource, the option and the column.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import AppError
from app.kit.access import Actor, Rule, key_holder, nobody
from app.kit.table import Table, limits

SECRET_WORDS = ("password", "secret", "token", "_key", "hash")
OPERATORS = ("gte", "lte", "in")
LAST_COLUMNS = ("created_at", "updated_at")
NOTHING, SPACE = text("''"), text("' '")
"""As `text`, not `literal_column`: an index over a column without a table would belong to no table, in silence."""


class DeclarationError(AppError):
    """A resource is declared wrongly."""

    status = 500


@dataclass(frozen=True)
class Computed:
    """A field of the answer that is not a column: its type, and the SQL that makes it, for a row of the resource.

    `single=True` leaves it out of lists.
    """

    type: Any
    sql: Callable[["Resource"], ColumnElement[Any]]
    single: bool = False


@dataclass(frozen=True)
class Look:
    """How staff see the resource: menu group and icon, the column that titles a row, the columns of the list."""

    group: str
    icon: str
    title: str
    columns: tuple[str, ...]
    order: int = 50


Prepare = Callable[[AsyncSession, Actor, Any, dict[str, Any]], Awaitable[None]]
"""Called with session, actor, row and the new values before they are put on the row; may change them or refuse."""

RESOURCES: dict[str, "Resource"] = {}
"""Every declared resource by path."""


@dataclass(eq=False, kw_only=True)
class Resource:
    """One table as one group of people sees it. Every option has a safe default: locked, hidden or absent.

    `owner` names the column that `mine` and `seller` compare, `key` that of `key_holder`; both may reach over a
    reference (`order_id.user_id`). `writable` is an allow-list; `create_only` adds what may be given once. `order` is
    the default: newest first, as ids are UUIDv7. `filters` are columns with an optional `__gte`, `__lte` or `__in`;
    `search` may reach into JSON (`info.name`). `short_words` is the one column in which search words of less than three
    letters are looked for, at the beginnings of its words: without it everywhere, which no index helps. `rest=False`
    leaves its routes to a flow.
    """

    table: type[Table]
    path: str = ""
    owner: str | None = None
    key: str | None = None
    read: Rule = nobody
    create: Rule = nobody
    update: Rule = nobody
    delete: Rule = nobody
    writable: tuple[str, ...] = ()
    create_only: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    short_words: str | None = None
    sort: tuple[str, ...] = ()
    order: str = "-id"
    slug: str | None = None
    computed: Mapping[str, Computed] = field(default_factory=dict)
    prepare: Prepare | None = None
    example: Mapping[str, Any] = field(default_factory=dict)
    admin: Look | None = None
    rest: bool = True

    def __post_init__(self) -> None:
        self.path = self.path or str(self.table.__tablename__).replace("_", "-")
        self.check()
        if self.path in RESOURCES:
            raise self.wrong("path", f"/{self.path} is taken by {RESOURCES[self.path].table.__name__}")
        if self.search:
            self.index_search()
        RESOURCES[self.path] = self

    @property
    def name(self) -> str:
        """The last part of the path, `orders` for `/admin/orders`: its address in the back office."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def noun(self) -> str:
        """The singular in words: `order item` for /order-items."""
        words = self.name.replace("-", " ")
        return words[:-3] + "y" if words.endswith("ies") else words.removesuffix("s")

    @property
    def names(self) -> list[str]:
        """Every column of the table."""
        return [column.name for column in self.table.c]

    def column(self, name: str) -> Column[Any]:
        column: Column[Any] = self.table.c[name]
        return column

    def owned_by(self, actor_id: ColumnElement[Any]) -> ColumnElement[bool]:
        return self.reached(self.owner, actor_id)

    def opened_by(self, key_hash: ColumnElement[Any]) -> ColumnElement[bool]:
        return self.reached(self.key, key_hash)

    def reached(self, path: str | None, value: ColumnElement[Any]) -> ColumnElement[bool]:
        """Rows whose column has the value, or that refer to such a row."""
        assert path
        name, _, beyond = path.partition(".")
        if not beyond:
            return self.column(name) == value
        parent = next(iter(self.column(name).foreign_keys)).column.table
        return self.column(name).in_(select(parent.c.id).where(parent.c[beyond] == value))

    @cached_property
    def columns(self) -> list[str]:
        """Visible columns, in order of declaration; the moments come last."""
        names = [name for name in self.names if name not in self.hidden]
        return [name for name in names if name not in LAST_COLUMNS] + [name for name in LAST_COLUMNS if name in names]

    def annotation(self, name: str) -> Any:
        """The declared type of a column, with its constraints."""
        return next(
            kind.__annotations__[name] for kind in self.table.__mro__ if name in vars(kind).get("__annotations__", {})
        )

    @cached_property
    def money(self) -> list[str]:
        """Columns that hold an amount in the row's `currency`."""
        return [name for name in self.names if limits(self.annotation(name), "max_digits")]

    @cached_property
    def searched(self) -> ColumnElement[str]:
        """The text that `search=` looks through; the trigram index has the same expression."""
        parts = [func.coalesce(self.searchable(name), NOTHING) for name in self.search]
        return reduce(lambda text, part: text.op("||")(SPACE).op("||")(part), parts)

    @cached_property
    def beginnings(self) -> ColumnElement[str]:
        """The text of `short_words` with a space before each word; a second trigram index has it."""
        assert self.short_words
        return func.textcat(SPACE, func.coalesce(self.column(self.short_words), NOTHING))

    def searchable(self, name: str) -> ColumnElement[Any]:
        column, _, key = name.partition(".")
        return self.column(column).op("->>")(text(f"'{key}'")) if key else self.column(column)

    def index_search(self) -> None:
        """One trigram index for each table, and one of `short_words`; its resources search the same columns."""
        others = (other for other in RESOURCES.values() if other.table is self.table and other.search)
        first = next(others, None)
        if first is None:
            self.index_trigrams("search", self.searched)
            if self.short_words:
                self.index_trigrams("short_words", self.beginnings)
        elif (first.search, first.short_words) != (self.search, self.short_words):
            raise self.wrong("search", f"another resource of this table searches {', '.join(first.search)}")

    def index_trigrams(self, name: str, words: ColumnElement[str]) -> None:
        indexed = cast(words, Text).label("searched")
        options: Any = {"postgresql_using": "gin", "postgresql_ops": {"searched": "gin_trgm_ops"}}
        Index(f"ix_{self.table.__tablename__}_{name}", indexed, **options)

    # -- what is checked at start

    def wrong(self, option: str, sentence: str) -> DeclarationError:
        return DeclarationError(f"{self.table.__name__} at /{self.path}, {option}: {sentence}.")

    def check(self) -> None:
        self.check_columns_exist()
        self.check_rules()
        self.check_indexes()
        for name in self.names:
            if is_secret(name) and name not in self.hidden:
                raise self.wrong("hidden", f"{name} looks like a secret and is not hidden")
        if self.money and "currency" not in self.table.model_fields:
            raise self.wrong("table", f"{self.money[0]} is money, and there is no currency column")

    def check_columns_exist(self) -> None:
        look = self.admin
        options: dict[str, Sequence[str]] = {
            "owner": [self.owner.split(".")[0]] if self.owner else [],
            "key": [self.key.split(".")[0]] if self.key else [],
            "slug": [self.slug] if self.slug else [],
            "writable": self.writable,
            "create_only": self.create_only,
            "hidden": self.hidden,
            "filters": [name.split("__")[0] for name in self.filters],
            "search": [name.split(".")[0] for name in self.search],
            "short_words": [self.short_words] if self.short_words else [],
            "sort": self.sort,
            "order": [self.order.lstrip("-")],
            "admin.title": [look.title.split(".")[0]] if look else [],
            "admin.columns": [name.split(".")[0] for name in look.columns if name not in self.computed] if look else [],
        }
        for option, names in options.items():
            for name in names:
                if name not in self.table.c:
                    raise self.wrong(option, f"{self.table.__name__} has no column {name}")

    def check_rules(self) -> None:
        for option in ("read", "create", "update", "delete"):
            rule: Rule = getattr(self, option)
            if not self.owner and any(clause.name.startswith(("mine", "seller")) for clause in rule):
                raise self.wrong(option, "it says mine, and there is no owner")
            if not self.key and key_holder[0] in rule:
                raise self.wrong(option, "it says key_holder, and there is no key")
        for option in ("writable", "create_only"):
            for name in {"id", *LAST_COLUMNS, self.owner}.intersection(getattr(self, option)):
                raise self.wrong(option, f"{name} is never writable")
        for option in ("writable", "create_only", "filters", "search", "sort"):
            for name in filter(is_secret, getattr(self, option)):
                raise self.wrong(option, f"{name} looks like a secret")

    def check_indexes(self) -> None:
        for option, names in {"filters": self.filters, "sort": self.sort}.items():
            for name in names:
                column, _, operator = name.partition("__")
                if operator and operator not in OPERATORS:
                    raise self.wrong(option, f"{name} ends in none of {', '.join(OPERATORS)}")
                if not self.indexed(column):
                    raise self.wrong(option, f"{column} has no index")
        for name in (*self.sort, self.order.lstrip("-")):
            if self.column(name).nullable:
                raise self.wrong("sort", f"{name} may be empty, and no cursor could go on from there")

    def indexed(self, name: str) -> bool:
        """Whether an index leads with the column, alone or behind the owner."""
        table = self.table.sql_table
        leads = [[getattr(part, "name", "") for part in index.expressions] for index in table.indexes]
        unique = [
            [column.name for column in constraint.columns]
            for constraint in table.constraints
            if hasattr(constraint, "columns")
        ]
        ordered = [names[1:] if names and names[0] == self.owner else names for names in leads]
        return any(names[:1] == [name] for names in (*leads, *unique, *ordered))


def is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_WORDS)
