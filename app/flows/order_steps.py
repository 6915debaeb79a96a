"""Moving an order on: the customer cancels, staff take the steps of the flow; and the timeline that results."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from pydantic import ConfigDict
from sqlalchemy import Uuid, bindparam, select

from app.db import Database, Session, Statement
from app.errors import ValidationError
from app.kit import changes, flow, reading
from app.kit.access import Actor, Rule, seller, staff
from app.kit.once import Once, keep
from app.kit.resource import Resource
from app.kit.router import keys
from app.kit.schemas import Data, Input, Output, data_of, given, read_schema
from app.kit.table import Line, Note
from app.kit.web import PREFIX, Caller, OrderToken, example_of, json_response, problems, rule_needed
from app.resources.documents import Document
from app.resources.order_flows import correct_tracking, flow_of
from app.resources.order_views import OURS, desk_orders, orders, own, part_of, shop_orders
from app.resources.orders import Order, OrderStatus
from app.resources.payments import Payment
from app.resources.refunds import Refund, RefundStatus
from app.resources.status_changes import StatusChange
from app.resources.users import User

router = APIRouter(prefix=PREFIX)


class Cancellation(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The trip is postponed"}]})

    reason: Note | None = None


class StaffOrderUpdate(Input):
    """Any of: a step of the flow, notes, who works on it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "CONFIRMED", "reason": "Bank transfer received"}]}
    )

    status: OrderStatus | None = None
    reason: Note | None = None
    tracking_number: Line | None = None
    admin_notes: Note | None = None
    assigned_to: UUID | None = None


WITH_STATUS = ("reason", "tracking_number")


class TimelineEvent(Output):
    at: str
    kind: str
    text: str
    by: str | None
    from_status: OrderStatus | None = None
    to_status: OrderStatus | None = None


@router.post(
    "/orders/{id}/cancellation",
    tags=["Orders"],
    name="cancelOrder",
    operation_id="cancelOrder",
    dependencies=[Once, OrderToken],
    response_model=None,
    responses={200: {"model": data_of(read_schema(orders)), **example_of(orders)}, **problems(400, 401, 404, 409, 422)},
)
async def cancel_order(id: str, session: Session, actor: Caller, body: Cancellation | None = None) -> Response:
    """Cancel one's own order

    Possible from PENDING and CONFIRMED, for a guest from PENDING; afterwards 409 `illegal_transition`. What was paid
    goes back, and goods are for sale again.
    """
    order: Order = await changes.locked(session, orders, actor, id, own)
    party = "guest" if actor.id is None or actor.id != order.user_id else "owner"
    reason = body.reason if body else None
    await flow.move(session, flow_of(order), order, OrderStatus.CANCELLED, actor, party, reason=reason)
    return await keep(session, await reading.one(session, orders, actor, order.id), 200)


@router.patch(
    "/admin/orders/{id}",
    tags=["Staff"],
    name="updateAdminOrder",
    operation_id="updateAdminOrder",
    dependencies=[rule_needed(staff)],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(desk_orders)), **example_of(desk_orders)},
        **problems(401, 403, 404, 409, 412, 422),
    },
)
async def update_admin_order(
    id: str, session: Session, actor: Caller, body: StaffOrderUpdate, if_match: Annotated[str | None, Header()] = None
) -> Response:
    """Move an order on, or note something

    `status` must be one of the order's `allowed_transitions`. Confirming an order that is not paid needs a `reason`;
    the customer reads it in the timeline.
    """
    values = given(body)
    status, with_it = values.pop("status", None), {name: values.pop(name) for name in WITH_STATUS if name in values}
    if status is None and with_it.get("reason"):
        raise ValidationError.of("/reason", "not_allowed", "A reason goes with a status.")
    order = await changes.update(session, desk_orders, actor, id, values, if_match)
    if status is not None:
        await flow.move(session, flow_of(order), order, status, actor, "staff", **with_it)
    elif number := with_it.get("tracking_number"):
        await correct_tracking(session, desk_orders, actor, order, number)
    return json_response(await reading.one(session, desk_orders, actor, order.id))


STEPS = {
    "PENDING": "Order placed",
    "CONFIRMED": "Order confirmed",
    "IN_PROGRESS": "Work started",
    "COMPLETED": "Order completed",
    "SHIPPED": "Shipped",
    "DELIVERED": "Delivered",
    "CANCELLED": "Order cancelled",
}
HISTORY = Statement(
    select(
        reading.moment(StatusChange.c.at),
        StatusChange.c.from_status,
        StatusChange.c.to_status,
        StatusChange.c.reason,
        User.c.full_name,
        User.c.id,
        part_of(StatusChange.c.actor_id),
    )
    .join(Order, Order.c.id == StatusChange.c.order_id)
    .join(User, User.c.id == StatusChange.c.actor_id, isouter=True)
    .where(StatusChange.c.order_id == bindparam("order_id", type_=Uuid()))
    .order_by(StatusChange.c.at, StatusChange.c.id)
)


