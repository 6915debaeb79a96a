"""Fulfilment: a seller confirms an order, ships it with a tracking number and delivers it, or says why he does not."""

from typing import Annotated

from fastapi import APIRouter, Header, Response
from pydantic import ConfigDict

from app.db import Session
from app.kit import changes, reading
from app.kit.access import seller
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import Line, Note
from app.kit.web import PREFIX, Caller, example_of, json_response, problems, rule_needed
from app.resources.order_flows import correct_tracking, fulfil
from app.resources.order_views import shop_orders
from app.resources.orders import Order, OrderStatus

router = APIRouter(prefix=PREFIX, tags=["Seller"])


class SaleUpdate(Input):
    """The next status of a sale, with what it needs; or just another tracking number of one that is shipped."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "SHIPPED", "tracking_number": "DZ123456789"}]})

    status: OrderStatus | None = None
    tracking_number: Line | None = None
    reason: Note | None = None


@router.patch(
    "/seller/orders/{id}",
    name="updateSellerOrder",
    operation_id="updateSellerOrder",
    dependencies=[rule_needed(seller)],
    response_model=None,
    responses={
        200: {"model": data_of(read_schema(shop_orders)), **example_of(shop_orders)},
        **problems(401, 403, 404, 409, 412, 422),
    },
)
async def update_sale(
    id: str, session: Session, actor: Caller, body: SaleUpdate, if_match: Annotated[str | None, Header()] = None
) -> Response:
    """Move a sale on

    `status` must be one of its `allowed_transitions`. SHIPPED takes a `tracking_number`, CANCELLED a `reason`, which
    the customer reads. An order to be paid by card is confirmed by its payment: before that, 409 `order_not_paid`.
    A `tracking_number` alone corrects that of an order that is SHIPPED.
    """
    order: Order = await changes.locked(session, shop_orders, actor, id, seller)
    await changes.check_match(session, shop_orders, actor, order.id, if_match)
    if body.status is None:
        await correct_tracking(session, shop_orders, actor, order, body.tracking_number)
    else:
        await fulfil(session, order, body.status, actor, tracking_number=body.tracking_number, reason=body.reason)
    return json_response(await reading.one(session, shop_orders, actor, order.id))
