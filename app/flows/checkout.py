"""Checkout: a cart becomes orders of goods, one for each seller, all or nothing."""

from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict

from app.db import Database
from app.errors import ValidationError
from app.kit.once import Key, Replayed, asking
from app.kit.schemas import Data, Output, read_schema
from app.kit.web import PREFIX, Caller, json_response, problems
from app.resources.order_views import SALE, orders
from app.selling import place, with_tokens
from app.wanted import EXAMPLE, GoodsBuyer, WantedItems, in_cart, offered

router = APIRouter(prefix=PREFIX, tags=["Cart"])
OrderShown: Any = read_schema(orders)


class CheckoutCreate(GoodsBuyer):
    """What a goods order takes, without its items: those of the cart are bought. A guest, who has no cart here, sends
    along the one he keeps."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    items: WantedItems | None = None


class Checkout(Output):
    checkout_id: UUID
    orders: list[OrderShown]


CHECKOUT = {"checkout_id": SALE["checkout_id"], "orders": [dict(SALE)]}


@router.post(
    "/cart/checkout",
    status_code=201,
    operation_id="checkOut",
    response_model=None,
    responses={
        201: {"model": Data[Checkout], "content": {"application/json": {"example": {"data": CHECKOUT}}}},
        **problems(400, 401, 409, 413, 422),
    },
)
async def check_out(request: Request, actor: Caller, body: CheckoutCreate, idempotency_key: Key = None) -> Response:
    """Buy what is in the cart

    One order for each seller, all in one transaction, under one `checkout_id`; the cart is empty after it. Prices and
    stock are the server's: what is not there any more is 409 `out_of_stock` and nothing is bought. Without signing in,
    send `items` along; each order then comes with its `access_token`, once.
    """
    database: Database = request.app.state.database
    asked = None
    if idempotency_key is not None:
        asked = asking(actor, request.url.path, idempotency_key, await request.body())
    if actor.id is None:
        if body.items is None:
            raise ValidationError.of("/items", "missing", "Without signing in, send along what is in the cart.")
        read = partial(offered, database, body.items)
    elif body.items is not None:
        raise ValidationError.of("/items", "not_allowed", "What is in your cart is bought; change the cart instead.")
    else:
        read = partial(in_cart, database, actor.id)
    try:
        answer = await place(database, body.buyer(actor), read, asked, is_checkout=True)
    except Replayed as replayed:
        return replayed.answer(with_tokens(replayed.kept, actor))
    return json_response(answer, 201)
