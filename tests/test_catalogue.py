"""Services: seen by all, written by admins; money with the digits of its currency, slugs, search and shelves."""

import asyncio

import pytest

from tests import make, walk

NEW = {"type": "MAIN", "title": "Schengen Visa", "price": "85.50"}


async def test_sam_adds_a_service_and_everybody_sees_it(sam, nobody):
    answer = await sam.post(
        "/services",
        json={
            **NEW,
            "oldPrice": 99,
            "requiredDocuments": ["passport", "PHOTO"],
            "specs": {"processingTime": "15 days"},
        },
    )
    assert answer.status_code == 201
    service = answer.json()["data"]
    assert (service["slug"], service["price"], service["old_price"], service["currency"]) == (
        "schengen-visa",
        "85.50",
        "99.00",
        "USD",
    )
    assert service["required_documents"] == ["PASSPORT", "PHOTO"]
    assert service["specs"] == {"processingTime": "15 days"}
    assert (service["images"], service["features"], service["is_active"]) == ([], [], True)
    for key in (service["id"], service["slug"], service["id"].upper()):
        assert (await nobody.get(f"/services/{key}")).json()["data"] == service
    assert service["created_at"].endswith("Z")


async def test_only_admins_write_services(app, alice, vera, carl, nobody):
    service = await make.service(app)
    for person, status in ((nobody, 401), (alice, 403), (vera, 403), (carl, 403)):
        walk.problem(await person.post("/services", json=NEW), status)
        walk.problem(await person.patch(f"/services/{service.id}", json={"price": "1"}), status)
        walk.problem(await person.delete(f"/services/{service.id}"), status)


async def test_a_retired_service_is_seen_by_staff_only(app, alice, carl, nobody):
    service = await make.service(app, is_active=False)
    for person, status in ((nobody, 404), (alice, 404), (carl, 200)):
        assert (await person.get(f"/services/{service.id}")).status_code == status
        assert (await person.get("/services")).json()["meta"]["total"] == (1 if person is carl else 0)


@pytest.mark.parametrize(
    ("currency", "given", "shown"),
    [
        *(
            ("USD", "85.50", "85.50"),
            ("USD", 85.5, "85.50"),
            ("USD", 85, "85.00"),
            ("USD", "0", "0.00"),
            ("usd", "1e2", "100.00"),
        ),
        *(
            ("JPY", "1500", "1500"),
            ("JPY", 1500.0, "1500"),
            ("KWD", "12.345", "12.345"),
            ("KWD", 12.3, "12.300"),
            ("USD", "99999999999.99", "99999999999.99"),
        ),
    ],
)
async def test_money_comes_out_with_the_digits_of_its_currency(sam, currency, given, shown):
    answer = await sam.post("/services", json={**NEW, "currency": currency, "price": given})
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["price"] == shown
    assert (await sam.get("/services")).json()["data"][0]["price"] == shown


async def test_money_that_does_not_fit_is_refused(sam):
    for currency, price in (
        *(
            ("USD", "85.505"),
            ("USD", 85.505),
            ("JPY", "85.5"),
            ("KWD", "1.2345"),
            ("USD", "-1"),
            ("USD", -0.01),
            ("USD", "1e30"),
            ("USD", 10**14),
        ),
        *(
            ("USD", "100000000000"),
            ("USD", "NaN"),
            ("USD", "Infinity"),
            ("USD", ""),
            ("USD", "free"),
            ("USD", True),
            ("USD", None),
            ("USD", [1]),
        ),
        *(("USD", "1,50"), ("USD", "1_000"), ("USD", "٣"), ("USD", "$5"), ("USD", "1e-5"), ("USD", "0x10")),
    ):
        answer = await sam.post("/services", json={**NEW, "currency": currency, "price": price})
        assert walk.problem(answer, 422, "validation_error", (currency, price))["errors"][0]["pointer"] == "/price"
    answer = await sam.post("/services", json={**NEW, "oldPrice": "1.005"})
    assert walk.problem(answer, 422)["errors"][0]["pointer"] == "/oldPrice"
    for currency in ("XYZ", "US", "", "USDD", None, "U\x00D"):
        answer = await sam.post("/services", json={**NEW, "currency": currency})
        assert walk.problem(answer, 422, about=currency)["errors"][0]["pointer"] == "/currency"


