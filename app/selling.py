"""Selling goods: the server's prices, the stock and the numbers in one statement, all or nothing.

What is wanted is read first, without a lock. Then one statement takes the stock, empties the cart, numbers the orders
and writes them; it does nothing unless price, stock and cart are still what was read. Then all is read anew. The locks
before it and the answer after it are sent along in one go, so that a product is locked no longer than the database
works, however far away it is. Locks are taken in one order: lines of the cart, products by id, the counter of numbers.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable, NotNullViolation, UniqueViolation
from pydantic_core import to_json
from sqlalchemy import ColumnElement, Text, Uuid, any_, bindparam, cast, func, literal_column, select, text

from app.db import Database, Statement
from app.errors import Conflict, Unavailable, ValidationError
from app.kit import audit
from app.kit.access import Actor, as_parameters, secret_hash
from app.kit.audit import AuditEntry
from app.kit.changes import new_row
from app.kit.once import FORGET, KEPT, KeptAnswer, RequestInProgress, keeping, replay, to_keep
from app.kit.reading import fields
from app.kit.table import Table, money, new_id, now
from app.resources.emails import Email
from app.resources.order_items import OrderItem
from app.resources.order_letters import guest_token, order_letter, sale_letter
from app.resources.order_views import orders
from app.resources.orders import Order, OrderKind, OrderStatus
from app.resources.payments import PaymentMethod
from app.resources.products import OutOfStock
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.wanted import Buyer, Offer, check_stock, ids

TRIES = 5
"""How often what is wanted may change between reading and taking it."""


class SeveralSellers(Conflict):
    """These products are of several sellers: use checkout, which makes an order for each."""


ADDRESS = Statement(select(User.c.email).where(User.c.id == bindparam("user_id", type_=Uuid())))


def columns(table: type[Table], **instead: str) -> tuple[str, str]:
    """The columns of a table, and what fills them: those of the record `r`, but for what is given instead."""
    names = [column.name for column in table.c]
    return ", ".join(names), ", ".join(instead.get(name, f"r.{name}") for name in names)


def inserting(table: type[Table], parameter: str, more: str = "", **instead: str) -> str:
    """SQL that inserts the rows of a JSON array."""
    name, (into, values) = table.__tablename__, columns(table, **instead)
    rows = f"jsonb_populate_recordset(CAST(NULL AS {name}), CAST(:{parameter} AS jsonb)) AS r"
    return f"INSERT INTO {name} ({into}) SELECT {values} FROM {rows} {more}"  # noqa: S608


def given(parameter: str, type: str) -> str:
    """SQL of a list; see `ids`."""
    return f"CAST((SELECT CAST(:{parameter} AS {type}[])) AS {type}[])"


NUMBER = "CAST(number.value - :orders_count + CAST(r.order_number AS int) AS text)"
NUMBERED = f"'ZST-' || lpad({NUMBER}, greatest(5, length({NUMBER})), '0')"
LETTER = "jsonb_set(r.context, '{order_number}', to_jsonb(placed.order_number))"
ORDERS = inserting(Order, "orders", "LEFT JOIN number ON true", order_number=NUMBERED)
EMAILS = inserting(Email, "emails", "JOIN placed ON placed.id = r.order_id", context=LETTER)
LOCK = Statement(
    text(f"""
WITH lines AS MATERIALIZED (
  SELECT id FROM cart_items WHERE id = ANY({given("cart_ids", "uuid")}) ORDER BY id FOR UPDATE
), held AS MATERIALIZED (
  SELECT id FROM products WHERE id = ANY({given("product_ids", "uuid")}) AND (SELECT count(*) FROM lines) >= 0
  ORDER BY id FOR NO KEY UPDATE
)
SELECT count(*) FROM held
""")  # noqa: S608
)
"""A statement of its own, so that the next one sees what others had committed before it got the locks."""
PLACE = Statement(
    text(f"""
WITH emptied AS (
  DELETE FROM cart_items AS line
  USING unnest({given("cart_ids", "uuid")}, {given("cart_quantities", "int")}) AS seen (id, quantity)
  WHERE line.id = seen.id AND line.quantity = seen.quantity
  RETURNING line.id
), wanted AS (
  SELECT * FROM unnest({given("product_ids", "uuid")}, {given("quantities", "int")}, {given("prices", "numeric")})
    AS line (product_id, quantity, price)
  WHERE (SELECT count(*) FROM emptied) = cardinality(CAST(:cart_ids AS uuid[]))
), taken AS (
  UPDATE products SET stock = products.stock - wanted.quantity FROM wanted
  WHERE products.id = wanted.product_id AND products.stock >= wanted.quantity AND products.price = wanted.price
    AND products.is_active AND products.is_listed
  RETURNING products.id
), number AS (
  INSERT INTO number_series (id, created_at, updated_at, series, year, value)
  SELECT :series_id, now(), now(), 'ZST', 0, :orders_count FROM (SELECT count(*) AS lines FROM taken) AS all_taken
  WHERE lines = cardinality(CAST(:product_ids AS uuid[]))
  ON CONFLICT (series, year) DO UPDATE SET value = number_series.value + :orders_count, updated_at = now()
  RETURNING value
), placed AS ({ORDERS} RETURNING id, order_number),
  items AS ({inserting(OrderItem, "items")}),
  history AS ({inserting(StatusChange, "history")}),
  audited AS ({inserting(AuditEntry, "audits")}),
  mailed AS ({EMAILS})
