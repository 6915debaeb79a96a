"""The cart: what it shows, how much it takes, whose it is, and what a login brings along."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.flows.carts import Cart
from app.resources.product_images import ProductImage
from tests import make, walk
from tests.make import PASSWORD
from tests.walk import problem

EMPTY: dict[str, Any] = {"items": [], "totals": []}


async def put(person, product, quantity=1, **more):
    return await person.post("/cart/items", json={"product_id": str(product.id), "quantity": quantity}, **more)


async def cart(person):
    answer = await person.get("/cart")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def only_line(person):
    (line,) = (await cart(person))["items"]
    return line


async def quantities(person):
    return {line["product_id"]: line["quantity"] for line in (await cart(person))["items"]}


async def change(app, product, **values):
    assignments = ", ".join(f"{name} = :{name}" for name in values)
    async with app.state.database.transaction() as session:
        await session.execute(text(f"UPDATE products SET {assignments} WHERE id = :id"), {**values, "id": product.id})


async def log_in(client, user, lines, password=PASSWORD):
    cart = [{"product_id": str(product.id), "quantity": quantity} for product, quantity in lines]
    return await client.post("/auth/login", json={"email": user.email, "password": password, "cart": cart})


@pytest.fixture
async def oil(app):
    return await make.product(app)


# -- the cart


async def test_what_is_added_is_in_the_cart_with_its_shop_and_price(alice, oil):
    answer = await put(alice, oil, 2)
    assert (answer.status_code, answer.json()) == (200, {"data": await cart(alice)})
    line = await only_line(alice)
    assert (line["product_id"], line["seller_id"]) == (str(oil.id), str(oil.seller_id))
    assert (line["name"], line["slug"], line["shop_name"]) == (oil.name, oil.slug, "Alice Benali")
    assert (line["unit_price"], line["quantity"], line["line_total"]) == ("9.00", 2, "18.00")
    assert (line["available"], line["notice"], line["image"]) == (True, None, None)
    assert answer.json()["data"]["totals"] == [{"currency": "DZD", "amount": "18.00"}]


async def test_a_line_shows_the_first_picture_that_is_ready(app, alice, oil, nobody):
    for position, is_ready in ((2, True), (1, True), (0, False)):
        key = f"products/{oil.seller_id}/{oil.id}/{position}.jpg"
        picture = {"product_id": oil.id, "media_key": key, "position": position, "is_ready": is_ready}
        await walk.row(app, ProductImage, **picture, mime_type="image/jpeg")
    await put(alice, oil)
    image = (await only_line(alice))["image"]
    assert image.endswith(f"/products/{oil.seller_id}/{oil.id}/1.jpg")
    assert image == (await nobody.get(f"/products/{oil.id}")).json()["data"]["images"][0]


async def test_a_cart_is_what_the_docs_say(app, alice, oil):
    await put(alice, oil)
    shown = await cart(alice)
    model = Cart.model_validate_json(json.dumps(shown))
    assert list(shown) == list(Cart.model_fields)
    assert list(shown["items"][0]) == list(type(model.items[0]).model_fields)
    assert list(shown["totals"][0]) == list(type(model.totals[0]).model_fields)


async def test_who_never_had_a_cart_has_an_empty_one(alice):
    assert await cart(alice) == EMPTY
    answer = await alice.delete("/cart")
    assert (answer.status_code, answer.json()["data"]) == (200, EMPTY)


async def test_one_is_added_where_no_quantity_is_said(alice, oil):
    answer = await alice.post("/cart/items", json={"productId": str(oil.id)})
    assert answer.json()["data"]["items"][0]["quantity"] == 1


async def test_adding_again_sums_in_the_same_line(alice, oil):
    first = (await put(alice, oil, 2)).json()["data"]["items"][0]
    again = (await put(alice, oil, 3)).json()["data"]["items"]
    assert [(line["id"], line["quantity"]) for line in again] == [(first["id"], 5)]


async def test_a_line_is_set_and_removed(alice, oil):
    line = (await put(alice, oil, 2)).json()["data"]["items"][0]
    answer = await alice.patch(f"/cart/items/{line['id']}", json={"quantity": 7})
    assert (answer.status_code, answer.json()["data"]["items"][0]["quantity"]) == (200, 7)
    assert answer.json()["data"] == await cart(alice)
    answer = await alice.delete(f"/cart/items/{line['id']}")
    assert (answer.status_code, answer.json()["data"]) == (200, EMPTY)


async def test_emptying_leaves_no_line(app, alice, bob, oil):
    await put(alice, oil)
    await put(alice, await make.product(app))
    await put(bob, oil)
    assert (await alice.delete("/cart")).json()["data"] == EMPTY == await cart(alice)
    assert await quantities(bob) == {str(oil.id): 1}


async def test_lines_stay_in_the_order_in_which_they_came(app, alice):
    wanted = [await make.product(app, name=name) for name in ("Zaatar", "Almonds", "Milk")]
    for product in (*wanted, wanted[0]):
        await put(alice, product)
    assert [line["name"] for line in (await cart(alice))["items"]] == ["Zaatar", "Almonds", "Milk"]


async def test_totals_are_by_currency_with_its_digits(app, alice):
    for currency, price in (("KWD", "1.250"), ("DZD", "6500"), ("JPY", "300"), ("DZD", "0.50")):
        await put(alice, await make.product(app, currency=currency, price=price), 2)
    totals = {total["currency"]: total["amount"] for total in (await cart(alice))["totals"]}
    assert totals == {"DZD": "13001.00", "JPY": "600", "KWD": "2.500"}


async def test_the_greatest_cart_has_exact_totals(app, alice):
    for _ in range(2):
        product = await make.product(app, price="99999999999.999", currency="KWD", stock=100_000)
        assert (await put(alice, product, 100_000)).status_code == 200
    assert (await cart(alice))["totals"] == [{"currency": "KWD", "amount": "19999999999999800.000"}]


async def test_an_etag_saves_the_body(alice, oil):
    tag = (await put(alice, oil)).headers["etag"]
    again = await alice.get("/cart", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert "private" in again.headers["cache-control"]


async def test_a_stale_quantity_is_refused_where_it_is_asked_for(alice, oil):
    first = await put(alice, oil)
    address = f"/cart/items/{first.json()['data']['items'][0]['id']}"
    tag = (await put(alice, oil)).headers["etag"]
    stale = await alice.patch(address, json={"quantity": 5}, headers={"If-Match": first.headers["etag"]})
    problem(stale, 412, "stale")
    assert (await alice.patch(address, json={"quantity": 5}, headers={"If-Match": tag})).status_code == 200


# -- whose it is


async def test_nobody_has_no_cart(nobody, oil):
    key = {"Idempotency-Key": "short"}
    for answer in (
        await nobody.get("/cart"),
        await nobody.delete("/cart"),
        await put(nobody, oil, headers=key),
        await nobody.post("/cart/items", json={}),
        await nobody.patch(f"/cart/items/{uuid4()}", json={"quantity": 1}),
        await nobody.delete(f"/cart/items/{uuid4()}"),
    ):
        problem(answer, 401, "not_authenticated")


async def test_bobs_lines_are_not_found_by_alice(alice, bob, oil):
    his = (await put(bob, oil, 2)).json()["data"]["items"][0]["id"]
    for with_a_cart in (False, True):
        if with_a_cart:
            await put(alice, oil)
        for key in (his, str(uuid4()), "nonsense", "%00", "1" * 300):
            problem(await alice.patch(f"/cart/items/{key}", json={"quantity": 1}), 404, "not_found")
            problem(await alice.delete(f"/cart/items/{key}"), 404, "not_found")
    assert await quantities(bob) == {str(oil.id): 2}
    assert his not in (await alice.get("/cart")).text


# -- what is refused


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 2.0, "2", True, None, 10**9, 100_001, 10**30, [], {}])
async def test_quantities_are_whole_numbers_up_to_a_hundred_thousand(app, alice, quantity):
    plenty = await make.product(app, stock=2_000_000_000)
    line = (await put(alice, plenty)).json()["data"]["items"][0]["id"]
    for answer in (
        await put(alice, plenty, quantity),
        await alice.patch(f"/cart/items/{line}", json={"quantity": quantity}),
    ):
        assert problem(answer, 422, "validation_error")["errors"][0]["pointer"] == "/quantity"
    assert await quantities(alice) == {str(plenty.id): 1}


async def test_sums_end_at_a_hundred_thousand_too(app, alice):
    plenty = await make.product(app, stock=2_000_000_000)
    assert (await put(alice, plenty, 100_000)).status_code == 200
    assert problem(await put(alice, plenty), 422)["errors"][0]["pointer"] == "/quantity"


async def test_no_more_than_the_stock_goes_into_a_line(app, alice):
    few = await make.product(app, stock=3)
    left = {"pointer": "/quantity", "code": "out_of_stock", "message": "Only 3 left.", "available": 3}
    assert problem(await put(alice, few, 4), 409, "out_of_stock")["errors"] == [left]
    line = (await put(alice, few, 2)).json()["data"]["items"][0]["id"]
    assert problem(await put(alice, few, 2), 409, "out_of_stock")["errors"] == [left]
    assert problem(await alice.patch(f"/cart/items/{line}", json={"quantity": 4}), 409)["errors"] == [left]
    assert await quantities(alice) == {str(few.id): 2}


async def test_what_is_not_for_sale_cannot_be_added(app, alice):
    hidden = [await make.product(app, is_active=False), await make.product(app, is_listed=False)]
    for product_id in (*(product.id for product in hidden), uuid4()):
        answer = await alice.post("/cart/items", json={"product_id": str(product_id)})
        error = problem(answer, 422, "validation_error")["errors"][0]
        assert (error["pointer"], error["code"]) == ("/product_id", "unknown_product")
    assert await cart(alice) == EMPTY


async def test_what_is_no_longer_sold_cannot_be_changed_but_removed(app, alice, oil):
    line = (await put(alice, oil, 2)).json()["data"]["items"][0]["id"]
    await change(app, oil, is_active=False)
    answer = await alice.patch(f"/cart/items/{line}", json={"quantity": 1})
    error = problem(answer, 409, "out_of_stock")["errors"][0]
    assert (error["message"], error["available"]) == ("This is no longer sold.", 0)
    assert (await alice.delete(f"/cart/items/{line}")).json()["data"] == EMPTY


@pytest.mark.parametrize("field", ["price", "unit_price", "seller_id", "sellerId", "id", "notice"])
async def test_the_server_makes_the_rest(alice, oil, field):
    line = (await put(alice, oil)).json()["data"]["items"][0]["id"]
    for method, address, body in (
        ("POST", "/cart/items", {"product_id": str(oil.id), field: "1"}),
        ("PATCH", f"/cart/items/{line}", {"quantity": 2, field: "1"}),
    ):
        error = problem(await alice.request(method, address, json=body), 422)["errors"][0]
        assert (error["pointer"], error["code"]) == (f"/{field}", "extra_forbidden")


async def test_a_cart_holds_a_hundred_products(app, alice):
    async with app.state.database.transaction() as session:
        shop = await make.make_shop(session)
        wanted = [await make.make_product(session, shop) for _ in range(102)]
    answers = await asyncio.gather(*(put(alice, product) for product in wanted[:101]))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 1
    problem(refused[0], 409, "cart_is_full")
    line = (await cart(alice))["items"][0]
    assert (await alice.post("/cart/items", json={"product_id": line["product_id"]})).status_code == 200
    problem(await put(alice, wanted[101]), 409, "cart_is_full")


# -- what changed meanwhile


async def test_a_changed_price_is_the_present_one_and_says_so_until_the_line_is_written(app, alice, oil):
    line = (await put(alice, oil, 2)).json()["data"]["items"][0]["id"]
    await change(app, oil, price=10)
    found = await cart(alice)
    assert found["items"][0]["notice"] == "The price changed from 9.00 to 10.00 DZD."
    assert (found["items"][0]["line_total"], found["items"][0]["available"]) == ("20.00", True)
    assert found["totals"] == [{"currency": "DZD", "amount": "20.00"}]
    answer = await alice.patch(f"/cart/items/{line}", json={"quantity": 3})
    assert answer.json()["data"]["items"][0]["notice"] is None


async def test_adding_to_a_line_takes_its_new_price_as_seen(app, alice, oil):
    await put(alice, oil)
    await change(app, oil, price=10)
    await put(alice, oil)
    assert (await only_line(alice))["notice"] is None


@pytest.mark.parametrize(
    ("values", "notice"),
    [
        ({"is_active": False}, "This is no longer sold."),
        ({"is_listed": False, "stock": 0}, "This is no longer sold."),
        ({"stock": 0}, "This is sold out."),
        ({"stock": 3}, "Only 3 left."),
        ({"stock": 3, "price": 10}, "Only 3 left. The price changed from 9.00 to 10.00 DZD."),
    ],
)
async def test_what_cannot_be_bought_says_so_and_does_not_count(app, alice, oil, values, notice):
    await put(alice, oil, 5)
    other = await make.product(app, price="1.00")
    await put(alice, other)
    await change(app, oil, **values)
    found = await cart(alice)
    assert [(line["available"], line["notice"]) for line in found["items"]] == [(False, notice), (True, None)]
    assert found["totals"] == [{"currency": "DZD", "amount": "1.00"}]


async def test_the_last_ones_can_be_bought(app, alice, oil):
    await put(alice, oil, 5)
    await change(app, oil, stock=5)
    line = await only_line(alice)
    assert (line["available"], line["notice"]) == (True, None)


# -- many at once


async def test_twenty_parallel_adds_lose_none(app, alice, oil):
    await put(alice, oil)
    plenty = await make.product(app, stock=100)
    answers = await asyncio.gather(*(put(alice, plenty) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert await quantities(alice) == {str(oil.id): 1, str(plenty.id): 20}


async def test_twenty_parallel_adds_never_exceed_the_stock(app, alice, oil):
    await put(alice, oil)
    few = await make.product(app, stock=7)
    answers = await asyncio.gather(*(put(alice, few) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [409] * 13
    assert await quantities(alice) == {str(oil.id): 1, str(few.id): 7}


async def test_parallel_firsts_share_one_cart(app, alice, session):
    products = [await make.product(app) for _ in range(8)]
    answers = await asyncio.gather(*(put(alice, product) for product in products))
    assert {answer.status_code for answer in answers} == {200}
    assert await quantities(alice) == {str(product.id): 1 for product in products}
    assert await session.scalar(text("SELECT count(*) FROM carts")) == 1


async def test_every_kind_of_change_at_once_is_answered_cleanly(app, alice):
    products = [await make.product(app, stock=5) for _ in range(4)]
    for product in products:
        await put(alice, product)
    lines = [line["id"] for line in (await cart(alice))["items"]]
    answers = await asyncio.gather(
        *(put(alice, product, 2) for product in products * 3),
        *(alice.patch(f"/cart/items/{line}", json={"quantity": 3}) for line in lines * 3),
        *(alice.delete(f"/cart/items/{line}") for line in lines),
        *(log_in(alice, alice.user, [(product, 4) for product in reversed(products)]) for _ in range(3)),
        alice.delete("/cart"),
    )
    assert {answer.status_code for answer in answers} <= {200, 404, 409}
    assert all(0 < quantity <= 5 for quantity in (await quantities(alice)).values())


async def test_a_line_that_a_checkout_takes_away_is_not_added_to(app, alice, oil, database):
    await put(alice, oil, 3)
    async with database.transaction() as session:
        await session.execute(text("DELETE FROM cart_items WHERE quantity = 3"))
        adding = asyncio.create_task(put(alice, oil, 1))
        await asyncio.sleep(0.3)
    assert (await adding).status_code == 200
    assert await quantities(alice) == {str(oil.id): 1}


async def test_a_cart_waits_for_nobody_who_buys_the_product(alice, oil, database):
    async with database.transaction() as session:
        await session.execute(text("UPDATE products SET stock = stock - 1"))
        async with asyncio.timeout(2):
            assert (await put(alice, oil, 1)).status_code == 200
            assert (await log_in(alice, alice.user, [(oil, 2)])).status_code == 200
    assert await quantities(alice) == {str(oil.id): 2}


async def test_a_repeat_with_the_same_key_adds_once(alice, oil):
    headers = {"Idempotency-Key": "add-1"}
    answers = await asyncio.gather(*(put(alice, oil, 2, headers=headers) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
    assert await quantities(alice) == {str(oil.id): 2}
    problem(await put(alice, oil, 3, headers=headers), 422, "idempotency_key_reused")


# -- a guest signs in


async def test_a_login_brings_the_guests_cart_along(app, nobody, alice):
    products = [await make.product(app) for _ in range(3)]
    answer = await log_in(nobody, alice.user, [(product, 2) for product in reversed(products)])
    assert answer.status_code == 200
    assert answer.json()["data"].keys() == {"access_token", "token_type", "expires_in", "user"}
    found = await cart(alice)
    assert [line["product_id"] for line in found["items"]] == [str(product.id) for product in reversed(products)]
    assert found["totals"] == [{"currency": "DZD", "amount": "54.00"}]


async def test_of_both_carts_the_larger_quantity_counts_however_often(app, nobody, alice):
    less, more, own = [await make.product(app) for _ in range(3)]
    for product in (less, more, own):
        await put(alice, product, 4)
    before = (await cart(alice))["items"]
    for _ in range(2):
        assert (await log_in(nobody, alice.user, [(less, 2), (more, 6)])).status_code == 200
        assert await quantities(alice) == {str(less.id): 4, str(more.id): 6, str(own.id): 4}
    assert [line["id"] for line in (await cart(alice))["items"]] == [line["id"] for line in before]


async def test_a_guests_cart_is_bounded_by_the_stock(app, nobody, alice):
    new, known, gone = [await make.product(app) for _ in range(3)]
    for product in (known, gone):
        await put(alice, product, 2)
    await change(app, known, stock=3)
    await change(app, gone, stock=0)
    await log_in(nobody, alice.user, [(new, 100_000), (known, 5), (gone, 5)])
    assert await quantities(alice) == {str(new.id): 10, str(known.id): 3, str(gone.id): 2}


async def test_what_is_not_for_sale_is_left_out(app, nobody, alice, oil):
    hidden = [await make.product(app, **values) for values in ({"is_active": False}, {"is_listed": False})]
    empty = await make.product(app, stock=0)
    unknown = make.Product(id=uuid4())
    answer = await log_in(nobody, alice.user, [(product, 1) for product in (*hidden, empty, unknown, oil)])
    assert answer.status_code == 200
    assert await quantities(alice) == {str(oil.id): 1}


async def test_a_product_that_stands_twice_in_a_guests_cart_is_one_line(nobody, alice, oil):
    await log_in(nobody, alice.user, [(oil, 2), (oil, 5), (oil, 3)])
    assert await quantities(alice) == {str(oil.id): 5}


async def test_a_merge_leaves_the_notice_about_the_price(app, nobody, alice, oil):
    await put(alice, oil, 2)
    await change(app, oil, price=10)
    await log_in(nobody, alice.user, [(oil, 5)])
    line = await only_line(alice)
    assert (line["quantity"], line["notice"]) == (5, "The price changed from 9.00 to 10.00 DZD.")


async def test_a_full_cart_takes_no_more_and_the_login_works(app, nobody, alice):
    async with app.state.database.transaction() as session:
        shop = await make.make_shop(session)
        wanted = [await make.make_product(session, shop) for _ in range(150)]
    assert (await log_in(nobody, alice.user, [(product, 1) for product in wanted[:60]])).status_code == 200
    assert (await log_in(nobody, alice.user, [(product, 2) for product in wanted[50:150]])).status_code == 200
    assert await quantities(alice) == {
        str(product.id): 1 if place < 50 else 2 for place, product in enumerate(wanted[:100])
    }


async def test_a_wrong_password_merges_nothing(nobody, alice, oil, session):
    answer = await log_in(nobody, alice.user, [(oil, 2)], password="not-hers-at-all")
    problem(answer, 401, "invalid_credentials")
    assert await cart(alice) == EMPTY
    assert await session.scalar(text("SELECT count(*) FROM carts")) == 0


@pytest.mark.parametrize("cart", [None, []])
async def test_a_login_without_a_cart_opens_none(nobody, alice, session, cart):
    body = {"email": alice.user.email, "password": PASSWORD, "cart": cart}
    assert (await nobody.post("/auth/login", json=body)).status_code == 200
    assert await session.scalar(text("SELECT count(*) FROM carts")) == 0


@pytest.mark.parametrize(
    ("cart", "pointer"),
    [
        ("x", "/cart"),
        ({}, "/cart"),
        ([{"product_id": str(uuid4()), "quantity": 1}] * 101, "/cart"),
        ([{"product_id": str(uuid4())}], "/cart/0/quantity"),
        ([{"product_id": str(uuid4()), "quantity": 0}], "/cart/0/quantity"),
        ([{"productId": "x\x00", "quantity": 1}], "/cart/0/productId"),
        ([{"product_id": str(uuid4()), "quantity": 1, "price": "1"}], "/cart/0/price"),
    ],
)
async def test_a_malformed_cart_is_refused_and_named(nobody, alice, cart, pointer):
    body = {"email": alice.user.email, "password": PASSWORD, "cart": cart}
    answer = await nobody.post("/auth/login", json=body)
    assert problem(answer, 422, "validation_error")["errors"][0]["pointer"] == pointer


async def test_a_form_login_takes_no_cart(nobody, alice):
    form = {"username": alice.user.email, "password": PASSWORD, "cart": "[]"}
    problem(await nobody.post("/auth/token", data=form), 422, "validation_error")
