"""`Idempotency-Key` where money moves: a request sent again does its work once, and answers the same."""

import asyncio

import pytest

from tests.payments.conftest import rows_of

KEY = {"Idempotency-Key": "click-1"}


async def intent(alice, sam, carl, shop):
    order = await shop.order(alice)
    return alice, "/payments/create-intent", {"order_id": order["id"]}, 201


async def refund(alice, sam, carl, shop):
    order = await shop.paid(alice)
    return sam, f"/admin/payments/{(await shop.payments(order))[0].id}/refund", {"amount": "100.00"}, 200


async def cancellation(alice, sam, carl, shop):
    order = await shop.paid(alice)
    return alice, f"/orders/{order['id']}/cancellation", {"reason": "Later"}, 200


async def replay(alice, sam, carl, shop):
    await shop.paid(alice)
    ((event,),) = await rows_of(shop.tools, "SELECT id FROM stripe_events ORDER BY id LIMIT 1")
    return carl, f"/admin/stripe-events/{event}/replay", None, 200


async def resend(alice, sam, carl, shop):
    await shop.paid(alice)
    ((email,),) = await rows_of(shop.tools, "SELECT id FROM emails ORDER BY id LIMIT 1")
    return carl, f"/admin/emails/{email}/resend", None, 200


ALL = pytest.mark.parametrize("arrange", [intent, refund, cancellation, replay, resend])


async def counts(shop):
    """How many rows there are of what a repeat could make twice."""
    tables = ["payments", "refunds", "status_changes", "emails", "kept_answers"]
    return {table: len(await rows_of(shop.tools, f"SELECT FROM {table}")) for table in tables}


@ALL
async def test_ten_repeats_at_once_do_it_once_and_answer_the_same(alice, sam, carl, shop, arrange):
    person, path, body, status = await arrange(alice, sam, carl, shop)
    before = await counts(shop)
    answers = await asyncio.gather(*(person.post(path, json=body, headers=KEY) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {status}
    assert len({answer.content for answer in answers}) == 1
    await shop.work()
    after = await counts(shop)
    assert after["kept_answers"] == 1
    assert all(after[table] - before[table] <= 1 + (table == "emails") for table in after)
    assert len(shop.stripe.intents) == 1
    assert shop.stripe.sum_refunded() == {refund: 10_000, cancellation: 45_000}.get(arrange, 0)


@ALL
async def test_a_later_repeat_is_marked_and_changes_nothing(alice, sam, carl, shop, arrange):
    person, path, body, status = await arrange(alice, sam, carl, shop)
    first = await person.post(path, json=body, headers=KEY)
    await shop.work()
    before = await counts(shop)
    again = await person.post(path, json=body, headers=KEY)
    assert (again.status_code, again.content) == (status, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    await shop.work()
    assert await counts(shop) == before


@ALL
async def test_a_key_for_another_request_is_refused(alice, sam, carl, shop, arrange):
    person, path, body, status = await arrange(alice, sam, carl, shop)
    assert (await person.post(path, json=body, headers=KEY)).status_code == status
    other = {"order_id": "01a20614-7838-7238-8415-e0b207e61707"} if arrange is intent else {"reason": "Another"}
    answer = await person.post(path, json=other, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_what_failed_at_stripe_is_not_kept(alice, shop):
    order = await shop.order(alice)
    shop.stripe.fault("POST /v1/payment_intents", "reset_after", 4)
    body = {"order_id": order["id"]}
    assert (await alice.post("/payments/create-intent", json=body, headers=KEY)).status_code == 503
    answer = await alice.post("/payments/create-intent", json=body, headers=KEY)
    assert answer.status_code in (200, 201)
    assert "idempotency-replayed" not in answer.headers
    assert len(shop.stripe.intents) == 1


async def test_a_refund_sent_again_after_a_503_is_one_refund(alice, sam, shop):
    order = await shop.paid(alice)
    path = f"/admin/payments/{(await shop.payments(order))[0].id}/refund"
    shop.stripe.fault("POST /v1/refunds", "reset_after", 4)
    assert (await sam.post(path, json={"amount": "100.00"}, headers=KEY)).status_code == 503
    await shop.work()
    assert (await sam.post(path, json={"amount": "100.00"}, headers=KEY)).status_code == 200
    assert shop.stripe.sum_refunded() == 10_000


async def test_a_repeat_asks_stripe_for_the_secret_and_says_so_when_stripe_is_away(alice, shop):
    order = await shop.order(alice)
    body = {"order_id": order["id"]}
    first = await alice.post("/payments/create-intent", json=body, headers=KEY)
    shop.stripe.fault("GET /v1/payment_intents", "503", 4)
    away = await alice.post("/payments/create-intent", json=body, headers=KEY)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    again = await alice.post("/payments/create-intent", json=body, headers=KEY)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await rows_of(shop.tools, "SELECT FROM kept_answers")) == 1


async def test_a_repeat_for_a_payment_that_stripe_has_lost_is_refused(alice, shop):
    order = await shop.order(alice)
    body = {"order_id": order["id"]}
    await alice.post("/payments/create-intent", json=body, headers=KEY)
    shop.stripe.intents.clear()
    again = await alice.post("/payments/create-intent", json=body, headers=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "stripe_refused")
    assert (await alice.post("/payments/create-intent", json=body)).status_code == 201
