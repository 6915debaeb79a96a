"""Placing an order: the server looks up the price, numbers the order and keeps a snapshot of what was bought.

Services are placed here, goods by `selling.py`, which checkout uses too.
"""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, WrapValidator
from pydantic import ValidationError as Invalid
from sqlalchemy import Text, Uuid, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Statement, plain, run
from app.errors import SEND_JSON, NotAuthenticated, UnsupportedMediaType, ValidationError
from app.kit import audit, reading
from app.kit.access import Actor
from app.kit.audit import AuditEntry
from app.kit.changes import insert_together, new_row
from app.kit.once import Key, Replayed, asking, begin, keep
from app.kit.schemas import Input, as_validation_error, data_of, read_schema
from app.kit.table import Email, Title, exponent, new_id, now
from app.kit.web import PREFIX, Caller, example_of, json_response, problems
from app.resources.emails import Email as Mail
from app.resources.number_series import next_number
from app.resources.order_items import OrderItem
from app.resources.order_letters import order_letter
from app.resources.order_views import orders
from app.resources.orders import CustomerInfo, Order, OrderStatus, ServiceDetails
from app.resources.services import Service
from app.resources.status_changes import StatusChange
from app.selling import place, with_tokens
from app.wanted import GoodsOrderCreate, offered

router = APIRouter(prefix=PREFIX, tags=["Orders"])


class Traveller(CustomerInfo):
    """Whom a service is for; we write to him."""

    email: Email
    country: Title


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
    customer_info: Traveller
    service_details: ServiceDetails | None = None


def one_kind(value: Any, _: Any) -> OrderCreate | GoodsOrderCreate:
    """Validates by the model that is meant, so that errors point into it."""
    if isinstance(value, bytes):
        raise UnsupportedMediaType(SEND_JSON)
    kind = GoodsOrderCreate if isinstance(value, dict) and "items" in value else OrderCreate
    try:
        return kind.model_validate(value)
    except Invalid as error:
        raise as_validation_error(error.errors(), value) from None


AnyOrder = Annotated[OrderCreate | GoodsOrderCreate, WrapValidator(one_kind)]
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
async def create_order(request: Request, actor: Caller, body: AnyOrder, idempotency_key: Key = None) -> Response:
    """Order a service, or goods of one seller

    The order starts PENDING with the present prices. Its number comes from a series without gaps. A service takes an
    account. Goods take none: whoever is not signed in gets the `access_token` of his order, once, to be sent as
    `X-Order-Token`. Goods of several sellers are 409 `several_sellers`, for which there is checkout; more than there is
    of a product is 409 `out_of_stock`.
    """
    database: Database = request.app.state.database
    if isinstance(body, GoodsOrderCreate):
        return await order_goods(request, actor, body, idempotency_key)
    if actor.id is None:
        raise NotAuthenticated()
    if idempotency_key is None:  # placing is one statement, so it needs no transaction around it
        order_id = await place_service_order(database, actor, body)
        return json_response(await reading.one(database, orders, actor, order_id), 201)
    async with database.transaction() as session:
        await begin(request, session, actor, idempotency_key)
        order_id = await place_service_order(session, actor, body)
        return await keep(session, await reading.one(session, orders, actor, order_id))


async def order_goods(request: Request, actor: Actor, body: GoodsOrderCreate, key: str | None) -> Response:
    database: Database = request.app.state.database
    asked = asking(actor, request.url.path, key, await request.body()) if key is not None else None
    try:
        read = partial(offered, database, body.items)
        answer = await place(database, body.buyer(actor), read, asked, is_checkout=False)
    except Replayed as replayed:
        return replayed.answer(with_tokens(replayed.kept, actor))
    return json_response(answer, 201)


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
        Mail,
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
