"""Orders of goods without a cart: priced, counted and numbered by the server, for accounts and for guests."""

import asyncio

import pytest
from sqlalchemy import select

from app.letters import letter
from app.resources.emails import Email
from app.resources.orders import Order
from app.resources.products import Product
from tests import make
from tests.make import BUYER
from tests.walk import problem


@pytest.fixture
async def oil(app, vera):
    return await make.product(app, vera, name="Olive oil, 5 litres", price="6500.00", stock=10)


def of(*lines, **values):
    """The body of an order: products with quantities."""
    items = [{"product_id": str(product_id), "quantity": quantity} for product_id, quantity in lines]
    return {"items": items, **BUYER, **values}


async def stock(session, product):
    return await session.scalar(select(Product.c.stock).where(Product.c.id == product.id))


async def test_alice_orders_goods(alice, oil, session):
    order = await make.goods_order(alice, oil.id, 2)
    assert order["order_number"] == "ZST-00001"
    assert (order["kind"], order["status"], order["payment_method"]) == ("GOODS", "PENDING", "CASH_ON_DELIVERY")
    assert (order["total_amount"], order["currency"]) == ("13000.00", "DZD")
    assert order["seller_id"] == str(oil.seller_id)
    assert order["customer_info"]["phone"] == "+213 550 12 34 56"
    assert order["allowed_transitions"] == ["CANCELLED"]
    assert "access_token" not in order
    (item,) = order["items"]
    assert (item["product_id"], item["service_id"], item["quantity"]) == (str(oil.id), None, 2)
    assert item["snapshot"]["name"] == "Olive oil, 5 litres"
    assert await stock(session, oil) == 8
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"] == order


async def test_numbers_have_no_gaps_even_where_orders_fail(alice, oil):
    await make.goods_order(alice, oil.id)
    assert (await alice.post("/orders", json=of((oil.id, 99)))).status_code == 409
    assert (await make.goods_order(alice, oil.id))["order_number"] == "ZST-00002"


async def test_a_guest_follows_his_order_with_its_token(nobody, oil):
    order = await make.goods_order(nobody, oil.id)
    path, token = f"/orders/{order['id']}", {"X-Order-Token": order.pop("access_token")}
    found = await nobody.get(path, headers=token)
    assert found.json()["data"] == order
    assert "private" in found.headers["cache-control"]
    timeline = (await nobody.get(f"{path}/timeline", headers=token)).json()["data"]
    assert [event["text"] for event in timeline] == ["Order placed"]
    assert [each["id"] for each in (await nobody.get("/orders", headers=token)).json()["data"]] == [order["id"]]
    problem(await nobody.get(path), 401)
    problem(await nobody.get(path, headers={"X-Order-Token": "guessed"}), 404)
    assert "access_token" not in (await nobody.get(path, headers=token)).text


async def test_a_token_opens_one_order_only(nobody, alice, oil):
    first, second = [await make.goods_order(nobody, oil.id) for _ in range(2)]
    hers = await make.goods_order(alice, oil.id)
    token = {"X-Order-Token": first["access_token"]}
    for other in (second, hers):
        for path in (f"/orders/{other['id']}", f"/orders/{other['id']}/timeline"):
            problem(await nobody.get(path, headers=token), 404)
        problem(await nobody.post(f"/orders/{other['id']}/cancellation", headers=token), 404)
    for path in ("/documents", "/auth/me", "/seller/orders", "/admin/orders"):
        problem(await nobody.get(path, headers=token), 401)


async def test_guessing_tokens_is_slowed_down(limited_app, nobody):
    async with make.client(limited_app) as guest:
        order = "/orders/019aab12-7c00-7000-8000-0000000000b1"
        answers = [await guest.get(order, headers={"X-Order-Token": f"guess {n}"}) for n in range(12)]
        assert [answer.status_code for answer in answers] == [404] * 10 + [429] * 2
        assert int(answers[-1].headers["retry-after"]) > 0
        assert (await guest.get("/products")).status_code == 200


async def test_many_guests_behind_one_address_do_not_count_for_each_other(limited_app, vera):
    product = await make.product(limited_app, vera, stock=30)
    async with make.client(limited_app) as guest:
        orders = [await make.goods_order(guest, product.id) for _ in range(20)]
        looks = (
            guest.get(f"/orders/{order['id']}", headers={"X-Order-Token": order["access_token"]}) for order in orders
        )
        assert {answer.status_code for answer in await asyncio.gather(*looks)} == {200}


async def test_what_else_a_guest_does_not_find_is_not_guessing(limited_app):
    async with make.client(limited_app, headers={"X-Order-Token": "of an order"}) as guest:
        missed = [(await guest.get(f"/products/nothing-{n}")).status_code for n in range(15)]
        assert missed == [404] * 15


