"""Giving money back: whole or in parts, never more than there is, and once, whatever Stripe answers."""

import asyncio
from decimal import Decimal

import pytest

from app.doubles.stripe_objects import new_event
from tests import make
from tests.payments.conftest import problem, rows_of

REFUND = "POST /v1/refunds"


async def ledger(shop, order):
    (payment,) = await shop.payments(order)
    return payment.status, payment.captured_amount, payment.refunded_amount


async def test_a_whole_refund_is_done_told_and_written_down(alice, sam, shop):
    order = await shop.paid(alice)
    payment = (await shop.payments(order))[0].id
    answer = await sam.post(f"/admin/payments/{payment}/refund")
    data = answer.json()["data"]
    assert (answer.status_code, data["status"], data["refunded_amount"]) == (200, "REFUNDED", "450.00")
    assert await shop.state(order) == ("CONFIRMED", "REFUNDED")
    assert shop.stripe.sum_refunded(order["id"]) == 45_000
    await shop.deliver_all()
    assert await shop.mails(order) == ["order_received", "order_confirmed", "order_refunded"]
    assert len(shop.resend.mails) == 3
    (refund,) = (await sam.get("/admin/refunds")).json()["data"]
    assert (refund["status"], refund["asked_by"]) == ("SUCCEEDED", str(sam.user.id))


async def test_parts_add_up_and_the_rest_goes_without_an_amount(alice, sam, shop):
    order = await shop.paid(alice)
    for amount in ("100.00", 50, "0.01"):
        assert (await shop.refund(sam, order, amount=amount, reason="The embassy closed")).status_code == 200
    assert await ledger(shop, order) == ("SUCCEEDED", 450, Decimal("150.01"))
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    rest = await shop.refund(sam, order)
    assert rest.json()["data"]["refunded_amount"] == "450.00"
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    await shop.deliver_all()
    assert (await shop.mails(order)).count("order_refunded") == 4
    assert any("The embassy closed" in mail["text"] for mail in shop.resend.mails)


async def test_more_than_is_left_is_refused_without_asking_stripe(alice, sam, shop):
    order = await shop.paid(alice)
    await shop.refund(sam, order, amount="100.00")
    shop.stripe.requests.clear()
    for amount in ("350.01", "450.00", "99999999.99"):
        answer = await shop.refund(sam, order, amount=amount)
        assert problem(answer) == (409, "refund_exceeds_payment")
        assert "350.00 USD" in answer.json()["detail"]
    assert (await shop.refund(sam, order, amount="350.00")).status_code == 200
    assert problem(await shop.refund(sam, order, amount="0.01")) == (409, "nothing_to_refund")
    assert problem(await shop.refund(sam, order)) == (409, "nothing_to_refund")
    assert [name for name, _ in shop.stripe.requests] == [REFUND]


@pytest.mark.parametrize(
    "body", [{"amount": each} for each in ("0", "0.00", "-1.00", "1.001", "a", "NaN", "1e99", True)] + [{"sum": "1.00"}]
)
async def test_an_amount_that_is_none_is_invalid(alice, sam, shop, body):
    order = await shop.paid(alice)
    assert problem(await shop.refund(sam, order, **body)) == (422, "validation_error")
    assert shop.stripe.sum_refunded() == 0


async def test_only_admins_refund(alice, bob, carl, nobody, sam, shop):
    order = await shop.paid(alice)
    for person in (carl, alice, bob):
        assert problem(await shop.refund(person, order)) == (403, "forbidden")
    assert (await shop.refund(nobody, order)).status_code == 401
    for unknown in (make.new_id(), "x"):
        assert problem(await sam.post(f"/admin/payments/{unknown}/refund")) == (404, "not_found")
    assert shop.stripe.sum_refunded() == 0


async def test_what_was_not_paid_is_not_given_back(alice, sam, shop):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    assert problem(await shop.refund(sam, order)) == (409, "nothing_to_refund")
    assert problem(await shop.refund(sam, order, amount="1.00")) == (409, "nothing_to_refund")
    assert not await shop.refunds(order)


