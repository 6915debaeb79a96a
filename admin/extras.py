"""What a page shows beyond the columns of its resource: the steps of a flow, and a history."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db import Database
from app.flows.order_steps import timeline
from app.kit.flow import Flow, Move
from app.kit.resource import Resource
from app.resources.orders import service_flow

STAFF_PARTY = "staff"


@dataclass(frozen=True)
class Extra:
    """`flows` by the row's `kind`; `history` gives what happened to a row, oldest first, for staff."""

    flows: Mapping[str, Flow]
    history: Callable[[Database, UUID], Awaitable[list[dict[str, Any]]]]

    def flow(self, row: Any) -> Flow | None:
        kind = row["kind"] if isinstance(row, Mapping) else row.kind
        return self.flows.get(str(kind))

    def moves(self, row: Mapping[str, Any]) -> list[Move]:
        """The steps that staff may take from here."""
        flow = self.flow(row)
        return flow.options(row["status"], STAFF_PARTY) if flow else []

    def fields(self) -> set[str]:
        """What a step may be given: a reason, and whatever some move needs."""
        return {"reason", *(name for flow in self.flows.values() for move in flow.moves for name in move.needs)}

    def waiting(self) -> list[str]:
        """The statuses from which staff can still move a row on."""
        moves = [move for flow in self.flows.values() for move in flow.moves if STAFF_PARTY in move.by]
        return list(dict.fromkeys(str(move.source) for move in moves))


async def order_history(database: Database, order_id: UUID) -> list[dict[str, Any]]:
    return await timeline(database, order_id)


EXTRAS: Mapping[str, Extra] = {"admin/orders": Extra({"SERVICE": service_flow}, order_history)}
"""By the path of the resource."""


def extra_of(resource: Resource) -> Extra | None:
    return EXTRAS.get(resource.path)
