"""The local Stripe, seen through the real `stripe` library: it keeps Stripe's promises, so tests may trust it."""

import asyncio
import json
import os
import threading
import time
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace

import httpx
import pytest
import stripe
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from app.doubles.stripe import LocalStripe
from app.doubles.stripe_objects import ENDS_IN_00, NOT_TAKEN, THREE_DECIMAL, ZERO_DECIMAL, digits
from app.kit.table import NOT_TWO_DIGITS, exponent, from_minor_units, minor_units, stripe_digits
from app.settings import currencies_in_use
from tests.doubles.serving import serving
from tests.doubles.stripe import TroubledStripe

KEY, SECRET = "sk_test_souk", "whsec_souk"
ORDER = {"amount": 45000, "currency": "usd", "metadata": {"order_id": "o-1", "order_number": "VIS-1"}}


class Shop:
    """Receives webhooks over a real socket, as Souk would; `refuses` many are answered 500 first."""

    def __init__(self):
        self.events, self.refuses = [], 0
        self.app = Starlette(routes=[Route("/webhook", self.receive, methods=["POST"])])

    async def receive(self, request):
        body = await request.body()
        if self.refuses:
            self.refuses -= 1
            return Response(status_code=500)
        self.events.append(stripe.Webhook.construct_event(body, request.headers["stripe-signature"], SECRET))
        return Response()

    @property
    def heard(self):
        return [event.type for event in self.events]


@contextmanager
def opened(double):
    """The double, served, with a client of the library and one of plain HTTP."""
    with serving(double.app) as url:
        http = stripe.HTTPXClient(timeout=3)
        client = stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=http, max_network_retries=0)
        yield SimpleNamespace(double=double, url=url, client=client, v1=client.v1, intents=client.v1.payment_intents)


@pytest.fixture
def shop():
    received = Shop()
    with serving(received.app) as url:
        received.url = f"{url}/webhook"
        yield received


@pytest.fixture
def bank():
    """A troubled Stripe without webhooks."""
    with opened(TroubledStripe(KEY, SECRET, None)) as world:
        yield world


@pytest.fixture
async def page(bank):
    async with httpx.AsyncClient(base_url=bank.url) as client:
        yield client


async def until(true):
    for _ in range(300):
        if true():
            return
        await asyncio.sleep(0.02)
    assert true()


def keyed(key):
    return {"idempotency_key": key}


# -- the plain story


async def test_a_payment_is_made_paid_and_read(bank):
    intent = await bank.intents.create_async({**ORDER, "automatic_payment_methods": {"enabled": True}})
    assert (intent.status, intent.amount_received, intent.livemode) == ("requires_payment_method", 0, False)
    assert intent.client_secret.startswith(f"{intent.id}_secret_")
    paid = await bank.intents.confirm_async(intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge"]})
    assert (paid.status, paid.amount_received, paid.metadata["order_id"]) == ("succeeded", 45000, "o-1")
    charge = paid.latest_charge
    assert (charge.amount_captured, charge.paid, charge.payment_method_details.card.last4) == (45000, True, "4242")
    assert (await bank.intents.retrieve_async(intent.id)).latest_charge == charge.id
    assert (await bank.v1.charges.retrieve_async(charge.id)).payment_intent == intent.id
    assert bank.double.sum_captured("o-1") == 45000


async def test_a_declined_card_leaves_the_payment_open(bank):
    intent = await bank.intents.create_async(ORDER)
    with pytest.raises(stripe.CardError) as caught:
        await bank.intents.confirm_async(
            intent.id, {"payment_method": "pm_card_chargeDeclinedInsufficientFunds"}, keyed("declined")
        )
    assert (caught.value.code, caught.value.error.decline_code) == ("card_declined", "insufficient_funds")
    after = await bank.intents.retrieve_async(intent.id)
    assert (after.status, after.last_payment_error.decline_code) == ("requires_payment_method", "insufficient_funds")
    failed = await bank.v1.charges.retrieve_async(after.last_payment_error.charge)
    assert (failed.status, failed.paid, failed.amount_captured) == ("failed", False, 0)
    assert (await bank.intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})).status == "succeeded"
    assert bank.double.sum_captured() == 45000


