"""A crowd at the door of real processes: many requests that leave at the same moment, and the books afterwards.

`LiveMarket` is the live shop of `tests/payments/processes.py` with sellers, products and carts.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select

from app import auth
from app.kit.access import Role
from app.kit.table import new_id, now
from app.resources.cart_items import CartItem
from app.resources.carts import Cart
from app.resources.products import Product
from app.resources.sellers import Seller
from tests import make
from tests.make import BUYER
from tests.payments.processes import LiveShop, Process, written

SOLD = """
SELECT p.stock, coalesce(sum(i.quantity), 0)::int
FROM products p LEFT JOIN (order_items i JOIN orders o ON o.id = i.order_id AND o.status <> 'CANCELLED')
  ON i.product_id = p.id
WHERE p.id = %s GROUP BY p.id
"""
WRONG_SUMS = """
SELECT o.order_number FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.kind = 'GOODS' GROUP BY o.id
HAVING o.total_amount <> sum(i.quantity * i.unit_price) OR bool_or(i.line_total <> i.quantity * i.unit_price)
  OR bool_or(i.unit_price <> CAST(i.snapshot ->> 'price' AS numeric))
"""
STEPS = "SELECT from_status, to_status FROM status_changes WHERE order_id = %s ORDER BY at, id"


@dataclass(frozen=True)
class Shopper:
    """Whoever sends requests: an account, or a guest."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    id: UUID | None = None


GUEST = Shopper()


@dataclass(frozen=True)
class Wish:
    """A request to be sent."""

    who: Shopper
    method: str
    path: str
    body: Any = None
    key: str = ""

    def to(self, server: Process) -> bytes:
        address = urlsplit(server.url)
        headers = {"Host": address.netloc, "Connection": "close", **self.who.headers}
        headers |= {"Idempotency-Key": self.key} if self.key else {}
        body = b"" if self.body is None else json.dumps(self.body).encode()
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        head = f"{self.method} {address.path}{self.path} HTTP/1.1\r\n"
        return (head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode() + body


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where the connection broke."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"]) if self.status >= 400 else ""

    @property
    def orders(self) -> list[dict[str, Any]]:
        """What was bought, by one order or by checkout."""
        data = self.body["data"]
        return list(data.get("orders", [data]))


def goods(*lines: tuple[Product, int], **values: Any) -> dict[str, Any]:
    """The body of an order."""
    return {"items": [{"product_id": str(product.id), "quantity": n} for product, n in lines], **BUYER, **values}


def order_of(who: Shopper, *lines: tuple[Product, int], key: str = "", **values: Any) -> Wish:
    return Wish(who, "POST", "/orders", goods(*lines, **values), key)


def checkout_of(who: Shopper, *lines: tuple[Product, int], key: str = "") -> Wish:
    """Of the cart of an account, or of what a guest sends along."""
    return Wish(who, "POST", "/cart/checkout", BUYER if who.id else goods(*lines), key)


