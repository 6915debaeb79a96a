"""The lines of a cart: a product stands in one line, with the price that its customer saw last.

Whoever writes lines holds the cart's row (`carts.py`), so that one at a time counts and sums them, and locks the lines,
because a checkout takes these away. Products are only read: a cart reserves nothing.
"""

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import CheckConstraint, Row, UniqueConstraint, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, NotFound, ValidationError
from app.kit.schemas import Input
from app.kit.table import Currency, Price, Table, Whole, foreign_key
from app.resources.products import OutOfStock, Product

MOST_LINES, MOST_OF_ONE = 100, 100_000
Quantity = Annotated[int, Field(strict=True, ge=1, le=MOST_OF_ONE)]
"""How many of a product, as callers send it."""


class KeptLine(Input):
    product_id: UUID
    quantity: Quantity


KeptCart = Annotated[
    list[KeptLine],
    Field(max_length=MOST_LINES, description="What a client kept for its guest; it goes into the account's cart."),
]
OFFER = (Product.c.id, Product.c.stock, Product.c.price, Product.c.currency)
ON_SALE = Product.c.is_active & Product.c.is_listed


class CartItem(Table, table=True):
    __table_args__ = (UniqueConstraint("cart_id", "product_id"), CheckConstraint("quantity > 0", name="quantity"))

    cart_id: UUID = foreign_key("carts.id", index=False)
    product_id: UUID = foreign_key("products.id")
    quantity: Whole
    seen_price: Price
    currency: Currency


class CartIsFull(Conflict):
    """A cart holds 100 products at most."""


async def add(session: AsyncSession, cart_id: UUID, product_id: UUID, quantity: int) -> None:
    """Put so many more of a product into the cart. Raises ValidationError, OutOfStock, CartIsFull."""
    held = await held_in(session, cart_id)
    offers = await session.execute(select(*OFFER).where(Product.c.id == product_id, ON_SALE))
    product = offers.one_or_none()
    if product is None:
        raise ValidationError.of("/product_id", "unknown_product", "There is no such product for sale.")
    if product_id not in held and len(held) >= MOST_LINES:
        raise CartIsFull()
    total = quantity + held.get(product_id, 0)
    check_quantity(total, product.stock)
    await put(session, [line(cart_id, product, total)])


async def change(session: AsyncSession, cart_id: UUID | None, item_id: UUID, quantity: int) -> None:
    """Set how many of a line are wanted. Raises NotFound, OutOfStock."""
    offers = select(*OFFER, ON_SALE.label("is_on_sale")).join(CartItem, CartItem.c.product_id == Product.c.id)
    wanted = offers.where(CartItem.c.id == item_id, CartItem.c.cart_id == cart_id)
    product = (await session.execute(wanted.with_for_update(of=CartItem, key_share=True))).one_or_none()
    if product is None or cart_id is None:
        raise NotFound()
    if not product.is_on_sale:
        raise out_of_stock("This is no longer sold.", 0)
    check_quantity(quantity, product.stock)
    await put(session, [line(cart_id, product, quantity)])


async def remove(session: AsyncSession, cart_id: UUID | None, item_id: UUID) -> None:
    """Raises NotFound."""
    wanted = delete(CartItem).where(CartItem.c.id == item_id, CartItem.c.cart_id == cart_id)
    if await session.scalar(wanted.returning(CartItem.c.id)) is None:
        raise NotFound()


async def remove_all(session: AsyncSession, cart_id: UUID | None) -> None:
    await held_in(session, cart_id)
    await session.execute(delete(CartItem).where(CartItem.c.cart_id == cart_id))


async def merge(session: AsyncSession, cart_id: UUID, kept: KeptCart) -> None:
    """Take over what a client kept for its guest: the larger quantity counts, as far as the stock goes.

    What is not for sale or finds no room is left out; a second time changes nothing.
    """
    held, wanted = await held_in(session, cart_id), largest(kept)
    offers = {product.id: product for product in await for_sale(session, wanted)}
    new = [product_id for product_id in wanted if product_id in offers and product_id not in held]
    lines = []
    for product_id in [*offers.keys() & held.keys(), *new[: MOST_LINES - len(held)]]:
        total = min(max(wanted[product_id], held.get(product_id, 0)), offers[product_id].stock)
        if total != held.get(product_id):
            lines.append(line(cart_id, offers[product_id], total))
    await put(session, lines, replaced=("quantity", "updated_at"))


def largest(kept: KeptCart) -> dict[UUID, int]:
    """Quantities by product, in the client's order."""
    wanted: dict[UUID, int] = {}
    for line in kept:
        wanted[line.product_id] = max(line.quantity, wanted.get(line.product_id, 0))
    return wanted


async def held_in(session: AsyncSession, cart_id: UUID | None) -> dict[UUID, int]:
    """How many of each product are in the cart. Its lines are locked."""
    lines = select(CartItem.c.product_id, CartItem.c.quantity).where(CartItem.c.cart_id == cart_id)
    found = await session.execute(lines.order_by(CartItem.c.id).with_for_update(key_share=True))
    return {row.product_id: row.quantity for row in found}


async def for_sale(session: AsyncSession, ids: Iterable[UUID]) -> Iterable[Row[Any]]:
    """Those products that can be bought. None can be deleted meanwhile, as none could once a new line refers to it."""
    wanted = select(*OFFER).where(Product.c.id.in_(list(ids)), ON_SALE, Product.c.stock > 0)
    return await session.execute(wanted.order_by(Product.c.id).with_for_update(read=True, key_share=True))


def line(cart_id: UUID, product: Row[Any], quantity: int) -> dict[str, Any]:
    """A row, with the product's present price as the one that was seen."""
    values = {"cart_id": cart_id, "product_id": product.id, "quantity": quantity}
    return CartItem(**values, seen_price=product.price, currency=product.currency).values()


REPLACED = ("quantity", "seen_price", "currency", "updated_at")


async def put(session: AsyncSession, lines: list[dict[str, Any]], replaced: tuple[str, ...] = REPLACED) -> None:
    """Write lines; where there is one of the product, these columns of it are replaced."""
    new = insert(CartItem)
    there = {name: new.excluded[name] for name in replaced}
    if lines:
        await session.execute(new.on_conflict_do_update(index_elements=["cart_id", "product_id"], set_=there), lines)


def check_quantity(quantity: int, stock: int) -> None:
    """Raises OutOfStock, and ValidationError for more than a line may hold."""
    if quantity > stock:
        raise out_of_stock(f"Only {stock} left." if stock else "This is sold out.", stock)
    if quantity > MOST_OF_ONE:
        raise ValidationError.of("/quantity", "less_than_equal", f"A cart holds {MOST_OF_ONE} of a product at most.")


def out_of_stock(message: str, available: int) -> OutOfStock:
    error = {"pointer": "/quantity", "code": "out_of_stock", "message": message, "available": available}
    return OutOfStock(message, errors=[error])