async def test_a_bank_transfer_is_processing_until_it_is_completed(bank):
    good, bad = [await bank.intents.create_async(ORDER) for _ in range(2)]
    for intent in (good, bad):
        waiting = await bank.intents.confirm_async(intent.id, {"payment_method": "pm_bank_processing"})
        assert waiting.status == "processing"
    assert bank.double.sum_captured() == 0
    await bank.double.complete(good.id)
    await bank.double.complete(bad.id, ok=False)
    assert (await bank.intents.retrieve_async(good.id)).status == "succeeded"
    failed = await bank.intents.retrieve_async(bad.id, {"expand": ["latest_charge"]})
    assert (failed.status, failed.latest_charge.status) == ("requires_payment_method", "failed")
    assert bank.double.sum_captured() == 45000


async def test_a_cancelled_payment_takes_no_money(bank):
    intent = await bank.intents.create_async(ORDER)
    cancelled = await bank.intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"})
    assert cancelled.status == "canceled"
    assert cancelled.canceled_at
    for act in (bank.intents.cancel_async(intent.id), bank.intents.confirm_async(intent.id, {"payment_method": "x"})):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await act
        assert (caught.value.code, caught.value.http_status) == ("payment_intent_unexpected_state", 400)
        assert caught.value.error.payment_intent.status == "canceled"


async def test_payments_are_listed_newest_first(bank):
    made = [(await bank.intents.create_async(ORDER)).id for _ in range(3)]
    listed = await bank.intents.list_async({"limit": 2})
    assert ([each.id for each in listed.data], listed.has_more) == ([made[2], made[1]], True)
    assert [each.id async for each in listed.auto_paging_iter()] == made[::-1]


# -- refunds


async def test_refunds_never_exceed_what_was_paid(bank):
    intent = await bank.intents.create_async({**ORDER, "amount": 800})
    bank.double.pay(intent.id)
    part = {"payment_intent": intent.id, "amount": 500, "metadata": {"refund_id": "r-1"}}
    refund = await bank.v1.refunds.create_async({**part, "expand": ["charge"]})
    assert (refund.status, refund.charge.amount_refunded, refund.charge.refunded) == ("succeeded", 500, False)
    assert (await bank.v1.refunds.retrieve_async(refund.id)).metadata["refund_id"] == "r-1"
    with pytest.raises(stripe.InvalidRequestError, match=r"\(\$5.00\) is greater than .* on charge \(\$3.00\)"):
        await bank.v1.refunds.create_async(part)
    rest = await bank.v1.refunds.create_async({"charge": refund.charge.id})
    assert rest.amount == 300
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bank.v1.refunds.create_async({"charge": refund.charge.id})
    assert caught.value.code == "charge_already_refunded"
    assert bank.double.sum_refunded() == bank.double.sum_captured() == 800


async def test_what_was_not_paid_is_not_refunded(bank):
    intent = await bank.intents.create_async(ORDER)
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        await bank.v1.refunds.create_async({"payment_intent": intent.id})
    bank.double.pay(intent.id, "pm_card_chargeDeclined")
    with pytest.raises(stripe.InvalidRequestError):
        await bank.v1.refunds.create_async({"charge": bank.double.intents[intent.id]["latest_charge"]})
    assert bank.double.sum_refunded() == 0