SELECT 1
""")  # noqa: S608
)
"""Without enough stock there is no number, and an order without a number breaks the whole statement."""


def answer_of(is_checkout: bool) -> ColumnElement[str]:
    """SQL of the answer: one order, or a checkout with its orders."""
    wanted = Order.c.id == any_(ids("order_ids"))
    rows = select(*fields(orders, single=True)).where(wanted).order_by(Order.c.id).subquery("r")
    each = cast(func.row_to_json(literal_column("r")), Text)
    joined = select(func.string_agg(each, literal_column("','"))).select_from(rows).scalar_subquery()
    if not is_checkout:
        return func.concat(literal_column("'{\"data\":'"), joined, literal_column("'}'"))
    head: ColumnElement[str] = literal_column('\'{"data":{"checkout_id":"\'')
    return func.concat(
        head, bindparam("checkout", type_=Text()), literal_column('\'","orders":[\''), joined, literal_column("']}}'")
    )


ANSWER = {is_checkout: Statement(select(answer_of(is_checkout))) for is_checkout in (False, True)}
KEPT_ANSWER = {is_checkout: keeping(answer_of(is_checkout)) for is_checkout in (False, True)}


async def place(
    database: Database,
    buyer: Buyer,
    read: Callable[[], Awaitable[list[Offer]]],
    asked: tuple[str, str] | None,
    *,
    is_checkout: bool,
) -> bytes:
    """The answer: the new order, or the checkout with one for each seller.

    `asked` is what an Idempotency-Key stands for (`once.asking`). Raises OutOfStock, SeveralSellers, CartIsEmpty,
    ValidationError, Replayed.
    """
    for _ in range(TRIES):
        try:
            offers = await read()
        finally:  # looked for last: what the same request took meanwhile is no reason to refuse this one
            if asked:
                await replay(database, *asked)
        if not is_checkout and len({offer.seller_id for offer in offers}) > 1:
            raise SeveralSellers()
        check_stock(offers)
        check_payable(offers, buyer)
        try:
            return await place_once(database, await reachable(database, buyer), offers, asked, is_checkout)
        except (NotNullViolation, UniqueViolation, DeadlockDetected) as error:
            if not is_overtaken(error):
                raise
        except LockNotAvailable:
            raise (RequestInProgress(headers={"Retry-After": "1"}) if asked else Unavailable()) from None
    raise OutOfStock()


def check_payable(offers: list[Offer], buyer: Buyer) -> None:
    """Raises ValidationError where a card would be charged nothing."""
    totals = {offer.seller_id: Decimal(0) for offer in offers}
    for offer in offers:
        totals[offer.seller_id] += offer.total
    if buyer.payment_method is PaymentMethod.CARD and not all(totals.values()):
        raise ValidationError.of("/payment_method", "nothing_to_pay", "What costs nothing cannot be paid by card.")


def is_overtaken(error: psycopg.Error) -> bool:
    """Whether somebody was faster: took the stock, changed a price or the cart, or is the same request."""
    table = error.diag.table_name
    return table is None or table in (Order.__tablename__, KeptAnswer.__tablename__)


async def reachable(database: Database, buyer: Buyer) -> Buyer:
    """With the account's address, where none was given."""
    if buyer.email or buyer.actor.id is None:
        return buyer
    ((email,),) = await database.read(ADDRESS, user_id=buyer.actor.id)
    return replace(buyer, email=email)


async def place_once(
    database: Database, buyer: Buyer, offers: list[Offer], asked: tuple[str, str] | None, is_checkout: bool
) -> bytes:
    """One round trip: write it all, and read the answer. Raises the database's error when it was not to be had."""
    checkout_id = new_id() if is_checkout else None
    shops: dict[UUID, list[Offer]] = {}
    for offer in offers:
        shops.setdefault(offer.seller_id, []).append(offer)
    rows = [rows_of(buyer, bought, checkout_id, str(place)) for place, bought in enumerate(shops.values(), 1)]
    values: dict[str, Any] = {name: as_json([row for each in rows for row in each[name]]) for name in rows[0]}
    values |= wanted_of(offers) | {"orders_count": len(rows), "series_id": new_id()}
    shown = as_parameters(buyer.actor) | {"order_ids": [each["orders"][0]["id"] for each in rows]}
    shown |= {"checkout": str(checkout_id)}
    if asked is None:
        ((answer,),) = await database.run_together((LOCK, values), (PLACE, values), (ANSWER[is_checkout], shown))
    else:
        forgotten = {"scope": asked[0], "since": now() - KEPT}
        kept = shown | to_keep(*asked)
        ((answer,),) = await database.run_together(
            (FORGET, forgotten), (LOCK, values), (PLACE, values), (KEPT_ANSWER[is_checkout], kept)
        )
    return with_tokens(str(answer), buyer.actor)


