"""Checkout: a cart becomes one order for each seller, all or nothing, for accounts and for guests."""

import asyncio

import pytest
from sqlalchemy import func, select

from app.resources.orders import Order
from app.resources.products import Product
from tests import make
from tests.make import BUYER
from tests.walk import problem


@pytest.fixture
async def oil(app, vera):
    return await make.product(app, vera, name="Olive oil", price="6500.00")


@pytest.fixture
async def lamp(app, omar):
    return await make.product(app, omar, name="Lamp", price="1200.50")


async def put(buyer, *lines):
    for product, quantity in lines:
        added = await buyer.post("/cart/items", json={"product_id": str(product.id), "quantity": quantity})
        assert added.status_code == 200, added.text


async def check_out(buyer, **values):
    return await buyer.post("/cart/checkout", json={**BUYER, **values})


async def stocks(session, *products):
    return [await session.scalar(select(Product.c.stock).where(Product.c.id == product.id)) for product in products]


async def test_a_cart_becomes_an_order_for_each_seller(alice, oil, lamp, session):
    await put(alice, (oil, 2), (lamp, 3))
    answer = await check_out(alice)
    assert answer.status_code == 201, answer.text
    checkout = answer.json()["data"]
    first, second = checkout["orders"]
    assert {first["checkout_id"], second["checkout_id"]} == {checkout["checkout_id"]}
    assert [order["order_number"] for order in checkout["orders"]] == ["ZST-00001", "ZST-00002"]
    assert [order["total_amount"] for order in checkout["orders"]] == ["13000.00", "3601.50"]
    assert [order["seller_id"] for order in checkout["orders"]] == [str(oil.seller_id), str(lamp.seller_id)]
    assert (await alice.get("/cart")).json()["data"]["items"] == []
    assert await stocks(session, oil, lamp) == [8, 7]
    for order in checkout["orders"]:
        assert (await alice.get(f"/orders/{order['id']}")).json()["data"] == order


async def test_each_seller_sees_his_part(alice, vera, omar, oil, lamp):
    await put(alice, (oil, 1), (lamp, 1))
    await check_out(alice)
    for seller, title in ((vera, "Olive oil"), (omar, "Lamp")):
        (sale,) = (await seller.get("/seller/orders")).json()["data"]
        assert [item["title"] for item in sale["items"]] == [title]


async def test_a_guest_sends_his_cart_along(nobody, oil, lamp):
    items = [{"product_id": str(oil.id), "quantity": 1}, {"productId": str(lamp.id), "quantity": 2}]
    checkout = (await check_out(nobody, items=items)).json()["data"]
    tokens = [order["access_token"] for order in checkout["orders"]]
    assert len(set(tokens)) == 2
    for order, token in zip(checkout["orders"], tokens, strict=True):
        found = await nobody.get(f"/orders/{order['id']}", headers={"X-Order-Token": token})
        assert found.json()["data"]["checkout_id"] == checkout["checkout_id"]


async def test_a_guest_must_send_his_cart_and_an_account_must_not(nobody, alice, oil):
    items = [{"product_id": str(oil.id), "quantity": 1}]
    assert problem(await check_out(nobody), 422)["errors"][0]["pointer"] == "/items"
    await put(alice, (oil, 1))
    assert problem(await check_out(alice, items=items), 422)["errors"][0]["pointer"] == "/items"


async def test_an_empty_cart_is_not_bought(alice, oil):
    problem(await check_out(alice), 409, "cart_is_empty")
    await put(alice, (oil, 1))
    assert (await check_out(alice)).status_code == 201
    problem(await check_out(alice), 409, "cart_is_empty")


async def test_nothing_is_bought_when_one_line_cannot_be_had(alice, oil, lamp, session):
    await put(alice, (oil, 5), (lamp, 5))
    await session.execute(Product.sql_table.update().where(Product.c.id == lamp.id).values(stock=4))
    await session.commit()
    answer = problem(await check_out(alice), 409, "out_of_stock")
    cart = (await alice.get("/cart")).json()["data"]["items"]
    assert [error["pointer"] for error in answer["errors"]] == [f"/cart/items/{cart[1]['id']}"]
    assert answer["errors"][0]["available"] == 4
    assert len(cart) == 2
    assert await stocks(session, oil, lamp) == [10, 4]
    assert await session.scalar(select(func.count()).select_from(Order)) == 0


@pytest.mark.parametrize("gone", [{"is_active": False}, {"is_listed": False}])
async def test_what_is_no_longer_sold_is_not_bought(alice, oil, lamp, session, gone):
    await put(alice, (oil, 1), (lamp, 1))
    await session.execute(Product.sql_table.update().where(Product.c.id == oil.id).values(**gone))
    await session.commit()
    answer = problem(await check_out(alice), 409, "out_of_stock")
    assert answer["errors"][0]["message"] == "Olive oil is no longer sold."


async def test_the_price_is_that_of_the_moment(alice, vera, oil):
    await put(alice, (oil, 2))
    await vera.patch(f"/products/{oil.id}", json={"price": "7000.00"})
    (order,) = (await check_out(alice)).json()["data"]["orders"]
    assert order["total_amount"] == "14000.00"


async def test_two_checkouts_of_one_cart_make_one(alice, oil, lamp, session):
    await put(alice, (oil, 1), (lamp, 1))
    answers = await asyncio.gather(*(check_out(alice) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"cart_is_empty"}
    assert await stocks(session, oil, lamp) == [9, 9]


async def test_a_repeated_checkout_answers_the_same(alice, nobody, oil):
    await put(alice, (oil, 1))
    items = [{"product_id": str(oil.id), "quantity": 1}]
    for buyer, body in ((alice, BUYER), (nobody, {**BUYER, "items": items})):
        headers = {"Idempotency-Key": "a key that is long enough for a guest"}
        first, again = [await buyer.post("/cart/checkout", json=body, headers=headers) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


async def test_opposite_orders_do_not_deadlock(alice, bob, app, vera, session):
    left, right = [await make.product(app, vera, stock=100) for _ in range(2)]

    async def buy(buyer, *products):
        items = [{"product_id": str(product.id), "quantity": 1} for product in products]
        return (await buyer.post("/orders", json={"items": items, **BUYER})).status_code

    bought = [buy(alice, left, right) if n % 2 else buy(bob, right, left) for n in range(60)]
    assert set(await asyncio.gather(*bought)) == {201}
    assert await stocks(session, left, right) == [40, 40]


async def test_fifty_buyers_for_seven(app, vera, session):
    last = await make.product(app, vera, stock=7)
    buyers = [make.client(app) for _ in range(50)]
    items = [{"product_id": str(last.id), "quantity": 1}]
    answers = await asyncio.gather(*(buyer.post("/orders", json={"items": items, **BUYER}) for buyer in buyers))
    assert sorted(answer.status_code for answer in answers) == [201] * 7 + [409] * 43
    assert await stocks(session, last) == [0]
    numbers = sorted(await session.scalars(select(Order.c.order_number)))
    assert numbers == [f"ZST-{n:05}" for n in range(1, 8)]