# -- what is refused


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": "4.50"}, "parameter_invalid_integer", "amount"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"currency": "dollar"}, None, "currency"),
        ({"currency": "kwd", "amount": 1001}, None, "amount"),
        ({"currency": "isk", "amount": 1001}, None, "amount"),
        ({"currency": "iqd"}, None, "currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"metadata": "red"}, "parameter_invalid_object", "metadata"),
        ({"expand": ["customer"]}, None, "expand"),
    ],
)
async def test_a_wrong_payment_is_refused_and_not_made(bank, wrong, code, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await bank.intents.create_async(ORDER | wrong)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)
    assert bank.double.intents == {}


async def test_what_is_not_there_is_404(bank):
    for ask in (bank.intents, bank.v1.refunds, bank.v1.charges, bank.v1.events):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await ask.retrieve_async("nothing")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        await bank.v1.customers.retrieve_async("cus_1")


async def test_another_key_opens_nothing(bank, page):
    other = stripe.StripeClient("sk_test_other", base_addresses={"api": bank.url}, http_client=stripe.HTTPXClient())
    with pytest.raises(stripe.AuthenticationError) as caught:
        await other.v1.payment_intents.create_async(ORDER)
    assert caught.value.http_status == 401
    assert (await page.get("/v1/events")).json()["error"]["type"] == "invalid_request_error"
    assert bank.double.intents == {}


# -- how amounts are counted


def test_the_shop_counts_every_currency_as_stripe_does():
    """Two lists, so that one finds what is missing in the other."""
    taken = [code for code in sorted(currencies_in_use()) if code.lower() not in NOT_TAKEN]
    assert {code: stripe_digits(code) for code in taken} == {code: digits(code.lower()) for code in taken}
    unusual = {code.upper() for code in ZERO_DECIMAL | THREE_DECIMAL | ENDS_IN_00 | NOT_TAKEN}
    assert unusual == NOT_TWO_DIGITS.keys()
    assert unusual <= currencies_in_use()


@pytest.mark.parametrize(
    ("currency", "amount", "minor", "shown"),
    [
        ("USD", "1000.00", 100_000, 2),
        *((code, "1000", 1000, 0) for code in ("BIF", "DJF", "GNF", "JPY", "KMF", "MGA", "VUV", "XPF")),
        *((code, "1000", 100_000, 0) for code in ("ISK", "UGX")),
        *((code, "10.50", 1050, 2) for code in ("HUF", "TWD")),
        *((code, "5.120", 5120, 3) for code in ("BHD", "JOD", "KWD", "OMR", "TND")),
    ],
)
def test_amounts_there_and_back(currency, amount, minor, shown):
    assert minor_units(Decimal(amount), currency) == minor
    assert str(from_minor_units(minor, currency)) == amount
    assert exponent(currency) == shown


def test_a_fraction_that_should_not_be_is_not_hidden():
    assert from_minor_units(45_050, "ISK") == Decimal("450.5")


# -- idempotency keys


async def test_the_same_key_makes_one_payment(bank):
    first = await bank.intents.create_async(ORDER, keyed("order-1"))
    again = await bank.intents.create_async(ORDER, keyed("order-1"))
    assert first.id == again.id
    assert "idempotent-replayed" not in first.last_response.headers
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert len(bank.double.intents) == 1


async def test_the_same_key_for_something_else_is_refused(bank):
    first = await bank.intents.create_async(ORDER, keyed("order-1"))
    with pytest.raises(stripe.IdempotencyError):
        await bank.intents.create_async({**ORDER, "amount": 100}, keyed("order-1"))
    with pytest.raises(stripe.IdempotencyError):
        await bank.intents.cancel_async(first.id, {}, keyed("order-1"))


async def test_a_key_of_a_wrong_request_stays_free_and_a_decline_is_kept(bank):
    with pytest.raises(stripe.InvalidRequestError):
        await bank.intents.create_async({**ORDER, "amount": 1}, keyed("order-1"))
    intent = await bank.intents.create_async(ORDER, keyed("order-1"))
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            await bank.intents.confirm_async(intent.id, {"payment_method": "pm_card_chargeDeclined"}, keyed("pay-1"))
    assert len(bank.double.charges) == 1