async def test_a_change_of_currency_checks_the_price_it_meets(app, sam):
    service = await make.service(app, price="85.50")
    answer = await sam.patch(f"/services/{service.id}", json={"currency": "JPY"})
    assert walk.problem(answer, 422)["errors"][0]["pointer"] == "/price"
    answer = await sam.patch(f"/services/{service.id}", json={"currency": "JPY", "price": 8600})
    assert answer.json()["data"]["price"] == "8600"


async def test_only_what_is_sent_changes(app, sam):
    service = await make.service(app, region="Europe", features=["a", "b"])
    answer = await sam.patch(f"/services/{service.id}", json={"features": ["c"]})
    assert (answer.json()["data"]["region"], answer.json()["data"]["features"]) == ("Europe", ["c"])
    assert (await sam.patch(f"/services/{service.id}", json={"region": None})).json()["data"]["region"] is None
    before = (await sam.get(f"/services/{service.id}")).json()["data"]
    assert (await sam.patch(f"/services/{service.id}", json={})).json()["data"] == before
    for body in ({"title": None}, {"slug": "new"}, {"id": str(make.new_id())}, {"created_at": "2020-01-01T00:00:00Z"}):
        walk.problem(await sam.patch(f"/services/{service.id}", json={**body, "region": "Asia"}), 422)
    assert (await sam.get(f"/services/{service.id}")).json()["data"] == before


async def test_slugs_are_made_unique_and_may_be_given_once(sam):
    slugs = [(await sam.post("/services", json=NEW)).json()["data"]["slug"] for _ in range(2)]
    assert slugs[0] == "schengen-visa"
    assert slugs[1].startswith("schengen-visa-")
    assert (await sam.post("/services", json={**NEW, "slug": "my-own"})).json()["data"]["slug"] == "my-own"
    taken = walk.problem(await sam.post("/services", json={**NEW, "slug": "my-own"}), 409, "already_exists")
    assert taken["errors"][0]["pointer"] == "/slug"
    for slug in ("My Own", "a/b", "../x", "", "-a", "é", "a" * 201, "a\n"):
        answer = await sam.post("/services", json={**NEW, "slug": slug})
        assert walk.problem(answer, 422, about=slug)["errors"][0]["pointer"] == "/slug"
    assert (await sam.post("/services", json={**NEW, "title": "تأشيرة"})).json()["data"]["slug"]
    assert (await sam.post("/services", json={**NEW, "title": "!!!"})).json()["data"]["slug"]


async def test_the_same_title_ten_times_at_once(sam):
    answers = await asyncio.gather(*(sam.post("/services", json=NEW) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["data"]["slug"] for answer in answers if answer.status_code == 201}) >= 1


async def test_shelves_filters_and_sorting(app, nobody):
    for type, price in (("MAIN", "450"), ("MICRO", "25"), ("DIGITAL", "9.90"), ("MAIN", "85.50")):
        await make.service(
            app, type=type, price=price, title=f"{type} {price}", region="Europe" if type == "MAIN" else None
        )

    async def prices(query: str) -> list[str]:
        return [row["price"] for row in (await nobody.get(f"/services{query}")).json()["data"]]

    assert await prices("/main") == ["85.50", "450.00"]
    assert await prices("/micro") == ["25.00"]
    assert await prices("/digital?sort=price") == ["9.90"]
    assert await prices("?type=main&region=Europe&sort=price") == ["85.50", "450.00"]
    assert await prices("?price__gte=25&price__lte=85.50&sort=-price") == ["85.50", "25.00"]
    assert await prices("?sort=-price&limit=2&page=2") == ["25.00", "9.90"]
    assert await prices("?search=europe+450") == ["450.00"]
    walk.problem(await nobody.get("/services/main?type=MICRO"), 422)


