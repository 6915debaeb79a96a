"""Bad luck with real processes: whatever dies, hangs or comes twice, an order is paid once and the customer told once.

Each test has a customer and an order of its own and ends with the ledger; the last one looks at all of them again.
The reconciler runs once an hour, so that it does not mend what is to be seen, except where it is what is tested.
"""

import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.kit.access import Role
from tests import make
from tests.payments.processes import BARE, CENTS, ROOT, LiveShop, opened
from tests.test_readme import free_port, signed_in, wait_for

SEED = 20261123


@pytest.fixture(scope="module")
async def live(services, template, worker_id, tmp_path_factory) -> AsyncIterator[LiveShop]:
    name = f"faults_{worker_id}_{os.getpid()}"
    async with opened(LiveShop, services, template, name, tmp_path_factory.mktemp("live")) as shop:
        yield shop


@pytest.fixture
def shop(live: LiveShop) -> Iterator[LiveShop]:
    """Its reconciler sleeps. Calm again after each test."""
    live.employ()
    yield live
    calm(live)


@pytest.fixture
def swept_shop(live: LiveShop) -> Iterator[LiveShop]:
    """The same with a reconciler that runs every second."""
    live.employ(seconds=1)
    yield live
    calm(live)


def calm(live: LiveShop) -> None:
    live.stripe.after_work = live.resend.after_work = None
    live.stripe.webhooks_first, live.stripe.hold_webhooks, live.stripe.webhook_url = False, True, None
    live.resend.faults.clear()
    live.stripe.release()


# -- the same thing many times, in any order


async def test_an_event_that_comes_twenty_times_at_once_counts_once(shop):
    _, order, intent = await shop.bought()
    shop.stripe.pay(intent)
    events = shop.events(intent)
    assert set(await shop.deliver(*(20 * events))) == {200}
    await shop.ledger(order)
    ids = [event["id"] for event in events]
    assert shop.rows("SELECT count(*) FROM stripe_events WHERE event_id = ANY(%s)", ids) == [(len(ids),)]


async def test_every_order_of_what_stripe_tells_comes_to_the_same(shop):
    """24 payments were declined, went on, succeeded and were partly refunded; each hears of it in another order."""
    kinds = "payment_intent.payment_failed", "payment_intent.processing", "payment_intent.succeeded", "charge.refunded"
    orders = list(itertools.permutations(kinds))
    bought = await asyncio.gather(*(shop.bought() for _ in orders))
    for _, _, intent in bought:
        shop.stripe.pay(intent, "pm_card_chargeDeclined")
        shop.stripe.pay(intent, "pm_bank_processing")
        shop.stripe.settle(intent, True)
        shop.stripe.refund({"payment_intent": intent, "amount": "1000"})
    for number in range(len(kinds)):
        told = [shop.events(intent, order[number])[0] for order, (_, _, intent) in zip(orders, bought, strict=True)]
        assert set(await shop.deliver(*told, *told, at=number)) == {200}
        await shop.until(lambda: shop.rows("SELECT 1 FROM stripe_events WHERE status = 'RECEIVED'") == [])
    for _, order, _ in bought:
        await shop.ledger(order, refunded=1000)


async def test_shuffled_and_repeated_deliveries_come_to_the_same(shop):
    dice = random.Random(SEED)
    bought = await asyncio.gather(*(shop.bought() for _ in range(9)))
    for number, (_, _, intent) in enumerate(bought):
        shop.stripe.pay(intent, ("pm_card_chargeDeclined", "pm_card_visa")[number % 2])
        shop.stripe.pay(intent)
        if number % 3 == 0:
            shop.stripe.refund({"payment_intent": intent})
    events = 3 * [event for _, _, intent in bought for event in shop.events(intent)]
    dice.shuffle(events)
    assert set(await shop.deliver(*events)) == {200}
    for number, (_, order, _) in enumerate(bought):
        await shop.ledger(order, refunded=CENTS if number % 3 == 0 else 0)


