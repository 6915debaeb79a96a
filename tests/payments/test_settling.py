"""What Stripe says becomes what we say: once, forward only, in whatever order it comes."""

import asyncio
from itertools import permutations

import pytest
from sqlalchemy import text

from tests.payments.conftest import problem, rows_of

DECLINED = "pm_card_chargeDeclined"
TOLD = ("payment_intent.processing", "payment_intent.payment_failed", "payment_intent.succeeded", "charge.refunded")


def cancel(person, order, **body):
    return person.post(f"/orders/{order['id']}/cancellation", json=body)


def confirm_by_hand(staff, order):
    return staff.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Bank transfer"})


def told(shop, intent, kind):
    """The latest event of a kind about an intent."""
    found = (each for each in shop.stripe.events if each["type"] == kind)
    things = ((each, each["data"]["object"]) for each in found)
    return [each for each, thing in things if intent in (thing["id"], thing.get("payment_intent"))][-1]


async def test_events_in_any_order_end_in_the_same_ledger(alice, shop):
    """Twenty-four orders, each hears its four events in another order."""
    stories = []
    for order in [await shop.order(alice) for _ in range(24)]:
        intent = await shop.intent(alice, order)
        shop.stripe.pay(intent, "pm_bank_processing")
        await shop.stripe.complete(intent, ok=False)
        shop.stripe.pay(intent)
        shop.stripe.refund({"payment_intent": intent})
        stories.append((order, [told(shop, intent, kind) for kind in TOLD]))
    for step in range(4):
        for (_, events), turns in zip(stories, permutations(range(4)), strict=True):
            assert (await shop.deliver(events[turns[step]])).status_code == 200
        await shop.work()
    for order, _ in stories:
        (payment,) = await shop.payments(order)
        assert (payment.status, payment.captured_amount, payment.refunded_amount) == ("REFUNDED", 450, 450)
        assert await shop.state(order) == ("CONFIRMED", "REFUNDED")
        mails = await shop.mails(order)
        assert (mails.count("order_confirmed"), mails.count("order_refunded")) == (1, 1)


