"""Products are written by their sellers, each in the one currency of his shop; shops open, close and are blocked."""

import asyncio

import pytest
from sqlalchemy import select

from app.resources.products import Product
from app.resources.sellers import Seller
from tests import make
from tests.walk import problem

NEW = {"name": "Olive oil, 5 litres", "price": "6500", "stock": 40}


@pytest.fixture
async def oil(vera):
    return (await vera.post("/products", json=NEW)).json()["data"]


async def shop_of(session, seller):
    return await session.scalar(select(Seller).where(Seller.c.user_id == seller.user.id))


async def test_vera_adds_a_product(vera, nobody, session):
    answer = await vera.post("/products", json=NEW)
    assert answer.status_code == 201, answer.text
    product = answer.json()["data"]
    assert (product["slug"], product["price"], product["currency"]) == ("olive-oil-5-litres", "6500.00", "DZD")
    assert (product["stock"], product["in_stock"], product["images"]) == (40, True, [])
    assert product["seller_id"] == str((await shop_of(session, vera)).id)
    for key in (product["id"], product["slug"]):
        assert (await nobody.get(f"/products/{key}")).json()["data"] == product


async def test_only_sellers_add_products(nobody, alice, carl, sam):
    problem(await nobody.post("/products", json=NEW), 401)
    for person in (alice, carl, sam):
        problem(await person.post("/products", json=NEW), 403)


async def test_another_sellers_product_is_not_his_to_change(vera, omar, alice, oil):
    path = f"/products/{oil['id']}"
    for person in (omar, alice):
        problem(await person.patch(path, json={"price": "1"}), 403)
        problem(await person.delete(path), 403)
    await vera.patch(path, json={"is_active": False})
    problem(await omar.get(path), 404)
    problem(await omar.patch(path, json={"price": "1"}), 404)
    problem(await omar.delete(path), 404)


async def test_a_product_is_changed(vera, oil):
    changed = await vera.patch(f"/products/{oil['id']}", json={"price": "7000.50", "stock": 0, "old_price": "8000"})
    product = changed.json()["data"]
    assert (product["price"], product["old_price"], product["in_stock"]) == ("7000.50", "8000.00", False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seller_id", "019aab12-7c00-7000-8000-0000000000f0"),
        ("is_listed", True),
        ("in_stock", True),
        ("images", ["https://elsewhere.example/a.jpg"]),
        ("id", "019aab12-7c00-7000-8000-0000000000f0"),
        ("stock", -1),
        ("stock", 1.5),
        ("stock", 10**12),
        ("price", "-1"),
        ("price", "1.005"),
        ("price", "NaN"),
        ("price", 10**15),
        ("name", ""),
        ("name", "two\nlines"),
        ("category_id", "019aab12-7c00-7000-8000-0000000000f0"),
        ("currency", "USD"),
        ("currency", "XXX"),
        ("slug", "facets"),
    ],
)
async def test_odd_values_are_refused(vera, oil, field, value):
    new = problem(await vera.post("/products", json={**NEW, field: value}), 422)
    assert [error["pointer"].split("/")[1] for error in new["errors"]] == [field]
    problem(await vera.patch(f"/products/{oil['id']}", json={field: value}), 422)


async def test_the_currency_is_the_shops(vera, session):
    assert (await vera.post("/products", json={**NEW, "currency": "dzd"})).status_code == 201
    answer = problem(await vera.post("/products", json={**NEW, "currency": "EUR"}), 422)
    assert answer["errors"][0]["allowed"] == ["DZD"]
    shop = await shop_of(session, vera)
    problem(await vera.patch(f"/sellers/{shop.id}", json={"currency": "EUR"}), 409, "currency_in_use")


async def test_a_shop_without_products_changes_its_currency(vera, session):
    shop = await shop_of(session, vera)
    assert (await vera.patch(f"/sellers/{shop.id}", json={"currency": "EUR"})).json()["data"]["currency"] == "EUR"
    assert (await vera.post("/products", json=NEW)).json()["data"]["currency"] == "EUR"


async def test_prices_and_currency_never_part(vera, session):
    shop = await shop_of(session, vera)
    adding = [vera.post("/products", json={**NEW, "name": f"Oil {n}"}) for n in range(10)]
    changing = [vera.patch(f"/sellers/{shop.id}", json={"currency": currency}) for currency in ("EUR", "USD")]
    await asyncio.gather(*changing[:1], *adding, *changing[1:])
    await session.refresh(shop)
    assert set(await session.scalars(select(Product.c.currency))) == {shop.currency}


async def test_what_was_ordered_is_archived(vera, alice, nobody, oil):
    await make.goods_order(alice, oil["id"])
    path = f"/products/{oil['id']}"
    assert (await vera.delete(path)).status_code == 204
    assert (await vera.get(path)).json()["data"]["is_active"] is False
    for person in (nobody, alice):
        problem(await person.get(path), 404)
        assert (await person.get("/products")).json()["data"] == []
    order = (await alice.get("/orders")).json()["data"][0]
    assert order["items"][0]["title"] == "Olive oil, 5 litres"


