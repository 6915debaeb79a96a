"""Placing an order: the server looks up the price, numbers the order and keeps a snapshot of what was bought."""

from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import ConfigDict
from sqlalchemy import Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Session, Statement, run
from app.errors import ValidationError
from app.kit import audit, reading
from app.kit.access import Actor, signed_in
from app.kit.changes import insert_together
from app.kit.once import Once, keep
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import exponent, new_id, now
from app.kit.web import PREFIX, SignedIn, example_of, problems, rule_needed
from app.resources.number_series import next_number
from app.resources.order_items import OrderItem
from app.resources.orders import CustomerInfo, Order, ServiceDetails, orders
from app.resources.services import Service
from app.resources.status_changes import StatusChange

router = APIRouter(prefix=PREFIX, tags=["Orders"])


class OrderCreate(Input):
    """A service order. The price is the server's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service_id": "019aab12-7c00-7000-8000-0000000000a1",
                    "customer_info": {
                        "full_name": "Amina Benali",
                        "email": "amina@example.com",
                        "phone": "+213 550 12 34 56",
                        "country": "DZ",
                    },
                    "service_details": {
                        "destination": "Canada",
                        "travel_date": "2027-02-08",
                        "purpose_of_travel": "Tourism",
                    },
                }
            ]
        }
    )

    service_id: UUID
    customer_info: CustomerInfo
    service_details: ServiceDetails | None = None


FOR_SALE = Statement(
    select(*(Service.c[name] for name in ("title", "type", "price", "currency", "region", "specs", "features"))).where(
        Service.c.id == bindparam("service_id", type_=Uuid()), Service.c.is_active
    )
)
ORDER_NUMBER = {"order_number": next_number()}


@router.post(
    "/orders",
    status_code=201,
    name="createOrder",
    operation_id="createOrder",
    dependencies=[rule_needed(signed_in), Once],
    response_model=None,
    responses={201: {"model": data_of(read_schema(orders)), **example_of(orders)}, **problems(401, 413, 422)},
)
async def create_order(session: Session, actor: SignedIn, body: OrderCreate) -> Response:
    """Order a service

    The order starts PENDING with the service's present price. Its number comes from a series without gaps.
    """
    order_id = await place_service_order(session, actor, body)
    return await keep(session, await reading.one(session, orders, actor, order_id))


async def place_service_order(session: AsyncSession, actor: Actor, wanted: OrderCreate) -> UUID:
    """The id of the new order. Raises ValidationError when the service is not for sale."""
    found = await run(session, FOR_SALE, service_id=wanted.service_id)
    if not found:
        raise ValidationError.of("/service_id", "unknown_service", "There is no such service for sale.")
    title, type, price, currency, region, specs, features = found[0]
    price = round(price, exponent(currency))
    moment = now()
    order = Order(
        created_at=moment,
        updated_at=moment,
        order_number="",
        total_amount=price,
        currency=currency,
        user_id=actor.id,
        customer_info=wanted.customer_info.model_dump(),
        service_details=wanted.service_details.model_dump(mode="json") if wanted.service_details else None,
    )
    snapshot = {"title": title, "type": type, "price": str(price), "currency": currency, "region": region}
    item = OrderItem(
        order_id=order.id,
        service_id=wanted.service_id,
        title=title,
        unit_price=price,
        line_total=price,
        currency=currency,
        snapshot=snapshot | {"specs": specs, "features": features},
    )
    placed = StatusChange(order_id=order.id, to_status=order.status, at=moment, actor_id=actor.id)
    entry = audit.entry(actor, "created", order, {"status": [None, order.status], "total_amount": [None, price]})
    await insert_together(
        session, order, item, placed, entry, made=ORDER_NUMBER, series="HT", year=moment.year, series_id=new_id()
    )
    return order.id