async def test_all_events_at_once_confirm_once(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    for method in (DECLINED, "pm_card_visa"):
        shop.stripe.pay(intent, method)
    events = shop.stripe.events * 3
    asked = [alice.post("/payments/confirm", json={"payment_intent_id": intent}) for _ in range(5)]
    await asyncio.gather(*map(shop.deliver, events), *asked, shop.work(), shop.reconcile())
    await shop.work()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert (await shop.mails(order)).count("order_confirmed") == 1
    history = await rows_of(shop.tools, "SELECT FROM status_changes WHERE to_status = 'CONFIRMED'")
    assert len(history) == 1


@pytest.mark.parametrize("late", ["processing", "payment_failed", "created", "canceled"])
async def test_what_is_paid_never_falls_back(alice, shop, late):
    order = await shop.paid(alice)
    intent = shop.stripe.intents[(await shop.payments(order))[0].stripe_payment_intent_id]
    status = {"processing": "processing", "canceled": "canceled"}.get(late, "requires_payment_method")
    thing = intent | {"status": status, "last_payment_error": {"message": "No."}, "amount_received": 0}
    await shop.deliver(
        {"id": "evt_late", "object": "event", "type": f"payment_intent.{late}", "data": {"object": thing}}
    )
    await shop.work()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert (await shop.payments(order))[0].is_current
    assert await shop.mails(order) == ["order_received", "order_confirmed"]


async def test_a_decline_is_told_once_with_the_banks_words(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    for _ in range(2):
        shop.stripe.pay(intent, "pm_card_chargeDeclinedInsufficientFunds")
    await shop.deliver_all()
    assert await shop.state(order) == ("PENDING", "FAILED")
    assert await shop.mails(order) == ["order_received", "payment_failed"]
    assert "Your card has insufficient funds." in shop.resend.mails[-1]["text"]


async def test_a_decline_told_late_does_not_stop_what_is_on_its_way(alice, shop):
    """Declined, which the reconciler saw first; then by bank debit, which takes days and then fails."""
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent, "pm_card_chargeDeclined")
    await shop.reconcile()
    declined = shop.stripe.events[-1]
    shop.stripe.intents[intent]["status"] = "processing"
    await shop.reconcile()
    before = await shop.payments(order)
    await shop.deliver(declined)
    await shop.work()
    assert await shop.payments(order) == before
    assert await shop.state(order) == ("PENDING", "PROCESSING")
    await shop.reconcile()
    assert await shop.state(order) == ("PENDING", "PROCESSING")
    assert await shop.mails(order) == ["order_received", "payment_failed"]
    shop.stripe.intents[intent]["status"] = "requires_payment_method"
    await shop.reconcile()
    assert await shop.state(order) == ("PENDING", "FAILED")
    assert await shop.mails(order) == ["order_received", "payment_failed", "payment_failed"]


async def test_the_mail_says_what_was_paid_and_brings_a_receipt(alice, shop):
    order = await shop.paid(alice)
    mail = shop.resend.mails[-1]
    assert mail["to"] == [order["customer_info"]["email"]]
    assert "450.00 USD" in mail["text"]
    assert "Visa ending in 4242" in mail["text"]
    assert [each["filename"] for each in mail["attachments"]] == [f"receipt-{order['order_number']}.pdf"]


# -- what does not fit


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 44_999}, "Stripe captured 449.99 USD; 450.00 USD were due."),
        ({"amount": 45_001}, "Stripe captured 450.01 USD; 450.00 USD were due."),
        ({"currency": "eur"}, "Stripe captured 450.00 EUR; 450.00 USD were due. Refund it in Stripe's dashboard."),
        ({"metadata": {"order_id": "another"}}, "Stripe has this payment of 450.00 USD for another order: another."),
    ],
)
async def test_money_that_does_not_fit_goes_to_staff_and_not_to_the_order(alice, carl, shop, change, reason):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.intents[intent] |= change
    shop.stripe.pay(intent)
    answer = await alice.post("/payments/confirm", json={"payment_intent_id": intent})
    assert problem(answer) == (409, "amount_mismatch")
    await shop.deliver_all()
    await shop.reconcile()
    assert await shop.state(order) == ("PENDING", "PENDING")
    assert await shop.mails(order) == ["order_received"]
    (seen,) = (await carl.get("/admin/payments", params={"needs_review": "true"})).json()["data"]
    assert (seen["status"], seen["review_reason"]) == ("PENDING", reason)


