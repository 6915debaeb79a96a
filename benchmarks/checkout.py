"""How many carts of five lines Souk checks out a second on one core, against the plain version.

    python -m benchmarks.checkout [--carts 600] [--rounds 5] [--connections 16] [--only one,hot]

Carts are filled by SQL, and each is checked out once, over HTTP, in turns: plain, Souk, plain, Souk. Five lines of one
seller; of two, which makes two orders; and five of which one is the same product in every cart. Stock never runs out.
Both servers must write the same rows. It is a measurement, not a test; it fails only on wrong answers or wrong rows.
"""

import argparse
import json
from dataclasses import dataclass
from statistics import median
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import uvloop

from app.auth import make_token
from benchmarks.catalogue import running
from benchmarks.filling import CHECKOUT
from benchmarks.load import WrongAnswer, each_once, request, start
from benchmarks.run import API, COLUMNS, Measured
from benchmarks.serving import PLAIN, SOUK, Server

EXPECTED = 3.0
"""NestJS with TypeORM does twice what its plain version does (290 orders a second on one core, 144), and half as much
again is wanted."""
CART = """
INSERT INTO cart_items (id, created_at, updated_at, cart_id, product_id, quantity, seen_price, currency)
SELECT gen_random_uuid(), now(), now(), carts.id, product.id, 1 + line %% 3, product.price, product.currency
FROM (SELECT row_number() OVER (ORDER BY id) AS cart, id FROM carts ORDER BY id LIMIT %(carts)s) AS carts
CROSS JOIN generate_series(0, 4) AS line
JOIN (SELECT row_number() OVER (PARTITION BY seller_id ORDER BY id) - 1 AS place,
             dense_rank() OVER (ORDER BY seller_id) - 1 AS shop, * FROM products) AS product
  ON product.shop = (cart + CASE WHEN line > 2 THEN %(second)s ELSE 0 END) %% 50
  AND product.place = (cart / 50 * 5 + line) %% 400
"""
HOT = """
UPDATE cart_items SET product_id = (SELECT min(id::text)::uuid FROM products)
WHERE id IN (SELECT DISTINCT ON (cart_id) id FROM cart_items ORDER BY cart_id, product_id)
"""
BUYERS = "SELECT user_id FROM carts ORDER BY id LIMIT %s"
WRITTEN = ("orders", "order_items", "status_changes", "audit_entries", "emails", "procrastinate_jobs", "cart_items")


@dataclass(frozen=True)
class Case:
    """`second` is how many shops further the last two lines are bought; `is_hot` puts one product into all carts."""

    name: str
    second: int = 0
    is_hot: bool = False


CASES = [Case("one seller"), Case("two sellers", second=1), Case("hot product", is_hot=True)]
BODY = json.dumps(
    {
        "customer_name": "Yacine Haddad",
        "customer_phone": "0550 12 34 56",
        "customer_email": "yacine@example.com",
        "delivery_address": "12 rue Didouche Mourad, Alger",
        "payment_method": "CASH_ON_DELIVERY",
    }
).encode()


class Carts:
    """The carts of the first so many customers, and what is sold of them."""

    def __init__(self, connection: psycopg.Connection[Any], count: int) -> None:
        self.connection, self.count = connection, count
        self.buyers: list[UUID] = [id for (id,) in connection.execute(BUYERS, [count])]
        self.requests = [request("POST", f"{API}/cart/checkout", make_token(id, 0), BODY) for id in self.buyers]

    def fill(self, case: Case) -> None:
        with self.connection.transaction():
            self.connection.execute("DELETE FROM cart_items")
            self.connection.execute(CART, {"carts": self.count, "second": case.second})
            if case.is_hot:
                self.connection.execute(HOT)

    def rows(self) -> dict[str, int]:
        """How many rows there are of each kind, and how much is still for sale."""
        found = {table: self.number(f"SELECT count(*) FROM {table}") for table in WRITTEN}
        stock = self.number("SELECT sum(stock) FROM products")
        return found | {"stock": stock, "number": self.number("SELECT sum(value) FROM number_series")}

    def number(self, query: LiteralString) -> int:
        ((found,),) = self.connection.execute(query)
        return int(found or 0)