async def test_a_key_in_use_is_a_conflict(bank):
    bank.double.fault("POST /v1/payment_intents", "slow")
    slow = asyncio.create_task(bank.intents.create_async(ORDER, keyed("order-1")))
    await until(lambda: bank.double.requests)
    with pytest.raises(stripe.APIError) as caught:
        await bank.intents.create_async(ORDER, keyed("order-1"))
    assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
    assert (await slow).id in bank.double.intents
    assert bank.double.requests == [("POST /v1/payment_intents", "order-1")] * 2


# -- webhooks


async def test_events_are_posted_with_a_signature_the_library_accepts(shop):
    with opened(LocalStripe(KEY, SECRET, shop.url)) as world:
        intent = await world.intents.create_async(ORDER)
        await world.intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
        await world.v1.refunds.create_async({"payment_intent": intent.id})
        await until(lambda: len(shop.events) == 6)
        assert sorted(shop.heard) == [
            "charge.refunded", "charge.succeeded", "payment_intent.created", "payment_intent.succeeded",
            "refund.created", "refund.updated",
        ]  # fmt: skip
        created = next(event for event in shop.events if event.type == "payment_intent.created")
        assert created.data.object.status == "requires_payment_method"
        assert created.data.object.metadata["order_id"] == "o-1"
        await until(lambda: not any(event["pending_webhooks"] for event in world.double.events))


async def test_events_are_listed_by_type_and_time(bank):
    intent = await bank.intents.create_async(ORDER)
    bank.double.pay(intent.id)
    bank.double.events[0]["created"] -= 3600
    listed = await bank.v1.events.list_async({"created": {"gte": int(time.time()) - 60}, "limit": 100})
    assert [event.type for event in listed.data] == ["payment_intent.succeeded", "charge.succeeded"]
    (only,) = (await bank.v1.events.list_async({"type": "payment_intent.created"})).data
    assert (await bank.v1.events.retrieve_async(only.id)).data.object.id == intent.id


def test_a_signature_is_the_librarys_own():
    double, body = LocalStripe(KEY, SECRET, None), '{"größe": 1}'
    theirs = stripe.WebhookSignature.generate_signature_header(body, SECRET, 1_800_000_000)
    assert double.signature(body.encode(), at=1_800_000_000) == theirs


async def test_what_was_not_received_is_sent_again(shop, monkeypatch):
    monkeypatch.setattr("app.doubles.stripe.RETRY_AFTER", (0.01, 0.01, 0.01))
    shop.refuses = 3
    with opened(LocalStripe(KEY, SECRET, shop.url)) as world:
        await world.intents.create_async(ORDER)
        await until(lambda: shop.heard == ["payment_intent.created"])


async def test_a_restart_forgets_nothing(tmp_path, shop):
    keep = tmp_path / "stripe.json"
    with opened(LocalStripe(KEY, SECRET, "http://127.0.0.1:1", keep)) as before:
        intent = await before.intents.create_async(ORDER, keyed("order-1"))
        await before.intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert os.stat(keep).st_mode & 0o777 == 0o600
    with opened(LocalStripe(KEY, SECRET, shop.url, keep)) as after:
        assert (await after.intents.create_async(ORDER, keyed("order-1"))).id == intent.id
        assert (await after.intents.retrieve_async(intent.id)).status == "succeeded"
        await until(lambda: len(shop.events) == 3)
    assert json.loads(keep.read_text())["events"] == after.double.events


# -- the pay page


