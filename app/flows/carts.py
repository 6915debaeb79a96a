"""One's own cart: looking into it, adding, changing how many, removing. Each answers with the whole cart."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Response
from pydantic import ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from app.db import Database, Session
from app.errors import NotAuthenticated, NotFound, Stale
from app.kit.access import Actor, signed_in
from app.kit.once import Once, keep
from app.kit.reading import etag
from app.kit.router import read_route
from app.kit.schemas import Data, Input, Output
from app.kit.table import Price
from app.kit.web import PREFIX, SignedIn, json_response, problems, rule_needed
from app.resources import cart_items, carts
from app.resources.cart_items import Quantity

router = APIRouter(prefix=PREFIX, tags=["Cart"])


class CartAddition(Input):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"product_id": "019aab12-7c00-7000-8000-0000000000a2", "quantity": 2}]}
    )

    product_id: UUID
    quantity: Quantity = 1


class CartItemUpdate(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 3}]})

    quantity: Quantity


class CartItem(Output):
    """`available` says whether the line can be bought as it is; `notice`, what changed since the customer saw it."""

    id: UUID
    product_id: UUID
    name: str
    slug: str
    image: str | None
    seller_id: UUID
    shop_name: str
    unit_price: Price
    currency: str
    quantity: int
    line_total: Price
    available: bool
    notice: str | None


class CartTotal(Output):
    currency: str
    amount: Price


class Cart(Output):
    """Lines in the order they were added. Those that are not available do not count in the totals."""

    items: list[CartItem]
    totals: list[CartTotal]


EXAMPLE = {
    "items": [
        {
            "id": "019aab12-7c00-7000-8000-0000000000c1",
            "product_id": "019aab12-7c00-7000-8000-0000000000a2",
            "name": "Olive oil, 5 litres",
            "slug": "olive-oil-5-litres",
            "image": "https://souk.example/media/products/019aab12/019aab13/1.jpg",
            "seller_id": "019aab12-7c00-7000-8000-0000000000f0",
            "shop_name": "Huilerie Djurdjura",
            "unit_price": "6500.00",
            "currency": "DZD",
            "quantity": 2,
            "line_total": "13000.00",
            "available": True,
            "notice": "The price changed from 6200.00 to 6500.00 DZD.",
        }
    ],
    "totals": [{"currency": "DZD", "amount": "13000.00"}],
}
WHOLE: dict[int | str, dict[str, Any]] = {
    200: {"model": Data[Cart], "content": {"application/json": {"example": {"data": EXAMPLE}}}}
}


async def own_cart(scope: Scope, database: Database, actor: Actor) -> bytes:
    if actor.id is None:
        raise NotAuthenticated()
    return await carts.cart_json(database, actor.id)


router.routes.append(
    read_route(
        "/cart",
        own_cart,
        name="getCart",
        operation_id="getCart",
        summary="Your cart",
        description="Prices are the present ones; a line whose product changed says so in its `notice`, and one that "
        "cannot be bought as it is counts in no total. Comes with an `ETag`; `If-None-Match` gives 304.",
        tags=["Cart"],
        responses={**WHOLE, **problems(401)},
    )
)


@router.delete("/cart", operation_id="emptyCart", response_model=None, responses={**WHOLE, **problems(401)})
async def empty_cart(session: Session, actor: SignedIn) -> Response:
    """Empty your cart"""
    assert actor.id
    await cart_items.remove_all(session, await carts.locked(session, actor.id))
    return await whole(session, actor.id)


@router.post(
    "/cart/items",
    operation_id="addToCart",
    dependencies=[rule_needed(signed_in), Once],
    response_model=None,
    responses={**WHOLE, **problems(400, 401, 409, 422)},
)
async def add_to_cart(session: Session, actor: SignedIn, body: CartAddition) -> Response:
    """Add a product to your cart

    What is in the cart already is added to. More than the stock is 409 `out_of_stock`, with what is left as
    `available`; a cart holds 100 products, then it is 409 `cart_is_full`. Nothing is reserved before checkout.
    """
    assert actor.id
    await cart_items.add(session, await carts.opened(session, actor.id), body.product_id, body.quantity)
    return await keep(session, await carts.cart_json(session, actor.id), 200)


@router.patch(
    "/cart/items/{id}",
    operation_id="updateCartItem",
    response_model=None,
    responses={**WHOLE, **problems(401, 404, 409, 412, 422)},
)
async def update_cart_item(
    id: str,
    session: Session,
    actor: SignedIn,
    body: CartItemUpdate,
    if_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Set the quantity of a line

    More than the stock is 409 `out_of_stock`. The product's present price counts as seen, so a notice about it goes.
    Send the cart's `ETag` as `If-Match` to be told when somebody was faster.
    """
    assert actor.id
    cart_id = await carts.locked(session, actor.id)
    if if_match and if_match != "*" and etag(await carts.cart_json(session, actor.id)) not in if_match:
        raise Stale()
    await cart_items.change(session, cart_id, as_id(id), body.quantity)
    return await whole(session, actor.id)


@router.delete(
    "/cart/items/{id}", operation_id="deleteCartItem", response_model=None, responses={**WHOLE, **problems(401, 404)}
)
async def delete_cart_item(id: str, session: Session, actor: SignedIn) -> Response:
    """Remove a line from your cart"""
    assert actor.id
    await cart_items.remove(session, await carts.locked(session, actor.id), as_id(id))
    return await whole(session, actor.id)


async def whole(session: AsyncSession, user_id: UUID) -> Response:
    return json_response(await carts.cart_json(session, user_id))


def as_id(text: str) -> UUID:
    """Raises NotFound: what is malformed looks like what is not there."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound() from None
