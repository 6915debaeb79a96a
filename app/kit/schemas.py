"""Pydantic models made from a resource: what comes in (strict), and what goes out (for the docs and the tests)."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StrictBool, create_model, model_validator
from pydantic import ValidationError as Invalid
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUndefined

from app.errors import ValidationError
from app.kit.resource import Resource
from app.kit.table import Line, exponent

T = TypeVar("T")
WRITTEN: ContextVar[dict[str, str]] = ContextVar("written", default={})  # noqa: B039
"""Fields that this request's body spells in camelCase, for errors that are found after its validation."""


class Input(BaseModel):
    """Base of every request body: unknown fields are refused, each name may also come in camelCase."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    @model_validator(mode="before")
    @classmethod
    def accept_camel_case(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        spellings = camel_names(cls)
        renamed = {spellings.get(key, key): value for key, value in data.items()}
        WRITTEN.set(WRITTEN.get() | {spellings[key]: key for key in data if key in spellings})
        if len(renamed) < len(data):
            raise ValueError("a field is given twice, in both spellings")
        return renamed


@cache
def camel_names(model: type[BaseModel]) -> dict[str, str]:
    return {to_camel(name): name for name in model.model_fields if to_camel(name) != name}


class Output(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Meta(Output):
    page: int
    limit: int
    total: int
    pages: int


class FeedMeta(Output):
    """Of a list read by `cursor`; `next_cursor` is null at the end."""

    limit: int
    next_cursor: str | None


class Data(Output, Generic[T]):
    """One thing."""

    data: T


class Page(Output, Generic[T]):
    """A page of a list; with `cursor`, a part of a feed."""

    data: list[T]
    meta: Meta | FeedMeta


def data_of(model: Any) -> Any:
    """`Data` of a model made at run time."""
    return Data.__class_getitem__(model)


def page_of(model: Any) -> Any:
    """`Page` of a model made at run time."""
    return Page.__class_getitem__(model)


class FieldProblem(Output):
    pointer: str
    code: str
    message: str
    allowed: list[str] | None = None


class Problem(Output):
    """Every error, RFC 9457. `code` is stable; `errors` and `allowed` come where they help."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None
    allowed: list[str] | None = None


def pascal(resource: Resource) -> str:
    """`OrderItem` for /order-items, `AdminOrder` for /admin/orders."""
    area = resource.path.rpartition("/")[0]
    return f"{area} {resource.noun}".title().replace(" ", "")


def input_type(annotation: Any) -> Any:
    """A bare `str` becomes a line: everything a caller sends is bounded."""
    return Line if annotation is str else annotation


def input_field(resource: Resource, name: str, partial: bool) -> tuple[Any, Any]:
    info = resource.table.model_fields[name]
    annotation = input_type(resource.annotation(name))
    annotation = StrictBool if annotation is bool else annotation
    if partial:
        return annotation, None
    if info.default_factory is not None:
        return annotation, info.get_default(call_default_factory=True, validated_data={})
    return annotation, ... if info.default is PydanticUndefined else info.default


def made(name: str, base: type[Any], fields: dict[str, Any]) -> Any:
    return create_model(name, __base__=base, **fields)


@cache
def create_schema(resource: Resource) -> type[Input]:
    fields: dict[str, Any] = {name: input_field(resource, name, partial=False) for name in resource.writable}
    fields |= {name: (input_type(resource.annotation(name)) | None, None) for name in resource.create_only}
    return with_example(made(f"{pascal(resource)}Create", Input, fields), resource)


@cache
def update_schema(resource: Resource) -> type[Input]:
    """All fields optional; those not sent stay as they are."""
    fields = {name: input_field(resource, name, partial=True) for name in resource.writable}
    return with_example(made(f"{pascal(resource)}Update", Input, fields), resource)


def rows_of(resource: Resource) -> Any:
    """The type of a computed field that holds rows of another resource."""
    return list.__class_getitem__(read_schema(resource, single=False))


def with_example(model: type[Input], resource: Resource) -> type[Input]:
    shown = {name: resource.example[name] for name in model.model_fields if name in resource.example}
    if shown:
        model.model_config["json_schema_extra"] = {"examples": [shown]}
        model.model_rebuild(force=True)
    return model


@cache
def read_schema(resource: Resource, *, single: bool = True) -> type[Output]:
    """The shape of a row in answers; list rows (`single=False`) leave some computed fields out."""
    fields: dict[str, Any] = {name: (resource.annotation(name), ...) for name in resource.columns}
    fields |= {name: (extra.type, ...) for name, extra in resource.computed.items() if single or not extra.single}
    differs = not single and any(extra.single for extra in resource.computed.values())
    model: type[Output] = made(pascal(resource) + ("Row" if differs else ""), Output, fields)
    return model


def check_money(resource: Resource, values: Mapping[str, Any], currency: str) -> None:
    """Amounts may not have more digits than their currency: nothing is rounded in silence."""
    for name in resource.money:
        amount = values.get(name)
        if isinstance(amount, Decimal) and amount != round(amount, exponent(currency)):
            message = f"{currency} has {exponent(currency)} digits after the point."
            raise ValidationError.of(f"/{name}", "too_many_digits", message)


def as_validation_error(errors: Sequence[Any], body: Any = None) -> ValidationError:
    """Pydantic's errors as ours, with pointers in the caller's own spelling."""
    return ValidationError([field_problem(error, body) for error in errors])


def field_problem(error: Mapping[str, Any], body: Any) -> dict[str, Any]:
    problem = {"pointer": pointer(error["loc"], body), "code": str(error["type"]), "message": sentence(error["msg"])}
    expected = error.get("ctx", {}).get("expected") if error["type"] == "enum" else None
    return problem | (
        {"allowed": [part.strip("' ") for part in expected.replace(" or ", ",").split(",")]} if expected else {}
    )


def sentence(message: str) -> str:
    return (
        message.removeprefix("Value error, ").rstrip(".")[:1].upper()
        + message.removeprefix("Value error, ").rstrip(".")[1:]
        + "."
    )


def pointer(parts: Sequence[str | int], body: Any) -> str:
    """A JSON pointer; where the caller wrote camelCase, so does the pointer."""
    path = ""
    for part in parts:
        key: Any = part
        if isinstance(body, dict) and part not in body and to_camel(str(part)) in body:
            key = to_camel(str(part))
        if isinstance(body, dict):
            body = body.get(key)
        elif isinstance(body, list) and isinstance(part, int) and part < len(body):
            body = body[part]
        path += "/" + str(key).replace("~", "~0").replace("/", "~1")
    return path


def validated(schema: type[Input], values: Any) -> dict[str, Any]:
    """The values the caller sent, validated. Raises ValidationError."""
    try:
        model = schema.model_validate(values)
    except Invalid as error:
        raise as_validation_error(error.errors(), values) from None
    return given(model)


def given(model: BaseModel) -> dict[str, Any]:
    """The fields that were sent, as Python values."""
    return {name: getattr(model, name) for name in model.model_fields_set}
