"""Souk as it runs in earnest: `souk serve` twice and `souk worker`, processes of their own on one database.

Stripe and Resend are doubles that these processes reach by HTTP. `LiveShop.ledger` says whether an order's money and
mail came out right, wherever the processes were when luck ran out.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app import auth
from app.db import sqlalchemy_url
from app.kit.access import Role
from app.local import Services
from app.settings import Settings
from tests import make
from tests.conftest import at, drop
from tests.doubles.resend import LocalResend
from tests.doubles.serving import serving
from tests.doubles.stripe import TroubledStripe
from tests.payments.conftest import KEY, MAIL_KEY, SECRET
from tests.test_readme import free_port

ROOT = Path(__file__).parents[2]
BARE = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
PRICE, CENTS = "450.00", 45_000
SELDOM = 3600
FOUND = """
SELECT o.status, coalesce((SELECT array_agg(status::text ORDER BY id) FROM payments WHERE order_id = o.id), '{}'),
  (SELECT coalesce(sum(captured_amount), 0) * 100 FROM payments WHERE order_id = o.id),
  (SELECT coalesce(sum(refunded_amount), 0) * 100 FROM payments WHERE order_id = o.id),
  (SELECT count(*) FROM payments WHERE order_id = o.id AND needs_review),
  (SELECT count(*) FROM status_changes WHERE order_id = o.id AND to_status = 'CONFIRMED'),
  (SELECT count(*) FROM emails WHERE order_id = o.id AND template = 'order_confirmed'),
  (SELECT coalesce(array_agg(id::text), '{}') FROM emails WHERE order_id = o.id),
  (SELECT count(*) FROM emails WHERE order_id = o.id AND status <> 'SENT')
  + (SELECT count(*) FROM refunds WHERE status = 'PENDING'
     AND payment_id IN (SELECT id FROM payments WHERE order_id = o.id))
  + (SELECT count(*) FROM stripe_events WHERE status IN ('RECEIVED', 'FAILED')
     AND payload #>> '{data,object,metadata,order_id}' = o.id::text)
FROM orders o WHERE o.id = %s
"""


@dataclass
class Process:
    popen: "subprocess.Popen[bytes]"
    log: Path
    url: str = ""

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)

    def end(self) -> int:
        """Ask it to stop; the exit code."""
        self.popen.terminate()
        return self.popen.wait(60)


@dataclass(frozen=True)
class Customer:
    email: str
    headers: dict[str, str] = field(repr=False)


@dataclass
class LiveShop:
    """Two servers, a worker and what they stand on. `wrong` are answers that nobody should ever get."""

    database_url: str
    environment: dict[str, str]
    folder: Path
    stripe: TroubledStripe
    resend: LocalResend
    serves: list[Process] = field(default_factory=list)
    started: list[Process] = field(default_factory=list)
    worker: Process | None = None
    seconds: int = 0
    people: int = 0
    wrong: list[str] = field(default_factory=list)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    # -- processes

    def start(self, command: str, **settings: str) -> Process:
        port = str(free_port())
        log = self.folder / f"{len(self.started)}-{command}.log"
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, "-m", "app", command],
                cwd=ROOT,
                env=BARE | self.environment | {"PORT": port} | settings,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.started.append(Process(popen, log, f"http://127.0.0.1:{port}/api/v1"))
        return self.started[-1]

    async def serve(self, **settings: str) -> Process:
        """One more server, which answers."""
        server = self.start("serve", **settings)
        async with asyncio.timeout(120):
            while True:
                try:
                    await self.client.get(server.url.replace("/api/v1", "/health"))
                    return server
                except httpx.TransportError:
                    assert server.popen.poll() is None, server.log.read_text()
                    await asyncio.sleep(0.1)

    def employ(self, seconds: int = SELDOM) -> Process:
        """A worker whose reconciler runs every so many seconds; the one before is sent home."""
        if self.worker and self.seconds == seconds:
            return self.worker
        self.send_home()
        return self.hire(seconds)

    def hire(self, seconds: int = SELDOM) -> Process:
        self.seconds, self.worker = seconds, self.start("worker", RECONCILE_SECONDS=str(seconds))
        return self.worker

    def send_home(self) -> None:
        """It finishes what it has begun. Sent away before it could begin anything, it just goes."""
        worker, self.worker = self.worker, None
        if worker:
            assert worker.end() in (0, -signal.SIGTERM), worker.log.read_text()

    # -- asking

    @cached_property
    def client(self) -> httpx.AsyncClient:
        """Without certificates, which take longer to read than most answers."""
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        return httpx.AsyncClient(
            timeout=30, limits=limits, verify=False, trust_env=False, event_hooks={"response": [self.look]}
        )

    async def look(self, answer: httpx.Response) -> None:
        if answer.status_code >= 500 and not (answer.status_code == 503 and answer.headers.get("retry-after")):
            self.wrong.append(f"{answer.request.method} {answer.request.url}: {answer.status_code}")

    async def ask(
        self, who: Customer, method: str, path: str, at: int | Process = 0, key: str = "", **body: Any
    ) -> httpx.Response:
        server = at if isinstance(at, Process) else self.serves[at % len(self.serves)]
        headers = who.headers | ({"Idempotency-Key": key} if key else {})
        content = {"json": body} if method == "POST" else {}
        return await self.client.request(method, server.url + path, headers=headers, **content)

    async def person(self, role: Role = Role.CUSTOMER) -> Customer:
        self.people += 1
        email = f"person{self.people}@example.com"
        async with written(self.database_url) as session:
            user = await make.make_user(session, email=email, role=role)
        return Customer(email, {"Authorization": f"Bearer {auth.make_token(user.id, user.token_version)}"})

    async def order(self, who: Customer, at: int = 0) -> str:
        """The id of an order just placed, over one's own address."""
        info = make.CUSTOMER_INFO | {"email": who.email}
        service = self.environment["SERVICE_OF_THE_TEST"]
        answer = await self.ask(who, "POST", "/orders", at, service_id=service, customer_info=info)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    async def intent(self, who: Customer, order: str, at: int = 0) -> str:
        answer = await self.ask(who, "POST", "/payments/create-intent", at, order_id=order)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["data"]["payment"]["stripe_payment_intent_id"])

    async def bought(self) -> tuple[Customer, str, str]:
        """Somebody, an order of theirs and its intent."""
        who = await self.person()
        order = await self.order(who)
        return who, order, await self.intent(who, order)

    async def paid(self) -> tuple[Customer, str, str, str]:
        """The same, paid and confirmed, with the id of the payment."""
        who, order, intent = await self.bought()
        self.stripe.pay(intent)
        await self.deliver(*self.events(intent))
        await self.ledger(order)
        return who, order, intent, self.rows("SELECT id FROM payments WHERE order_id = %s", order)[0][0]

    # -- Stripe's side

    def events(self, intent: str, *types: str) -> list[dict[str, Any]]:
        """What Stripe has to tell about a payment, oldest first."""
        about = [event for event in self.stripe.events if tells(event["data"]["object"], intent)]
        return [event for event in about if event["type"] in types] if types else about

    async def deliver(self, *events: dict[str, Any], at: int = 0) -> list[int]:
        """Post each to the servers in turn, all at once; what they answered."""

        async def post(event: dict[str, Any], server: Process) -> int:
            body = json.dumps(event).encode()
            headers = {"Stripe-Signature": self.stripe.signature(body), "Content-Type": "application/json"}
            return (await self.client.post(f"{server.url}/payments/webhook", content=body, headers=headers)).status_code

        servers = (self.serves[(at + number) % len(self.serves)] for number in range(len(events)))
        return await asyncio.gather(*map(post, events, servers))

    # -- the books

    def rows(self, sql: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    async def until(self, true: Callable[[], Any], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not come true in time"
            await asyncio.sleep(0.1)

    def found(self, order: str) -> dict[str, Any]:
        """What our tables, Stripe and Resend say about one order."""
        row = self.rows(FOUND, order)[0]
        status, payments, captured, refunded, reviews, confirmations, letters, emails, waiting = row
        charges = [each for each in self.stripe.charges.values() if each["metadata"].get("order_id") == order]
        sent = [mail["idempotency_key"].removeprefix("souk-")[:36] for mail in self.resend.mails]
        return {
            "order": status,
            "payments": payments,
            "intents at Stripe": sum(
                intent["metadata"].get("order_id") == order for intent in self.stripe.intents.values()
            ),
            "charges": sum(charge["paid"] for charge in charges),
            "captured, at Stripe and here": (self.stripe.sum_captured(order), int(captured)),
            "refunded, at Stripe and here": (self.stripe.sum_refunded(order), int(refunded)),
            "reviews": reviews,
            "confirmations": confirmations,
            "confirmed mails": letters,
            "sent twice or never": sorted(id for id in emails if sent.count(id) != 1),
            "waiting": waiting,
        }

    async def ledger(
        self, order: str, status: str = "CONFIRMED", refunded: int = 0, confirmed: int = 1, seconds: float = 30
    ) -> None:
        """Comes true in time, and is looked at again at the end of the file: one intent, one charge, one mail."""
        self.entries[order] = {
            "order": status,
            "payments": ["REFUNDED" if refunded == CENTS else "SUCCEEDED"],
            "intents at Stripe": 1,
            "charges": 1,
            "captured, at Stripe and here": (CENTS, CENTS),
            "refunded, at Stripe and here": (refunded, refunded),
            "reviews": 0,
            "confirmations": confirmed,
            "confirmed mails": confirmed,
            "sent twice or never": [],
            "waiting": 0,
        }
        with suppress(AssertionError):
            await self.until(lambda: self.found(order) == self.entries[order], seconds)
        astray = {name: found for name, found in self.found(order).items() if found != self.entries[order][name]}
        assert not astray, f"{order}: {astray}"
        assert not self.wrong

    def close(self) -> None:
        for process in self.started:
            if process.popen.poll() is None:
                process.kill()
                process.popen.wait(10)


Shop = TypeVar("Shop", bound=LiveShop)


@asynccontextmanager
async def written(database_url: str) -> AsyncIterator[AsyncSession]:
    """Rows of the test's own, on a connection of its own: others may be killed."""
    engine = create_async_engine(sqlalchemy_url(database_url), poolclass=NullPool)
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        yield session


@asynccontextmanager
async def opened(
    of: type[Shop], services: Services, template: str, name: str, folder: Path, **settings: str
) -> AsyncIterator[Shop]:
    """A shop with a database of this name, two servers and a worker. Webhooks are held: a test delivers them."""
    assert services.database_url
    assert services.redis_url
    url = at(services.database_url, name)
    stripe, resend = TroubledStripe(KEY, SECRET, None), LocalResend(MAIL_KEY)
    stripe.hold_webhooks = True
    with (
        psycopg.connect(services.database_url, autocommit=True) as connection,
        serving(stripe.app) as stripe_url,
        serving(resend) as resend_url,
    ):
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        environment = {
            "DATABASE_URL": url,
            "REDIS_URL": services.redis_url,
            "JWT_SECRET": os.environ["JWT_SECRET"],
            "ENVIRONMENT": "test",
            "RATE_LIMITS": "off",
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "STRIPE_API_BASE": stripe_url,
            "RESEND_API_KEY": MAIL_KEY,
            "RESEND_API_BASE": resend_url,
            "FROM_EMAIL": "Holyone Travels <hello@holyone.example>",
            "SERVICE_OF_THE_TEST": await a_service(url),
        }
        shop = of(url, environment | settings, folder, stripe, resend)
        try:
            shop.employ()
            shop.serves += await asyncio.gather(shop.serve(), shop.serve())
            yield shop
        finally:
            stripe.release()
            await shop.client.aclose()
            shop.close()
            drop(connection, name)


async def a_service(url: str) -> str:
    async with written(url) as session:
        return str((await make.make_service(session, price=PRICE)).id)


def tells(thing: dict[str, Any], intent: str) -> bool:
    return intent in (thing["id"], thing.get("payment_intent"))