@dataclass
class LiveMarket(LiveShop):
    """`far` are two more servers, from which the database is far away; `stocked` is what there was of each product."""

    far: list[Process] = field(default_factory=list)
    far_url: str = ""
    stocked: dict[UUID, int] = field(default_factory=dict)

    # -- asking

    async def at_once(self, *wishes: Wish, servers: list[Process] | None = None) -> list[Answer]:
        """Send all at the same moment, in turn to the servers; the answers in the same order."""
        at = servers or self.serves
        asked = [(wish, at[number % len(at)]) for number, wish in enumerate(wishes)]
        open_ones = await asyncio.gather(*(connect(server) for _, server in asked))
        for (_, writer), (wish, server) in zip(open_ones, asked, strict=True):
            writer.write(wish.to(server))
        answers = await asyncio.gather(*(read(*each) for each in open_ones))
        failed = (each for each in zip(wishes, answers, strict=True) if each[1].status >= 500)
        self.wrong += [f"{wish.method} {wish.path}: {answer.status} {answer.body}" for wish, answer in failed]
        return answers

    # -- arranging, without a detour

    async def shoppers(self, number: int, role: Role = Role.CUSTOMER) -> list[Shopper]:
        self.people += number
        emails = [f"shopper{self.people - each}@example.com" for each in range(number)]
        async with written(self.database_url) as session:
            users = [await make.make_user(session, email=email, role=role) for email in emails]
        return [signed_in(user) for user in users]

    async def product(self, seller: Shopper, stock: int = 100, price: str = "450.00", **values: Any) -> Product:
        values = {"stock": stock, "price": price, "currency": "DZD"} | values
        async with written(self.database_url) as session:
            shop = (await session.scalars(select(Seller).where(Seller.c.user_id == seller.id))).one()
            made = await make.make_product(session, shop, **values)
        self.stocked[made.id] = stock
        return made

    async def fill(self, *carts: tuple[Shopper, list[tuple[Product, int]]]) -> None:
        """Put these products into the carts, in this order; what was in them before is gone."""
        owners = [who.id for who, _ in carts]
        self.rows("DELETE FROM cart_items i USING carts c WHERE c.id = cart_id AND user_id = ANY(%s)", owners)
        self.rows("DELETE FROM carts WHERE user_id = ANY(%s)", owners)
        async with written(self.database_url) as session:
            for who, lines in carts:
                assert who.id
                session.add(cart := Cart(user_id=who.id))
                await session.flush()
                for product, quantity in lines:
                    about = {"seen_price": product.price, "currency": product.currency}
                    session.add(CartItem(cart_id=cart.id, product_id=product.id, quantity=quantity, **about))
                    await session.flush()

    def in_cart(self, who: Shopper) -> dict[UUID, tuple[str, int]]:
        """Line and quantity by product."""
        wanted = "SELECT product_id, i.id::text, quantity FROM cart_items i JOIN carts c ON c.id = cart_id"
        return {row[0]: row[1:] for row in self.rows(f"{wanted} WHERE user_id = %s", who.id)}

    # -- the books

    def sold(self, product: Product) -> int:
        """How many are ordered and not cancelled. What is left and what is sold is what there was."""
        ((left, sold),) = self.rows(SOLD, product.id)
        assert left + sold == self.stocked[product.id]
        return int(sold)

    def balance(self) -> None:
        """Nothing was sold that was not there, no number is missing, every sum is right, nobody was answered 5xx."""
        for product_id, stocked in self.stocked.items():
            ((left, sold),) = self.rows(SOLD, product_id)
            assert (left + sold, left >= 0) == (stocked, True)
        numbers = {number for (number,) in self.rows("SELECT order_number FROM orders WHERE kind = 'GOODS'")}
        assert numbers == {f"ZST-{number:05}" for number in range(1, len(numbers) + 1)}
        assert self.rows(WRONG_SUMS) == []
        wrong, self.wrong = self.wrong, []
        assert not wrong

    def steps(self, order: str) -> list[str]:
        """The statuses an order went through, one after the other."""
        rows = self.rows(STEPS, order)
        assert [row[0] for row in rows] == [None, *(row[1] for row in rows[:-1])]
        assert self.rows("SELECT status FROM orders WHERE id = %s", order) == [(rows[-1][1],)]
        return [row[1] for row in rows]


def signed_in(user: Any) -> Shopper:
    token = auth.make_token(user.id, user.token_version)
    return Shopper({"Authorization": f"Bearer {token}"}, user.id)


async def connect(server: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(server.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
    """The whole answer of a server that closes the connection after it."""
    try:
        async with asyncio.timeout(60):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except OSError:
        head = b""
    writer.close()
    if not head:
        return Answer(0, {}, None)
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), headers, json.loads(body) if body else None)


def long_key() -> str:
    """An Idempotency-Key that a guest may use."""
    return f"{new_id()}-{now():%H%M%S}"
