"""How long the catalogue takes to answer with 100,000 products: the median of one caller after another, over HTTP.

    python -m benchmarks.catalogue [--seconds 1] [--rounds 3] [--only list,facets]

Each case is asked in turns as nobody, as a customer, as a seller, and, where it has the same, of the plain version of
the endpoint. All of them should answer within 50 ms at the median. It fails only on wrong answers.
"""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

import uvloop

from app.auth import make_token
from benchmarks.filling import CATALOGUE, Known, filled
from benchmarks.load import WrongAnswer, burst, request, start
from benchmarks.run import API, find_services, interrupt_on_sigterm, share_secret
from benchmarks.serving import PLAIN, SOUK, Server, cores, pin, served

EXPECTED, WARM_UP = 50, 0.3
NOBODY, CUSTOMER, SELLER = "nobody", "customer", "seller"


@dataclass(frozen=True)
class Case:
    """Queries of one kind, asked in turns. `alike` when the plain version answers the same."""

    name: str
    queries: list[str]
    path: str = "/products"
    alike: bool = True


def searches(name: str, *words: str) -> list[Case]:
    queries = [f"search={quote(text)}" for text in words]
    short = any(len(word) < 3 for text in words for word in text.split())
    return [Case(name, queries, alike=not short), Case(f"facets, {name}", queries, "/products/facets", alike=False)]


def cases(known: Known, cursors: list[str]) -> list[Case]:
    shops = [f"seller_id={id}" for id in known.shops[:20]]
    branches = [f"category_id={id}" for id in known.categories[:24]]
    prices = [f"price__gte={low}&price__lte={low + 4000}&in_stock=true" for low in range(1000, 40000, 3000)]
    facets = {"all": [""], "of a category": branches, "of a shop": shops, "of a price in stock": prices}
    return [
        Case("list", ["", "limit=20"]),
        Case("list by price", ["sort=price", "sort=-price"]),
        Case("list by name", ["sort=name"]),
        Case("page 4,000", ["page=4000", "page=4001", "page=3999"]),
        Case("page 4,000 by price", ["page=4000&sort=price"]),
        Case("feed", [f"cursor={quote(cursor)}" for cursor in ["", *cursors]], alike=False),
        Case("category and below", branches, alike=False),
        Case("category of nobody", [f"category_id={known.shops[0]}"], alike=False),
        Case("shop", shops),
        Case("shop by price", [f"{query}&sort=price" for query in shops]),
        Case("price and in stock", prices),
        Case("not in stock", ["in_stock=false"]),
        *searches("rare word", "quince"),
        *searches("common word", "bamboo"),
        *searches("two words", "olive kettle", "cedar bowl", "silk scarf", "bamboo desert"),
        *searches("two letters", "ke", "tv", "so"),
        *searches("one letter", "t", "c", "7"),
        *(Case(f"facets, {name}", queries, "/products/facets", alike=False) for name, queries in facets.items()),
    ]


def asked(case: Case, token: str = "") -> list[bytes]:
    return [request("GET", f"{API}{case.path}?{query}", token) for query in case.queries]


def deep_cursors(server: Server) -> list[str]:
    """Cursors on the way to the end of the feed, by hundreds, from page 4,000 on."""
    found, cursor = [], ""
    for _ in range(820):
        (_, answer) = server.ask(request("GET", f"{API}/products?limit=100&cursor={cursor}"))
        cursor = answer["meta"]["next_cursor"]
        found.append(cursor)
    return found[800:]


async def medians(case: Case, askers: dict[str, tuple[Server, str]], options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of the median answer, by who asks."""
    took: dict[str, list[float]] = {name: [] for name in askers}
    for number in range(options.rounds + 1):
        for name, (server, token) in askers.items():
            seconds = options.seconds if number else WARM_UP
            result = await burst(server.url, asked(case, token), 200, seconds, 1)
            took[name] += result.took if number else []
    return {name: median(each) * 1000 for name, each in took.items()}


def check_alike(case: Case, servers: list[Server]) -> None:
    """That both list the same products of the same total."""
    for raw in asked(case)[:5]:
        said = [
            ([product["id"] for product in answer["data"]], answer["meta"])
            for _, answer in (server.ask(raw) for server in servers)
        ]
        if said[0] != said[1]:
            raise WrongAnswer(f"{case.name}: the answers differ:\n{said[0]}\n{said[1]}")


def parsed() -> argparse.Namespace:
    as_written = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks.catalogue", description=__doc__, formatter_class=as_written)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each burst (1)")
    parser.add_argument("--rounds", type=int, default=3, help="bursts for each case and asker (3)")
    parser.add_argument("--only", default="", help="beginnings of names of cases, such as list,facets")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    with running(CATALOGUE) as (_, known, servers):
        compare(options, known, servers)


@contextlib.contextmanager
def running(fill: bytes) -> Iterator[tuple[str, Known, list[Server]]]:
    """A fresh database so filled, what is in it, and the plain version and Souk on one core; we are on the others."""
    interrupt_on_sigterm()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        find_services(Path(folder))
        with filled(os.environ["DATABASE_URL"], fill) as (url, known), contextlib.ExitStack() as stack:
            share_secret()
            server_core, load_cores = cores()
            environment = {"DATABASE_URL": url, "RATE_LIMITS": "off", "ENVIRONMENT": "test"}
            servers = [stack.enter_context(served(name, server_core, environment)) for name in (PLAIN, SOUK)]
            pin(0, load_cores)
            yield url, known, servers


def compare(options: argparse.Namespace, known: Known, servers: list[Server]) -> None:
    plain, souk = servers
    print(f"{'median of one caller, ms':<32} {NOBODY:>9} {CUSTOMER:>9} {SELLER:>9} {PLAIN:>9}")
    for case in cases(known, deep_cursors(souk)):
        if not case.name.startswith(tuple(options.only.split(","))):
            continue
        tokens = {CUSTOMER: make_token(known.customers[0], 0), SELLER: make_token(known.sellers[0], 0)}
        askers = {NOBODY: (souk, ""), **{name: (souk, token) for name, token in tokens.items()}}
        if case.alike:
            check_alike(case, servers)
            askers[PLAIN] = (plain, "")
        print(row(case, uvloop.run(medians(case, askers, options))), flush=True)


def row(case: Case, found: dict[str, float]) -> str:
    cells = "".join(
        f" {found[name]:>9.1f}" if name in found else " " * 10 for name in (NOBODY, CUSTOMER, SELLER, PLAIN)
    )
    slow = [name for name in (NOBODY, CUSTOMER, SELLER) if found[name] >= EXPECTED]
    return f"{case.name:<32}{cells}" + (f"  above {EXPECTED} ms" if slow else "")


if __name__ == "__main__":
    start(main)