async def test_money_in_review_can_be_given_back(alice, sam, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.intents[intent]["amount"] = 44_900
    shop.stripe.pay(intent)
    await shop.deliver_all()
    answer = await shop.refund(sam, order)
    assert (answer.json()["data"]["status"], answer.json()["data"]["needs_review"]) == ("REFUNDED", False)
    assert shop.stripe.sum_refunded() == 44_900
    assert (await shop.state(order))[0] == "PENDING"


async def test_who_got_his_wrong_payment_back_may_pay_again(alice, sam, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.intents[intent]["amount"] = 44_900
    shop.stripe.pay(intent)
    await shop.deliver_all()
    await shop.refund(sam, order)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


# -- at once


async def test_ten_refunds_at_once_never_give_back_more_than_there_is(alice, sam, shop):
    order = await shop.paid(alice)
    for _ in range(3):
        answers = await asyncio.gather(*(shop.refund(sam, order, amount="100.00") for _ in range(10)))
        assert {answer.status_code for answer in answers} <= {200, 409}
    await shop.deliver_all()
    await shop.later()
    assert 30_000 <= shop.stripe.sum_refunded() <= 40_000
    given = sum(row.amount for row in await shop.refunds(order) if row.status == "SUCCEEDED")
    assert (await ledger(shop, order))[2] == given == shop.stripe.sum_refunded() / 100
    assert (await shop.mails(order)).count("order_refunded") == given / 100


async def test_different_refunds_at_once_wait_for_each_other(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, "slow")
    first = asyncio.create_task(shop.refund(sam, order, amount="200.00"))
    while not await shop.refunds(order):  # noqa: ASYNC110  (it is in the database)
        await asyncio.sleep(0.02)
    second = await shop.refund(sam, order, amount="300.00")
    assert problem(second) == (409, "refund_in_progress")
    assert second.headers["retry-after"] == "5"
    assert (await first).status_code == 200
    assert problem(await shop.refund(sam, order, amount="300.00")) == (409, "refund_exceeds_payment")
    assert shop.stripe.sum_refunded() == 20_000


# -- a Stripe with troubles


@pytest.mark.parametrize("trouble", ["500", "reset", "reset_after", "503_after"])
async def test_a_refund_that_stripe_could_not_do_is_done_later_and_once(alice, sam, shop, trouble):
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, trouble, 4)
    answer = await shop.refund(sam, order, amount="100.00")
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert [row.status for row in await shop.refunds(order)] == ["PENDING"]
    await shop.work()
    assert shop.stripe.sum_refunded() == 10_000
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 100)
    await shop.deliver_all()
    assert (await shop.mails(order)).count("order_refunded") == 1
    assert len({key for name, key in shop.stripe.requests if name == REFUND}) == 1


async def test_asking_again_for_a_refund_under_way_finishes_that_one(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, "reset_after", 4)
    assert (await shop.refund(sam, order, amount="100.00")).status_code == 503
    assert (await shop.refund(sam, order, amount="100.00")).status_code == 200
    await shop.work()
    assert shop.stripe.sum_refunded() == 10_000
    assert len(await shop.refunds(order)) == 1


async def test_a_refund_that_stripe_did_long_ago_is_found_and_not_done_again(alice, sam, shop):
    """Stripe has forgotten the key by now."""
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, "reset_after", 4)
    await shop.refund(sam, order, amount="100.00")
    shop.stripe.answers.clear()
    await shop.change("UPDATE refunds SET created_at = created_at - interval '2 days'")
    await shop.work()
    assert shop.stripe.sum_refunded() == 10_000
    assert [row.status for row in await shop.refunds(order)] == ["SUCCEEDED"]
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 100)


async def test_a_refund_that_stripe_never_did_is_asked_for_again(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id, "amount": "100"})
    shop.stripe.fault(REFUND, "500", 4)
    await shop.refund(sam, order, amount="100.00")
    await shop.change("UPDATE refunds SET created_at = created_at - interval '2 days'")
    await shop.work()
    assert shop.stripe.sum_refunded() == 10_100
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 101)


async def test_a_refund_that_nobody_answers_for_hours_is_put_before_staff(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.key = "sk_test_another"
    assert (await shop.refund(sam, order)).status_code == 503
    for _ in range(13):
        await shop.later()
    assert [(row.status, row.attempts) for row in await shop.refunds(order)] == [("PENDING", 13)]
    assert "for hours" in (await shop.payments(order))[0].review_reason
    shop.stripe.key = shop.tools.stripe.key
    await shop.reconcile()
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)


