"""Paying an order by card: the intent, what is refused, and looking at Stripe how it went."""

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount

from app.clients.stripe import Stripe
from app.errors import Unavailable
from app.resources.payments import Payment
from tests import make
from tests.doubles.serving import serving
from tests.payments.conftest import KEY, problem, rows_of

CREATE, DECLINED = "POST /v1/payment_intents", "pm_card_chargeDeclined"
FIELDS = {
    "id",
    "order_id",
    "amount",
    "currency",
    "status",
    "payment_method",
    "stripe_payment_intent_id",
    "stripe_charge_id",
    "card_brand",
    "card_last4",
    "refunded_amount",
    "created_at",
    "updated_at",
}


def begin(person, order, **headers):
    return person.post("/payments/create-intent", json={"order_id": order["id"]}, headers=headers)


def confirm(person, **body):
    return person.post("/payments/confirm", json=body)


async def test_a_paid_order_is_confirmed_once_and_mailed_once(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    await shop.deliver_all()
    answer = await alice.post("/payments/confirm", json={"payment_intent_id": intent})
    assert answer.status_code == 200, answer.text
    payment = answer.json()["data"]
    assert (payment["status"], payment["amount"], payment["card_last4"]) == ("SUCCEEDED", "450.00", "4242")
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "CONFIRMED"
    assert await shop.mails(order) == ["order_received", "order_confirmed"]
    assert len(shop.resend.mails) == 2


# -- the intent


async def test_an_intent_is_over_the_orders_sum_and_says_whose_it_is(alice, shop):
    order = await shop.order(alice)
    answer = await begin(alice, order)
    data = answer.json()["data"]
    intent = shop.stripe.intents[data["payment"]["stripe_payment_intent_id"]]
    assert (answer.status_code, data["client_secret"]) == (201, intent["client_secret"])
    assert (intent["amount"], intent["currency"]) == (45_000, "usd")
    assert intent["metadata"] == {
        "order_id": order["id"],
        "payment_id": data["payment"]["id"],
        "order_number": order["order_number"],
    }
    assert data["payment"].keys() == FIELDS
    assert data["payment"]["status"] == "PENDING"


@pytest.mark.parametrize(
    ("currency", "price", "minor"),
    [
        *(("JPY", "450", 450), ("XPF", "1000", 1000), ("MGA", "1000", 1000)),
        *(("ISK", "450", 45_000), ("HUF", "450.50", 45_050), ("KWD", "12.340", 12_340)),
    ],
)
async def test_stripe_counts_as_the_currency_does(alice, shop, currency, price, minor):
    order = await shop.order(alice, price, currency=currency)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert shop.stripe.sum_captured(order["id"]) == minor


async def test_twenty_clicks_at_once_make_one_intent(alice, shop):
    order = await shop.order(alice)
    answers = await asyncio.gather(*(begin(alice, order) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["data"]["client_secret"] for answer in answers}) == 1
    assert len(shop.stripe.intents) == 1
    assert len({key for name, key in shop.stripe.requests if name == CREATE}) == 1
    assert len(await shop.payments(order)) == 1


async def test_a_declined_card_leaves_the_same_intent_to_try_another(alice, shop):
    order = await shop.order(alice)
    first = await begin(alice, order)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent, DECLINED)
    await shop.deliver_all()
    assert await shop.state(order) == ("PENDING", "FAILED")
    again = await begin(alice, order)
    assert (again.status_code, len(shop.stripe.intents)) == (200, 1)
    assert again.json()["data"]["client_secret"] == first.json()["data"]["client_secret"]
    shop.stripe.pay(intent)
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert await shop.mails(order) == ["order_received", "payment_failed", "order_confirmed"]


