"""A shop with a Stripe and a Resend that speak real HTTP. Webhooks are held: a test delivers them itself."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app import jobs
from app.flows.reconciling import reconcile
from app.jobs import Tools
from app.main import create_app
from app.settings import Settings
from tests import make
from tests.doubles.resend import LocalResend
from tests.doubles.serving import serving
from tests.doubles.stripe import TroubledStripe
from tests.make import Person

KEY, SECRET, MAIL_KEY = "sk_test_souk_tests", "whsec_of_the_tests_0001", "re_tests"


@pytest.fixture
def stripe() -> Iterator[TroubledStripe]:
    double = TroubledStripe(KEY, SECRET, None)
    double.hold_webhooks = True
    with serving(double.app) as url:
        double.url = url
        yield double
        double.release()


@pytest.fixture
def resend() -> Iterator[LocalResend]:
    double = LocalResend(MAIL_KEY)
    with serving(double) as url:
        double.url = url
        yield double


@pytest.fixture
def settings(database_url: str, redis_url: str, stripe: TroubledStripe, resend: LocalResend) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        stripe_secret_key=KEY,
        stripe_webhook_secret=SECRET,
        stripe_api_base=stripe.url,
        resend_api_key=MAIL_KEY,
        resend_api_base=resend.url,
        from_email="Holyone Travels <hello@holyone.example>",
    )


@dataclass
class Shop:
    """The running application, its doubles, and what a test does with them."""

    app: FastAPI
    tools: Tools
    stripe: TroubledStripe
    resend: LocalResend

    async def order(self, customer: Person, price: str = "450.00", **values: Any) -> dict[str, Any]:
        """An order just placed."""
        service = await make.service(self.app, price=price, **values)
        return await make.order(customer, service.id)

    async def intent(self, customer: Person, order: dict[str, Any]) -> str:
        """The id of the order's payment intent, as the API gives it."""
        answer = await customer.post("/payments/create-intent", json={"order_id": order["id"]})
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["data"]["payment"]["stripe_payment_intent_id"])

    async def deliver(self, event: dict[str, Any], **headers: str) -> httpx.Response:
        """Post an event as Stripe does, signed unless a header says otherwise."""
        body = json.dumps(event).encode()
        signed = {"Stripe-Signature": self.stripe.signature(body), "Content-Type": "application/json"} | headers
        async with make.client(self.app) as client:
            return await client.post("/payments/webhook", content=body, headers=signed)

    async def deliver_all(self) -> None:
        """Everything Stripe has to tell, in order; then the work that follows."""
        for event in list(self.stripe.events):
            assert (await self.deliver(event)).status_code == 200
        await self.work()

    async def work(self) -> None:
        """Run every job that is due, and those they cause."""
        due = "SELECT FROM procrastinate_jobs WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()"
        for _ in range(100):
            if not await rows_of(self.tools, due):
                return
            await jobs.work(self.tools, forever=False)
        raise AssertionError("there are jobs that no worker takes")

    async def later(self) -> None:
        """Run those that wait for another try, too."""
        await self.change("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
        await self.work()

    async def reconcile(self) -> None:
        """One round of the reconciler, and the work that follows."""
        await reconcile(self.tools)
        await self.work()

    async def change(self, sql: str, **values: Any) -> None:
        """Arrange what no request could."""
        async with self.tools.database.transaction() as session:
            await session.execute(text(sql), values)

    async def paid(self, customer: Person, price: str = "450.00") -> dict[str, Any]:
        """An order that was paid and settled."""
        order = await self.order(customer, price)
        self.stripe.pay(await self.intent(customer, order))
        await self.deliver_all()
        shown = await customer.get(f"/orders/{order['id']}")
        assert shown.json()["data"]["status"] == "CONFIRMED", shown.text
        data: dict[str, Any] = shown.json()["data"]
        return data

    async def mails(self, order: dict[str, Any]) -> list[str]:
        """The templates of the mails about an order, oldest first."""
        rows = await rows_of(self.tools, "SELECT template FROM emails WHERE order_id = :id ORDER BY id", id=order["id"])
        return [str(template) for (template,) in rows]

    async def payments(self, order: dict[str, Any]) -> list[Any]:
        """The rows of an order's payments, oldest first."""
        return await rows_of(self.tools, "SELECT * FROM payments WHERE order_id = :id ORDER BY id", id=order["id"])

    async def refunds(self, order: dict[str, Any]) -> list[Any]:
        """The rows of an order's refunds, oldest first."""
        of_order = "(SELECT id FROM payments WHERE order_id = :id)"
        wanted = f"SELECT * FROM refunds WHERE payment_id IN {of_order} ORDER BY id"
        return await rows_of(self.tools, wanted, id=order["id"])

    async def state(self, order: dict[str, Any]) -> tuple[str, str]:
        """Status and payment status of an order."""
        wanted = "SELECT status, payment_status FROM orders WHERE id = :id"
        ((status, payment_status),) = await rows_of(self.tools, wanted, id=order["id"])
        return status, payment_status

    async def refund(self, person: httpx.AsyncClient, order: dict[str, Any], **body: Any) -> httpx.Response:
        """Ask for a refund of the order's latest payment."""
        payment = (await self.payments(order))[-1]
        return await person.post(f"/admin/payments/{payment.id}/refund", json=body)

    @asynccontextmanager
    async def with_settings(self, **values: Any) -> AsyncIterator["Shop"]:
        """The same shop, run with other settings."""
        settings = self.tools.settings.model_copy(update=values)
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            tools = jobs.tools_of(settings, app.state.database)
            yield replace(self, app=app, tools=tools)
            await tools.stripe.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def rows_of(tools: Tools, sql: str, **values: Any) -> list[Any]:
    async with tools.database.transaction() as session:
        return list(await session.execute(text(sql), values))


@pytest.fixture
async def shop(app: FastAPI, settings: Settings, stripe: TroubledStripe, resend: LocalResend) -> AsyncIterator[Shop]:
    tools = jobs.tools_of(settings, app.state.database)
    yield Shop(app, tools, stripe, resend)
    await tools.stripe.close()