async def test_a_guest_who_finds_his_order_is_never_slowed_down(limited_app, vera):
    product = await make.product(limited_app, vera)
    async with make.client(limited_app) as guest:
        order = await make.goods_order(guest, product.id)
        token = {"X-Order-Token": order["access_token"]}
        found = [(await guest.get(f"/orders/{order['id']}", headers=token)).status_code for _ in range(25)]
        assert found == [200] * 25


async def test_stock_comes_back_once(alice, oil, session):
    order = await make.goods_order(alice, oil.id, 4)
    path = f"/orders/{order['id']}/cancellation"
    answers = await asyncio.gather(*(alice.post(path) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    assert await stock(session, oil) == 10


async def test_a_guest_cancels_while_nobody_has_begun(nobody, vera, oil, session):
    first, second = [await make.goods_order(nobody, oil.id) for _ in range(2)]
    await vera.patch(f"/seller/orders/{second['id']}", json={"status": "CONFIRMED"})
    for order, status in ((first, 200), (second, 409)):
        token = {"X-Order-Token": order["access_token"]}
        answer = await nobody.post(f"/orders/{order['id']}/cancellation", headers=token)
        assert answer.status_code == status, answer.text
    shown = (await nobody.get(f"/orders/{second['id']}", headers=token)).json()["data"]
    assert (shown["status"], shown["allowed_transitions"]) == ("CONFIRMED", [])
    assert await stock(session, oil) == 9


async def test_what_there_is_not_enough_of_is_named(alice, vera, app, oil):
    jar = await make.product(app, vera, name="Jar", stock=0)
    answer = problem(await alice.post("/orders", json=of((oil.id, 11), (jar.id, 1))), 409, "out_of_stock")
    assert [(error["pointer"], error["available"]) for error in answer["errors"]] == [
        ("/items/0/quantity", 10),
        ("/items/1/quantity", 0),
    ]
    assert "Only 10 left of Olive oil, 5 litres." in answer["detail"]


async def test_a_product_named_twice_is_one_line(alice, oil):
    order = (await alice.post("/orders", json=of((oil.id, 2), (oil.id, 3)))).json()["data"]
    assert [item["quantity"] for item in order["items"]] == [5]
    problem(await alice.post("/orders", json=of((oil.id, 3), (oil.id, 3))), 409, "out_of_stock")


async def test_products_of_several_sellers_go_through_checkout(alice, app, omar, oil):
    lamp = await make.product(app, omar)
    answer = problem(await alice.post("/orders", json=of((oil.id, 1), (lamp.id, 1))), 409, "several_sellers")
    assert "checkout" in answer["detail"]


async def test_what_is_not_for_sale_cannot_be_ordered(alice, app, vera):
    for values in ({"is_active": False}, {"is_listed": False}):
        product = await make.product(app, vera, **values)
        error = problem(await alice.post("/orders", json=of((product.id, 1))), 422)["errors"][0]
        assert (error["pointer"], error["code"]) == ("/items/0/product_id", "unknown_product")
    unknown = of(("019aab12-7c00-7000-8000-0000000000a2", 1))
    problem(await alice.post("/orders", json=unknown), 422)


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 10**9, "2", True, None, 10**30, [], "x"])
async def test_odd_quantities_are_refused(alice, oil, quantity):
    error = problem(await alice.post("/orders", json=of((oil.id, quantity))), 422, "validation_error")["errors"][0]
    assert error["pointer"] == "/items/0/quantity"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "1.00"),
        ("total_amount", "1.00"),
        ("seller_id", "019aab12-7c00-7000-8000-0000000000f0"),
        ("status", "CONFIRMED"),
        ("currency", "USD"),
        ("service_id", "019aab12-7c00-7000-8000-0000000000a1"),
        ("user_id", "019aab12-7c00-7000-8000-000000000001"),
    ],
)
async def test_the_caller_says_nothing_of_price_or_seller(alice, oil, field, value):
    error = problem(await alice.post("/orders", json=of((oil.id, 1), **{field: value})), 422)["errors"][0]
    assert error["pointer"] == f"/{field}"
    line = {"items": [{"product_id": str(oil.id), "quantity": 1, field: value}], **BUYER}
    assert problem(await alice.post("/orders", json=line), 422)["errors"][0]["pointer"] == f"/items/0/{field}"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("0550123456", "+213 550 12 34 56"),
        ("+213 (0) 550-12-34-56", "+213 550 12 34 56"),
        ("00213550123456", "+213 550 12 34 56"),
        ("+33 6 12 34 56 78", "+33 6 12 34 56 78"),
        ("021 73 45 67", "+213 21 73 45 67"),
    ],
)
async def test_phone_numbers_can_be_called(nobody, oil, typed, kept):
    order = await make.goods_order(nobody, oil.id, customer_phone=typed)
    assert order["customer_info"]["phone"] == kept