async def test_a_refund_that_stripe_refuses_is_written_down_and_looked_at(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    assert problem(await shop.refund(sam, order)) == (409, "refund_failed")
    (refund,) = await shop.refunds(order)
    assert refund.status == "FAILED"
    assert "already been refunded" in refund.error
    assert (await shop.payments(order))[0].needs_review
    await shop.deliver_all()
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    assert (await shop.mails(order)).count("order_refunded") == 1


async def test_a_job_whose_refund_is_refused_does_not_try_for_ever(alice, shop):
    order = await shop.paid(alice)
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.work()
    assert [row.status for row in await shop.refunds(order)] == ["FAILED"]
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")


# -- what happens at Stripe


@pytest.mark.parametrize("amount", [None, "10000"])
async def test_a_refund_at_stripes_dashboard_is_recorded_and_told(alice, shop, amount):
    order = await shop.paid(alice)
    intent = (await shop.payments(order))[0].stripe_payment_intent_id
    shop.stripe.refund({"payment_intent": intent} | ({"amount": amount} if amount else {}))
    await shop.deliver_all()
    await shop.deliver_all()
    wanted = ("SUCCEEDED", 450, 100) if amount else ("REFUNDED", 450, 450)
    assert await ledger(shop, order) == wanted
    assert await shop.mails(order) == ["order_received", "order_confirmed", "order_refunded"]


async def failed_later(alice, sam, shop, **part):
    """A refund that the bank sends back days later; of all, unless an amount is given."""
    order = await shop.paid(alice)
    await shop.refund(sam, order, **part)
    await shop.deliver_all()
    (refund,) = shop.stripe.refunds.values()
    refund |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    shop.stripe.charges[refund["charge"]] |= {"amount_refunded": 0, "refunded": False}
    for _ in range(2):
        await shop.deliver(new_event("refund.failed", refund))
        await shop.work()
    return order


async def test_a_refund_that_fails_later_is_put_before_staff(alice, sam, shop):
    order = await failed_later(alice, sam, shop)
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 0)
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert [(row.status, row.error) for row in await shop.refunds(order)] == [("FAILED", "lost_or_stolen_card")]
    (payment,) = await shop.payments(order)
    assert (payment.needs_review, payment.review_reason) == (
        True,
        "The bank sent back a refund of 450.00 USD.",
    )
    assert (await shop.refund(sam, order)).status_code == 200
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)


async def test_a_refund_that_failed_before_keeps_no_money_of_a_cancelled_order(alice, sam, shop):
    order = await failed_later(alice, sam, shop, amount="100.00")
    (payment,) = await shop.payments(order)
    await sam.post(f"/admin/payments/{payment.id}/review", json={"note": "The customer will call"})
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.work()
    assert "We will refund 450.00 USD" in shop.resend.mails[-2]["text"]
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    assert [(row.status, row.amount) for row in await shop.refunds(order)] == [("FAILED", 100), ("SUCCEEDED", 450)]


async def test_stripes_event_before_its_answer_does_not_lose_the_reason(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault("POST /v1/refunds", "reset_after", 9)
    assert (await shop.refund(sam, order, reason="The embassy closed")).status_code == 503
    for event in shop.stripe.events[-2:]:
        await shop.deliver(event)
    await shop.work()
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    assert "The embassy closed" in shop.resend.mails[-1]["text"]


async def test_a_refund_that_failed_is_not_given_back_again_by_an_old_event(alice, sam, carl, shop):
    order = await failed_later(alice, sam, shop)
    (old,) = (await carl.get("/admin/stripe-events", params={"type": "charge.refunded"})).json()["data"]
    assert (await carl.post(f"/admin/stripe-events/{old['id']}/replay")).status_code == 200
    await shop.work()
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 0)
    assert (await shop.mails(order)).count("order_refunded") == 1


async def test_a_failed_refund_of_somebody_else_is_ignored(carl, shop):
    await shop.deliver(new_event("refund.failed", {"id": "re_foreign", "status": "failed"}))
    await shop.work()
    (row,) = (await carl.get("/admin/stripe-events")).json()["data"]
    assert row["status"] == "IGNORED"


async def test_a_refund_that_fails_at_once_is_written_down(alice, sam, shop, monkeypatch):
    order = await shop.paid(alice)
    give = shop.stripe.refund
    failed = {"status": "failed", "failure_reason": "declined"}
    monkeypatch.setattr(shop.stripe, "refund", lambda sent: give(sent) | failed)
    assert problem(await shop.refund(sam, order, amount="100.00")) == (409, "refund_failed")
    assert [(row.status, row.error) for row in await shop.refunds(order)] == [("FAILED", "declined")]
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 0)
    assert (await shop.payments(order))[0].needs_review


