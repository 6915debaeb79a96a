"""The reconciler: whatever got lost is found again, within one round."""

import pytest
from pydantic import SecretStr

from app.flows.reconciling import look_at_open_payments, reconcile
from tests.payments.conftest import rows_of

JOBS = "SELECT task_name FROM procrastinate_jobs ORDER BY task_name"


async def forget_jobs(shop):
    """As if every worker had died with its queue."""
    await shop.change("DELETE FROM procrastinate_jobs")


def lookups(shop):
    return len([name for name, _ in shop.stripe.requests if name.startswith("GET /v1/payment_intents/")])


async def test_a_shop_whose_every_webhook_was_lost_is_right_after_one_round(alice, bob, shop):
    methods = {"pm_card_visa": "SUCCEEDED", "pm_card_chargeDeclined": "FAILED", "pm_bank_processing": "PROCESSING"}
    ends = []
    for customer in (alice, bob):
        for method, end in methods.items():
            order = await shop.order(customer)
            shop.stripe.pay(await shop.intent(customer, order), method)
            ends.append((order, end))
    await shop.reconcile()
    for order, end in ends:
        assert await shop.state(order) == ("CONFIRMED" if end == "SUCCEEDED" else "PENDING", end)
        mail = {"SUCCEEDED": ["order_confirmed"], "FAILED": ["payment_failed"], "PROCESSING": []}[end]
        assert await shop.mails(order) == ["order_received", *mail]
    assert not await rows_of(shop.tools, "SELECT FROM stripe_events")