async def test_search_finds_words_as_they_are(app, nobody):
    await make.service(app, title="100% refund_able", description="Façade \\ backslash")
    await make.service(app, title="Plain", region="Überall")
    for words, total in (
        ("100%", 1),
        ("%", 1),
        ("_", 1),
        ("\\", 1),
        ("FAÇADE", 1),
        ("überall", 1),
        ("plain überall", 1),
        ("plain refund", 0),
        ("'", 0),
        ("", 2),
    ):
        assert (await nobody.get("/services", params={"search": words})).json()["meta"]["total"] == total, words
    assert (await nobody.get("http://souk.test/api/v1/services?search=%C3%BCberall")).json()["meta"]["total"] == 1


async def test_a_service_with_orders_is_not_deleted(app, sam, alice):
    service, free = await make.service(app), await make.service(app)
    await make.order(alice, service.id)
    walk.problem(await sam.delete(f"/services/{service.id}"), 409, "in_use")
    assert (await sam.delete(f"/services/{free.id}")).status_code == 204
    walk.problem(await sam.delete(f"/services/{free.id}"), 404)


async def test_json_of_any_depth_is_bounded(sam):
    for specs in ({"a": {"b": [1, None, "é", 1.5, True]}}, {}, {"": ""}):
        assert (await sam.post("/services", json={**NEW, "specs": specs})).json()["data"]["specs"] == specs
    deep: dict = {}
    for _ in range(12):
        deep = {"a": deep}
    for specs in (deep, {"a": "\x00"}, {"\x00": 1}, {"a": 2**70}, [], "x", None, 1):
        answer = await sam.post("/services", json={**NEW, "specs": specs})
        assert walk.problem(answer, 422, about=specs)["errors"][0]["pointer"] == "/specs"


async def test_lists_in_a_row_are_bounded_and_pointed_into(sam):
    for field, value, pointer in (
        ("features", ["x"] * 51, "/features"),
        ("features", ["ok", "a\x00b"], "/features/1"),
        ("features", ["a\nb"], "/features/0"),
        ("images", ["x" * 201], "/images/0"),
        ("requiredDocuments", ["PASSPORT", "SOUL"], "/requiredDocuments/1"),
        ("requiredDocuments", ["PASSPORT"] * 5000, "/requiredDocuments"),
    ):
        answer = await sam.post("/services", json={**NEW, field: value})
        assert walk.problem(answer, 422, about=field)["errors"][0]["pointer"] == pointer


async def test_cors_is_for_the_front_end_only(nobody):
    ours = await nobody.get("/services", headers={"Origin": "http://localhost:3000"})
    assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
    theirs = await nobody.get("/services", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in theirs.headers
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in (await nobody.options("/services", headers=asked)).headers


async def test_the_front_end_may_ask_for_a_part_of_a_file_and_read_its_name(nobody):
    site = {"Origin": "http://localhost:3000"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,range"}
    assert (await nobody.options("/documents/1/file", headers=site | asked)).status_code == 200
    told = (await nobody.get("/documents/1/file", headers=site)).headers["access-control-expose-headers"]
    assert {"Content-Disposition", "Content-Range"} <= set(told.split(", "))


async def test_namesakes_made_at_once_get_slugs_of_their_own(sam):
    visa = {"type": "MAIN", "title": "Same Visa", "price": "10.00"}
    answers = await asyncio.gather(*(sam.post("/services", json=visa) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["data"]["slug"] for answer in answers}) == 8


async def test_no_service_takes_the_address_of_a_shelf(sam, nobody):
    digital = {"type": "DIGITAL", "title": "Digital", "price": "10.00"}
    made = (await sam.post("/services", json=digital)).json()["data"]
    assert made["slug"] != "digital"
    assert (await nobody.get(f"/services/{made['slug']}")).status_code == 200
    assert (await sam.post("/services", json=digital | {"slug": "main"})).json()["errors"][0]["pointer"] == "/slug"