async def test_what_nobody_ordered_is_deleted(vera, sam, oil):
    path = f"/products/{oil['id']}"
    assert (await vera.delete(path)).status_code == 204
    for person in (vera, sam):
        problem(await person.get(path), 404)
    problem(await vera.delete(path), 404)


async def test_a_closed_shop_sells_nothing(vera, alice, nobody, session, oil):
    shop = await shop_of(session, vera)
    await alice.post("/cart/items", json={"product_id": oil["id"]})
    await vera.patch(f"/sellers/{shop.id}", json={"is_open": False})
    late = (await vera.post("/products", json={**NEW, "name": "Late"})).json()["data"]
    for product in (oil, late):
        problem(await nobody.get(f"/products/{product['id']}"), 404)
    problem(await alice.post("/cart/checkout", json=make.BUYER), 409, "out_of_stock")
    await vera.patch(f"/sellers/{shop.id}", json={"is_open": True})
    assert len((await nobody.get("/products")).json()["data"]) == 2


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "CUSTOMER"}])
async def test_whoever_is_no_seller_any_more_sells_nothing(vera, sam, nobody, session, oil, change):
    shop = await shop_of(session, vera)
    await sam.patch(f"/admin/users/{vera.user.id}", json=change)
    problem(await nobody.get(f"/products/{oil['id']}"), 404)
    problem(await nobody.get(f"/sellers/{shop.id}"), 404)
    await sam.patch(f"/admin/users/{vera.user.id}", json={"is_active": True, "role": "SELLER"})
    assert (await nobody.get(f"/products/{oil['id']}")).status_code == 200


async def test_an_admin_makes_a_seller_who_has_a_shop(sam, alice, nobody, app):
    await sam.patch(f"/admin/users/{alice.user.id}", json={"role": "SELLER", "seller_category": "GROSSISTE"})
    token = (await nobody.post("/auth/login", json={"email": "alice@example.com", "password": make.PASSWORD})).json()
    headers = {"Authorization": f"Bearer {token['data']['access_token']}"}
    (shop,) = (await nobody.get("/sellers")).json()["data"]
    assert (shop["shop_name"], shop["category"], shop["is_verified"]) == ("Alice Benali", "GROSSISTE", False)
    assert (await nobody.post("/products", json=NEW, headers=headers)).status_code == 201
    renamed = await nobody.patch(f"/sellers/{shop['id']}", json={"shop_name": "Chez Alice"}, headers=headers)
    assert renamed.json()["data"]["shop_name"] == "Chez Alice"


async def test_staff_say_whose_papers_they_saw(carl, vera, nobody, session):
    shop = await shop_of(session, vera)
    problem(await vera.patch(f"/sellers/{shop.id}", json={"is_verified": True}), 422)
    problem(await vera.patch(f"/admin/sellers/{shop.id}", json={"is_verified": True}), 403)
    assert (await carl.patch(f"/admin/sellers/{shop.id}", json={"is_verified": True})).status_code == 200
    assert (await nobody.get(f"/sellers/{shop.id}")).json()["data"]["is_verified"] is True


async def test_another_name_is_not_verified(sam, vera, session):
    shop = await shop_of(session, vera)
    await sam.patch(f"/admin/sellers/{shop.id}", json={"is_verified": True})
    kept = await vera.patch(f"/sellers/{shop.id}", json={"city": "Oran", "shop_name": shop.shop_name})
    assert kept.json()["data"]["is_verified"] is True
    renamed = await vera.patch(f"/sellers/{shop.id}", json={"shop_name": "Sonelgaz official"})
    assert renamed.json()["data"]["is_verified"] is False


async def test_a_category_is_not_below_itself(sam, nobody):
    food = (await sam.post("/categories", json={"name": "Food"})).json()["data"]
    oil = (await sam.post("/categories", json={"name": "Oil", "parent_id": food["id"]})).json()["data"]
    for parent in (food["id"], oil["id"]):
        answer = problem(await sam.patch(f"/categories/{food['id']}", json={"parent_id": parent}), 422)
        assert answer["errors"][0]["code"] == "circular"
    shown = (await nobody.get("/categories")).json()["data"]
    assert [(each["name"], each["parent_id"]) for each in shown] == [("Food", None), ("Oil", food["id"])]


async def test_twenty_moves_at_once_leave_a_tree(sam):
    made = [(await sam.post("/categories", json={"name": f"Shelf {n}"})).json()["data"]["id"] for n in range(4)]
    ring = [(made[n], made[(n + 1) % 4]) for n in range(4)] * 3
    await asyncio.gather(*(sam.patch(f"/categories/{child}", json={"parent_id": above}) for child, above in ring))
    parents = {each["id"]: each["parent_id"] for each in (await sam.get("/categories")).json()["data"]}
    for start in made:
        above, seen = start, []
        while above := parents[above]:
            assert above not in seen
            seen.append(above)


async def test_a_category_in_use_stays(sam, vera):
    food = (await sam.post("/categories", json={"name": "Food"})).json()["data"]
    await vera.post("/products", json={**NEW, "category_id": food["id"]})
    problem(await sam.delete(f"/categories/{food['id']}"), 409, "in_use")
