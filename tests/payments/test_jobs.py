"""The worker: jobs are done as they come, what runs by the clock runs once a span, and trouble does not end it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from alembic import command
from sqlalchemy import create_engine, text

from app import jobs, migrate
from app.db import Database, sqlalchemy_url
from app.resources.emails import mail
from tests.payments.conftest import rows_of


@asynccontextmanager
async def working(tools):
    """A worker beside the test."""
    worker = asyncio.create_task(jobs.work_for_ever(tools))
    try:
        yield
    finally:
        worker.cancel()
        stopped, _ = await asyncio.wait([worker], timeout=25)
        assert stopped, [task.get_stack() for task in asyncio.all_tasks()]


async def until(true, seconds=30):
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  (it is in the database)
            await asyncio.sleep(0.1)


def every_second(shop):
    return replace(shop.tools, settings=shop.tools.settings.model_copy(update={"reconcile_seconds": 1}))


async def sent(shop):
    return shop.resend.mails


async def test_mails_leave_as_orders_come_in(alice, shop):
    async with working(shop.tools):
        for number in (1, 2):
            await shop.order(alice)
            await until(lambda number=number: sent_so_many(shop, number))
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs WHERE task_name = 'send_email'")


async def test_payments_are_looked_at_by_the_clock(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    async with working(every_second(shop)), working(every_second(shop)):
        await until(lambda: is_confirmed(shop, order))
    assert (await shop.mails(order)).count("order_confirmed") == 1


async def test_a_span_has_one_job_however_many_ask(shop):
    async with jobs.queue(shop.tools) as app:
        for _ in range(5):
            await jobs.once_in_span(app, "reconcile", 86_400)
    assert len(await rows_of(shop.tools, "SELECT FROM procrastinate_jobs WHERE task_name = 'reconcile'")) == 1


async def test_what_a_dead_worker_left_is_taken_up(alice, shop):
    await shop.order(alice)
    await shop.change(
        "WITH dead AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') "
        "RETURNING id) UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM dead)"
    )
    await shop.work()
    assert not shop.resend.mails
    async with working(shop.tools):
        await until(lambda: sent(shop))


async def test_a_worker_without_a_database_waits_for_it(alice, shop, caplog):
    url = shop.tools.settings.database_url
    await shop.change("ALTER TABLE procrastinate_workers RENAME TO away")
    await shop.order(alice)
    async with working(replace(shop.tools, database=Database(url))):
        await until(lambda: said(caplog, "the worker stopped"))
        await shop.change("ALTER TABLE away RENAME TO procrastinate_workers")
        await until(lambda: sent(shop))


async def test_a_clock_that_missed_a_beat_goes_on(alice, shop, caplog):
    await shop.change("ALTER TABLE procrastinate_periodic_defers RENAME TO away")
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    async with working(every_second(shop)):
        await until(lambda: said(caplog, "missed a beat"))
        await shop.change("ALTER TABLE away RENAME TO procrastinate_periodic_defers")
        await until(lambda: is_confirmed(shop, order))


async def test_a_job_that_never_works_is_given_up(alice, shop):
    """Its row is not: the reconciler asks again."""
    order = await shop.order(alice)
    await shop.intent(alice, order)
    shop.stripe.key = "sk_test_another"
    await alice.post(f"/orders/{order['id']}/cancellation")
    for _ in range(jobs.TRIES + 1):
        await shop.later()
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")
    shop.stripe.key = shop.tools.stripe.key
    await shop.reconcile()
    assert {intent["status"] for intent in shop.stripe.intents.values()} == {"canceled"}


async def sent_so_many(shop, number):
    return len(shop.resend.mails) == number


async def said(caplog, words):
    return [record for record in caplog.records if words in record.getMessage()]


async def is_confirmed(shop, order):
    return (await shop.state(order))[0] == "CONFIRMED"


async def test_mails_from_before_the_queue_are_history(database_url, session):
    """Down and up again, as an upgrade from the first release does: nothing old is sent."""
    session.add(mail("alice@example.com", "password_changed", name="Alice"))
    await session.commit()
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        command.downgrade(migrate.config(connection), "202611230100")
    engine.dispose()
    migrate.upgrade(database_url)
    assert (await session.execute(text("SELECT status FROM emails"))).scalars().all() == ["KEPT"]
