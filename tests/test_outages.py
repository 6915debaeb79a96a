"""What the outside does: PostgreSQL or Valkey dying under the running shop is 503 and passes, never 500."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from app import local, migrate
from app.main import create_app
from app.settings import Settings
from tests import make
from tests.make import CUSTOMER_INFO


@pytest.fixture
async def shop(tmp_path: Path):
    """An app on servers of its own, which may be killed."""
    own = local.start(tmp_path)
    migrate.upgrade(own.database_url)
    application = create_app(Settings(database_url=own.database_url, redis_url=own.redis_url, rate_limits="on"))
    async with application.router.lifespan_context(application):
        yield application, tmp_path


async def test_a_killed_database_is_503_and_comes_back(shop):
    app, folder = shop
    service = await make.service(app)
    alice = await make.person(app)
    body = {"service_id": str(service.id), "customer_info": CUSTOMER_INFO}
    for _ in range(3):
        assert (await alice.post("/orders", json=body)).status_code == 201
    os.kill(int((folder / "postgres/postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
    seen = set()
    for _ in range(100):
        read, write = await asyncio.gather(alice.get("/orders"), alice.post("/orders", json=body))
        seen |= {read.status_code, write.status_code}
        for answer in (read, write):
            if answer.status_code == 503:
                assert answer.json()["code"] == "unavailable"
                assert answer.headers["retry-after"]
        if (read.status_code, write.status_code) == (200, 201):
            break
        await asyncio.sleep(0.2)
    assert seen <= {200, 201, 503}
    assert (read.status_code, write.status_code) == (200, 201)
    orders = (await alice.get("/orders?limit=100")).json()["data"]
    numbers = sorted(int(order["order_number"][-6:]) for order in orders)
    assert numbers == list(range(1, len(numbers) + 1))


async def test_readiness_names_the_part_that_is_away(services, database_url):
    away = create_app(Settings(database_url=database_url, redis_url="redis://127.0.0.1:1"))
    async with away.router.lifespan_context(away), make.client(away) as client:
        answer = await client.get("http://souk.test/health/ready")
        assert answer.status_code == 503
        assert answer.json()["parts"] == {"database": "ok", "migrations": "ok", "valkey": "unavailable", "queue": "ok"}
        assert (await client.get("http://souk.test/health")).status_code == 200
        assert (await client.get("/services")).status_code == 200


async def test_readiness_answers_without_a_database(redis_url):
    away = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/none", redis_url=redis_url))
    async with away.router.lifespan_context(away), make.client(away) as client:
        answer = await asyncio.wait_for(client.get("http://souk.test/health/ready"), 6)
        parts = answer.json()["parts"]
        assert parts.pop("valkey") == "ok"
        assert parts == dict.fromkeys(("database", "migrations", "queue"), "unavailable")
        assert (await client.get("/services")).status_code == 503


async def test_readiness_says_when_nobody_works_the_queue(app, nobody, session):
    await session.execute(
        text("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('default', 'reconcile')")
    )
    await session.commit()
    assert (await nobody.get("http://souk.test/health/ready")).json()["parts"]["queue"] == "ok"
    await session.execute(text("UPDATE procrastinate_events SET at = at - interval '6 minutes'"))
    await session.commit()
    answer = await nobody.get("http://souk.test/health/ready")
    assert (answer.status_code, answer.json()["parts"]["queue"]) == (503, "unavailable")