async def test_a_customer_pays_on_the_page(bank, page):
    intent = await bank.intents.create_async(ORDER)
    form = await page.get(f"/pay/{intent.client_secret}")
    assert (form.status_code, "<title>Pay 450.00 USD</title>" in form.text) == (200, True)
    assert "no money moves" in form.text
    assert "Order VIS-1" in form.text
    paid = await page.post(f"/pay/{intent.client_secret}", data={"card": "4242 4242 4242 4242", "cvc": "123"})
    assert (paid.status_code, "<title>Paid</title>" in paid.text) == (303, True)
    assert "<title>Paid</title>" in (await page.get(paid.headers["location"])).text
    assert (await page.post(f"/pay/{intent.client_secret}", data={"card": "5555555555554444"})).status_code == 303
    assert bank.double.sum_captured("o-1") == 45000


async def test_a_declined_card_is_told_on_the_page_and_another_may_be_tried(bank, page):
    intent = await bank.intents.create_async(ORDER)
    declined = await page.post(f"/pay/{intent.client_secret}", data={"card": "4000000000009995"})
    assert (declined.status_code, "<title>Declined</title>" in declined.text) == (402, True)
    assert "insufficient funds" in declined.text
    assert (await page.post(f"/pay/{intent.client_secret}", data={"card": "4242424242424242"})).status_code == 303


@pytest.mark.parametrize("card", ["", "1234", "4242424242424241", '"><script>alert(1)</script>'])
async def test_an_unknown_card_is_refused_with_words(bank, page, card):
    intent = await bank.intents.create_async(ORDER)
    answer = await page.post(f"/pay/{intent.client_secret}", data={"card": card})
    assert (answer.status_code, "No test card has this number" in answer.text) == (422, True)
    assert "<script>" not in answer.text
    assert bank.double.charges == {}


@pytest.mark.parametrize(
    ("outcome", "status", "title"), [("complete", 303, "Paid"), ("fail", 402, "Authentication failed")]
)
async def test_a_customer_passes_or_fails_3d_secure(bank, page, outcome, status, title):
    intent = await bank.intents.create_async(ORDER)
    asked = await page.post(f"/pay/{intent.client_secret}", data={"card": "4000002500003155"})
    assert (asked.status_code, "<title>Authentication needed</title>" in asked.text) == (303, True)
    assert (await bank.intents.retrieve_async(intent.id)).status == "requires_action"
    after = await page.post(f"/pay/{intent.client_secret}/authentication", data={"outcome": outcome})
    assert (after.status_code, f"<title>{title}</title>" in after.text) == (status, True)
    assert bank.double.sum_captured() == (45000 if outcome == "complete" else 0)


async def test_a_cancelled_or_unknown_payment_cannot_be_paid(bank, page):
    intent = await bank.intents.create_async(ORDER)
    await bank.intents.cancel_async(intent.id)
    refused = await page.post(f"/pay/{intent.client_secret}", data={"card": "4242424242424242"})
    assert "<title>Cancelled</title>" in refused.text
    assert (await page.get(f"/pay/{intent.id}_secret_guess")).status_code == 404
    assert (await page.post("/pay/x", data={"card": "4242424242424242"})).status_code == 404
    assert bank.double.charges == {}


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        (1_234_500, "usd", "12,345.00 USD"),
        (1250, "jpy", "1,250 JPY"),
        (1250, "kwd", "1.250 KWD"),
        (5000, "isk", "50 ISK"),
        (1250, "xpf", "1,250 XPF"),
    ],
)
async def test_the_page_shows_the_digits_of_the_currency(bank, page, amount, currency, price):
    intent = await bank.intents.create_async({"amount": amount, "currency": currency})
    assert f"<title>Pay {price}</title>" in (await page.get(f"/pay/{intent.client_secret}")).text


# -- troubles


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("500", stripe.APIError, 500),
        ("503", stripe.APIError, 503),
        ("409", stripe.APIError, 409),
        ("429", stripe.RateLimitError, 429),
        ("reset", stripe.APIConnectionError, None),
    ],
)
async def test_a_fault_before_the_work_leaves_nothing(bank, kind, error, status):
    bank.double.fault("POST /v1/payment_intents", kind, times=2)
    for _ in range(2):
        with pytest.raises(error) as caught:
            await bank.intents.create_async(ORDER, keyed("order-1"))
        assert caught.value.http_status == status
    assert bank.double.intents == {}
    assert (await bank.intents.create_async(ORDER, keyed("order-1"))).id in bank.double.intents


