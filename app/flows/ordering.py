"""Placing an order: the server looks up the price, numbers the order and keeps a snapshot of what was bought."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict
from sqlalchemy import Text, Uuid, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Statement, plain, run
from app.errors import ValidationError
from app.kit import audit, reading
from app.kit.access import Actor
from app.kit.audit import AuditEntry
from app.kit.changes import insert_together, new_row
from app.kit.once import Key, begin, keep
from app.kit.schemas import Input, data_of, read_schema
from app.kit.table import exponent, new_id, now
from app.kit.web import PREFIX, SignedIn, example_of, json_response, problems
from app.resources.emails import Email
from app.resources.number_series import next_number
from app.resources.order_items import OrderItem
from app.resources.orders import CustomerInfo, Order, OrderStatus, ServiceDetails, order_letter, orders
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


SOLD = ("title", "type", "price", "currency", "region", "specs", "features", "required_documents")
FOR_SALE = Statement(
    select(*(Service.c[name] for name in SOLD)).where(
        Service.c.id == bindparam("service_id", type_=Uuid()), Service.c.is_active
    )
)
NUMBER = next_number()
LETTER = bindparam("letter", type_=JSONB())
MADE = {
    (0, "order_number"): NUMBER,
    (1, "context"): func.jsonb_set(LETTER, literal_column("'{order_number}'"), func.to_jsonb(cast(NUMBER, Text))),
}
"""The number, and the mail that names it."""


@router.post(
    "/orders",
    status_code=201,
    name="createOrder",
    operation_id="createOrder",
    response_model=None,
    responses={201: {"model": data_of(read_schema(orders)), **example_of(orders)}, **problems(400, 401, 409, 413, 422)},
)
async def create_order(request: Request, actor: SignedIn, body: OrderCreate, idempotency_key: Key = None) -> Response:
    """Order a service

    The order starts PENDING with the service's present price. Its number comes from a series without gaps.
    """
    database: Database = request.app.state.database
    if idempotency_key is None:  # placing is one statement, so it needs no transaction around it
        order_id = await place_service_order(database, actor, body)
        return json_response(await reading.one(database, orders, actor, order_id), 201)
    async with database.transaction() as session:
        await begin(request, session, actor, idempotency_key)
        order_id = await place_service_order(session, actor, body)
        return await keep(session, await reading.one(session, orders, actor, order_id))


async def place_service_order(source: AsyncSession | Database, actor: Actor, wanted: OrderCreate) -> UUID:
    """The id of the new order. Raises ValidationError when the service is not for sale."""
    found = await run(source, FOR_SALE, service_id=wanted.service_id)
    if not found:
        raise ValidationError.of("/service_id", "unknown_service", "There is no such service for sale.")
    title, type, price, currency, region, specs, features, required_documents = found[0]
    price, moment, order_id = round(price, exponent(currency)), now(), new_id()
    stamps = {"created_at": moment, "updated_at": moment}
    snapshot = {"title": title, "type": type, "price": str(price), "currency": currency, "region": region}
    order = new_row(
        Order,
        **stamps,
        id=order_id,
        total_amount=price,
        currency=currency,
        user_id=actor.id,
        customer_info=wanted.customer_info.model_dump(),
        service_details=wanted.service_details.model_dump(mode="json") if wanted.service_details else None,
        required_documents=required_documents,
    )
    item = new_row(
        OrderItem,
        **stamps,
        order_id=order_id,
        service_id=wanted.service_id,
        title=title,
        unit_price=price,
        line_total=price,
        currency=currency,
        snapshot=snapshot | {"specs": specs, "features": features},
    )
    placed = new_row(
        StatusChange, **stamps, order_id=order_id, to_status=OrderStatus.PENDING, at=moment, actor_id=actor.id
    )
    changes = {"status": [None, OrderStatus.PENDING], "total_amount": [None, price]}
    entry = new_row(AuditEntry, **stamps, **audit.facts(actor, "created", Order, order_id, changes))
    received = new_row(
        Email,
        **stamps,
        recipient=wanted.customer_info.email,
        template="order_received",
        order_id=order_id,
        context={},
    )
    letter = order_letter(order[1] | {"order_number": None}, [(title, 1, price)])
    numbered = {"letter": plain(letter), "series": "HT", "year": moment.year, "series_id": new_id()}
    await insert_together(source, order, received, item, placed, entry, made=MADE, **numbered)
    return order_id
