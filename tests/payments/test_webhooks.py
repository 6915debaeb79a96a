"""Stripe's webhooks: who may post them, what is kept, and what comes of it."""

import asyncio
import json
import threading
import time

import pytest
from pydantic import SecretStr

from app.doubles.stripe_objects import new_event
from tests import make
from tests.payments.conftest import SECRET, problem, rows_of

MIB = 1024 * 1024
EVENT = {"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus_1"}}}


async def post(shop, body, signature=None):
    """Any bytes, signed as Stripe does unless a header is given; "" is none."""
    signature = shop.stripe.signature(body) if signature is None else signature
    headers = {"Content-Type": "application/json"} | ({"Stripe-Signature": signature} if signature else {})
    async with make.client(shop.app) as client:
        return await client.post("/payments/webhook", content=body, headers=headers)


async def kept(shop):
    return await rows_of(shop.tools, "SELECT * FROM stripe_events ORDER BY id")


async def shown(person, **query):
    answer = await person.get("/admin/stripe-events", params={"sort": "created_at", **query})
    return answer.json()["data"]


async def test_an_event_is_answered_at_once_kept_and_worked_afterwards(alice, carl, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    event = shop.stripe.events[-1]
    answer = await shop.deliver(event)
    assert (answer.status_code, answer.json()) == (200, {"data": {"received": True}})
    assert await shop.state(order) == ("PENDING", "PENDING")
    await shop.work()
    (row,) = await shown(carl)
    assert (row["event_id"], row["type"], row["status"]) == (event["id"], "payment_intent.succeeded", "PROCESSED")
    assert (row["payment_id"], row["attempts"]) == (str((await shop.payments(order))[0].id), 1)
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert (await shop.payments(order))[0].card_last4 == "4242"


async def test_what_is_kept_is_the_event_without_the_clients_secret(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    await shop.deliver_all()
    (row,) = await kept(shop)
    told = shop.stripe.events[0]["data"]["object"]
    assert row.payload["data"]["object"] == {name: value for name, value in told.items() if name != "client_secret"}
    assert row.payload["data"]["object"]["id"] == intent


# -- who may not


async def refused(shop, body, signature, code="invalid_signature"):
    answer = await post(shop, body, signature)
    assert problem(answer) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not await kept(shop)


@pytest.mark.parametrize(
    "signature", ["", "t=1,v1=0", "v1=0", "t=soon,v1=0", "t=,v1=", "t=9e9,v1=0", ",,,", "=", "t=1" * 999, "v0=1,t=1"]
)
async def test_an_unsigned_event_is_refused(shop, signature):
    await refused(shop, json.dumps(EVENT).encode(), signature)


async def test_a_forged_event_is_refused(shop):
    body = json.dumps(EVENT).encode()
    shop.stripe.webhook_secret = "whsec_of_somebody_else"
    await refused(shop, body, None)
    moment = int(time.time())
    await refused(shop, body, f"t={moment},v1={'0' * 64}")
    await refused(shop, body, f"t={moment}")


async def test_a_signature_is_for_one_body_and_one_scheme(shop):
    body = json.dumps(EVENT).encode()
    signature = shop.stripe.signature(body)
    await refused(shop, body.replace(b"cus_1", b"cus_2"), signature)
    await refused(shop, body[:-1], signature)
    await refused(shop, body + b" ", signature)
    await refused(shop, body, signature.replace("v1=", "v0="))
    assert (await post(shop, body, f"{signature},v1={'0' * 64},v0=1")).status_code == 200


@pytest.mark.parametrize("age", [301, -302, 10**6, -(10**6)])
async def test_a_signature_of_another_time_is_refused(shop, age):
    body = json.dumps(EVENT).encode()
    await refused(shop, body, shop.stripe.signature(body, at=int(time.time()) - age))


@pytest.mark.parametrize("age", [290, -290])
async def test_clocks_may_differ_by_minutes(shop, age):
    body = json.dumps(EVENT).encode()
    assert (await post(shop, body, shop.stripe.signature(body, at=int(time.time()) - age))).status_code == 200


async def test_several_secrets_count_while_one_is_replaced(shop):
    async with shop.with_settings(stripe_webhook_secret=SecretStr(f"whsec_new, {SECRET}")) as both:
        for number, secret in enumerate((SECRET, "whsec_new", "whsec_older")):
            shop.stripe.webhook_secret = secret
            answer = await both.deliver(EVENT | {"id": f"evt_{number}"})
            assert answer.status_code == (400 if secret == "whsec_older" else 200)
    assert [row.event_id for row in await kept(shop)] == ["evt_0", "evt_1"]


async def test_without_a_secret_there_is_no_such_address(shop):
    async with shop.with_settings(stripe_webhook_secret=None) as without:
        assert problem(await without.deliver(EVENT)) == (404, "not_found")
    shop.stripe.webhook_secret = ""
    async with shop.with_settings(stripe_webhook_secret=SecretStr(" , ")) as without:
        assert problem(await without.deliver(EVENT)) == (404, "not_found")
    assert not await kept(shop)


# -- what is no event


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"1",
        b'"evt_1"',
        b"[]",
        json.dumps([EVENT]).encode(),
        json.dumps(EVENT).encode()[:-9],
        *(
            json.dumps(EVENT | change).encode()
            for change in (
                {"id": None},
                {"id": ""},
                {"id": 1},
                {"id": "e" * 201},
                {"id": ["evt_1"]},
                {"type": None},
                {"type": "t" * 201},
                {"data": None},
                {"data": []},
                {"data": {"object": "pi_1"}},
                {"data": {"object": [1]}},
                {"id": "evt_\x00"},
                {"note": "NUL \x00"},
                {"note": "\ud800"},
                {"note": float("nan")},
                {"note": 2**64},
            )
        ),
        json.dumps({name: value for name, value in EVENT.items() if name != "id"}).encode(),
        b'{"id":"evt_1","type":"a","data":{"object":{}},"deep":' + b"[" * 40 + b"]" * 40 + b"}",
        b"[" * 300_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: body[:60].decode(),
)
async def test_what_is_signed_and_no_event_is_refused(shop, body):
    await refused(shop, body, None, "invalid_event")


async def test_bytes_that_are_no_text_are_refused(shop):
    await refused(shop, b'{"id": "\xff\xfe"}', None)


async def test_an_event_over_one_mebibyte_is_too_large(shop):
    body = json.dumps(EVENT | {"note": "x" * MIB}).encode()
    assert problem(await post(shop, body)) == (413, "payload_too_large")
    assert not await kept(shop)
    fits = json.dumps(EVENT | {"note": "x" * (MIB - 200)}).encode()
    assert (await post(shop, fits)).status_code == 200


# -- once


async def test_the_same_event_twenty_times_at_once_is_kept_and_worked_once(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    event = shop.stripe.events[-1]
    answers = await asyncio.gather(*(shop.deliver(event) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await rows_of(shop.tools, "SELECT FROM procrastinate_jobs WHERE task_name = 'work_stripe_event'")) == 1
    await shop.work()
    assert (await shop.deliver(event)).status_code == 200
    await shop.work()
    assert [(row.event_id, row.attempts) for row in await kept(shop)] == [(event["id"], 1)]
    assert await shop.mails(order) == ["order_received", "order_confirmed"]


async def test_an_id_that_comes_again_with_another_story_changes_nothing(shop):
    await shop.deliver(EVENT)
    assert (await shop.deliver(EVENT | {"type": "other"})).status_code == 200
    assert [row.type for row in await kept(shop)] == ["customer.created"]


# -- what comes of it


async def test_an_unknown_type_is_kept_and_ignored(carl, shop):
    await shop.deliver(EVENT)
    await shop.work()
    (row,) = await shown(carl, status="IGNORED")
    assert (row["type"], row["payload"], row["error"]) == ("customer.created", EVENT, None)


async def test_an_event_about_a_payment_that_is_not_ours_is_shown_to_staff(alice, carl, shop):
    foreign = shop.stripe.create_intent({"amount": "45000", "currency": "usd", "metadata": {"payment_id": "7"}})
    invented = shop.stripe.create_intent(
        {"amount": "45000", "currency": "usd", "metadata": {"payment_id": str(make.new_id())}}
    )
    shop.stripe.pay(foreign["id"])
    shop.stripe.pay(invented["id"])
    await shop.deliver_all()
    assert {row["status"] for row in await shown(carl)} == {"UNMATCHED"}
    assert len(await shown(carl, status="UNMATCHED")) == len(shop.stripe.events)
    assert not await rows_of(shop.tools, "SELECT FROM payments")


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("payment_intent.succeeded", {}),
        ("payment_intent.succeeded", {"id": "pi_1", "status": "succeeded"}),
        ("payment_intent.succeeded", {"id": "pi_1", "status": "succeeded", "amount": "much", "currency": 1}),
        ("payment_intent.succeeded", {"id": "pi_1", "status": [], "amount": 1, "currency": "usd"}),
        ("payment_intent.processing", {"id": "pi_1", "status": "processing", "amount": 1, "currency": None}),
        ("charge.refunded", {"id": "ch_1"}),
        ("charge.succeeded", {"id": "ch_1", "status": "succeeded", "amount": 1, "currency": "usd", "metadata": 5}),
    ],
)
async def test_a_known_type_that_cannot_be_read_fails_and_staff_see_why(carl, shop, kind, thing):
    assert (await shop.deliver(EVENT | {"type": kind, "data": {"object": thing}})).status_code == 200
    await shop.work()
    (row,) = await shown(carl, status="FAILED")
    assert row["error"].startswith("It cannot be read: ")
    assert row["attempts"] == 1


async def test_what_cannot_be_worked_is_tried_for_hours_and_then_shown(alice, carl, shop):
    order = await shop.order(alice)
    intent = shop.stripe.intents[await shop.intent(alice, order)]
    absurd = intent | {"status": "succeeded", "amount_received": 10**18}
    await shop.deliver(new_event("payment_intent.succeeded", absurd))
    await shop.work()
    (row,) = await shown(carl)
    assert (row["status"], row["attempts"]) == ("RECEIVED", 1)
    assert "DataError" in row["error"]
    for _ in range(13):
        await shop.later()
    (row,) = await shown(carl)
    assert (row["status"], row["attempts"]) == ("FAILED", 13)
    assert await shop.state(order) == ("PENDING", "PENDING")


async def test_a_webhook_may_be_faster_than_the_answer_to_our_call(alice, shop):
    """The intent is made and paid, but nobody has told us its id yet."""
    order = await shop.order(alice)
    paid, answered = threading.Event(), threading.Event()

    def pay_first(name):
        if name == "POST /v1/payment_intents":
            shop.stripe.pay(next(iter(shop.stripe.intents)))
            paid.set()
            answered.wait(8)

    shop.stripe.after_work = pay_first
    begun = asyncio.create_task(shop.intent(alice, order))
    await asyncio.to_thread(paid.wait, 8)
    (charged,) = (event for event in shop.stripe.events if event["type"] == "charge.succeeded")
    assert (await shop.payments(order))[0].stripe_payment_intent_id is None
    await shop.deliver(charged)
    await shop.work()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    answered.set()
    assert await begun == (await shop.payments(order))[0].stripe_payment_intent_id
    await shop.deliver_all()
    assert await shop.mails(order) == ["order_received", "order_confirmed"]


async def test_a_webhook_finds_the_payment_whose_intent_we_never_learned(alice, shop):
    order = await shop.order(alice)
    shop.stripe.fault("POST /v1/payment_intents", "reset_after", 4)
    answer = await alice.post("/payments/create-intent", json={"order_id": order["id"]})
    assert problem(answer) == (503, "unavailable")
    shop.stripe.pay(next(iter(shop.stripe.intents)))
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    answer = await alice.post("/payments/create-intent", json={"order_id": order["id"]})
    assert problem(answer) == (409, "already_paid")
    assert len(shop.stripe.intents) == 1


@pytest.mark.parametrize("trouble", ["500", "missing"])
async def test_a_payment_is_settled_without_its_card_when_nobody_tells(alice, shop, trouble):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    if trouble == "missing":
        del shop.stripe.intents[intent]
    shop.stripe.fault("GET", "500", 99)
    await shop.deliver(shop.stripe.events[-1])
    await shop.work()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert (await shop.payments(order))[0].card_last4 is None


async def test_a_disputed_payment_is_put_before_staff(alice, carl, shop):
    order = await shop.paid(alice)
    intent = (await shop.payments(order))[0].stripe_payment_intent_id
    dispute = {"id": "du_1", "payment_intent": intent, "reason": "fraudulent", "amount": 45_000}
    await shop.deliver(new_event("charge.dispute.created", dispute))
    await shop.deliver(new_event("charge.dispute.created", dispute | {"payment_intent": "pi_foreign"}))
    await shop.work()
    (shown_payment,) = (await carl.get("/admin/payments", params={"needs_review": "true"})).json()["data"]
    assert "fraudulent" in shown_payment["review_reason"]
    assert [row["status"] for row in (await shown(carl))[-2:]] == ["PROCESSED", "UNMATCHED"]
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


# -- again


async def every_kind(alice, shop):
    """One event of each outcome: PROCESSED, IGNORED, UNMATCHED and FAILED."""
    order = await shop.paid(alice)
    shop.stripe.create_intent({"amount": "100", "currency": "usd"})
    await shop.deliver(shop.stripe.events[-1])
    await shop.deliver(EVENT)
    await shop.deliver(EVENT | {"id": "evt_2", "type": "charge.refunded"})
    await shop.work()
    return order


async def test_staff_may_have_every_event_worked_again_and_nothing_changes(alice, carl, shop):
    order = await every_kind(alice, shop)
    before = await shown(carl)
    assert {row["status"] for row in before} == {"PROCESSED", "IGNORED", "UNMATCHED", "FAILED"}
    payments = await shop.payments(order)
    for row in before:
        answer = await carl.post(f"/admin/stripe-events/{row['id']}/replay")
        assert (answer.status_code, answer.json()["data"]["status"]) == (200, "RECEIVED")
        assert (answer.json()["data"]["attempts"], answer.json()["data"]["error"]) == (0, None)
    await shop.work()
    after = await shown(carl)
    assert [row | {"updated_at": ""} for row in after] == [row | {"updated_at": ""} for row in before]
    assert await shop.payments(order) == payments
    assert await shop.mails(order) == ["order_received", "order_confirmed"]


async def test_a_replay_works_what_failed_before_for_a_reason_that_is_gone(alice, carl, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver(shop.stripe.events[-1])
    await shop.change("UPDATE stripe_events SET status = 'FAILED', error = 'a bug of ours', attempts = 13")
    await shop.work()
    assert await shop.state(order) == ("PENDING", "PENDING")
    for row in await shown(carl, type="payment_intent.succeeded"):
        await carl.post(f"/admin/stripe-events/{row['id']}/replay")
    await shop.work()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert [row["error"] for row in await shown(carl, type="payment_intent.succeeded")] == [None]


async def test_what_is_waiting_is_not_replayed(carl, shop):
    await shop.deliver(EVENT)
    (row,) = await shown(carl)
    assert problem(await carl.post(f"/admin/stripe-events/{row['id']}/replay")) == (409, "illegal_transition")
    assert problem(await carl.post(f"/admin/stripe-events/{make.new_id()}/replay")) == (404, "not_found")


async def test_only_staff_replay(alice, nobody, carl, sam, shop):
    await shop.deliver(EVENT)
    await shop.work()
    (row,) = await shown(carl)
    for person, status in ((alice, 403), (nobody, 401), (carl, 200)):
        assert (await person.post(f"/admin/stripe-events/{row['id']}/replay")).status_code == status
    await shop.work()
    assert (await sam.post(f"/admin/stripe-events/{row['id']}/replay")).status_code == 200


async def test_a_job_that_comes_twice_or_too_late_does_nothing(shop):
    await shop.deliver(EVENT)
    again = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) SELECT 'default', 'work_stripe_event', "
    await shop.change(again + "jsonb_build_object('id', id) FROM stripe_events, generate_series(1, 5)")
    await shop.change(again + f"jsonb_build_object('id', '{make.new_id()}'::text)")
    await shop.work()
    assert [(row.status, row.attempts) for row in await kept(shop)] == [("IGNORED", 1)]


async def test_odd_signatures_are_refused_and_never_fail(shop):
    body, now = b'{"id": "evt_1"}', int(time.time())
    old = shop.stripe.signature(body, now - 1000)
    odd = (
        f"{old},t={now}",
        f"t={now},{old}",
        f"t={'1' * 400},v1=ab",
        f"t={now},v1",
        f"t={now},v1=\xe9",
        f"t= {now}",
        "t=",
    )
    async with make.client(shop.app) as client:
        for header in odd:
            signed = [(b"Stripe-Signature", header.encode("latin-1")), (b"Content-Type", b"application/json")]
            answer = await client.post("/payments/webhook", content=body, headers=signed)
            assert problem(answer) == (400, "invalid_signature"), header
    assert not await rows_of(shop.tools, "SELECT FROM stripe_events")


async def test_a_late_word_of_processing_does_not_undo_a_failure(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent, "pm_card_chargeDeclined")
    await shop.deliver_all()
    late = shop.stripe.intents[intent] | {"status": "processing", "last_payment_error": None}
    await shop.deliver(new_event("payment_intent.processing", late))
    await shop.work()
    await shop.reconcile()
    assert (await shop.payments(order))[0].status == "FAILED"
    assert (await shop.mails(order)).count("payment_failed") == 1
