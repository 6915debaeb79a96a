"""Who is calling, and the rules that say what a caller may see and do.

A rule answers *no*, *yes* or *these rows*. It is a tuple of clauses, each a test of the caller and, maybe, a SQL
condition; the clauses that let a caller in are the answer. `nobody` is the empty rule: locked until a rule opens it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, Uuid, and_, bindparam, or_, true

from app.errors import Forbidden, NotAuthenticated

if TYPE_CHECKING:
    from app.kit.resource import Resource


class Choice(StrEnum):
    """An enumeration of the API: upper case out, any case in."""

    @classmethod
    def _missing_(cls, value: object) -> "Choice | None":
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


class Role(Choice):
    CUSTOMER = "CUSTOMER"
    CONSULTANT = "CONSULTANT"
    SELLER = "SELLER"
    ADMIN = "ADMIN"


STAFF = frozenset({Role.CONSULTANT, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a request. `id` and `role` are None for somebody who is not signed in.

    `key_hash` is of a secret that came with the request and opens a row of its own, such as a guest's order.
    """

    id: UUID | None = None
    role: Role | None = None
    token: str = field(default="", repr=False)
    key_hash: str | None = field(default=None, repr=False)

    @property
    def is_staff(self) -> bool:
        return self.role in STAFF


def secret_hash(secret: str) -> str:
    """What is kept and compared in place of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


NOBODY = Actor()
ACTOR_ID = bindparam("actor_id", type_=Uuid())
ACTOR_KEY = bindparam("actor_key", type_=String())


def as_parameters(actor: Actor) -> dict[str, Any]:
    """What the conditions of rules ask of the caller."""
    return {ACTOR_ID.key: actor.id, ACTOR_KEY.key: actor.key_hash}


@dataclass(frozen=True)
class Clause:
    """`who` it lets in, and to which `rows` (None: all of them)."""

    name: str
    who: Callable[[Actor], bool]
    rows: Callable[["Resource"], ColumnElement[bool]] | None = None


Rule = tuple[Clause, ...]

nobody: Rule = ()
everyone: Rule = (Clause("everyone", lambda actor: True),)
signed_in: Rule = (Clause("signed_in", lambda actor: actor.id is not None),)
staff: Rule = (Clause("staff", lambda actor: actor.is_staff),)
admin: Rule = (Clause("admin", lambda actor: actor.role is Role.ADMIN),)
mine: Rule = (Clause("mine", lambda actor: actor.id is not None, lambda resource: resource.owned_by(ACTOR_ID)),)
seller: Rule = (
    Clause("seller", lambda actor: actor.role is Role.SELLER, lambda resource: resource.owned_by(ACTOR_ID)),
)
key_holder: Rule = (
    Clause("key holder", lambda actor: actor.key_hash is not None, lambda resource: resource.opened_by(ACTOR_KEY)),
)


def either(*rules: Rule) -> Rule:
    """Whoever one of the rules lets in, to the rows of all that do."""
    return tuple(clause for rule in rules for clause in rule)


def only(rule: Rule, **values: Any) -> Rule:
    """The rule, narrowed to rows whose columns have these values: `only(everyone, is_active=True)`."""

    def narrowed(clause: Clause) -> Clause:
        def rows(resource: "Resource") -> ColumnElement[bool]:
            return and_(
                *(resource.column(name) == value for name, value in values.items()),
                clause.rows(resource) if clause.rows else true(),
            )

        return Clause(f"{clause.name}, only {values}", clause.who, rows)

    return tuple(map(narrowed, rule))


def answer(rule: Rule, actor: Actor) -> Rule:
    """The clauses that let this caller in: empty is no; one without `rows` is yes."""
    clauses = tuple(clause for clause in rule if clause.who(actor))
    return next(((clause,) for clause in clauses if clause.rows is None), clauses)


def allowed(rule: Rule, actor: Actor) -> Rule:
    """The answer, when it is not no. Raises NotAuthenticated or Forbidden."""
    if clauses := answer(rule, actor):
        return clauses
    raise NotAuthenticated() if actor.id is None else Forbidden()


def condition(clauses: Rule, resource: "Resource") -> ColumnElement[bool]:
    """The answer as SQL; the caller's id is the parameter `actor_id`."""
    return or_(*(clause.rows(resource) if clause.rows else true() for clause in clauses))