REFUNDED = Statement(
    select(
        reading.moment(Refund.c.updated_at),
        reading.amount(Refund.c.amount, Refund.c.currency),
        Refund.c.currency,
        Refund.c.reason,
        User.c.full_name,
        User.c.id,
    )
    .join(Payment, Payment.c.id == Refund.c.payment_id)
    .join(User, User.c.id == Refund.c.asked_by, isouter=True)
    .where(Payment.c.order_id == bindparam("order_id", type_=Uuid()), Refund.c.status == RefundStatus.SUCCEEDED)
)


OWNER, DECIDER = User.sql_table.alias("owner"), User.sql_table.alias("decider")
DOCUMENTS = Statement(
    select(
        Document.c.category,
        reading.moment(Document.c.created_at),
        OWNER.c.full_name,
        OWNER.c.id,
        reading.moment(Document.c.decided_at),
        DECIDER.c.full_name,
        DECIDER.c.id,
        Document.c.status,
        Document.c.rejection_reason,
    )
    .join(OWNER, OWNER.c.id == Document.c.user_id)
    .join(DECIDER, DECIDER.c.id == Document.c.decided_by, isouter=True)
    .where(Document.c.order_id == bindparam("order_id", type_=Uuid()), Document.c.is_ready)
)


async def timeline(
    database: Database, order_id: UUID, reader: Actor | None = None, *, for_seller: bool = False
) -> list[dict[str, Any]]:
    """What happened to an order, oldest first. Staff (no `reader`) read who acted by name; the seller does not read
    what is between the customer and our team."""
    rows = await database.read(HISTORY, order_id=order_id)
    steps = [
        {
            "at": at,
            "kind": "status" if from_status else "placed",
            "text": STEPS[to_status] + (f": {reason}" if reason and (part != OURS or not for_seller) else ""),
            "by": by_whom(name, user_id, reader, part),
            "from_status": from_status,
            "to_status": to_status,
        }
        for at, from_status, to_status, reason, name, user_id, part in rows
    ]
    refunds = [
        {
            "at": at,
            "kind": "refund",
            "text": f"Refunded {amount} {currency}" + (f": {reason}" if reason and not for_seller else ""),
            "by": by_whom(name, user_id, reader),
        }
        for at, amount, currency, reason, name, user_id in await database.read(REFUNDED, order_id=order_id)
    ]
    documents = [
        event for row in await database.read(DOCUMENTS, order_id=order_id) for event in document_events(reader, *row)
    ]
    return sorted(steps + refunds + ([] if for_seller else documents), key=lambda event: str(event["at"]))


def document_events(
    reader: Actor | None,
    category: str,
    received_at: str,
    owner: str,
    owner_id: UUID,
    decided_at: str | None,
    decider: str | None,
    decider_id: UUID | None,
    status: str,
    reason: str | None,
) -> list[dict[str, Any]]:
    """A document came in, and was decided about."""
    name = "Document" if category == "OTHER" else category.replace("_", " ").capitalize()
    came = {"at": received_at, "text": f"{name} received", "by": by_whom(owner, owner_id, reader)}
    text = f"{name} {status.lower()}" + (f": {reason}" if reason else "")
    decided = {"at": decided_at, "text": text, "by": by_whom(decider, decider_id, reader)}
    return [{"kind": "document", **event} for event in (came, decided) if event["at"]]


def by_whom(name: str | None, user_id: UUID | None, reader: Actor | None, part: str = OURS) -> str | None:
    """Staff read who it was; others what part he has in the order."""
    if name is None or reader is None:
        return name
    return "You" if user_id == reader.id else part


def timeline_route(resource: Resource, rule: Rule, tag: str, operation: str) -> None:
    @router.get(
        f"/{resource.path}/{{id}}/timeline",
        tags=[tag],
        name=operation,
        operation_id=operation,
        dependencies=[rule_needed(rule), *keys(resource)],
        responses={200: {"content": {"application/json": {"example": {"data": [EVENT]}}}}, **problems(401, 403, 404)},
    )
    async def read_timeline(id: str, request: Request, actor: Caller) -> Data[list[TimelineEvent]]:
        """What happened to an order

        Oldest first, beginning with its placing.
        """
        database: Database = request.app.state.database
        await reading.one(database, resource, actor, id)
        reader, for_seller = None if resource is desk_orders else actor, resource is shop_orders
        events = await timeline(database, UUID(id), reader, for_seller=for_seller)
        return Data(data=[TimelineEvent(**event) for event in events])


EVENT = {
    "at": "2026-11-22T09:30:00.000000Z",
    "kind": "status",
    "text": "Order confirmed: Bank transfer received",
    "by": "Our team",
    "from_status": "PENDING",
    "to_status": "CONFIRMED",
}
timeline_route(orders, own, "Orders", "getOrderTimeline")
timeline_route(shop_orders, seller, "Seller", "getSellerOrderTimeline")
timeline_route(desk_orders, staff, "Staff", "getAdminOrderTimeline")