@pytest.mark.parametrize("typed", ["", "12345", "0550", "+999 123456789", "call me", "+213 550 12 34 56 78 90", "\x00"])
async def test_phone_numbers_that_cannot_be_called_are_refused(nobody, oil, typed):
    answer = problem(await nobody.post("/orders", json=of((oil.id, 1), customer_phone=typed)), 422)
    assert answer["errors"][0]["pointer"] == "/customer_phone"


async def test_bodies_of_neither_kind_are_refused(nobody, alice, oil):
    for body in ({}, [], "x", None, 1, {"items": []}, {"items": None}, {"items": {}}, {"items": [None]}):
        for caller in (nobody, alice):
            problem(await caller.post("/orders", json=body), 422, "validation_error", body)
    problem(await nobody.post("/orders", json=of(*[(oil.id, 1)] * 101)), 422)
    bad = {"items": [{"productId": str(oil.id), "quantity": 0}], **BUYER}
    assert problem(await nobody.post("/orders", json=bad), 422)["errors"][0]["pointer"] == "/items/0/quantity"


async def test_nobody_orders_a_service_without_an_account(app, nobody):
    service = await make.service(app)
    body = {"service_id": str(service.id), "customer_info": make.CUSTOMER_INFO}
    problem(await nobody.post("/orders", json=body), 401)


async def test_a_retry_buys_once(alice, nobody, oil, session):
    for buyer, key in ((alice, "one"), (nobody, "a key that is long enough for a guest")):
        headers = {"Idempotency-Key": key}
        answers = [await buyer.post("/orders", json=of((oil.id, 2)), headers=headers) for _ in range(3)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
        assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
        other = await buyer.post("/orders", json=of((oil.id, 3)), headers=headers)
        problem(other, 422, "idempotency_key_reused")
    assert await stock(session, oil) == 6


async def test_retries_at_once_buy_once(alice, app, vera, session):
    last = await make.product(app, vera, stock=1)
    sent = [alice.post("/orders", json=of((last.id, 1)), headers={"Idempotency-Key": "k"}) for _ in range(12)]
    answers = await asyncio.gather(*sent)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"]["id"] for answer in answers}) == 1
    assert await stock(session, last) == 0


async def test_the_token_of_a_guest_is_kept_nowhere(nobody, oil, session):
    headers = {"Idempotency-Key": "a key that is long enough for a guest"}
    order = (await nobody.post("/orders", json=of((oil.id, 1)), headers=headers)).json()["data"]
    for table in Order.metadata.sorted_tables:
        rows = await session.execute(select(table))
        assert order["access_token"] not in str(rows.all()), table.name


async def test_who_leaves_an_address_is_written_to(nobody, alice, oil, session):
    await make.goods_order(nobody, oil.id)
    await make.goods_order(nobody, oil.id, customer_email=None)
    await make.goods_order(alice, oil.id, customer_email=None)
    sent = (await session.scalars(select(Email).where(Email.c.template == "order_received").order_by(Email.id))).all()
    assert [(email.recipient, email.template) for email in sent] == [
        ("yacine@example.com", "order_received"),
        ("alice@example.com", "order_received"),
    ]
    assert sent[0].context["order_number"] == "ZST-00001"


async def test_a_mail_says_how_to_pay(nobody, oil, session):
    for method in ("CARD", "CASH_ON_DELIVERY"):
        await make.goods_order(nobody, oil.id, payment_method=method)
    mails = (await session.scalars(select(Email).where(Email.c.template == "order_received").order_by(Email.id))).all()
    card, cash = (letter("order_received", mail.context).text for mail in mails)
    assert "Please pay by card on the page of your order until" in " ".join(card.split())
    assert "Please have 6,500.00 DZD ready: you pay in cash when it is delivered." in " ".join(cash.split())


async def test_the_seller_hears_of_a_sale(alice, vera, oil, session):
    cash, card = [await make.goods_order(alice, oil.id, payment_method=by) for by in ("CASH_ON_DELIVERY", "CARD")]
    sales = (await session.scalars(select(Email).where(Email.c.template == "new_sale"))).all()
    assert [(sale.recipient, str(sale.order_id)) for sale in sales] == [("vera@example.com", cash["id"])]
    assert "Yacine" not in str(sales[0].context)
    assert card["status"] == "PENDING"
