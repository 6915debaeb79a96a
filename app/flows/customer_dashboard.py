"""The first page of a customer's dashboard: how many orders go on, how many are done, which documents wait.

The orders themselves are a resource (`resources/dashboard_orders.py`).
"""

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Select, func, or_, select
from starlette.types import Scope

from app.db import Database, Statement
from app.kit.access import ACTOR_ID, Actor, allowed, as_parameters, signed_in
from app.kit.router import read_route
from app.kit.schemas import Data, Output
from app.kit.web import problems
from app.resources.documents import Document, DocumentStatus
from app.resources.orders import Order, OrderStatus

DONE = (OrderStatus.COMPLETED, OrderStatus.DELIVERED)


class Overview(Output):
    active_orders: int
    completed_orders: int
    pending_documents: int


def orders_with(*statuses: OrderStatus) -> Select[Any]:
    return select(func.count()).where(Order.c.user_id == ACTOR_ID, or_(*(Order.c.status == each for each in statuses)))


ACTIVE = [status for status in OrderStatus if status not in (*DONE, OrderStatus.CANCELLED)]
WAITING = (Document.c.user_id == ACTOR_ID, Document.c.is_ready, Document.c.status == DocumentStatus.PENDING)
COUNTS = Statement(
    select(
        orders_with(*ACTIVE).scalar_subquery(),
        orders_with(*DONE).scalar_subquery(),
        select(func.count()).where(*WAITING).scalar_subquery(),
    )
)


async def overview(scope: Scope, database: Database, actor: Actor) -> bytes:
    allowed(signed_in, actor)
    ((active, completed, pending),) = await database.read(COUNTS, **as_parameters(actor))
    counts = Overview(active_orders=active, completed_orders=completed, pending_documents=pending)
    return Data(data=counts).model_dump_json().encode()


EXAMPLE = {"data": {"active_orders": 2, "completed_orders": 5, "pending_documents": 1}}
router = APIRouter()
router.routes += [
    read_route(
        "/dashboard/overview",
        overview,
        name="getDashboardOverview",
        operation_id="getDashboardOverview",
        summary="Get an overview of one's own orders",
        description="Orders that go on, that were completed or delivered, and documents that wait for our staff.",
        tags=["Dashboard"],
        responses={
            200: {"model": Data[Overview], "content": {"application/json": {"example": EXAMPLE}}},
            **problems(401),
        },
    )
]
