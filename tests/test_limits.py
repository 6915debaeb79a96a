"""How often: wrong logins, requests and mails are counted, by all processes together, and with Valkey away by each."""

import asyncio

import httpx
import pytest
from sqlalchemy import func, select

from app.clients import valkey
from app.clients.valkey import Counters
from app.flows import accounts
from app.main import create_app
from app.resources.emails import Email
from tests import make, walk
from tests.make import PASSWORD


@pytest.fixture(autouse=True)
async def window():
    """Not across the end of a five-minute window, or of a minute."""
    if valkey.seconds_left(60) < 12:
        await asyncio.sleep(valkey.seconds_left(60) + 0.1)


def at(app, ip: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(ip, 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://souk.test/api/v1")


async def login(client, password: str = "wrong", email: str = "alice@example.com"):
    return await client.post("/auth/login", json={"email": email, "password": password})


async def test_the_eleventh_wrong_login_waits_and_so_does_the_right_password(limited_app):
    alice = await make.person(limited_app)
    here, elsewhere = at(limited_app, "10.0.0.1"), at(limited_app, "10.0.0.2")
    answers = await asyncio.gather(
        *(login(here, email=email) for email in ["alice@example.com", "ALICE@example.com"] * 7)
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
    answer = await login(here, PASSWORD)
    walk.problem(answer, 429, "rate_limited")
    assert 0 < int(answer.headers["retry-after"]) <= 300
    walk.problem(await here.post("/auth/token", data={"username": "alice@example.com", "password": PASSWORD}), 429)
    assert (await login(elsewhere, PASSWORD)).status_code == 200
    assert (await alice.get("/auth/me")).status_code == 200
    assert (await login(here, "wrong", "zoe@example.com")).status_code == 401


async def test_fifty_wrong_logins_from_an_address_stop_it_for_all_accounts(limited_app):
    await make.person(limited_app)
    here = at(limited_app, "10.0.0.1")
    for number in range(50):
        assert (await login(here, email=f"victim{number}@example.com")).status_code == 401, number
    walk.problem(await login(here, PASSWORD), 429, "rate_limited")
    assert (await login(at(limited_app, "10.0.0.2"), PASSWORD)).status_code == 200


async def test_right_passwords_are_not_counted(limited_app):
    await make.person(limited_app)
    for _ in range(12):
        assert (await login(at(limited_app, "10.0.0.1"), PASSWORD)).status_code == 200


async def test_guessing_the_present_password_is_limited_too(limited_app):
    alice = await make.person(limited_app)
    body = {"current_password": "wrong", "new_password": "lemon-tree-43"}
    statuses = [(await alice.post("/auth/change-password", json=body)).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


async def test_nobody_asks_three_hundred_times_and_somebody_six_hundred(limited_app):
    alice, nobody = await make.person(limited_app), at(limited_app, "10.0.0.9")
    for client, most in ((alice, 600), (nobody, 300)):
        first = await client.get("/services")
        assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == (str(most), str(most - 1))
        assert 0 < int(first.headers["ratelimit-reset"]) <= 60
        for _ in range(most - 1):
            last = await client.get("/services")
        assert (last.status_code, last.headers["ratelimit-remaining"]) == (200, "0")
        over = await client.get("/services")
        walk.problem(over, 429, "rate_limited")
        assert 0 < int(over.headers["retry-after"]) <= 60
        assert over.headers["ratelimit-remaining"] == "0"
    assert (await at(limited_app, "10.0.0.10").get("/services")).status_code == 200
    assert (await nobody.get("http://souk.test/health")).status_code == 200


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer garbage", "Nonsense x"])
async def test_an_odd_authorization_header_is_no_way_round_the_limit(limited_app, monkeypatch, header):
    monkeypatch.setattr("app.edge.ANONYMOUS", 20)
    client = at(limited_app, "10.0.0.11")
    statuses = [(await client.get("/services", headers={"Authorization": header})).status_code for _ in range(21)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:20]


async def test_the_sixth_mail_in_an_hour_is_silently_not_sent(limited_app):
    await make.person(limited_app)
    answers = [
        await at(limited_app, f"10.0.1.{n}").post("/auth/forgot-password", json={"email": "alice@example.com"})
        for n in range(8)
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    async with limited_app.state.database.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Email)) == 5


async def test_registrations_are_throttled(limited_app, monkeypatch):
    monkeypatch.setattr(accounts, "REGISTRATIONS", 3)
    statuses = []
    for number in range(4):
        body = {"email": f"dora{number}@example.com", "password": "lemon-tree-43", "full_name": "Dora"}
        statuses.append((await at(limited_app, "10.0.0.1").post("/auth/register", json=body)).status_code)
    assert statuses == [201, 201, 201, 429]


async def test_two_processes_count_together(limited_app, settings):
    other = create_app(settings.model_copy(update={"rate_limits": "on"}))
    async with other.router.lifespan_context(other):
        await make.person(limited_app)
        for number in range(10):
            assert (await login(at((limited_app, other)[number % 2], "10.0.0.1"))).status_code == 401
        for app in (limited_app, other):
            walk.problem(await login(at(app, "10.0.0.1"), PASSWORD), 429)
        for _ in range(30):
            await at(limited_app, "10.0.0.5").get("/services")
        await asyncio.sleep(2 * valkey.SYNC_SECONDS + 0.2)
        await at(other, "10.0.0.5").get("/services")
        await asyncio.sleep(2 * valkey.SYNC_SECONDS + 0.2)
        assert int((await at(other, "10.0.0.5").get("/services")).headers["ratelimit-remaining"]) == 300 - 32


async def test_without_valkey_each_process_counts_for_itself(settings):
    away = settings.model_copy(update={"rate_limits": "on", "redis_url": "redis://127.0.0.1:1/0"})
    app = create_app(away)
    async with app.router.lifespan_context(app):
        await make.person(app)
        here = at(app, "10.0.0.1")
        assert [(await login(here)).status_code for _ in range(11)] == [401] * 10 + [429]
        assert (await here.get("/services")).status_code == 200
        assert (await here.post("/auth/forgot-password", json={"email": "alice@example.com"})).status_code == 202
        await asyncio.sleep(valkey.SYNC_SECONDS + 0.1)
        assert int((await here.get("/services")).headers["ratelimit-remaining"]) < 290


async def test_counters_count_together_and_take_back(redis_url):
    counters = valkey.Counters(redis_url)
    assert [await counters.hit("x", 60) for _ in range(3)] == [1, 2, 3]
    fresh = valkey.Counters(redis_url)
    assert [await fresh.hit("x", 60), await counters.hit("x", 60)] == [4, 5]
    await counters.take_back("x", 60)
    assert await valkey.Counters(redis_url).hit("x", 60) == 5
    for one in (counters, fresh):
        await one.close()


async def test_counters_close_though_a_time_out_swallowed_the_asking(redis_url):
    """As in Python 3.11, where a cancellation and a time-out of the same moment come out as the time-out."""

    class Deaf(Counters):
        async def sync(self):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise TimeoutError from None

    counters = Deaf(redis_url)
    counters.open()
    await asyncio.sleep(0.6)
    async with asyncio.timeout(5):
        await counters.close()