def as_json(rows: list[dict[str, Any]]) -> str:
    """As text, so that no statement waits for it: those before it in the pipeline hold locks already."""
    return to_json(rows).decode()


def wanted_of(offers: list[Offer]) -> dict[str, list[Any]]:
    """Lines of the cart, and products, as arrays: PostgreSQL takes those for short, and looks their rows up by id."""
    lines = [offer for offer in offers if offer.cart_item_id]
    return {
        "cart_ids": [line.cart_item_id for line in lines],
        "cart_quantities": [line.quantity for line in lines],
        "product_ids": [offer.product_id for offer in offers],
        "quantities": [offer.quantity for offer in offers],
        "prices": [offer.price for offer in offers],
    }


def rows_of(buyer: Buyer, offers: list[Offer], checkout_id: UUID | None, place: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of one order, by the parameters of `PLACE`. `place` stands where its number will be."""
    moment, order_id, currency = now(), new_id(), offers[0].currency
    stamps = {"created_at": moment, "updated_at": moment}
    order = row(
        Order,
        **stamps,
        id=order_id,
        order_number=place,
        kind=OrderKind.GOODS,
        total_amount=sum((offer.total for offer in offers), Decimal(0)),
        currency=currency,
        payment_method=buyer.payment_method,
        user_id=buyer.actor.id,
        seller_id=offers[0].seller_id,
        checkout_id=checkout_id,
        token_hash=None if buyer.actor.id else secret_hash(guest_token(order_id)),
        customer_info={"full_name": buyer.name, "email": buyer.email, "phone": buyer.phone, "country": None},
        delivery_address=buyer.address,
    )
    changes = {"status": [None, OrderStatus.PENDING], "total_amount": [None, order["total_amount"]]}
    placed = {"to_status": OrderStatus.PENDING, "at": moment, "actor_id": buyer.actor.id}
    return {
        "orders": [order],
        "items": [row(OrderItem, **stamps, order_id=order_id, **item_of(offer)) for offer in offers],
        "history": [row(StatusChange, **stamps, order_id=order_id, **placed)],
        "audits": [row(AuditEntry, **stamps, **audit.facts(buyer.actor, "created", Order, order_id, changes))],
        "emails": [row(Email, **stamps, order_id=order_id, **letter) for letter in letters(order, offers)],
    }


def row(table: type[Table], **values: Any) -> dict[str, Any]:
    return new_row(table, **values)[1]


def item_of(offer: Offer) -> dict[str, Any]:
    price = money(offer.price, offer.currency)
    snapshot = {"name": offer.name, "slug": offer.slug, "price": price, "currency": offer.currency}
    return {
        "product_id": offer.product_id,
        "title": offer.name,
        "quantity": offer.quantity,
        "unit_price": offer.price,
        "line_total": offer.total,
        "currency": offer.currency,
        "snapshot": snapshot | {"shop_name": offer.shop_name},
    }


def letters(order: Mapping[str, Any], offers: list[Offer]) -> list[dict[str, Any]]:
    """The mails that say that the order has come, to the buyer, and to the seller unless it waits for its payment. The
    database writes the number into them."""
    items, unnumbered = [(offer.name, offer.quantity, offer.total) for offer in offers], {**order, "order_number": None}
    buyer, seller = order["customer_info"]["email"], offers[0]
    found = []
    if buyer:
        found.append({"recipient": buyer, "template": "order_received", "context": order_letter(unnumbered, items)})
    if order["payment_method"] is PaymentMethod.CASH_ON_DELIVERY:
        context = sale_letter(unnumbered, items, seller.seller_name)
        found.append({"recipient": seller.seller_email, "template": "new_sale", "context": context})
    return found


def with_tokens(answer: str | bytes, buyer: Actor) -> bytes:
    """For a guest: with the token of each order, which is not kept anywhere."""
    if buyer.id:
        return answer.encode() if isinstance(answer, str) else answer
    found = json.loads(answer)["data"]
    for order in found.get("orders", [found]):
        order["access_token"] = guest_token(UUID(order["id"]))
    return json.dumps({"data": found}, ensure_ascii=False, separators=(",", ":")).encode()
