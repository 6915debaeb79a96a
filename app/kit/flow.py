"""State machines as data: states, moves, who may take them, what they ask for.

A status moves only through `move()`: one guarded UPDATE (`WHERE status = old`), the history row and the audit in the
caller's transaction. API, back office, webhooks and jobs share it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, case, literal_column, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from app.errors import Conflict, ValidationError
from app.kit import audit
from app.kit.access import Actor, Choice
from app.kit.table import Table, now


class IllegalTransition(Conflict):
    """This step is not possible from here."""


@dataclass(frozen=True)
class Move:
    """From one status to another. `by` names the parties who may take it, `needs` the fields they must give."""

    source: Choice
    target: Choice
    by: frozenset[str]
    label: str
    needs: tuple[str, ...] = ()
    danger: bool = False


After = Callable[[AsyncSession, Any, Move, Actor, str | None], Awaitable[None]]


@dataclass(frozen=True)
class Flow:
    """The moves of one table's `status`, and what follows each in the same transaction."""

    name: str
    table: type[Table]
    moves: tuple[Move, ...]
    after: tuple[After, ...] = ()

    def options(self, status: str, party: str) -> list[Move]:
        return [move for move in self.moves if move.source == status and party in move.by]

    def options_sql(self, status: ColumnElement[Any], party: str) -> ColumnElement[Any]:
        """The targets a party may choose, as a JSON array in SQL."""
        sources = dict.fromkeys(move.source for move in self.moves)
        arrays = {source: ",".join(f'"{move.target}"' for move in self.options(source, party)) for source in sources}
        whens: list[Any] = [
            (type_coerce(status, String) == literal_column(f"'{source}'"), literal_column(f"'[{text}]'::json"))
            for source, text in arrays.items()
        ]
        return case(*whens, else_=literal_column("'[]'::json"))

    def choose(self, row: Any, target: Choice, party: str) -> Move:
        """The move to this target. Raises IllegalTransition with the allowed ones."""
        options = self.options(row.status, party)
        for move in options:
            if move.target == target:
                return move
        names = [str(move.target) for move in options]
        detail = (
            f"From {row.status} it can go to {', '.join(names)}."
            if names
            else f"From {row.status} there is no further step."
        )
        raise IllegalTransition(detail, allowed=names)


async def move(
    session: AsyncSession, flow: Flow, row: Any, target: Choice, actor: Actor, party: str, **given: Any
) -> Move:
    """Take a step: `given` holds the fields the move needs; those that are columns are kept in the row.

    Raises IllegalTransition, also when somebody was faster.
    """
    step = flow.choose(row, target, party)
    for name in step.needs:
        if not str(given.get(name) or "").strip():
            raise ValidationError.of(f"/{name}", "missing", f"{step.label} needs a {name.replace('_', ' ')}.")
    moment, before = now(), row.values()
    guarded = update(flow.table).where(flow.table.c.id == row.id, flow.table.c.status == step.source)
    result = await session.execute(
        guarded.values(status=target, updated_at=moment), execution_options={"synchronize_session": False}
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]
        await session.refresh(row)
        flow.choose(row, target, party)
        raise IllegalTransition(allowed=[])
    set_committed_value(row, "status", target)
    set_committed_value(row, "updated_at", moment)
    for name in given.keys() & flow.table.model_fields.keys():
        if given[name] is not None:
            setattr(row, name, given[name])
    for follow in flow.after:
        await follow(session, row, step, actor, given.get("reason"))
    before.pop("updated_at")
    changes = {name: [old, getattr(row, name)] for name, old in before.items() if old != getattr(row, name)}
    session.add(audit.entry(actor, "moved", row, changes))
    await session.flush()
    return step