async def test_a_second_round_changes_nothing(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.reconcile()
    before = await shop.payments(order), await shop.mails(order)
    await shop.reconcile()
    await shop.deliver_all()
    assert (await shop.payments(order), await shop.mails(order)) == before


async def test_an_intent_that_stripe_cancelled_is_let_go(alice, shop):
    order = await shop.order(alice)
    shop.stripe.cancel(await shop.intent(alice, order), "abandoned")
    await shop.reconcile()
    assert [(row.status, row.is_current) for row in await shop.payments(order)] == [("FAILED", False)]
    assert (await shop.state(order))[0] == "PENDING"


async def test_events_without_a_job_are_worked(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver(shop.stripe.events[-1])
    await forget_jobs(shop)
    await shop.work()
    assert await shop.state(order) == ("PENDING", "PENDING")
    await shop.reconcile()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert {row.status for row in await rows_of(shop.tools, "SELECT status FROM stripe_events")} == {"PROCESSED"}


async def test_mails_without_a_job_are_sent(alice, shop):
    await shop.order(alice)
    await forget_jobs(shop)
    await shop.reconcile()
    assert len(shop.resend.mails) == 1


async def test_refunds_without_a_job_are_done(alice, shop):
    order = await shop.paid(alice)
    await alice.post(f"/orders/{order['id']}/cancellation")
    await forget_jobs(shop)
    await shop.reconcile()
    await forget_jobs(shop)
    await shop.reconcile()
    assert shop.stripe.sum_refunded() == 45_000
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")


async def test_the_intent_of_an_order_that_is_over_is_closed(alice, carl, shop):
    cancelled, by_hand = await shop.order(alice), await shop.order(alice)
    intents = [await shop.intent(alice, order) for order in (cancelled, by_hand)]
    await alice.post(f"/orders/{cancelled['id']}/cancellation")
    await carl.patch(f"/admin/orders/{by_hand['id']}", json={"status": "CONFIRMED", "reason": "Cash"})
    await forget_jobs(shop)
    await shop.reconcile()
    assert {shop.stripe.intents[intent]["status"] for intent in intents} == {"canceled"}
    assert await shop.mails(by_hand) == ["order_received", "order_confirmed"]


async def test_what_a_running_refund_left_of_a_cancelled_order_goes_back_later(alice, sam, shop):
    order = await shop.paid(alice)
    shop.stripe.fault("POST /v1/refunds", "500", 8)
    assert (await shop.refund(sam, order, amount="100.00")).status_code == 503
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.work()
    await shop.later()
    assert shop.stripe.sum_refunded() == 10_000
    await shop.reconcile()
    assert shop.stripe.sum_refunded() == 45_000
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")


async def test_where_a_running_refund_fails_the_rest_is_for_staff(alice, sam, shop):
    """It was refused because all had gone back at Stripe's dashboard, of which nobody told us."""
    order = await shop.paid(alice)
    shop.stripe.fault("POST /v1/refunds", "500", 8)
    assert (await shop.refund(sam, order, amount="100.00")).status_code == 503
    await alice.post(f"/orders/{order['id']}/cancellation")
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    await shop.work()
    await shop.later()
    for _ in range(2):
        await shop.reconcile()
    assert [refund.status for refund in await shop.refunds(order)] == ["FAILED"]
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")


async def test_what_has_a_job_is_left_alone(alice, shop):
    order = await shop.paid(alice)
    shop.resend.fault("500")
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.work()
    await reconcile(shop.tools)  # it fetches what Stripe has to tell
    before = await rows_of(shop.tools, JOBS)
    assert before
    await reconcile(shop.tools)
    assert await rows_of(shop.tools, JOBS) == before


async def test_answers_kept_for_a_key_live_a_day(alice, shop):
    await shop.order(alice)
    service = (await alice.get("/services")).json()["data"][0]["id"]
    order = (await alice.get("/orders")).json()["data"][0]
    body = {"service_id": service, "customer_info": order["customer_info"]}
    for key in ("yesterday", "today"):
        assert (await alice.post("/orders", json=body, headers={"Idempotency-Key": key})).status_code == 201
        await shop.change("UPDATE kept_answers SET created_at = created_at - interval '12 hours 1 minute'")
    await shop.reconcile()
    assert len(await rows_of(shop.tools, "SELECT FROM kept_answers")) == 1
    again = await alice.post("/orders", json=body, headers={"Idempotency-Key": "today"})
    assert again.headers["idempotency-replayed"] == "true"


async def test_young_payments_are_asked_about_every_time_and_old_ones_hourly(alice, shop):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    for _ in range(2):
        await shop.reconcile()
    assert lookups(shop) == 2
    await shop.change("UPDATE payments SET created_at = created_at - interval '25 hours'")
    await shop.reconcile()
    assert lookups(shop) == 2
    await shop.change("UPDATE payments SET checked_at = checked_at - interval '61 minutes'")
    await shop.reconcile()
    assert lookups(shop) == 3


@pytest.mark.parametrize("over", ["SUCCEEDED", "REFUNDED", "review"])
async def test_what_is_over_is_not_asked_about(alice, shop, over):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    change = "needs_review = true" if over == "review" else f"status = '{over}'"
    await shop.change(f"UPDATE payments SET {change}")
    await shop.reconcile()
    assert lookups(shop) == 0


async def test_a_round_with_stripe_down_is_made_up_for_by_the_next(alice, shop):
    orders = [await shop.order(alice) for _ in range(2)]
    for order in orders:
        shop.stripe.pay(await shop.intent(alice, order))
    shop.stripe.fault("GET", "500", 8)
    await shop.reconcile()
    assert {await shop.state(order) for order in orders} == {("PENDING", "PENDING")}
    assert all(row.checked_at for row in await rows_of(shop.tools, "SELECT checked_at FROM payments"))
    await shop.reconcile()
    assert {await shop.state(order) for order in orders} == {("CONFIRMED", "SUCCEEDED")}


async def test_parts_do_not_wait_for_each_others_luck(alice, shop, caplog):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.change("ALTER TABLE kept_answers RENAME TO gone")
    await shop.reconcile()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert any("sweep_answers" in record.message for record in caplog.records)


async def test_without_a_key_nobody_is_asked(alice, shop):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    async with shop.with_settings(stripe_secret_key=SecretStr("")) as without:
        await without.reconcile()
    assert lookups(shop) == 0


async def test_a_refund_at_the_dashboard_is_found_when_its_webhook_was_lost(alice, shop):
    order = await shop.paid(alice)
    shop.stripe.refund({"payment_intent": (await shop.payments(order))[0].stripe_payment_intent_id})
    await shop.reconcile()
    assert await shop.state(order) == ("CONFIRMED", "REFUNDED")
    assert (await shop.mails(order))[-1] == "order_refunded"


async def test_looking_at_a_payment_does_not_change_it(alice, shop):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    await shop.work()
    (before,) = await shop.payments(order)
    await shop.reconcile()
    (after,) = await shop.payments(order)
    assert after.checked_at is not None
    assert after.updated_at == before.updated_at


async def test_an_intent_that_stripe_does_not_know_is_closed_once(alice, shop):
    order = await shop.order(alice)
    del shop.stripe.intents[await shop.intent(alice, order)]
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.work()
    (payment,) = await shop.payments(order)
    assert (payment.status, payment.is_current) == ("FAILED", False)
    await reconcile(shop.tools)
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs WHERE task_name = 'release_payments'")


async def test_a_disputed_payment_of_a_cancelled_order_waits_for_staff(alice, shop):
    order = await shop.paid(alice)
    await shop.change("UPDATE payments SET needs_review = true, review_reason = 'Disputed.'")
    await alice.post(f"/orders/{order['id']}/cancellation")
    await shop.reconcile()
    assert await shop.refunds(order) == []
    assert (await shop.payments(order))[0].needs_review
    assert "We will refund" not in shop.resend.mails[-1]["text"]


async def test_a_round_that_takes_too_long_goes_on_in_the_next(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await look_at_open_payments(shop.tools, seconds=-1)
    assert await shop.state(order) == ("PENDING", "PENDING")
    await look_at_open_payments(shop.tools)
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