async def test_the_timeline_tells_of_refunds(alice, sam, shop):
    order = await shop.paid(alice)
    await shop.refund(sam, order, amount="100.00", reason="One visa was refused")
    events = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert [(event["kind"], event["by"]) for event in events[1:]] == [("status", None), ("refund", "Our team")]
    assert events[-1]["text"] == "Refunded 100.00 USD: One visa was refused"
    told = (await sam.get(f"/admin/orders/{order['id']}/timeline")).json()["data"]
    assert told[-1]["by"] == "Sam Admin"


async def keyed(shop, sam, order, key, **body):
    payment = (await shop.payments(order))[-1]
    return await sam.post(f"/admin/payments/{payment.id}/refund", json=body, headers={"Idempotency-Key": key})


async def test_two_keys_are_two_requests_and_the_second_waits(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, "500", times=4)
    assert (await keyed(shop, sam, order, "k1", amount="100.00")).status_code == 503
    assert problem(await keyed(shop, sam, order, "k2", amount="100.00")) == (409, "refund_in_progress")
    await shop.later()
    assert (await keyed(shop, sam, order, "k1", amount="100.00")).status_code == 200
    assert shop.stripe.sum_refunded() == 10_000
    assert (await keyed(shop, sam, order, "k2", amount="100.00")).status_code == 200
    assert shop.stripe.sum_refunded() == 20_000


async def test_the_same_key_for_another_sum_is_refused(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault(REFUND, "500", times=4)
    assert (await keyed(shop, sam, order, "k1", amount="100.00")).status_code == 503
    assert problem(await keyed(shop, sam, order, "k1", amount="200.00")) == (422, "idempotency_key_reused")
    assert shop.stripe.sum_refunded() == 0


async def test_a_refused_refund_stays_refused_for_its_key(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    for _ in range(2):
        assert problem(await keyed(shop, sam, order, "k1")) == (409, "refund_failed")


async def test_staff_who_close_a_review_are_not_followed_by_a_second_refund(alice, sam, shop):
    order = await shop.paid(alice)
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.deliver_all()
    (refund,) = shop.stripe.refunds.values()
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    shop.stripe.charges[refund["charge"]] |= {"amount_refunded": 0, "refunded": False}
    await shop.deliver(new_event("refund.failed", refund))
    await shop.work()
    (payment,) = await shop.payments(order)
    assert (payment.status, payment.needs_review) == ("SUCCEEDED", True)
    answer = await sam.post(f"/admin/payments/{payment.id}/review", json={"note": "Sent by bank transfer"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["needs_review"] is False
    await shop.reconcile()
    assert len(await shop.refunds(order)) == 1
    assert problem(await sam.post(f"/admin/payments/{payment.id}/review", json={"note": "Again"})) == (
        409,
        "nothing_to_review",
    )


async def test_a_failed_refund_of_the_dashboard_comes_back_to_us(alice, shop):
    order = await shop.paid(alice)
    refund = shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    await shop.deliver_all()
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    shop.stripe.charges[refund["charge"]] |= {"amount_refunded": 0, "refunded": False}
    for _ in range(2):
        await shop.deliver(new_event("refund.failed", refund | {"status": "failed"}))
        await shop.work()
    assert await ledger(shop, order) == ("SUCCEEDED", 450, 0)
    assert (await shop.payments(order))[0].needs_review


async def test_late_money_goes_back_as_far_as_it_is_left(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    shop.stripe.refund({"payment_intent": intent, "amount": "10000"})
    await shop.change("UPDATE orders SET status = 'CANCELLED' WHERE id = :id", id=order["id"])
    await shop.reconcile()
    assert await ledger(shop, order) == ("REFUNDED", 450, 450)
    assert shop.stripe.sum_refunded() == 45_000


async def test_what_was_never_accepted_is_not_reviewed_away(alice, sam, carl, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    await shop.change("UPDATE orders SET total_amount = 451 WHERE id = :id", id=order["id"])
    shop.stripe.pay(intent)
    await shop.deliver_all()
    path = f"/admin/payments/{(await shop.payments(order))[0].id}/review"
    assert problem(await sam.post(path, json={"note": "Fine"})) == (409, "payment_not_accepted")
    assert problem(await carl.post(path, json={"note": "Fine"})) == (403, "forbidden")
    assert problem(await sam.post(path, json={})) == (422, "validation_error")