def check_alike(case: Case, carts: Carts, servers: list[Server]) -> None:
    """That both answer the same to the same carts."""
    for raw in carts.requests[:5]:
        said = []
        for server in servers:
            carts.fill(case)
            status, answer = server.ask(raw)
            said.append((status, comparable(answer["data"]["orders"])))
        if said[0] != said[1] or said[0][0] != 201:
            raise WrongAnswer(f"{case.name}: the answers differ:\n{json.dumps(said[0])}\n{json.dumps(said[1])}")


def comparable(value: Any) -> Any:
    """The orders without what each has of its own, in one order."""
    own = ("id", "order_number", "checkout_id", "created_at", "updated_at")
    if isinstance(value, dict):
        return {name: comparable(each) for name, each in sorted(value.items()) if name not in own}
    return sorted((comparable(each) for each in value), key=json.dumps) if isinstance(value, list) else value


def measure(case: Case, carts: Carts, servers: list[Server], options: argparse.Namespace) -> dict[str, Measured]:
    """All carts once each round and server; the first round is for warming up."""
    measured = {server.name: Measured([], 0.0) for server in servers}
    for number in range(options.rounds + 1):
        written = []
        for server in servers:
            carts.fill(case)
            rows, cpu = carts.rows(), server.cpu()
            result = uvloop.run(each_once(server.url, carts.requests, 201, options.connections))
            written.append({name: count - rows[name] for name, count in carts.rows().items()})
            if number:
                measured[server.name].cpu += server.cpu() - cpu
                measured[server.name].rounds.append(result)
        if written[0] != written[1] or written[0]["cart_items"] != -5 * carts.count:
            raise WrongAnswer(f"{case.name}: the rows differ:\n{written[0]}\n{written[1]}")
    return measured


def row(case: Case, plain: Measured, souk: Measured) -> str:
    pairs = [fast.rps / slow.rps for fast, slow in zip(souk.rounds, plain.rounds, strict=True)]
    ratio = median(pairs)
    cells = [f"{case.name:<12}"]
    for one in (plain, souk):
        half, most = one.latency()
        cells.append(f"{one.rps:>7.0f} {half:>7.1f} {most:>7.1f} {one.cost():>7.2f}")
    verdict = "" if ratio >= EXPECTED else "  below"
    cells.append(f"{ratio:>5.1f}× ({min(pairs):.1f}–{max(pairs):.1f}), expected {EXPECTED:g}×{verdict}")
    return " | ".join(cells)


HEAD = (
    f"{'':<12} | {'plain':^31} | {'souk':^31} |\n{'':<12} | {COLUMNS} | {COLUMNS} | souk : plain, median of the rounds"
)


def parsed() -> argparse.Namespace:
    as_written = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.checkout", description=__doc__, formatter_class=as_written)
    parser.add_argument("--carts", type=int, default=600, help="checked out in each round, at most 2,000 (600)")
    parser.add_argument("--rounds", type=int, default=5, help="for each case and server (5)")
    parser.add_argument("--connections", type=int, default=16, help="kept open at a time (16)")
    parser.add_argument("--only", default="", help="beginnings of names of cases, such as one,hot")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    with running(CHECKOUT) as (url, _, servers):
        compare(options, url, servers)


def compare(options: argparse.Namespace, url: str, servers: list[Server]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        carts = Carts(connection, options.carts)
        print(HEAD)
        for case in CASES:
            if case.name.startswith(tuple(options.only.split(","))):
                check_alike(case, carts, servers)
                measured = measure(case, carts, servers, options)
                print(row(case, measured[PLAIN], measured[SOUK]), flush=True)
    for server in servers:
        print(f"memory of {server.name} after the load: {server.memory():.0f} MB")


if __name__ == "__main__":
    start(main)