async def test_a_webhook_may_come_before_the_intent_is_answered(shop):
    shop.stripe.hold_webhooks, shop.stripe.webhooks_first = False, True
    shop.stripe.webhook_url = f"{shop.serves[1].url}/payments/webhook"
    _, order, intent = await shop.bought()
    created = shop.events(intent, "payment_intent.created")[0]["id"]
    kept = "SELECT status FROM stripe_events WHERE event_id = %s"
    await shop.until(lambda: shop.rows(kept, created) == [("PROCESSED",)])
    shop.stripe.pay(intent)
    await shop.ledger(order)


async def test_twenty_clicks_at_once_make_one_intent(shop):
    who = await shop.person()
    order = await shop.order(who)
    clicks = (shop.ask(who, "POST", "/payments/create-intent", at, order_id=order) for at in range(20))
    answers = await asyncio.gather(*clicks)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["data"]["client_secret"] for answer in answers}) == 1
    intent = answers[0].json()["data"]["payment"]["stripe_payment_intent_id"]
    shop.stripe.pay(intent)
    await shop.deliver(*shop.events(intent))
    await shop.ledger(order)


async def test_twenty_clicks_with_one_key_get_equal_answers(shop):
    who = await shop.person()
    order = await shop.order(who)
    clicks = (shop.ask(who, "POST", "/payments/create-intent", at, key="k", order_id=order) for at in range(20))
    answers = await asyncio.gather(*clicks)
    assert len({(answer.status_code, answer.content) for answer in answers}) == 1
    intent = answers[0].json()["data"]["payment"]["stripe_payment_intent_id"]
    shop.stripe.pay(intent)
    await shop.deliver(*shop.events(intent))
    await shop.ledger(order)


async def test_cancelling_races_the_webhook(shop):
    """Whoever wins: the order is cancelled, and the money is with the customer."""
    for _ in range(5):
        who, order, intent = await shop.bought()
        shop.stripe.pay(intent)
        events = shop.events(intent)
        cancelled, delivered = await asyncio.gather(
            shop.ask(who, "POST", f"/orders/{order}/cancellation", 1), shop.deliver(*events, *events, at=1)
        )
        assert cancelled.status_code == 200, cancelled.text
        assert set(delivered) == {200}
        await shop.until(lambda: shop.rows("SELECT 1 FROM stripe_events WHERE status = 'RECEIVED'") == [])
        confirmed = shop.rows("SELECT 1 FROM status_changes WHERE order_id = %s AND to_status = 'CONFIRMED'", order)
        await shop.ledger(order, "CANCELLED", refunded=CENTS, confirmed=len(confirmed))


async def test_a_price_that_changes_while_the_money_is_settled(shop):
    """Settling waits for who holds the order, and goes by what is left: another price is for staff to look at."""
    _, order, intent = await shop.bought()
    shop.stripe.pay(intent)
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(shop.database_url) as connection:
        connection.execute("UPDATE orders SET total_amount = 500 WHERE id = %s", [order])
        await shop.deliver(*shop.events(intent, "payment_intent.succeeded"))
        await shop.until(lambda: shop.rows(waits))
    await shop.until(lambda: shop.rows("SELECT needs_review FROM payments WHERE order_id = %s", order) == [(True,)])
    found = shop.found(order)
    assert (found["order"], found["confirmations"], found["confirmed mails"]) == ("PENDING", 0, 0)


async def test_cancelling_races_the_customer_who_pays(shop):
    """Paying fails when the intent is cancelled first; otherwise the money goes back."""
    shop.stripe.hold_webhooks = False
    shop.stripe.webhook_url = f"{shop.serves[1].url}/payments/webhook"
    dice, outcomes = random.Random(SEED), set()
    for _ in range(6):
        who, order, intent = await shop.bought()
        cancelling = asyncio.create_task(shop.ask(who, "POST", f"/orders/{order}/cancellation"))
        await asyncio.sleep(dice.uniform(0, 0.15))
        paid = shop.stripe.pay(intent)["status"] == "succeeded"
        outcomes.add(paid)
        assert (await cancelling).status_code == 200
        if paid:
            await shop.until(lambda: shop.stripe.sum_refunded(order) == CENTS)  # noqa: B023
            confirmed = shop.rows("SELECT 1 FROM status_changes WHERE order_id = %s AND to_status = 'CONFIRMED'", order)
            await shop.ledger(order, "CANCELLED", refunded=CENTS, confirmed=len(confirmed))
        else:
            current = "SELECT 1 FROM payments WHERE order_id = %s AND is_current"
            await shop.until(lambda: shop.rows(current, order) == [])  # noqa: B023
    assert outcomes