async def test_part_of_the_sum_is_not_the_sum(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    shop.stripe.intents[intent]["amount_received"] = 44_999
    answer = await alice.post("/payments/confirm", json={"order_id": order["id"]})
    assert problem(answer) == (409, "amount_mismatch")
    assert (await shop.payments(order))[0].needs_review


@pytest.mark.parametrize("change", ["total_amount = 449.99", "total_amount = 450.01", "currency = 'EUR'"])
async def test_an_order_that_changed_while_it_was_paid_is_looked_at(alice, shop, change):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.change(f"UPDATE orders SET {change}")
    await shop.deliver_all()
    assert await shop.state(order) == ("PENDING", "PENDING")
    (payment,) = await shop.payments(order)
    assert (payment.needs_review, payment.captured_amount) == (True, 450)
    assert "were paid; the order is" in payment.review_reason


# -- orders that are over


async def test_cancelling_a_paid_order_gives_the_money_back_and_says_so(alice, shop):
    order = await shop.paid(alice)
    assert (await cancel(alice, order, reason="The trip is off")).status_code == 200
    await shop.work()
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")
    assert shop.stripe.sum_refunded(order["id"]) == shop.stripe.sum_captured(order["id"]) == 45_000
    assert (await shop.mails(order))[2:] == ["order_cancelled", "order_refunded"]
    assert "We will refund 450.00 USD" in shop.resend.mails[-2]["text"]
    await shop.deliver_all()
    assert len(await shop.mails(order)) == 4


async def test_a_payment_that_comes_after_cancellation_goes_back(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await cancel(alice, order)
    for event in shop.stripe.events[-2:]:
        await shop.deliver(event)
    await shop.work()
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")
    assert shop.stripe.sum_refunded() == 45_000
    assert await shop.mails(order) == ["order_received", "order_cancelled", "order_refunded"]
    assert [row.reason for row in await shop.refunds(order)] == ["The order was cancelled before the payment arrived."]


async def test_the_intent_of_a_cancelled_order_is_cancelled(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    await cancel(alice, order)
    await shop.work()
    assert shop.stripe.intents[intent]["status"] == "canceled"
    assert [(row.status, row.is_current) for row in await shop.payments(order)] == [("FAILED", False)]
    assert await shop.mails(order) == ["order_received", "order_cancelled"]


async def test_an_intent_that_stripe_does_not_know_needs_no_cancelling(alice, shop):
    order = await shop.order(alice)
    del shop.stripe.intents[await shop.intent(alice, order)]
    await cancel(alice, order)
    await shop.work()
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")


async def test_cancelling_with_stripe_down_is_made_up_for(alice, shop):
    order = await shop.paid(alice)
    shop.stripe.fault("POST /v1/refunds", "500", 4)
    assert (await cancel(alice, order)).status_code == 200
    await shop.work()
    assert shop.stripe.sum_refunded() == 0
    assert [(row.status, row.attempts) for row in await shop.refunds(order)] == [("PENDING", 1)]
    await shop.later()
    assert shop.stripe.sum_refunded() == 45_000
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")


@pytest.mark.parametrize("round", range(6))
async def test_cancelling_and_paying_at_once_never_keeps_the_money(alice, shop, round):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)

    async def heard():
        await asyncio.sleep(round / 100)
        return await asyncio.gather(*map(shop.deliver, shop.stripe.events), shop.work())

    asked = alice.post("/payments/confirm", json={"payment_intent_id": intent})
    cancelled, *_ = await asyncio.gather(cancel(alice, order), heard(), asked)
    await shop.work()
    assert cancelled.status_code == 200
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")
    assert shop.stripe.sum_refunded() == shop.stripe.sum_captured() == 45_000
    mails = await shop.mails(order)
    assert (mails.count("order_cancelled"), mails.count("order_refunded")) == (1, 1)


async def test_settling_waits_for_whoever_is_changing_the_order(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    async with shop.tools.database.transaction() as session:
        await session.execute(text("UPDATE orders SET status = 'CANCELLED'"))
        asked = asyncio.create_task(alice.post("/payments/confirm", json={"payment_intent_id": intent}))
        await asyncio.sleep(0.5)
        assert not asked.done()
    assert (await asked).status_code == 200
    await shop.work()
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")
    assert shop.stripe.sum_refunded() == 45_000


async def test_an_order_confirmed_by_hand_is_not_paid_by_card(alice, carl, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    assert (await confirm_by_hand(carl, order)).status_code == 200
    await shop.work()
    assert shop.stripe.intents[intent]["status"] == "canceled"
    answer = await alice.post("/payments/create-intent", json={"order_id": order["id"]})
    assert problem(answer) == (409, "already_paid")
    assert await shop.mails(order) == ["order_received", "order_confirmed"]


async def test_an_order_confirmed_by_hand_and_paid_nevertheless_is_looked_at(alice, carl, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await confirm_by_hand(carl, order)
    await shop.work()
    (payment,) = await shop.payments(order)
    assert (payment.status, payment.needs_review) == ("SUCCEEDED", True)
    assert "by hand" in payment.review_reason
    assert await shop.mails(order) == ["order_received", "order_confirmed", "payment_received"]
    assert len(shop.resend.mails[-1]["attachments"]) == 1
    assert shop.stripe.sum_refunded() == 0


IN_REVIEW = "Our team is looking at your payment and will write to you about the money."


async def test_what_staff_dealt_with_does_not_go_back_by_itself(alice, carl, sam, shop):
    """Confirmed by hand, paid by card nevertheless, then cancelled; the money goes back by bank transfer."""
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await confirm_by_hand(carl, order)
    await shop.deliver_all()
    await cancel(alice, order)
    await shop.work()
    text = " ".join(shop.resend.mails[-1]["text"].split())
    assert (IN_REVIEW in text, "We will refund" in text) == (True, False)
    path = f"/admin/payments/{(await shop.payments(order))[0].id}/review"
    assert (await sam.post(path, json={"note": "Sent back by bank transfer"})).status_code == 200
    for _ in range(2):
        await shop.reconcile()
    assert await shop.refunds(order) == []
    assert await shop.state(order) == ("CANCELLED", "SUCCEEDED")


async def test_money_in_another_currency_is_for_staff_and_wakes_nobody(alice, shop, caplog):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.intents[intent]["currency"] = "eur"
    shop.stripe.pay(intent)
    await shop.deliver_all()
    await cancel(alice, order)
    for _ in range(2):
        await shop.reconcile()
    assert IN_REVIEW in " ".join(shop.resend.mails[-1]["text"].split())
    assert "without a job" not in caplog.text
    shop.stripe.refund({"payment_intent": intent})
    await shop.deliver_all()
    (payment,) = await shop.payments(order)
    assert (payment.status, payment.needs_review) == ("FAILED", False)


# -- more than one payment


async def two_payments(alice, shop):
    """An order with two intents: we never heard of the first. Both are paid."""
    order = await shop.order(alice)
    shop.stripe.fault("POST /v1/payment_intents", "reset_after", 4)
    await alice.post("/payments/create-intent", json={"order_id": order["id"]})
    await shop.change("UPDATE payments SET created_at = created_at - interval '3 minutes'")
    second = await shop.intent(alice, order)
    (first,) = shop.stripe.intents.keys() - {second}
    for intent in (first, second):
        shop.stripe.pay(intent)
    return order, first, second


@pytest.mark.parametrize("heard", [(0, 1), (1, 0)])
async def test_of_two_payments_the_second_goes_back(alice, shop, heard):
    order, *intents = await two_payments(alice, shop)
    for which in heard:
        await shop.deliver(told(shop, intents[which], "payment_intent.succeeded"))
        await shop.work()
    assert shop.stripe.sum_captured(order["id"]) - shop.stripe.sum_refunded(order["id"]) == 45_000
    assert [row.reason for row in await shop.refunds(order)] == ["The order was paid twice."]
    assert sorted(row.status for row in await shop.payments(order)) == ["REFUNDED", "SUCCEEDED"]
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert await shop.mails(order) == ["order_received", "order_confirmed", "order_refunded"]
    assert "your order stays paid" in " ".join(shop.resend.mails[-1]["text"].split())


async def test_cancelling_an_order_paid_twice_gives_all_of_it_back(alice, shop):
    order, *_ = await two_payments(alice, shop)
    await shop.deliver_all()
    await cancel(alice, order)
    await shop.deliver_all()
    assert shop.stripe.sum_captured() == shop.stripe.sum_refunded() == 90_000
    assert await shop.state(order) == ("CANCELLED", "REFUNDED")


@pytest.mark.parametrize("late", ["canceled", "processing"])
async def test_late_news_of_an_old_intent_say_nothing_of_the_new_one(alice, shop, late):
    order = await shop.order(alice)
    old = await shop.intent(alice, order)
    shop.stripe.cancel(old, None)
    await shop.intent(alice, order)
    thing = shop.stripe.intents[old] | {"status": late}
    await shop.deliver({"id": "evt_late", "type": f"payment_intent.{late}", "data": {"object": thing}})
    await shop.work()
    assert await shop.state(order) == ("PENDING", "PENDING")
    assert [row.is_current for row in await shop.payments(order)] == [False, True]
