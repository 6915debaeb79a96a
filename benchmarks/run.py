"""How many requests a second Souk answers on one core, against the plain version of the same endpoints.

    python -m benchmarks.run [--seconds 2] [--rounds 5] [--connections 16] [--only list,search]

Both servers run pinned to one core, on the same database, loaded in turns over loopback from another core. What counts
is the ratio: the machine's mood hits both alike. It is a measurement, not a test; it fails only on wrong answers.
"""

import argparse
import contextlib
import json
import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import uvloop

from app import local
from app.auth import make_token
from app.settings import get_settings, signing_key
from benchmarks.filling import Known, filled
from benchmarks.load import Result, WrongAnswer, burst, request, start
from benchmarks.serving import PLAIN, SOUK, Server, cores, pin, served, time_of_up

API = "/api/v1"
SECRET = "benchmark-secret-with-enough-characters"


def share_secret() -> None:
    """Sign with the secret of the servers; the settings of this process may have been read before."""
    os.environ["JWT_SECRET"] = SECRET
    get_settings.cache_clear()
    signing_key.cache_clear()


WARM_UP = 0.7


@dataclass(frozen=True)
class Endpoint:
    """What is asked, in turns, and what the ratio should be. Endpoints that write get their own callers."""

    name: str
    requests: list[bytes]
    expected: float
    status: int = 200


def endpoints(known: Known) -> list[Endpoint]:
    readers, buyers = ([make_token(id, 0) for id in ids] for ids in (known.customers[:50], known.customers[50:100]))
    words = ("visa canada", "permit", "japan", "translation europe", "insurance", "appointment kenya", "esim")
    lists = [f"{API}/services?type={type}&page={page}" for type in ("MAIN", "MICRO", "DIGITAL") for page in (1, 2, 3)]
    searches = [f"{API}/services?search={word.replace(' ', '%20')}" for word in words]
    bought = zip(buyers, known.services, strict=False)
    orders = [request("POST", f"{API}/orders", token, order(service_id)) for token, service_id in bought]
    return [
        Endpoint("list", [request("GET", path) for path in lists], 5),
        Endpoint("one", [request("GET", f"{API}/services/{id}") for id in known.services], 5),
        Endpoint("search", [request("GET", path) for path in searches], 5),
        Endpoint("create", orders, 4, 201),
        Endpoint("orders", [request("GET", f"{API}/orders", token) for token in readers], 5),
    ]


def order(service_id: Any) -> bytes:
    person = {"full_name": "Amina Benali", "email": "amina@example.com", "phone": "+213 550 12 34 56", "country": "DZ"}
    trip = {"destination": "Canada", "travel_date": "2027-02-08", "purpose_of_travel": "Tourism"}
    return json.dumps({"service_id": str(service_id), "customer_info": person, "service_details": trip}).encode()


@dataclass
class Measured:
    """All rounds of one endpoint on one server."""

    rounds: list[Result]
    cpu: float

    @property
    def rps(self) -> float:
        return median(result.rps for result in self.rounds)

    def latency(self) -> tuple[float, float]:
        """Median and 99th percentile in milliseconds."""
        cuts = quantiles((took for result in self.rounds for took in result.took), n=100)
        return cuts[49] * 1000, cuts[98] * 1000

    def cost(self) -> float:
        """Processor time of the server in milliseconds a request."""
        return self.cpu / sum(len(result.took) for result in self.rounds) * 1000


def check_alike(endpoint: Endpoint, servers: list[Server]) -> str:
    """That both answer the same; what they said, in a word."""
    for raw in endpoint.requests[:10]:
        (status, first), (_, second) = answers = [server.ask(raw) for server in servers]
        if {status for status, _ in answers} != {endpoint.status}:
            raise WrongAnswer(f"{endpoint.name}: {answers}")
        if comparable(first, endpoint) != comparable(second, endpoint):
            raise WrongAnswer(f"{endpoint.name}: the answers differ:\n{json.dumps(first)}\n{json.dumps(second)}")
    return f"total {first['meta']['total']}" if "meta" in first else f"status {status}"


