"""How Stripe's webhooks are taken and worked off: 10,000 shuffled and repeated deliveries of 1,000 payments' events.

    python -m benchmarks.webhooks [--payments 1000] [--deliveries 10000] [--paced 20]

One `souk serve`, one `souk worker`, the local Stripe and this load share the machine. First 50 deliveries a second
for some seconds, timed; then all the others as fast as they are taken, while the worker works and the reconciler
rests. At the end every payment, order, refund and mail is compared with Stripe's own books; a wrong one fails the
run.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import psycopg
import uvicorn

from app.doubles.stripe import LocalStripe
from app.kit.table import new_id
from benchmarks.filling import filled
from benchmarks.load import WrongAnswer, start
from benchmarks.run import SECRET, find_services, interrupt_on_sigterm
from benchmarks.serving import ROOT, end, free_port, wait_until_healthy

KEY, SIGNING, AMOUNT, A_SECOND = "sk_test_benchmark", "whsec_of_the_benchmark", 45_000, 50
PATH = "/api/v1/payments/webhook"
Event = dict[str, Any]

PENDING = """
WITH picked AS (SELECT id, row_number() OVER () AS place FROM orders WHERE status = 'PENDING' LIMIT %(count)s),
     priced AS (UPDATE orders SET total_amount = 450, currency = 'USD', payment_status = 'PENDING'
                FROM picked WHERE orders.id = picked.id RETURNING orders.id)
SELECT id FROM priced
"""
PAYMENT = """
INSERT INTO payments (id, order_id, amount, currency, status, payment_method, stripe_payment_intent_id, captured_amount,
                      refunded_amount, needs_review, is_current, created_at, updated_at)
VALUES (%s, %s, 450, 'USD', 'PENDING', 'CARD', %s, 0, 0, false, true, now(), now())
"""
LEDGER = """
SELECT p.stripe_payment_intent_id, p.status, (p.captured_amount * 100)::int, (p.refunded_amount * 100)::int, o.status,
       (SELECT count(*) FROM emails WHERE order_id = o.id AND template = 'order_confirmed'),
       (SELECT count(*) FROM status_changes WHERE order_id = o.id AND to_status = 'CONFIRMED')
FROM payments AS p JOIN orders AS o ON o.id = p.order_id
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks", description=__doc__)
    parser.add_argument("--payments", type=int, default=1000)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--paced", type=int, default=20, help="seconds of 50 deliveries each (20)")
    options = parser.parse_args()
    interrupt_on_sigterm()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        find_services(Path(folder))
        with filled(os.environ["DATABASE_URL"]) as (url, _):
            measure(options, url)


def measure(options: argparse.Namespace, url: str) -> None:
    stripe, chance = LocalStripe(KEY, SIGNING, None), random.Random(20261123)
    with listening(stripe) as api_base, running(url, api_base) as base:
        time.sleep(3)  # the reconciler's first round, which would find everything by itself
        deliveries = shuffled(history(stripe, url, options.payments, chance), options.deliveries, chance)
        paced, rest = deliveries[: options.paced * A_SECOND], deliveries[options.paced * A_SECOND :]
        took = asyncio.run(at_pace(base, stripe, paced))
        cuts = quantiles(took, n=100)
        print(f"{A_SECOND} a second: p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms (expected < 300 ms)")
        started = time.monotonic()
        asyncio.run(at_full_speed(base, stripe, rest))
        taken = time.monotonic() - started
        print(f"taken: {len(rest)} deliveries in {taken:.1f} s, {len(rest) / taken:.0f} a second")
        events = wait_until_worked(url)
        spent = time.monotonic() - started
        print(f"worked off: {events} events {spent:.1f} s after the first, {len(rest) / spent:.0f} deliveries a second")
    compare(stripe, url, options.payments)


def history(stripe: LocalStripe, url: str, count: int, chance: random.Random) -> list[Event]:
    """Payments with all that may happen to them, at Stripe; here they are open. All events."""
    with psycopg.connect(url) as connection:
        orders = [row[0] for row in connection.execute(PENDING, {"count": count})]
        for order_id in orders:
            metadata = {"metadata[order_id]": str(order_id)}
            intent = stripe.create_intent({"amount": str(AMOUNT), "currency": "usd", "metadata": {}} | metadata)
            intent["metadata"] = {"order_id": str(order_id)}
            connection.execute(PAYMENT, (new_id(), order_id, intent["id"]))
            live(stripe, intent["id"], chance)
    return list(stripe.events)


