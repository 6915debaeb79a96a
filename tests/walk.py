"""For tests that walk everything declared: operations of the docs, a row of any table, the shape of a problem."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import TypeAdapter
from pydantic.alias_generators import to_camel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.access import Actor, Role, answer
from app.kit.resource import RESOURCES, Resource
from app.kit.table import Table, bare, new_id
from tests import make
from tests.make import Person

PREFIX = "/api/v1"
camel = to_camel
PROBLEM = {"type", "title", "status", "detail", "code", "request_id"}


@dataclass(frozen=True)
class Operation:
    """One operation of the OpenAPI document."""

    schema: dict[str, Any]
    method: str
    path: str

    @property
    def docs(self) -> dict[str, Any]:
        found: dict[str, Any] = self.schema["paths"][self.path][self.method]
        return found

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def content(self) -> dict[str, Any]:
        return self.docs.get("requestBody", {}).get("content", {})  # type: ignore[no-any-return]

    @cached_property
    def body(self) -> dict[str, Any] | None:
        """The schema of its JSON body, references followed."""
        if "application/json" not in self.content:
            return None
        found = self.content["application/json"]["schema"]
        options = [part for part in found.get("anyOf", [found]) if part.get("type") != "null"]
        return self.follow(options[0])

    def follow(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        return self.schema["components"]["schemas"][name] if name else schema

    @property
    def example(self) -> dict[str, Any]:
        """A body that is valid, as far as form goes."""
        return dict((self.body or {}).get("examples", [{}])[0])


def operations(app: FastAPI) -> list[Operation]:
    """All but the webhooks, which nobody may call without a signature; those have tests of their own."""
    schema = app.openapi()
    found = [Operation(schema, method, path) for path, methods in schema["paths"].items() for method in methods]
    return [operation for operation in found if not operation.path.endswith("/webhook")]


def lists() -> list[Resource]:
    return [resource for resource in RESOURCES.values() if resource.rest and resource.read]


def problem(answer: httpx.Response, status: int, code: str | None = None, about: Any = "") -> dict[str, Any]:
    """The problem in an answer, which must be a whole one."""
    assert answer.status_code == status, (about, answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json", about
    body: dict[str, Any] = answer.json()
    assert body.keys() >= PROBLEM, about
    assert body["status"] == status, about
    assert body["request_id"] == answer.headers["x-request-id"], about
    assert code in (None, body["code"]), (about, body)
    assert body["code"] in body["type"], about
    for error in body.get("errors", ()):
        assert error.keys() >= {"pointer", "code", "message"}, about
    return body


def lets_in(resource: Resource, person: Person) -> bool:
    return bool(answer(resource.read, Actor(person.user.id, person.user.role)))


async def row(app: FastAPI, table: type[Table], **values: Any) -> Any:
    """A committed row of any table, with the rows it needs."""
    async with app.state.database.transaction() as session:
        return await build(session, table, **values)


def parent_of(column: Any) -> type[Table]:
    """The table that a column refers to."""
    parent = next(iter(column.foreign_keys)).column.table
    return next(table for table in Table.__subclasses__() if table.__table__ is parent)  # type: ignore[attr-defined]


ONE_OF = {"order_items": ("service_id",)}
"""References that may be empty, and of which a row needs one."""


async def build(session: AsyncSession, table: type[Table], **values: Any) -> Any:
    example = next(
        (resource.example for resource in RESOURCES.values() if resource.table is table and resource.example), {}
    )
    annotations = (
        next(resource for resource in RESOURCES.values() if resource.table is table).annotation if example else None
    )
    for name, column in table.__table__.columns.items():  # type: ignore[attr-defined]
        info = table.model_fields[name]
        if name in values:
            continue
        if column.foreign_keys:
            if not column.nullable:
                values[name] = (await build(session, parent_of(column))).id
        elif info.is_required():
            annotation = annotations(name) if annotations else info.annotation
            values[name] = example_value(
                annotation, example.get(name), f"{table.__tablename__}-{new_id().hex}", bool(column.unique)
            )
    for name in ONE_OF.get(str(table.__tablename__), ()):
        values[name] = values.get(name) or (await build(session, parent_of(table.__table__.columns[name]))).id  # type: ignore[attr-defined]
    if "email" in values and "hashed_password" in values:
        values |= {"email": f"{new_id().hex}@example.com", "hashed_password": make.HASHED}
    made = table(**values)
    session.add(made)
    await session.flush()
    return made


def example_value(annotation: Any, example: Any, text: str, unique: bool) -> Any:
    kind = bare(annotation)
    if example is not None and not (unique and isinstance(example, str)):
        value = TypeAdapter(annotation).validate_python(example)
        return value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return {int: 1, Decimal: Decimal(1), bool: True}.get(kind, {} if "dict" in str(kind) else text)


def caller(operation: Operation, everybody: dict[str, Person]) -> Person:
    """Somebody who may call it: sellers theirs, admins the rest."""
    selling = operation.path.startswith((f"{PREFIX}/seller/", f"{PREFIX}/sellers"))
    selling = selling or operation.name == f"POST {PREFIX}/products"
    return everybody["SELLER" if selling else "ADMIN"]


async def cast(app: FastAPI) -> dict[str, Person]:
    """One person of each role."""
    return {role: await make.person(app, full_name=f"{role.title()} Person", role=role) for role in Role}


ONE_EACH = ("sellers", "carts")
"""Tables with one row a person, which may be there already."""


async def owned_row(app: FastAPI, table: type[Table], **values: Any) -> Any:
    """A row that belongs to somebody."""
    if table.__tablename__ in ONE_EACH:
        async with app.state.database.transaction() as session:
            found = await session.scalar(select(table).filter_by(**values))
            if found is not None:
                return found
    return await row(app, table, **values)


async def seen_row(app: FastAPI, resource: Resource, person: Person) -> Any:
    """A row that this person may read, if the rule is about who he is or whose the row is, and it is finished."""
    name, _, beyond = (resource.owner or "").partition(".")
    finished = {"is_ready": True} if "is_ready" in resource.names else {}
    if name in ("", "id"):
        return await row(app, resource.table, **finished)
    if not beyond:
        return await persons_row(app, resource.table, name, person, **finished)
    parent = await persons_row(app, parent_of(resource.column(name)), beyond, person)
    return await row(app, resource.table, **{name: parent.id})


async def persons_row(app: FastAPI, table: type[Table], name: str, person: Person, **values: Any) -> Any:
    """A row whose column says this person: a new one, or the one there is where it is unique."""
    column = table.__table__.c[name]  # type: ignore[attr-defined]
    if column.unique:
        async with app.state.database.transaction() as session:
            if found := await session.scalar(select(table).where(column == person.user.id)):
                return found
    return await row(app, table, **values, **{name: person.user.id})


async def feed(person: httpx.AsyncClient, address: str, limit: int = 1) -> list[str]:
    """The ids that a list gives when it is walked by cursor, in order."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await person.get(address, params={**httpx.URL(address).params, "limit": limit, "cursor": cursor})
        assert answer.status_code == 200, (address, answer.text)
        meta = answer.json()["meta"]
        assert (meta.keys(), meta["limit"]) == ({"limit", "next_cursor"}, limit), address
        found += [row["id"] for row in answer.json()["data"]]
        cursor = meta["next_cursor"]
    return found
