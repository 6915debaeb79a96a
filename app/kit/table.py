"""The base of every table, and the types that columns are declared with.

A column's annotation says everything: `price: Price` is NUMERIC and refuses what does not fit, `status: OrderStatus`
is VARCHAR with a CHECK, `specs: Json` is JSONB, `at: datetime` has a time zone. The same annotation validates input
(`kit/schemas.py`), because a SQLModel table class itself validates nothing.
"""

import math
import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

import uuid_utils
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sqlalchemy import CheckConstraint, Column, DateTime, Numeric, String, Uuid
from sqlalchemy import Enum as SqlEnum
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlmodel import Field, SQLModel
from sqlmodel.main import SQLModelMetaclass

from app.db import NAMING
from app.settings import get_settings

NO_DIGITS = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "MGA"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
)
THREE_DIGITS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
NOT_TWO_DIGITS = dict.fromkeys(NO_DIGITS, 0) | dict.fromkeys(THREE_DIGITS, 3)
"""ISO 4217 exponents other than 2. It says 2 of the ariary, MGA, whose fifths nobody counts: neither Stripe nor we."""
STRIPES_HUNDREDTHS = ("ISK", "UGX")
"""Without digits after the point, but counted in hundredths that end in 00 at Stripe, which once had them so."""


def exponent(currency: str) -> int:
    """Digits after the point in this currency: 2 for USD, 0 for JPY, 3 for KWD (ISO 4217)."""
    return NOT_TWO_DIGITS.get(currency, 2)


def money(amount: Decimal, currency: str) -> str:
    """An amount with the digits of its currency: `450.00`, `450` for JPY."""
    return f"{amount:.{exponent(currency)}f}"


def minor_units(amount: Decimal, currency: str) -> int:
    """450.00 USD is 45000, 450 JPY is 450: how Stripe counts."""
    return int(amount.scaleb(stripe_digits(currency)).to_integral_exact())


def from_minor_units(amount: int, currency: str) -> Decimal:
    """45000 of USD is 450.00, of ISK it is 450; more digits than the currency's only if Stripe has such a fraction."""
    exact = Decimal(amount).scaleb(-stripe_digits(currency))
    usual = round(exact, exponent(currency))
    return usual if usual == exact else exact


def stripe_digits(currency: str) -> int:
    """Digits after the point as Stripe counts: https://docs.stripe.com/currencies#zero-decimal."""
    return 2 if currency in STRIPES_HUNDREDTHS else exponent(currency)


def no_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