async def test_a_new_intent_follows_only_one_that_stripe_cancelled(alice, shop):
    order = await shop.order(alice)
    first = await shop.intent(alice, order)
    shop.stripe.cancel(first, "abandoned")
    answer = await begin(alice, order)
    assert answer.status_code == 201
    assert answer.json()["data"]["payment"]["stripe_payment_intent_id"] != first
    assert [(row.status, row.is_current) for row in await shop.payments(order)] == [
        ("FAILED", False),
        ("PENDING", True),
    ]
    assert (await begin(alice, order)).status_code == 200


async def test_an_intent_that_stripe_has_lost_is_replaced(alice, shop):
    order = await shop.order(alice)
    lost = await shop.intent(alice, order)
    del shop.stripe.intents[lost]
    assert problem(await confirm(alice, payment_intent_id=lost)) == (409, "order_not_paid")
    assert (await begin(alice, order)).status_code == 201
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


async def test_the_price_of_the_order_counts_not_that_of_the_service(alice, sam, shop):
    order = await shop.order(alice, "450.00")
    service = order["items"][0]["service_id"]
    assert (await sam.patch(f"/services/{service}", json={"price": "999.00"})).status_code == 200
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert shop.stripe.sum_captured() == 45_000
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


async def test_an_intent_over_an_old_sum_is_cancelled_and_replaced(alice, shop):
    order = await shop.order(alice)
    old = await shop.intent(alice, order)
    await shop.change("UPDATE orders SET total_amount = 500")
    new = await shop.intent(alice, order)
    assert shop.stripe.intents[old]["status"] == "canceled"
    assert shop.stripe.intents[new]["amount"] == 50_000
    shop.stripe.pay(new)
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


async def test_a_sum_that_was_paid_cannot_be_cancelled_for_another(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.change("UPDATE orders SET total_amount = 500")
    assert problem(await begin(alice, order)) == (409, "payment_in_review")
    assert (await shop.payments(order))[0].needs_review
    assert len(shop.stripe.intents) == 1


# -- what cannot be paid


async def test_a_paid_order_cannot_be_paid_again(alice, shop):
    order = await shop.paid(alice)
    assert problem(await begin(alice, order)) == (409, "already_paid")


async def test_a_payment_we_have_not_heard_of_is_found_at_the_next_click(alice, shop):
    order = await shop.order(alice)
    shop.stripe.pay(await shop.intent(alice, order))
    assert problem(await begin(alice, order)) == (409, "already_paid")
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("payment_method = 'CASH_ON_DELIVERY'", "cash_on_delivery"),
        ("status = 'CANCELLED'", "order_cancelled"),
        ("status = 'CONFIRMED', confirmed_without_payment = true", "already_paid"),
        ("total_amount = 0", "nothing_to_pay"),
    ],
)
async def test_what_is_not_to_be_paid_by_card_is_refused(alice, shop, change, code):
    order = await shop.order(alice)
    await shop.change(f"UPDATE orders SET {change}")
    assert problem(await begin(alice, order)) == (409, code)
    assert not shop.stripe.intents


