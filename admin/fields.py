"""The fields of a form: text in, text out, whatever the column holds.

A field keeps what was shown (`was`) beside what was typed (`text`), so only what a person changed is saved: opening a
form and saving it changes nothing, by construction.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticUndefined
from sqlalchemy.ext.asyncio import AsyncSession

from admin.kinds import Kind, kind_of, label, members, nullable, target_of
from admin.page import Typed
from admin.references import Names, choices_of
from app.errors import ValidationError
from app.kit.access import Actor
from app.kit.resource import Resource
from app.kit.schemas import create_schema

HELP: Mapping[Kind, str] = {"lines": "One a line.", "json": "JSON."}


@dataclass
class Field:
    """One field. `theirs` is what a colleague saved meanwhile; `choices` are values and their words."""

    name: str
    kind: Kind
    required: bool
    nullable: bool
    text: str
    was: str
    choices: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    theirs: str | None = None

    @property
    def label(self) -> str:
        return label(self.name)

    @property
    def help(self) -> str:
        return HELP.get(self.kind, "")

    @property
    def chosen(self) -> list[str]:
        return self.text.split("\n") if self.text else []

    @property
    def is_unknown(self) -> bool:
        """Whether it holds what is no choice: shown with its error, not swapped for another."""
        return bool(self.text) and self.text not in dict(self.choices)

    @property
    def is_changed(self) -> bool:
        return self.text != self.was

    def value(self) -> Any:
        """What was typed as the schema takes it. Raises ValueError for JSON that is none."""
        if not self.text and self.nullable and self.kind not in ("lines", "choices"):
            return None
        return FROM_TEXT.get(self.kind, str)(self.text)


def entries(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None


FROM_TEXT: dict[Kind, Callable[[str], Any]] = {
    "bool": lambda text: text == "true",
    "lines": entries,
    "choices": entries,
    "json": from_json,
}


def to_text(kind: Kind, value: Any) -> str:
    """A value as the API shows it, as the text of a field."""
    if value is None:
        return ""
    if kind in ("lines", "choices"):
        return "\n".join(map(str, value))
    if kind == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    plain = str(value).lower() if isinstance(value, bool) else str(value)
    return plain.replace("\r\n", "\n").replace("\r", "\n")


async def edit_fields(
    session: AsyncSession, resource: Resource, actor: Actor, row: Mapping[str, Any], names: Names
) -> list[Field]:
    """The writable fields with what the row holds."""
    found = []
    for name in resource.writable:
        text = to_text(kind_of(resource, name), row[name])
        made = new_field(resource, name, text, required=not nullable(resource, name))
        made.choices = await choices(session, resource, actor, name)
        if made.kind == "reference" and text and text not in dict(made.choices):
            made.choices.append((text, names[text].title if text in names else "(hidden)"))
        found.append(made)
    return found


async def create_fields(session: AsyncSession, resource: Resource, actor: Actor) -> list[Field]:
    """Every field a new row may be given, with its default."""
    found = []
    for name, info in create_schema(resource).model_fields.items():
        default = None if info.is_required() or info.default is PydanticUndefined else info.default
        made = new_field(resource, name, to_text(kind_of(resource, name), default), required=info.is_required())
        made.choices = await choices(session, resource, actor, name)
        found.append(made)
    return found


def new_field(resource: Resource, name: str, text: str, required: bool) -> Field:
    kind = kind_of(resource, name)
    shown = text or ("false" if kind == "bool" else "")
    needs = required and kind in ("text", "money", "number", "choice", "reference", "moment", "date")
    return Field(name, kind, needs, nullable(resource, name), shown, shown)


async def choices(session: AsyncSession, resource: Resource, actor: Actor, name: str) -> list[tuple[str, str]]:
    if target := target_of(resource, name):
        return await choices_of(session, actor, target)
    has_members = kind_of(resource, name) in ("choice", "choices")
    return [(value, value) for value in members(resource, name)] if has_members else []


def fill(fields: Iterable[Field], typed: Typed) -> None:
    """Put what was typed into the fields; a field that was not sent stays as it is."""
    for each in fields:
        if each.name in typed:
            each.text = "\n".join(typed.all(each.name)) if each.kind == "choices" else typed.last(each.name)
        if f"was.{each.name}" in typed:
            each.was = typed.last(f"was.{each.name}")


def values_of(fields: Iterable[Field]) -> dict[str, Any]:
    """What the fields hold, for the schema. Raises ValidationError, with all fields that cannot be read."""
    values, problems = {}, []
    for each in fields:
        try:
            values[each.name] = each.value()
        except ValueError:
            problems.append({"pointer": f"/{each.name}", "code": "json_invalid", "message": "This is not valid JSON."})
    if problems:
        raise ValidationError(problems)
    return values
