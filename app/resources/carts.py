"""Carts: one for each account, made by its first item. A cart shows what its products are and cost now."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Numeric,
    Select,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, Statement, run
from app.kit.reading import amount, row_json
from app.kit.table import Table, foreign_key, now
from app.resources import cart_items
from app.resources.cart_items import ON_SALE, CartItem, KeptCart
from app.resources.product_images import image_urls
from app.resources.products import Product, products
from app.resources.sellers import Seller


class Cart(Table, table=True):
    user_id: UUID = foreign_key("users.id", index=False, unique=True)


async def opened(session: AsyncSession, user_id: UUID) -> UUID:
    """The id of the account's cart, locked; made where there is none."""
    new = insert(Cart).values(Cart(user_id=user_id).values())
    there = {"updated_at": new.excluded.updated_at}
    mine = new.on_conflict_do_update(index_elements=["user_id"], set_=there).returning(Cart.c.id)
    cart_id: UUID = (await session.execute(mine)).scalar_one()
    return cart_id


async def locked(session: AsyncSession, user_id: UUID) -> UUID | None:
    """The id of the account's cart, locked; None if it never held anything."""
    mine = update(Cart).where(Cart.c.user_id == user_id).values(updated_at=now())
    cart_id: UUID | None = await session.scalar(mine.returning(Cart.c.id))
    return cart_id


async def merge(session: AsyncSession, user_id: UUID, kept: KeptCart) -> None:
    """Put what a client kept for its guest into the cart of the account; see `cart_items.merge`."""
    if kept:
        await cart_items.merge(session, await opened(session, user_id), kept)


async def cart_json(source: AsyncSession | Database, user_id: UUID) -> bytes:
    """The whole cart as the bytes of the answer. Given a session, it sees what that has written."""
    statement = cart_statement()
    if isinstance(source, Database):
        ((items, totals),) = await source.read(statement, user_id=user_id)
    else:
        ((items, totals),) = await run(source, statement, user_id=user_id)
    return f'{{"data":{{"items":[{items}],"totals":[{totals}]}}}}'.encode()


@cache
def cart_statement() -> Statement:
    """Two columns: the lines as JSON texts joined by commas, and the totals, of lines that can be bought."""
    lines = lines_of(bindparam("user_id", type_=Uuid())).cte("lines")
    total = amount(func.sum(cast(lines.c.line_total, Numeric)), lines.c.currency).label("amount")
    totals = select(lines.c.currency, total).where(lines.c.available).group_by(lines.c.currency)
    return Statement(
        select(
            row_json(select(lines).order_by(lines.c.id)).scalar_subquery(),
            row_json(totals.order_by(lines.c.currency)).scalar_subquery(),
        )
    )


def lines_of(user_id: ColumnElement[UUID]) -> Select[Any]:
    product, currency = Product.c, Product.c.currency
    return (
        select(
            CartItem.c.id,
            CartItem.c.product_id,
            product.name,
            product.slug,
            first_image().label("image"),
            product.seller_id,
            Seller.c.shop_name,
            amount(product.price, currency).label("unit_price"),
            currency,
            CartItem.c.quantity,
            amount(product.price * CartItem.c.quantity, currency).label("line_total"),
            (ON_SALE & (product.stock >= CartItem.c.quantity)).label("available"),
            notice().label("notice"),
        )
        .select_from(Cart)
        .join(CartItem, CartItem.c.cart_id == Cart.c.id)
        .join(Product, product.id == CartItem.c.product_id)
        .join(Seller, Seller.c.id == product.seller_id)
        .where(Cart.c.user_id == user_id)
    )


def first_image() -> ColumnElement[str]:
    return type_coerce(image_urls(products), JSON).op("->>")(literal_column("0"))


def notice() -> ColumnElement[str]:
    """What is not as the customer saw it last, in a sentence; null if nothing is."""
    product, currency = Product.c, Product.c.currency
    few = joined("'Only '", product.stock, "' left.'")
    seen, present = amount(CartItem.c.seen_price, currency), amount(product.price, currency)
    changed = joined("'The price changed from '", seen, "' to '", present, "' '", currency, "'.'")
    sentences = func.concat_ws(
        literal_column("' '"),
        case((product.stock < CartItem.c.quantity, few)),
        case((product.price != CartItem.c.seen_price, changed)),
    )
    return case(
        (~ON_SALE, literal_column("'This is no longer sold.'")),
        (product.stock == 0, literal_column("'This is sold out.'")),
        else_=func.nullif(sentences, literal_column("''")),
    )


def joined(*parts: str | ColumnElement[Any]) -> ColumnElement[str]:
    return func.concat(*(literal_column(part) if isinstance(part, str) else part for part in parts))