def one_line(value: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise ValueError("must be one line without control characters")
    return value


def known_currency(value: str) -> str:
    if value.upper() not in get_settings().currencies:
        raise ValueError(f"must be one of {', '.join(get_settings().currencies)}")
    return value.upper()


def real_email(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None


def plausible_phone(value: str) -> str:
    if not re.fullmatch(r"\+?[\d ()./-]{5,30}", value) or sum(map(str.isdigit, value)) < 5:
        raise ValueError("must be a phone number such as +213 550 12 34 56")
    return value


def storable_json(value: Any, depth: int = 0) -> Any:
    """JSON that PostgreSQL can hold: no NUL, no lone surrogates, no NaN, not deeper than eight."""
    if depth > 8:
        raise ValueError("must not be nested deeper than eight levels")
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError is a ValueError
        return no_nul(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("must not contain NaN or Infinity")
    if isinstance(value, int) and abs(value) > 2**63:
        raise ValueError("must not contain numbers past 64 bits")
    if isinstance(value, dict):
        return {storable_json(key, depth + 1): storable_json(item, depth + 1) for key, item in value.items()}
    return [storable_json(item, depth + 1) for item in value] if isinstance(value, list) else value


def not_a_bool_or_float(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and ("_" in value or not value.isascii())):
        raise ValueError("must be a decimal number")
    return str(value) if isinstance(value, float) else value


def date_text(value: Any) -> Any:
    if not isinstance(value, date) and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        raise ValueError("must be a date such as 2027-02-08")
    return value


def readable(value: str) -> str:
    if value and all(unicodedata.category(character)[0] in "CZ" for character in value):
        raise ValueError("must have something to read")
    return value


def not_an_id(value: str) -> str:
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        raise ValueError("must not look like an id")
    return value


STRIPPED = StringConstraints(strip_whitespace=True)
Line = Annotated[str, Field(max_length=200), STRIPPED, AfterValidator(one_line)]
Title = Annotated[
    str, Field(min_length=1, max_length=200), STRIPPED, AfterValidator(one_line), AfterValidator(readable)
]
Day = Annotated[date, BeforeValidator(date_text)]
Note = Annotated[str, Field(max_length=10_000), AfterValidator(no_nul)]
Email = Annotated[str, Field(max_length=254), STRIPPED, AfterValidator(real_email)]
Phone = Annotated[str, Field(max_length=40), STRIPPED, AfterValidator(plausible_phone)]
Slug = Annotated[
    str,
    Field(min_length=1, max_length=200),
    StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$"),
    AfterValidator(not_an_id),
]
Currency = Annotated[str, Field(min_length=3, max_length=3), AfterValidator(known_currency)]
Whole = Annotated[int, Field(ge=0, le=2_147_483_647)]
Json = Annotated[dict[str, Any], AfterValidator(storable_json)]
Lines = Annotated[list[Line], Field(max_length=50)]
Price = Annotated[
    Decimal,
    BeforeValidator(not_a_bool_or_float),
    Field(ge=0, max_digits=14, decimal_places=3),
    WithJsonSchema({"type": "string", "format": "decimal", "examples": ["450.00"]}),
]
"""Money. The table's `currency` column says which; its digits are checked against the currency (`kit/schemas.py`)."""


def new_id() -> UUID:
    """A UUIDv7: sorts by time of making."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def now() -> datetime:
    return datetime.now(UTC)


def foreign_key(target: str, *, index: bool = True, ondelete: str = "RESTRICT", **options: Any) -> Any:
    """A reference to another table's column, as `foreign_key("users.id")`; indexed unless told otherwise."""
    return Field(foreign_key=target, index=index, ondelete=ondelete, **options)  # type: ignore[call-overload]


def table_name(class_name: str) -> str:
    """OrderItem → order_items, Category → categories, StatusChange → status_changes, SalesDay → sales_days."""
    singular = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower()
    if re.search(r"[^aeou]y$", singular):
        return singular[:-1] + "ies"
    return singular + ("es" if singular.endswith(("s", "x", "ch")) else "s")


def bare(annotation: Any) -> Any:
    """The type inside Annotated and Optional."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    inner = [part for part in get_args(annotation) if part is not type(None)]
    is_optional = len(inner) == 1 and len(get_args(annotation)) == 2 and get_origin(annotation) not in (list, dict)
    return bare(inner[0]) if is_optional else annotation


def limits(annotation: Any, name: str) -> Any:
    """The value of a constraint (max_length, max_digits …) anywhere in the annotation, or None."""
    for part in getattr(annotation, "__metadata__", ()):
        for item in (part, *getattr(part, "metadata", ())):
            if (found := getattr(item, name, None)) is not None:
                return found
    return next((found for part in get_args(annotation) if (found := limits(part, name)) is not None), None)


def column_type(annotation: Any) -> Any:
    """The SQLAlchemy type of an annotation; None where SQLModel's own choice is right."""
    kind = bare(annotation)
    if get_origin(kind) in (list, dict) or (isinstance(kind, type) and issubclass(kind, dict | list | BaseModel)):
        return JSONB(none_as_null=True)
    if not isinstance(kind, type):
        return None
    if issubclass(kind, StrEnum):
        return SqlEnum(
            kind,
            native_enum=False,
            create_constraint=False,
            length=40,
            values_callable=lambda enum: [m.value for m in enum],
        )
    if issubclass(kind, Decimal):
        return Numeric(limits(annotation, "max_digits") or 14, limits(annotation, "decimal_places") or 3)
    plain = {datetime: DateTime(timezone=True), UUID: Uuid(), str: String(limits(annotation, "max_length"))}
    return plain.get(kind)


class TypedColumns(SQLModelMetaclass):
    """Gives each column the SQL type its annotation asks for; enums get their CHECK."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> Any:
        checks = []
        for field, annotation in namespace.get("__annotations__", {}).items():
            if (sql_type := column_type(annotation)) is not None and not field.startswith("_"):
                namespace[field] = with_type(namespace.get(field, PydanticUndefined), sql_type)
            if isinstance(sql_type, SqlEnum):
                allowed = ", ".join(f"'{value}'" for value in sql_type.enums)
                checks.append(CheckConstraint(f"{field} IN ({allowed})", name=field))
        if kwargs.get("table"):
            namespace["__table_args__"] = (*checks, *namespace.get("__table_args__", ()))
            namespace.setdefault("__tablename__", table_name(name))
        return super().__new__(mcs, name, bases, namespace, **kwargs)

    @property
    def c(cls) -> ReadOnlyColumnCollection[str, Column[Any]]:
        """The columns of the table, for statements: `select(User.c.email)`."""
        return cls.sql_table.columns

    @property
    def sql_table(cls) -> SqlTable:
        """SQLAlchemy's own object for the table."""
        table: SqlTable = cls.__table__  # type: ignore[attr-defined]
        return table


def with_type(default: Any, sql_type: Any) -> Any:
    if not isinstance(default, FieldInfo):
        return Field(default=default, sa_type=sql_type) if default is not PydanticUndefined else Field(sa_type=sql_type)
    for item in default.metadata:
        if hasattr(item, "sa_type") and item.sa_type is PydanticUndefined:
            item.sa_type = sql_type
    if getattr(default, "sa_type", None) is PydanticUndefined:
        default.sa_type = sql_type  # type: ignore[attr-defined]
    return default


class Table(SQLModel, metaclass=TypedColumns):
    """A row with an id and the moments of its making and last change. Declare with `table=True`."""

    id: UUID = Field(default_factory=new_id, primary_key=True)
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now, sa_column_kwargs={"onupdate": now})

    __mapper_args__ = {"eager_defaults": True}

    def values(self) -> dict[str, Any]:
        """Every column with its value, as it is."""
        return {name: getattr(self, name) for name in type(self).model_fields}


Table.metadata.naming_convention = NAMING