def live(stripe: LocalStripe, intent_id: str, chance: random.Random) -> None:
    """A third is declined first, a tenth gets part of it back, a tenth all."""
    if chance.random() < 0.33:
        with contextlib.suppress(Exception):
            stripe.confirm(intent_id, "pm_card_chargeDeclined")
    stripe.confirm(intent_id, "pm_card_visa")
    lot = chance.random()
    if lot < 0.2:
        part = {"amount": "10000"} if lot < 0.1 else {}
        stripe.refund({"payment_intent": intent_id} | part)


def shuffled(events: list[Event], count: int, chance: random.Random) -> list[Event]:
    """Every event at least once, and so many again that it is `count`, in no order."""
    repeated = events + chance.choices(events, k=max(0, count - len(events)))
    chance.shuffle(repeated)
    return repeated


@contextlib.contextmanager
def listening(stripe: LocalStripe) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(stripe.app, port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(5)


@contextlib.contextmanager
def running(url: str, api_base: str) -> Iterator[str]:
    """`souk serve` and `souk worker` on this database; the address of the first."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "PORT": str(port),
        "JWT_SECRET": SECRET,
        "STRIPE_SECRET_KEY": KEY,
        "STRIPE_WEBHOOK_SECRET": SIGNING,
        "STRIPE_API_BASE": api_base,
        "ENVIRONMENT": "test",
        "RECONCILE_SECONDS": "86400",
    }
    parts = [
        subprocess.Popen([sys.executable, "-m", "app", part], cwd=ROOT, env=environment) for part in ("serve", "worker")
    ]
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", parts[0], 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        for part in parts:
            end(part)


async def post(client: httpx.AsyncClient, base: str, stripe: LocalStripe, event: Event) -> float:
    """Seconds until the answer, from the moment it is sent."""
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": stripe.signature(body), "Content-Type": "application/json"}
    started = time.perf_counter()
    answer = await client.post(base + PATH, content=body, headers=headers)
    if answer.status_code != 200:
        raise WrongAnswer(answer.text)
    return time.perf_counter() - started


async def at_pace(base: str, stripe: LocalStripe, events: list[Event]) -> list[float]:
    """One each fiftieth of a second, whether or not the last was answered."""
    async with httpx.AsyncClient(timeout=20) as client:
        posting = []
        for event in events:
            posting.append(asyncio.create_task(post(client, base, stripe, event)))
            await asyncio.sleep(1 / A_SECOND)
        return await asyncio.gather(*posting)


async def at_full_speed(base: str, stripe: LocalStripe, events: list[Event], connections: int = 16) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        left = iter(events)

        async def sender() -> None:
            for event in left:
                await post(client, base, stripe, event)

        await asyncio.gather(*(sender() for _ in range(connections)))


def wait_until_worked(url: str) -> int:
    """How many events there are, once none waits."""
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(6000):
            waiting, known = connection.execute(
                "SELECT count(*) FILTER (WHERE status = 'RECEIVED'), count(*) FROM stripe_events"
            ).fetchone() or (0, 0)
            if not waiting:
                return int(known)
            time.sleep(0.1)
    raise WrongAnswer(f"{waiting} events were not worked off")


def compare(stripe: LocalStripe, url: str, count: int) -> None:
    """Our books and Stripe's."""
    with psycopg.connect(url) as connection:
        ours = {row[0]: row[1:] for row in connection.execute(LEDGER)}
    wrong = []
    for charge in (charge for charge in stripe.charges.values() if charge["paid"]):
        back = charge["amount_refunded"]
        expected = ("REFUNDED" if back == AMOUNT else "SUCCEEDED", AMOUNT, back, "CONFIRMED", 1, 1)
        if ours.get(charge["payment_intent"]) != expected:
            wrong.append((charge["payment_intent"], ours.get(charge["payment_intent"]), expected))
    if wrong or len(ours) != count:
        raise WrongAnswer(f"{len(wrong)} of {len(ours)} payments are wrong: {wrong[:3]}")
    print(f"the ledger is exact: {count} payments paid, confirmed and mailed once")


if __name__ == "__main__":
    start(main)
