"""The catalogue of products: who sees what, filters, branches, search, and facets that agree with the lists."""

from decimal import Decimal

import pytest

from app.resources.categories import Category
from tests import make, walk
from tests.make import shop_of


async def names(person, query: str = "") -> list[str]:
    answer = await person.get(f"/products?{query}")
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


async def total(person, query: str = "") -> int:
    return (await person.get(f"/products?{query}")).json()["meta"]["total"]


async def facets(person, query: str = ""):
    answer = await person.get(f"/products/facets?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.fixture
async def tree(app) -> dict[str, Category]:
    """Food, with Oil below it and Olive oil below that; and Cloth."""
    food = await walk.row(app, Category, name="Food", parent_id=None)
    oil = await walk.row(app, Category, name="Oil", parent_id=food.id)
    olive = await walk.row(app, Category, name="Olive oil", parent_id=oil.id)
    return {"food": food, "oil": oil, "olive": olive, "cloth": await walk.row(app, Category, name="Cloth")}


@pytest.fixture
async def shelf(app, vera, omar, tree):
    """Vera's oils and Omar's cloth; one of hers is archived, one sold out."""
    await make.product(app, vera, name="Olive oil, 5 litres", price="6500", category_id=tree["olive"].id)
    await make.product(app, vera, name="Sunflower oil", price="900", category_id=tree["oil"].id, stock=0)
    await make.product(app, vera, name="Old oil", price="100", category_id=tree["oil"].id, is_active=False)
    await make.product(app, vera, name="Salt", price="50", category_id=tree["food"].id, description="Of the sea")
    await make.product(app, omar, name="Silk scarf", price="2000", category_id=tree["cloth"].id)
    await make.product(app, omar, name="TV", price="45000")


async def test_everybody_sees_what_is_for_sale(shelf, nobody, alice):
    for person in (nobody, alice):
        assert await names(person) == ["TV", "Silk scarf", "Salt", "Sunflower oil", "Olive oil, 5 litres"]


async def test_an_archived_product_is_seen_by_its_seller_and_staff_only(shelf, app, nobody, alice, omar, vera, carl):
    old = await make.product(app, vera, name="Older oil", is_active=False)
    for person, seen in ((nobody, False), (alice, False), (omar, False), (vera, True), (carl, True)):
        for key in (old.id, old.slug):
            assert (await person.get(f"/products/{key}")).status_code == (200 if seen else 404)
        assert ("Older oil" in await names(person)) is seen
        assert await total(person, "search=old") == (2 if seen else 0)
        assert (await facets(person))["total"] == (7 if seen else 5)


async def test_what_a_closed_shop_has_is_seen_by_its_seller_and_staff_only(shelf, nobody, omar, vera, sam):
    assert (await vera.patch(f"/sellers/{await shop_id(vera)}", json={"is_open": False})).status_code == 200
    for person, count in ((nobody, 2), (omar, 2), (vera, 6), (sam, 6)):
        assert (await total(person), (await facets(person))["total"]) == (count, count)
    assert {shop["shop_name"] for shop in (await facets(nobody))["sellers"]} == {"Omar Bazar"}


async def shop_id(seller):
    found = await seller.get("/sellers?limit=100")
    return next(shop["id"] for shop in found.json()["data"] if shop["user_id"] == str(seller.user.id))


async def test_a_category_stands_for_its_branch(shelf, tree, nobody):
    for name, found in {
        "food": ["Salt", "Sunflower oil", "Olive oil, 5 litres"],
        "oil": ["Sunflower oil", "Olive oil, 5 litres"],
        "olive": ["Olive oil, 5 litres"],
        "cloth": ["Silk scarf"],
    }.items():
        assert await names(nobody, f"category_id={tree[name].id}") == found
    assert await names(nobody, f"category_id={make.new_id()}") == []
    assert await names(nobody, f"category_id={tree['food'].id}&search=oil&sort=price&in_stock=true") == [
        "Olive oil, 5 litres"
    ]


async def test_the_children_of_a_category_are_its_own_only(tree, nobody):
    found = (await nobody.get(f"/categories?parent_id={tree['food'].id}")).json()["data"]
    assert [row["name"] for row in found] == ["Oil"]


async def test_a_ring_of_categories_ends(app, tree, nobody, session):
    ring = await session.get(Category, tree["food"].id)
    ring.parent_id = tree["olive"].id
    await session.commit()
    await make.product(app, category_id=tree["oil"].id)
    assert await total(nobody, f"category_id={tree['olive'].id}") == 1
    assert {each["name"]: each["count"] for each in (await facets(nobody))["categories"]} == {
        "Food": 1,
        "Oil": 1,
        "Olive oil": 1,
    }


async def test_filters_and_sorting(shelf, nobody, vera):
    assert await names(nobody, "sort=price") == ["Salt", "Sunflower oil", "Silk scarf", "Olive oil, 5 litres", "TV"]
    assert await names(nobody, "price__gte=900&price__lte=6500&sort=-price") == [
        *("Olive oil, 5 litres", "Silk scarf", "Sunflower oil")
    ]
    assert await names(nobody, "in_stock=false") == ["Sunflower oil"]
    assert await names(nobody, f"sellerId={await shop_id(vera)}&sort=name") == [
        *("Olive oil, 5 litres", "Salt", "Sunflower oil")
    ]


async def test_search_finds_parts_of_names_and_descriptions_but_short_words_where_a_word_begins(shelf, nobody):
    for words, found in {
        "sea": ["Salt"],
        "flower": ["Sunflower oil"],
        "OIL": ["Sunflower oil", "Olive oil, 5 litres"],
        "oil 5": ["Olive oil, 5 litres"],
        "tv": ["TV"],
        "si": ["Silk scarf"],
        "of": [],
        "lk": [],
        "s": ["Silk scarf", "Salt", "Sunflower oil"],
        "s oil": ["Sunflower oil"],
        "%": [],
        "_": [],
        "\\": [],
    }.items():
        answer = await nobody.get("/products", params={"search": words})
        assert [row["name"] for row in answer.json()["data"]] == found, words
        assert (await nobody.get("/products/facets", params={"search": words})).json()["data"]["total"] == len(found)


async def test_facets_count_what_the_lists_find(shelf, tree, nobody, vera, sam):
    for person in (nobody, vera, sam):
        for query in ("", "search=oil", "in_stock=true", "price__gte=900", f"category_id={tree['oil'].id}", "search=s"):
            found = await facets(person, query)
            assert found["total"] == await total(person, query)
            for value, count in found["in_stock"].items():
                assert count == (await total(person, f"{query}&in_stock={value}") if "in_stock" not in query else count)
            for shop in found["sellers"]:
                assert shop["count"] == await total(person, f"{query}&seller_id={shop['id']}")
            if "category_id" not in query:
                for branch in found["categories"]:
                    assert branch["count"] == await total(person, f"{query}&category_id={branch['id']}")


async def test_facets_name_what_there_is(app, shelf, tree, nobody):
    await make.product(app, name="Clock", price="1500", currency="JPY")
    found = await facets(nobody)
    assert [(each["name"], each["count"]) for each in found["categories"]] == [
        *(("Food", 3), ("Oil", 2), ("Cloth", 1), ("Olive oil", 1))
    ]
    assert [shop["count"] for shop in found["sellers"]] == [3, 2, 1]
    assert found["prices"] == [
        {"currency": "DZD", "min": "50.00", "max": "45000.00"},
        {"currency": "JPY", "min": "1500", "max": "1500"},
    ]
    assert found["in_stock"] == {"true": 5, "false": 1}


async def test_facets_of_nothing(nobody, shelf):
    for query in ("search=unobtainium", "price__gte=99999999", f"seller_id={make.new_id()}"):
        assert await facets(nobody, query) == {
            "total": 0,
            "categories": [],
            "sellers": [],
            "prices": [],
            "in_stock": {"true": 0, "false": 0},
        }


async def test_of_many_sellers_the_twenty_with_most_come(app, nobody, session):
    for number in range(21):
        shop = await make.make_shop(session, shop_name=f"Shop {number:02}")
        for _ in range(2 if number == 20 else 1):
            await make.make_product(session, shop)
    await session.commit()
    sellers = (await facets(nobody))["sellers"]
    assert [(shop["shop_name"], shop["count"]) for shop in sellers][:2] == [("Shop 20", 2), ("Shop 00", 1)]
    assert len(sellers) == 20


async def test_facets_take_filters_and_search_and_nothing_else(nobody):
    for query in ("page=1", "sort=price", "limit=5", "cursor=", "nonsense=1", "search=a&search=b", "in_stock=maybe"):
        refused = walk.problem(await nobody.get(f"/products/facets?{query}"), 422, "validation_error", query)
        name = query.partition("=")[0]
        assert refused["errors"][0]["pointer"] == f"?{name}"
    allowed = walk.problem(await nobody.get("/products/facets?page=1"), 422)["errors"][0]["allowed"]
    assert set(allowed) == {"search", "seller_id", "category_id", "price__gte", "price__lte", "in_stock"}


async def test_facets_have_a_tag_like_lists(shelf, app, nobody, alice):
    for person, kind in ((nobody, "public"), (alice, "private")):
        first = await person.get("/products/facets")
        assert kind in first.headers["cache-control"]
        again = await person.get("/products/facets", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    await make.product(app)
    changed = await nobody.get("/products/facets", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_facets_are_as_documented(app, shelf, nobody):
    docs = app.openapi()["paths"]["/api/v1/products/facets"]["get"]
    assert {each["name"] for each in docs["parameters"]} == {
        *("search", "seller_id", "category_id", "price__gte", "price__lte", "in_stock")
    }
    example = docs["responses"]["200"]["content"]["application/json"]["example"]["data"]
    found = await facets(nobody)
    assert example.keys() == found.keys()
    for name in ("categories", "sellers", "prices"):
        assert example[name][0].keys() == found[name][0].keys()


async def test_pages_and_feeds_are_the_same_products(app, nobody, vera, session):
    shop = await shop_of(session, vera)
    for number in range(7):
        await make.make_product(session, shop, name=f"Cup {number}", price=str(Decimal(number % 3)))
    await session.commit()
    for query in ("", "sort=price", "sort=-price,name", "search=cup", "sort=name&in_stock=true&search=c"):
        assert await walk.feed(nobody, f"/products?{query}", limit=3) == await ids(nobody, query)


async def ids(person, query: str) -> list[str]:
    return [row["id"] for row in (await person.get(f"/products?{query}&limit=100")).json()["data"]]