async def test_refunds_that_race_never_give_back_more(shop):
    _, order, _, payment = await shop.paid()
    sam = await shop.person(Role.ADMIN)
    refund = f"/admin/payments/{payment}/refund"
    wanted = ({"amount": f"{number % 4 + 1}00.00"} for number in range(12))
    answers = await asyncio.gather(*(shop.ask(sam, "POST", refund, at, **body) for at, body in enumerate(wanted)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    for _ in range(20):
        rest = await shop.ask(sam, "POST", refund)
        if rest.status_code == 200 or rest.json()["code"] == "nothing_to_refund":
            break
        await asyncio.sleep(0.2)
    await shop.deliver(*shop.stripe.events[-40:])
    await shop.ledger(order, refunded=CENTS)


# -- Stripe in trouble


@pytest.mark.parametrize("kind", ["500", "503", "429", "reset", "reset_after", "503_after"])
async def test_stripe_stumbles_and_nothing_happens_twice(shop, kind):
    shop.stripe.fault("POST /v1/payment_intents", kind)
    who, order, intent = await shop.bought()
    shop.stripe.pay(intent)
    shop.stripe.fault(f"GET /v1/payment_intents/{intent}", kind)
    answer = await shop.ask(who, "POST", "/payments/confirm", order_id=order)
    assert answer.status_code == 200, answer.text
    sam = await shop.person(Role.ADMIN)
    shop.stripe.fault("POST /v1/refunds", kind, 2)
    refund = f"/admin/payments/{answer.json()['data']['id']}/refund"
    assert (await shop.ask(sam, "POST", refund, 1, amount="100.00")).status_code == 200
    await shop.ledger(order, refunded=10_000)
    assert len(shop.events(intent, "refund.created")) == 1


async def test_stripe_away_is_503_and_the_next_click_goes_on(shop):
    who = await shop.person()
    order = await shop.order(who)
    for kind in ("503", "reset_after"):
        shop.stripe.fault("POST /v1/payment_intents", kind, 4)
        refused = await shop.ask(who, "POST", "/payments/create-intent", order_id=order)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"]
    intent = await shop.intent(who, order, at=1)
    shop.stripe.pay(intent)
    await shop.deliver(*shop.events(intent))
    await shop.ledger(order)


async def test_stripe_hangs_and_the_shop_does_not(shop):
    """Within its deadline each call is 503; meanwhile others are answered at once."""
    late = await shop.person()
    (payer, payers, intent), (_, refunded, paid_by, payment) = await asyncio.gather(shop.bought(), shop.paid())
    shop.stripe.pay(intent)
    sam, order = await shop.person(Role.ADMIN), await shop.order(late)
    shop.stripe.fault("/v1/", "hang", 100)
    began = time.monotonic()

    async def answered(*asked: Any, **body: Any) -> tuple[httpx.Response, float]:
        return await shop.ask(*asked, **body), time.monotonic() - began

    hanging = [
        asyncio.create_task(answered(late, "POST", "/payments/create-intent", 0, order_id=order)),
        asyncio.create_task(answered(payer, "POST", "/payments/confirm", 1, order_id=payers)),
        asyncio.create_task(answered(sam, "POST", f"/admin/payments/{payment}/refund", 0)),
    ]
    for number in range(20):
        asked = time.monotonic()
        assert (await shop.ask(payer, "GET", f"/orders/{payers}", number)).status_code == 200
        assert time.monotonic() - asked < 1
        await asyncio.sleep(0.1)
    for answer, seconds in await asyncio.gather(*hanging):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert seconds < 12
    shop.stripe.release()
    new = await shop.intent(late, order, at=1)
    shop.stripe.pay(new)
    await shop.deliver(*shop.events(new), *shop.events(intent))
    await shop.until(lambda: hurried(shop) and shop.found(refunded)["waiting"] == 0)
    await shop.ledger(order)
    await shop.ledger(payers)
    await shop.ledger(refunded, refunded=CENTS)
    assert len(shop.events(paid_by, "refund.created")) == 1


async def test_a_refund_is_looked_for_when_stripe_has_forgotten_its_key(shop):
    """Done, but never heard of; the next try comes so late that the key would make a second refund."""
    _, order, intent, payment = await shop.paid()
    sam = await shop.person(Role.ADMIN)
    shop.stripe.fault("POST /v1/refunds", "reset_after", 100)
    refused = await shop.ask(sam, "POST", f"/admin/payments/{payment}/refund", amount="100.00")
    assert refused.status_code == 503
    waiting = "SELECT 1 FROM procrastinate_jobs WHERE status = 'todo' AND task_name = 'carry_out_refund'"
    await shop.until(lambda: shop.rows(waiting))
    shop.stripe.answers.clear()
    shop.rows("UPDATE refunds SET created_at = created_at - interval '25 hours' WHERE status = 'PENDING'")
    shop.stripe.release()
    await shop.until(lambda: hurried(shop) and shop.found(order)["waiting"] == 0)
    await shop.ledger(order, refunded=10_000)
    assert len(shop.events(intent, "refund.created")) == 1


# -- processes that die


async def test_a_server_killed_after_stripe_made_the_intent(shop):
    victim, who = await shop.serve(), await shop.person()
    order = await shop.order(who)
    shop.stripe.after_work = lambda what: victim.kill() if what == "POST /v1/payment_intents" else None
    with pytest.raises(httpx.TransportError):
        await shop.ask(who, "POST", "/payments/create-intent", victim, key="once", order_id=order)
    shop.stripe.after_work = None
    again = await shop.ask(who, "POST", "/payments/create-intent", 1, key="once", order_id=order)
    assert again.status_code in (200, 201), again.text
    intent = again.json()["data"]["payment"]["stripe_payment_intent_id"]
    shop.stripe.pay(intent)
    await shop.deliver(*shop.events(intent))
    await shop.ledger(order)


async def test_what_comes_while_no_worker_runs_is_done_later(shop):
    """Events that were answered 200, and a refund whose server was killed when Stripe had made it."""
    victim, (_, order, intent, payment) = await shop.serve(), await shop.paid()
    sam = await shop.person(Role.ADMIN)
    shop.send_home()
    shop.stripe.after_work = lambda what: victim.kill() if what == "POST /v1/refunds" else None
    with pytest.raises(httpx.TransportError):
        await shop.ask(sam, "POST", f"/admin/payments/{payment}/refund", victim, amount="100.00")
    shop.stripe.after_work = None
    assert shop.rows("SELECT status FROM refunds WHERE payment_id = %s", payment) == [("PENDING",)]
    bought = await asyncio.gather(*(shop.bought() for _ in range(5)))
    for _, _, paid in bought:
        shop.stripe.pay(paid)
        assert set(await shop.deliver(*shop.events(paid))) == {200}
    pending = "SELECT count(*) FROM orders WHERE id = ANY(%s::uuid[]) AND status = 'PENDING'"
    assert shop.rows(pending, [order for _, order, _ in bought]) == [(5,)]
    shop.hire()
    for _, other, _ in bought:
        await shop.ledger(other)
    await shop.ledger(order, refunded=10_000)
    assert len(shop.events(intent, "refund.created")) == 1


async def test_dead_connections_and_a_dead_worker_lose_nothing(swept_shop):
    """Both in one test, because it takes twenty seconds until the jobs of a dead worker are noticed."""
    shop = swept_shop
    orders = await amid_dying_connections(shop)
    customer, cancelled, intent, _ = await shop.paid()
    _, pending, unpaid = await shop.bought()
    shop.stripe.fault(f"GET /v1/payment_intents/{unpaid}", "hang")
    await shop.until(lambda: (f"GET /v1/payment_intents/{unpaid}", None) in shop.stripe.requests, 40)
    victim = shop.worker.popen
    together = threading.Barrier(2, action=victim.kill)
    shop.resend.after_work = together.wait
    shop.stripe.after_work = lambda what: together.wait(10) if what == "POST /v1/refunds" else None
    await shop.ask(customer, "POST", f"/orders/{cancelled}/cancellation")
    assert await asyncio.to_thread(victim.wait, 15) == -signal.SIGKILL
    calm(shop)
    doing = {task for (task,) in shop.rows("SELECT task_name FROM procrastinate_jobs WHERE status = 'doing'")}
    assert doing >= {"carry_out_refund", "send_email", "reconcile"}
    shop.stripe.pay(unpaid)
    shop.hire(seconds=1)
    await shop.ledger(pending, seconds=45)
    await shop.ledger(cancelled, "CANCELLED", refunded=CENTS, seconds=20)
    assert len(shop.events(intent, "refund.created")) == 1
    for order in orders:
        await shop.ledger(order, seconds=20)


async def amid_dying_connections(shop: LiveShop) -> list[str]:
    """Orders whose webhooks came while PostgreSQL lost its connections: each was taken with 200 or put off with 503."""
    bought = await asyncio.gather(*(shop.bought() for _ in range(20)))
    for _, _, intent in bought:
        shop.stripe.pay(intent)
    waiting = [event for _, _, intent in bought for event in shop.events(intent)]
    killing, taken = asyncio.create_task(lose_connections(shop)), []
    while waiting or not killing.done():
        batch, waiting = waiting[:8], waiting[8:]
        statuses = await shop.deliver(*batch)
        assert set(statuses) <= {200, 503}
        taken += [event["id"] for event, status in zip(batch, statuses, strict=True) if status == 200]
        waiting += [event for event, status in zip(batch, statuses, strict=True) if status == 503]
        await asyncio.sleep(0.02)
    assert shop.rows("SELECT count(*) FROM stripe_events WHERE event_id = ANY(%s)", taken) == [(len(taken),)]
    who, order, _ = bought[0]
    for server in 4 * [0, 1]:  # each meets the dead connections of its pools once
        await shop.ask(who, "POST", "/payments/create-intent", server, order_id=order)
    return [order for _, order, _ in bought]


async def lose_connections(shop: LiveShop) -> None:
    for _ in range(8):
        await asyncio.sleep(0.15)
        shop.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


# -- what the reconciler finds, and the mail that waits


async def test_a_shop_that_lost_every_webhook_is_right_after_one_sweep(swept_shop):
    shop = swept_shop
    bought = await asyncio.gather(*(shop.bought() for _ in range(10)))
    for _, _, intent in bought:
        shop.stripe.pay(intent)
    began = time.monotonic()
    paid = "SELECT 1 FROM orders WHERE id = ANY(%s::uuid[]) AND status <> 'CONFIRMED'"
    await shop.until(lambda: shop.rows(paid, [order for _, order, _ in bought]) == [], 30)
    assert time.monotonic() - began < 8
    for _, order, _ in bought:
        await shop.ledger(order)


async def test_confirm_webhook_and_reconciler_race(swept_shop):
    shop = swept_shop
    for _ in range(3):
        who, order, intent = await shop.bought()
        shop.stripe.pay(intent)
        events = shop.events(intent)
        confirms = (shop.ask(who, "POST", "/payments/confirm", at, order_id=order) for at in range(10))
        answers, delivered = await asyncio.gather(asyncio.gather(*confirms), shop.deliver(*events, *events))
        assert {answer.status_code for answer in answers} == {200}
        assert set(delivered) == {200}
        await shop.ledger(order)


async def test_resend_away_for_an_hour_delays_only_the_mail(shop):
    shop.resend.faults += ["500", "reset", "429", "reset_after"] * 20
    _, order, intent = await shop.bought()
    shop.stripe.pay(intent)
    await shop.deliver(*shop.events(intent))
    status = "SELECT status FROM orders WHERE id = %s"
    await shop.until(lambda: shop.rows(status, order) == [("CONFIRMED",)])
    tries = "SELECT min(attempts) FROM emails WHERE order_id = %s"
    await shop.until(lambda: hurried(shop) and shop.rows(tries, order)[0][0] >= 3, 30)
    assert shop.rows("SELECT DISTINCT status FROM emails WHERE order_id = %s", order) == [("QUEUED",)]
    shop.resend.faults.clear()
    await shop.until(lambda: hurried(shop) and shop.found(order)["waiting"] == 0)
    await shop.ledger(order)


def hurried(shop: LiveShop) -> bool:
    """As if the time until the next try of every job had passed."""
    shop.rows("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo' AND scheduled_at > now()")
    shop.rows('SELECT pg_notify(\'procrastinate_any_queue_v1\', \'{"type": "job_inserted", "job_id": 0}\')')
    return True


# -- in the end


async def test_sigterm_lets_everybody_finish(shop):
    """The mail on its way is sent and written down, the request is answered; all are gone in time, with exit code 0."""
    who, begun = await shop.person(), threading.Event()
    order = await shop.order(who)
    shop.send_home()
    worker = shop.hire()

    def slowly() -> None:
        begun.set()
        time.sleep(1.5)

    shop.resend.after_work = slowly
    shop.stripe.fault("POST /v1/payment_intents", "slow")
    letters = await shop.order(who)
    asked = asyncio.create_task(shop.ask(who, "POST", "/payments/create-intent", 1, order_id=order))
    await shop.until(lambda: shop.stripe.requests[-1][0] == "POST /v1/payment_intents" and begun.is_set())
    for process in (worker, shop.serves[1]):
        process.popen.terminate()
    assert (await asked).status_code == 201
    assert [await asyncio.to_thread(each.popen.wait, 18) for each in (worker, shop.serves[1])] == [0, 0]
    assert shop.rows("SELECT status, attempts FROM emails WHERE order_id = %s", letters) == [("SENT", 1)]
    assert shop.rows("SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'") == []
    shop.worker = None


async def test_in_the_end_every_ledger_still_holds(live):
    """Nothing came late, nobody was answered 500, and no server met what nobody foresaw."""
    assert {order: live.found(order) for order in live.entries} == live.entries
    assert not live.wrong
    for process in live.started:
        written = process.log.read_text()
        assert "unforeseen error" not in written
        assert "deadlock detected" not in written
        if "serve" in process.log.name:
            assert "Traceback" not in written


def test_a_newcomer_pays_with_4242_and_reads_the_mail(tmp_path: Path):
    """`souk up` without keys: its own Stripe, its pay page, and the mail kept in the outbox."""
    base = f"http://127.0.0.1:{(port := free_port())}"
    settings = {"DATA_DIR": str(tmp_path / "var"), "PORT": str(port)}
    with (tmp_path / "log").open("wb") as log:
        up = subprocess.Popen([sys.executable, "-m", "app", "up"], cwd=ROOT, env=BARE | settings, stdout=log)
    try:
        wait_for(f"{base}/health/ready")
        page = re.search(r"(http://\S+/pay/)<client_secret>", (tmp_path / "log").read_text())
        grace, sam = signed_in(base, "grace@example.com"), signed_in(base, "sam@example.com")
        service = httpx.get(f"{base}/api/v1/services").json()["data"][0]["id"]
        wanted = {"service_id": service, "customer_info": make.CUSTOMER_INFO}
        order = httpx.post(f"{base}/api/v1/orders", json=wanted, headers=grace).json()["data"]["id"]
        answer = httpx.post(f"{base}/api/v1/payments/create-intent", json={"order_id": order}, headers=grace)
        secret = answer.json()["data"]["client_secret"]
        assert httpx.post(f"{page[1]}{secret}", data={"card": "4242 4242 4242 4242"}).status_code == 303
        mails: Any = []
        with contextlib.suppress(TimeoutError):
            for _ in range(100):
                outbox = httpx.get(f"{base}/api/v1/admin/emails?order_id={order}&sort=created_at", headers=sam)
                mails = [(mail["template"], mail["status"]) for mail in outbox.json()["data"]]
                if mails == [("order_received", "KEPT"), ("order_confirmed", "KEPT")]:
                    break
                time.sleep(0.1)
        assert mails == [("order_received", "KEPT"), ("order_confirmed", "KEPT")]
        shown = httpx.get(f"{base}/api/v1/orders/{order}", headers=grace).json()["data"]
        assert (shown["status"], shown["payment_status"]) == ("CONFIRMED", "SUCCEEDED")
    finally:
        up.terminate()
        assert up.wait(30) == 0