@pytest.mark.parametrize(
    ("kind", "error"), [("reset_after", stripe.APIConnectionError), ("503_after", stripe.APIError)]
)
async def test_a_lost_answer_is_had_again_with_the_key(bank, kind, error):
    bank.double.fault("POST /v1/payment_intents", kind)
    with pytest.raises(error):
        await bank.intents.create_async(ORDER, keyed("order-1"))
    (made,) = bank.double.intents
    assert (await bank.intents.create_async(ORDER, keyed("order-1"))).id == made


async def test_a_500_after_the_work_is_what_the_key_gets_from_then_on(bank):
    bank.double.fault("POST /v1/payment_intents", "500_after")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            await bank.intents.create_async(ORDER, keyed("order-1"))
    assert caught.value.headers["idempotent-replayed"] == "true"
    assert len(bank.double.intents) == 1


async def test_a_dropped_connection_gives_no_byte(bank, page):
    bank.double.fault("GET /v1/events", "reset")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await page.get("/v1/events")


async def test_a_hanging_request_times_out_and_is_done_on_release(bank):
    bank.double.fault("POST /v1/payment_intents", "hang")
    impatient = stripe.StripeClient(
        KEY, base_addresses={"api": bank.url}, http_client=stripe.HTTPXClient(timeout=0.2), max_network_retries=0
    )
    with pytest.raises(stripe.APIConnectionError):
        await impatient.v1.payment_intents.create_async(ORDER)
    assert bank.double.intents == {}
    bank.double.release()
    await until(lambda: len(bank.double.intents) == 1)


async def test_a_hanging_request_does_not_keep_the_server_from_stopping():
    with opened(TroubledStripe(KEY, SECRET, None)) as world:
        world.double.fault("/v1/", "hang")
        hanging = asyncio.create_task(world.intents.create_async(ORDER))
        await until(lambda: world.double.requests)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    with pytest.raises(stripe.StripeError):
        await hanging


async def test_after_work_is_called_before_the_answer(bank):
    seen = []
    bank.double.after_work = lambda name: seen.append((name, len(bank.double.intents), threading.current_thread()))
    await bank.intents.create_async(ORDER)
    ((name, made, thread),) = seen
    assert (name, made) == ("POST /v1/payment_intents", 1)
    assert thread is not threading.main_thread()


async def test_held_webhooks_are_delivered_by_hand_in_any_order(shop):
    with opened(TroubledStripe(KEY, SECRET, shop.url)) as world:
        world.double.hold_webhooks = True
        intent = await world.intents.create_async(ORDER)
        world.double.pay(intent.id)
        assert shop.heard == []
        for event in reversed(world.double.events):
            assert await world.double.deliver_now(event) == 200
        assert shop.heard == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
        assert await world.double.deliver_now(event, to="http://127.0.0.1:1") == 0


async def test_webhooks_may_come_first_and_twice(shop):
    with opened(TroubledStripe(KEY, SECRET, shop.url)) as world:
        world.double.webhooks_first = world.double.twice = True
        await world.intents.create_async(ORDER)
        assert shop.heard == ["payment_intent.created"] * 2
        assert len({event.id for event in shop.events}) == 1


async def test_a_customer_paying_elsewhere_is_told_by_webhook(shop):
    with opened(TroubledStripe(KEY, SECRET, shop.url)) as world:
        intent = await world.intents.create_async(ORDER)
        world.double.pay(intent.id, "pm_card_chargeDeclined")
        await until(lambda: len(shop.events) == 3)
        assert sorted(shop.heard)[0::2] == ["charge.failed", "payment_intent.payment_failed"]
