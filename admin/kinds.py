"""What kind of value a column holds: it decides how the value is shown, typed in and filtered."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel

from app.kit.access import Actor, Role, answer
from app.kit.resource import RESOURCES, Resource
from app.kit.table import Table, bare, limits

Kind = Literal[
    "reference", "choice", "choices", "bool", "money", "number", "moment", "date", "lines", "json", "note", "id", "text"
]
SIMPLE: tuple[tuple[type, Kind], ...] = (
    (Enum, "choice"),
    (bool, "bool"),
    (Decimal, "money"),
    (datetime, "moment"),
    (date, "date"),
    (UUID, "id"),
    (int, "number"),
    (dict, "json"),
    (BaseModel, "json"),
)
POINTERS = {("audit_entries", "actor_id"): "users"}
"""Columns that refer to a table without a foreign key."""
LONGEST_LINE = 500
OF_A_SHOP = "seller/"
"""How the paths begin of what a seller sees: these are his pages, all others are for staff."""


@cache
def kind_of(resource: Resource, name: str) -> Kind:
    """The kind of a column. A list is `choices` of an enumeration, `lines` of text, or else JSON. What is computed is
    a choice or JSON."""
    if name in resource.computed:
        return "choice" if is_a(bare(resource.computed[name].type), Enum) else "json"
    if target_of(resource, name):
        return "reference"
    annotation = resource.annotation(name)
    plain = bare(annotation)
    if get_origin(plain) is list:
        member = bare(get_args(plain)[0])
        return "choices" if is_a(member, Enum) else "lines" if member is str else "json"
    if get_origin(plain) is dict:
        return "json"
    found = next((kind for base, kind in SIMPLE if is_a(plain, base)), None)
    return found or ("note" if (limits(annotation, "max_length") or 0) > LONGEST_LINE else "text")


def is_a(plain: Any, base: type) -> bool:
    return isinstance(plain, type) and issubclass(plain, base)


def target_of(resource: Resource, name: str) -> type[Table] | None:
    """The table that a column refers to, when anybody sees that table in the back office."""
    keys = resource.column(name).foreign_keys
    pointed = next((key.column.table.name for key in keys), POINTERS.get((resource.table.sql_table.name, name)))
    return next((look.table for look in looks() if look.table.sql_table.name == pointed), None)


@cache
def looks() -> tuple[Resource, ...]:
    """The resources that have a place in the back office, in the order of the menu."""
    shown = [resource for resource in RESOURCES.values() if resource.admin]
    return tuple(sorted(shown, key=lambda resource: resource.admin.order if resource.admin else 0))


@cache
def pages_of(role: Role | None) -> tuple[Resource, ...]:
    """The resources that are pages for people of this role, in the order of the menu; their rules say of which rows.

    A seller's are those of his shop, and no other address is a page for him: two resources may have one name, such as
    `orders`, and each reader has one of them at most.
    """
    is_seller = role is Role.SELLER
    return tuple(look for look in looks() if look.path.startswith(OF_A_SHOP) is is_seller)


def open_to(actor: Actor) -> list[Resource]:
    """The pages that this reader may open."""
    return [page for page in pages_of(actor.role) if answer(page.read, actor)]


def members(resource: Resource, name: str) -> list[str]:
    """The values of an enumeration, alone or in a list."""
    plain = bare(resource.annotation(name))
    kind = bare(get_args(plain)[0]) if get_origin(plain) is list else plain
    return [str(member.value) for member in kind]


def nullable(resource: Resource, name: str) -> bool:
    return bool(resource.column(name).nullable)


def words(text: str) -> str:
    """A name from code as people read it: `IN_PROGRESS` and `in_progress` are "In progress"."""
    plain = text.replace("_", " ").replace("-", " ").strip()
    return plain[:1].upper() + plain[1:].lower()


LABELS = {
    "at": "When",
    "card_brand": "Card",
    "captured_amount": "Captured",
    "refunded_amount": "Refunded",
    "user_id": "Customer",
    "original_name": "File name",
    "has_thumbnail": "Preview",
    "thumbnail_url": "Picture",
}
OWN_LABELS = {("admin/documents", "created_at"): "Received", ("admin/sellers", "user_id"): "Account"}
"""By the path of the resource."""


def label(path: str, resource: Resource | None = None) -> str:
    """A column's heading: `customer_info.full_name` is "Full name", `created_at` "Created", `service_id` "Service"."""
    name = path.rpartition(".")[2]
    own = OWN_LABELS.get((resource.path, path)) if resource else None
    return own or LABELS.get(name) or words(name.removesuffix("_at").removesuffix("_id").removeprefix("is_"))
