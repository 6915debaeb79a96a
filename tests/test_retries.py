"""`Idempotency-Key`: a repeated POST does its work once, and answers the same."""

import asyncio

import pytest
from sqlalchemy import text

from app.kit.once import Replayed, begin_work, keep
from tests import make
from tests.make import CUSTOMER_INFO


@pytest.fixture
async def body(app):
    return {"service_id": str((await make.service(app)).id), "customer_info": CUSTOMER_INFO}


async def test_a_repeat_gives_the_same_answer_and_no_second_order(alice, body):
    headers = {"Idempotency-Key": "order-1"}
    first = await alice.post("/orders", json=body, headers=headers)
    again = await alice.post("/orders", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (await alice.get("/orders")).json()["meta"]["total"] == 1


async def test_ten_parallel_repeats_make_one_order_and_equal_answers(alice, body):
    headers = {"Idempotency-Key": "order-1"}
    answers = await asyncio.gather(*(alice.post("/orders", json=body, headers=headers) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await alice.get("/orders")).json()["meta"]["total"] == 1


async def test_the_same_key_for_another_body_is_refused(alice, body):
    headers = {"Idempotency-Key": "order-1"}
    await alice.post("/orders", json=body, headers=headers)
    other = body | {"service_details": {"destination": "Canada"}}
    answer = await alice.post("/orders", json=other, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_is_its_callers_own(alice, bob, body):
    headers = {"Idempotency-Key": "order-1"}
    hers = (await alice.post("/orders", json=body, headers=headers)).json()["data"]
    his = (await bob.post("/orders", json=body, headers=headers)).json()["data"]
    assert hers["id"] != his["id"]


async def test_what_failed_may_be_tried_again(app, alice, body):
    headers = {"Idempotency-Key": "order-1"}
    wrong = body | {"service_id": str(make.new_id())}
    assert (await alice.post("/orders", json=wrong, headers=headers)).status_code == 422
    assert (await alice.post("/orders", json=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused(alice, body, key):
    answer = await alice.post("/orders", json=body, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


async def test_a_guest_needs_a_long_key(nobody):
    account = {"email": "new@example.com", "password": "olive-tree-42", "full_name": "New Person"}
    short = await nobody.post("/auth/register", json=account, headers={"Idempotency-Key": "x" * 31})
    assert short.status_code == 400
    headers = {"Idempotency-Key": "x" * 32}
    answers = await asyncio.gather(*(nobody.post("/auth/register", json=account, headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert (await nobody.post("/auth/register", json=account, headers={"Idempotency-Key": "y" * 32})).status_code == 409


async def test_who_lost_the_right_gets_no_kept_answer(app, sam, carl):
    service = {"type": "MAIN", "title": "Visa", "price": "10.00"}
    headers = {"Idempotency-Key": "service-1"}
    assert (await sam.post("/services", json=service, headers=headers)).status_code == 201
    assert (await carl.post("/services", json=service, headers=headers)).status_code == 403


async def test_kept_answers_are_forgotten_after_a_day(app, alice, body, session):
    headers = {"Idempotency-Key": "order-1"}
    await alice.post("/orders", json=body, headers=headers)
    await session.execute(text("UPDATE kept_answers SET created_at = created_at - interval '25 hours'"))
    await session.commit()
    assert (await alice.post("/orders", json=body, headers=headers)).headers.get("idempotency-replayed") is None
    assert (await session.execute(text("SELECT count(*) FROM kept_answers"))).scalar() == 1


async def test_a_repeat_does_not_wait_for_ever(alice, body, database):
    async with database.transaction() as session:
        await begin_work(session, alice.actor, "/api/v1/orders", "order-1", b"")
        answer = await alice.post("/orders", json=body, headers={"Idempotency-Key": "order-1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
    assert answer.headers["retry-after"] == "1"


async def test_a_secret_is_answered_and_not_kept(alice, database):
    async with database.transaction() as session:
        await begin_work(session, alice.actor, "/keys", "key-1", b"")
        first = await keep(session, b'{"id":1,"secret":"hush"}', kept=b'{"id":1}')
    async with database.transaction() as session:
        with pytest.raises(Replayed) as replayed:
            await begin_work(session, alice.actor, "/keys", "key-1", b"")
    assert replayed.value.kept == b'{"id":1}'
    again = replayed.value.answer(first.body)
    assert (again.status_code, again.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