def comparable(answer: Any, endpoint: Endpoint) -> Any:
    """The answer; new orders without what each one has of its own."""
    if endpoint.status != 201:
        return answer
    own = ("id", "order_number", "created_at", "updated_at")
    items = [{name: value for name, value in item.items() if name not in own} for item in answer["data"]["items"]]
    return {name: value for name, value in answer["data"].items() if name not in own} | {"items": items}


async def measure(endpoint: Endpoint, servers: list[Server], options: argparse.Namespace) -> dict[str, Measured]:
    """Rounds in turns: plain, souk, plain, souk …"""
    measured = {server.name: Measured([], 0.0) for server in servers}
    for server in servers:
        await burst(server.url, endpoint.requests, endpoint.status, WARM_UP, options.connections)
    for _ in range(options.rounds):
        for server in servers:
            before = server.cpu()
            result = await burst(server.url, endpoint.requests, endpoint.status, options.seconds, options.connections)
            measured[server.name].cpu += server.cpu() - before
            measured[server.name].rounds.append(result)
    return measured


def row(endpoint: Endpoint, plain: Measured, souk: Measured, note: str) -> str:
    pairs = [fast.rps / slow.rps for fast, slow in zip(souk.rounds, plain.rounds, strict=True)]
    ratio = median(pairs)
    cells = [f"{endpoint.name:<8}"]
    for one in (plain, souk):
        half, most = one.latency()
        cells.append(f"{one.rps:>7.0f} {half:>7.1f} {most:>7.1f} {one.cost():>7.2f}")
    verdict = "" if ratio >= endpoint.expected else "  below"
    cells.append(f"{ratio:>5.1f}× ({min(pairs):.1f}–{max(pairs):.1f}), expected {endpoint.expected:g}×{verdict}")
    return " | ".join([*cells, note])


COLUMNS = f"{'rps':>7} {'p50 ms':>7} {'p99 ms':>7} {'CPU ms':>7}"
HEAD = f"{'':<8} | {'plain':^31} | {'souk':^31} |\n{'':<8} | {COLUMNS} | {COLUMNS} | souk : plain, median of the rounds"


def parsed() -> argparse.Namespace:
    as_written = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__, formatter_class=as_written)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each burst (2)")
    parser.add_argument("--rounds", type=int, default=5, help="bursts for each endpoint and server (5)")
    parser.add_argument("--connections", type=int, default=16, help="kept open at a time (16)")
    parser.add_argument("--only", default="", help="some of: list,one,search,create,orders,up")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    interrupt_on_sigterm()
    wanted = [name for name in options.only.split(",") if name]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        find_services(Path(folder))
        share_secret()
        every_core = set().union(*cores())
        if wanted != ["up"]:
            compare(options, wanted)
        pin(0, every_core)
    if not wanted or "up" in wanted:
        print(time_of_up())


def interrupt_on_sigterm() -> None:
    """SIGTERM ends the run as Ctrl-C does, so that servers and database go."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def find_services(folder: Path) -> None:
    """PostgreSQL and Valkey from the environment, or started for this run."""
    missing = {"postgres": "DATABASE_URL" not in os.environ, "valkey": "REDIS_URL" not in os.environ}
    found = local.start(folder, durable=True, **missing)
    os.environ.setdefault("DATABASE_URL", found.database_url or "")
    os.environ.setdefault("REDIS_URL", found.redis_url or "")


def compare(options: argparse.Namespace, wanted: list[str]) -> None:
    server_core, load_cores = cores()
    with filled(os.environ["DATABASE_URL"]) as (url, known), contextlib.ExitStack() as stack:
        environment = {"DATABASE_URL": url, "RATE_LIMITS": "off", "ENVIRONMENT": "test"}
        servers = [stack.enter_context(served(name, server_core, environment)) for name in (PLAIN, SOUK)]
        pin(0, load_cores)
        print(HEAD)
        for endpoint in endpoints(known):
            if not wanted or endpoint.name in wanted:
                note = check_alike(endpoint, servers)
                measured = uvloop.run(measure(endpoint, servers, options))
                print(row(endpoint, measured[PLAIN], measured[SOUK], note), flush=True)
        for server in servers:
            expected = " (expected < 150 MB)" if server.name == SOUK else ""
            print(f"memory of {server.name} after the load: {server.memory():.0f} MB{expected}")


if __name__ == "__main__":
    start(main)