async def test_an_order_in_review_is_not_paid_twice(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.intents[intent]["amount"] += 1
    shop.stripe.pay(intent)
    await shop.deliver_all()
    assert problem(await begin(alice, order)) == (409, "payment_in_review")


@pytest.mark.parametrize(("price", "currency"), [("0.10", "USD"), ("12.345", "KWD"), ("12.000", "IQD")])
async def test_a_sum_that_stripe_does_not_take_is_refused(alice, shop, price, currency):
    order = await shop.order(alice, price, currency=currency)
    for _ in range(2):
        assert problem(await begin(alice, order)) == (409, "not_payable")
    assert not any(row.is_current for row in await shop.payments(order))


async def test_nobody_pays_for_strangers(alice, bob, nobody, shop):
    order = await shop.order(alice)
    assert problem(await begin(bob, order)) == (404, "not_found")
    assert problem(await begin(alice, {"id": str(make.new_id())})) == (404, "not_found")
    refused = await begin(nobody, order)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert not shop.stripe.requests


@pytest.mark.parametrize("body", [{}, {"order_id": "HT-1"}, {"order_id": None}, {"amount": "1.00"}, []])
async def test_a_request_that_names_no_order_is_invalid(alice, shop, body):
    assert problem(await alice.post("/payments/create-intent", json=body)) == (422, "validation_error")


# -- a Stripe with troubles


@pytest.mark.parametrize("trouble", ["500", "503", "429", "409", "reset", "reset_after", "503_after"])
async def test_one_stumble_of_stripe_goes_unnoticed(alice, shop, trouble):
    order = await shop.order(alice)
    shop.stripe.fault(CREATE, trouble)
    assert (await begin(alice, order)).status_code == 201
    assert len(shop.stripe.intents) == 1
    keys = [key for name, key in shop.stripe.requests if name == CREATE]
    assert keys == [f"souk-intent-{(await shop.payments(order))[0].id}"] * 2


@pytest.mark.parametrize("trouble", ["500", "429", "reset", "reset_after"])
async def test_a_stripe_that_is_down_is_a_503_and_no_second_intent(alice, shop, trouble):
    order = await shop.order(alice)
    shop.stripe.fault(CREATE, trouble, 4)
    answer = await begin(alice, order)
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    assert (await begin(alice, order)).status_code == 200
    assert len(shop.stripe.intents) == len(await shop.payments(order)) == 1


async def test_a_stripe_that_hangs_is_given_up_after_ten_seconds(alice, shop):
    order = await shop.order(alice)
    shop.stripe.fault(CREATE, "hang", 9)
    answer = await asyncio.wait_for(begin(alice, order), 12)
    assert problem(answer) == (503, "unavailable")
    assert answer.headers["retry-after"] == "5"
    shop.stripe.release()
    assert (await begin(alice, order)).status_code == 200
    assert len(shop.stripe.intents) == 1


async def test_an_error_that_stripe_repeats_all_day_is_left_behind(alice, shop):
    order = await shop.order(alice)
    shop.stripe.fault(CREATE, "500_after")
    for _ in range(2):
        assert problem(await begin(alice, order)) == (503, "unavailable")
    await shop.change("UPDATE payments SET created_at = created_at - interval '3 minutes'")
    assert (await begin(alice, order)).status_code == 201
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")
    assert [row.is_current for row in await shop.payments(order)] == [False, True]


async def test_a_key_that_stripe_does_not_know_is_our_trouble(alice, shop):
    order = await shop.order(alice)
    shop.stripe.key = "sk_test_another"
    assert problem(await begin(alice, order)) == (503, "unavailable")


async def test_an_answer_that_is_not_stripes_is_our_trouble(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    async with shop.with_settings(stripe_api_base=f"{shop.resend.url}/not-stripe") as other:
        headers = {"Authorization": alice.headers["Authorization"]}
        async with make.client(other.app, headers=headers) as client:
            assert problem(await confirm(client, payment_intent_id=intent)) == (503, "unavailable")


CALLS = {
    "create_intent": lambda stripe: stripe.create_intent("key", 100, "USD", "Order", {}),
    "intent": lambda stripe: stripe.intent("pi_x"),
    "cancel_intent": lambda stripe: stripe.cancel_intent("pi_x"),
    "refund": lambda stripe: stripe.refund("key", "pi_x", 100, {}),
    "find_refund": lambda stripe: stripe.find_refund("pi_x", {}),
    "events": lambda stripe: stripe.events(["charge.refunded"], datetime.now(UTC)),
}
HUSH = "pi_x_secret_hush"
WHOLE = {"id": "pi_x", "status": "succeeded", "amount": 100, "currency": "usd", "client_secret": HUSH}
CHARGED = {"id": "ch_x", "status": "succeeded", "amount": 100, "currency": "usd"}
STRANGE = [
    *({}, {"id": "pi_x"}, {"id": 1, "status": None}, [], [{"id": "pi_x"}], None, "pi_x", {"error": None}),
    *({"error": "no"}, {"error": {}}, {"data": None}, {"data": [1]}, {"data": [{}], "has_more": True}),
    {"data": [{"metadata": {}, "client_secret": HUSH}]},
]
INTENTS, REFUNDS = ("create_intent", "intent", "cancel_intent"), ("refund",)
STRANGE_INTENTS = [
    *({key: value for key, value in WHOLE.items() if key != gone} for gone in ("id", "status", "amount", "currency")),
    *({**WHOLE, "amount": amount} for amount in ("100", None, 1.5, True, -1, [HUSH])),
    *({**WHOLE, "latest_charge": charge} for charge in (5, {}, [HUSH], {"id": "ch_x", "amount_refunded": "all"})),
    *({**WHOLE, "latest_charge": {"id": "ch_x", "payment_method_details": HUSH}}, {**WHOLE, "metadata": [HUSH]}),
    *({**WHOLE, "last_payment_error": HUSH}, {**WHOLE, "status": {}}, {**WHOLE, "id": ""}, {**WHOLE, "currency": 1}),
]
STRANGE_REFUNDS = [
    *({"id": "re_x"}, {"status": "succeeded"}, {"id": "re_x", "status": 5}),
    {"id": "re_x", "status": "succeeded", "charge": {**CHARGED, "amount": None, "receipt_url": HUSH}},
    {"id": "re_x", "status": "succeeded", "charge": {**CHARGED, "amount_captured": HUSH}},
]


@pytest.fixture
async def strange(monkeypatch):
    """A Stripe that answers whatever it is given, and our client of it."""
    monkeypatch.setattr("app.clients.stripe.PAUSES", ())
    told = SimpleNamespace(body=b"", status=200)

    async def app(scope, receive, send):
        await Response(told.body, told.status, media_type="application/json")(scope, receive, send)

    with serving(Starlette(routes=[Mount("/", app)])) as told.url:
        told.client = Stripe(KEY, told.url)
        yield told
        await told.client.close()


async def check_strange(strange, caplog, call, answers, status=200):
    for answer in answers:
        strange.body, strange.status = json.dumps(answer).encode(), status
        caplog.clear()
        with pytest.raises(Unavailable):
            pytest.fail(f"{answer} was read as {await CALLS[call](strange.client)}")
        (said,) = caplog.messages
        assert HUSH not in said


@pytest.mark.parametrize("status", [200, 400, 402, 404])
@pytest.mark.parametrize("call", CALLS)
async def test_what_stripe_never_says_is_our_trouble(strange, caplog, call, status):
    await check_strange(strange, caplog, call, STRANGE, status)


@pytest.mark.parametrize(
    ("call", "answers"),
    [*((call, STRANGE_INTENTS) for call in INTENTS), *((call, STRANGE_REFUNDS) for call in REFUNDS)],
)
async def test_a_field_of_another_shape_is_our_trouble(strange, caplog, call, answers):
    await check_strange(strange, caplog, call, answers)


async def test_a_found_refund_of_another_shape_is_our_trouble(strange, caplog):
    found = [{"data": [{**refund, "id": "re_x", "metadata": {}}]} for refund in STRANGE_REFUNDS if "id" in refund]
    await check_strange(strange, caplog, "find_refund", found)


async def test_the_log_names_what_is_missing_and_no_secret(strange, caplog):
    strange.body = json.dumps({"id": "pi_x", "amount": HUSH, "currency": "usd", "client_secret": HUSH}).encode()
    with pytest.raises(Unavailable):
        await strange.client.intent("pi_x")
    wrong = "Intent: status: Field required; amount: Input should be a valid integer"
    assert caplog.messages == [f"Stripe's answer cannot be read: {wrong}"]


@pytest.mark.parametrize("body", [f'{{"client_secret": "{HUSH}"'.encode(), f'{HUSH}\xff"'.encode("latin1")])
async def test_half_an_answer_is_our_trouble_and_its_words_stay_out_of_the_log(strange, caplog, body):
    for strange.status in (200, 400, 500):
        strange.body = body
        with pytest.raises(Unavailable):
            await strange.client.intent("pi_x")
    assert len(caplog.messages) == 3
    assert HUSH not in caplog.text


@pytest.mark.parametrize("answer", [{}, {"id": "pi_x"}, {"id": 1, "status": None}, {**WHOLE, "client_secret": None}])
async def test_a_customer_hears_that_payments_cannot_be_reached(alice, shop, strange, answer):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    strange.body = json.dumps(answer | {"status": "requires_payment_method"} if "amount" in answer else answer).encode()
    async with shop.with_settings(stripe_api_base=strange.url) as other:
        headers = {"Authorization": alice.headers["Authorization"]}
        async with make.client(other.app, headers=headers) as client:
            assert problem(await begin(client, order)) == (503, "unavailable")
            if "amount" not in answer:
                assert problem(await confirm(client, payment_intent_id=intent)) == (503, "unavailable")


async def test_without_a_key_there_are_no_card_payments(alice, shop):
    order = await shop.order(alice)
    async with shop.with_settings(stripe_secret_key=SecretStr("")) as other:
        headers = {"Authorization": alice.headers["Authorization"]}
        async with make.client(other.app, headers=headers) as client:
            answer = await begin(client, order)
    assert problem(answer) == (503, "unavailable")
    assert "not set up" in answer.json()["detail"]


async def test_a_stripe_that_cancels_everything_does_not_keep_us_for_ever(alice, shop, monkeypatch):
    order = await shop.order(alice)
    create = shop.stripe.create_intent
    monkeypatch.setattr(shop.stripe, "create_intent", lambda sent: shop.stripe.cancel(create(sent)["id"], None))
    assert problem(await begin(alice, order)) == (409, "payment_in_review")
    assert len(shop.stripe.intents) == 3


# -- looking at Stripe


async def test_confirm_believes_stripe_and_not_the_caller(alice, shop):
    order = await shop.order(alice)
    assert problem(await confirm(alice, order_id=order["id"])) == (409, "order_not_paid")
    intent = await shop.intent(alice, order)
    for body in ({"order_id": order["id"]}, {"payment_intent_id": intent}):
        assert problem(await confirm(alice, **body)) == (409, "order_not_paid")
    shop.stripe.pay(intent, DECLINED)
    assert problem(await confirm(alice, order_id=order["id"])) == (409, "order_not_paid")
    shop.stripe.pay(intent)
    answer = await confirm(alice, order_id=order["id"])
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "SUCCEEDED")
    assert await shop.state(order) == ("CONFIRMED", "SUCCEEDED")


async def test_ten_confirmations_at_once_confirm_once(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    answers = await asyncio.gather(*(confirm(alice, payment_intent_id=intent) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await shop.mails(order) == ["order_received", "order_confirmed"]
    timeline = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert [event["text"] for event in timeline] == ["Order placed", "Order confirmed: Paid by Visa ending in 4242"]


async def test_a_payment_on_its_way_is_processing_until_the_bank_says_more(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent, "pm_bank_processing")
    answer = await confirm(alice, payment_intent_id=intent)
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "PROCESSING")
    assert await shop.state(order) == ("PENDING", "PROCESSING")
    await shop.stripe.complete(intent)
    assert (await confirm(alice, payment_intent_id=intent)).json()["data"]["status"] == "SUCCEEDED"
    timeline = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert timeline[-1]["text"] == "Order confirmed: Paid by card"


async def test_confirming_what_is_not_ones_own_finds_nothing(alice, bob, nobody, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    assert problem(await confirm(alice, payment_intent_id="pi_invented")) == (404, "not_found")
    assert problem(await confirm(bob, payment_intent_id=intent)) == (404, "not_found")
    assert problem(await confirm(bob, order_id=order["id"])) == (404, "not_found")
    assert (await confirm(nobody, order_id=order["id"])).status_code == 401
    assert await shop.state(order) == ("PENDING", "PENDING")


@pytest.mark.parametrize("body", [{}, {"order_id": str(make.new_id()), "payment_intent_id": "pi_1"}])
async def test_a_confirmation_names_one_of_the_two(alice, body):
    assert problem(await confirm(alice, **body)) == (422, "validation_error")


async def test_confirming_with_stripe_down_is_a_503(alice, shop):
    order = await shop.order(alice)
    intent = await shop.intent(alice, order)
    shop.stripe.pay(intent)
    shop.stripe.fault("GET", "500", 4)
    answer = await confirm(alice, payment_intent_id=intent)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert (await confirm(alice, payment_intent_id=intent)).status_code == 200


# -- who may read


async def test_customers_read_their_own_payments(alice, bob, nobody, shop):
    await shop.paid(alice)
    (shown,) = (await alice.get("/payments")).json()["data"]
    assert shown.keys() == FIELDS
    assert (await alice.get(f"/payments/{shown['id']}")).status_code == 200
    assert (await bob.get("/payments")).json()["data"] == []
    assert (await bob.get(f"/payments/{shown['id']}")).status_code == 404
    assert (await nobody.get("/payments")).status_code == 401


@pytest.mark.parametrize("path", ["payments", "stripe-events", "emails"])
async def test_staff_read_money_and_mail_and_nobody_writes_them(alice, nobody, carl, sam, shop, path):
    await shop.paid(alice)
    for person in (carl, sam):
        (first, *_) = (await person.get(f"/admin/{path}")).json()["data"]
        assert (await person.get(f"/admin/{path}/{first['id']}")).status_code == 200
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            answer = await person.request(method, f"/admin/{path}/{first['id']}", json={"status": "FAILED"})
            assert answer.status_code in (404, 405)
    assert problem(await alice.get(f"/admin/{path}")) == (403, "forbidden")
    assert (await nobody.get(f"/admin/{path}")).status_code == 401


async def test_only_admins_read_refunds(alice, nobody, carl, sam, shop):
    order = await shop.paid(alice)
    assert (await shop.refund(sam, order)).status_code == 200
    assert [each["amount"] for each in (await sam.get("/admin/refunds")).json()["data"]] == ["450.00"]
    for person, status in ((carl, 403), (alice, 403), (nobody, 401)):
        assert (await person.get("/admin/refunds")).status_code == status


async def test_the_secret_of_an_intent_is_in_no_table(alice, shop):
    order = await shop.order(alice)
    for _ in range(2):
        answer = await begin(alice, order, **{"Idempotency-Key": "click-1"})
    (intent,) = shop.stripe.intents.values()
    assert answer.json()["data"]["client_secret"] == intent["client_secret"]
    shop.stripe.pay(intent["id"])
    await shop.deliver_all()
    tables = await rows_of(shop.tools, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    filled = set()
    for (table,) in tables:
        rows = await rows_of(shop.tools, f'SELECT to_jsonb(t)::text FROM "{table}" t')
        assert not any(intent["client_secret"] in shown for (shown,) in rows), table
        filled |= {table} if rows else set()
    assert filled >= {"payments", "stripe_events", "emails", "audit_entries", "orders", "kept_answers"}


async def test_the_database_itself_knows_one_current_payment_of_an_order(alice, shop):
    order = await shop.order(alice)
    await shop.intent(alice, order)
    own = ("id", "stripe_payment_intent_id", "stripe_charge_id")
    columns = ", ".join(column.name for column in Payment.sql_table.columns if column.name not in own)
    second = f"INSERT INTO payments (id, {columns}) SELECT gen_random_uuid(), {columns} FROM payments"
    with pytest.raises(IntegrityError, match="uq_payments_order_id"):
        await shop.change(second)
    assert len(await shop.payments(order)) == 1
