"""What reviewers broke once, and must not break again."""

import hashlib

import httpx
from sqlalchemy import text

from app import auth
from app.resources.users import User
from tests import make
from tests.make import CUSTOMER_INFO, PASSWORD


async def test_a_dead_token_stays_dead_in_every_spelling(alice):
    token = auth.make_token(alice.user.id, 0)
    await alice.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})
    for spelling in (token, f"{token}=", f"{token}=="):
        answer = await alice.get("/auth/me", headers={"Authorization": f"Bearer {spelling}"})
        assert answer.status_code == 401, spelling


async def test_a_lock_on_an_account_knows_every_spelling_of_its_address(limited_app):
    await make.person(limited_app, full_name="Ines", email="ines.victim@example.com")
    async with make.client(limited_app) as guest:
        for _ in range(11):
            await guest.post("/auth/login", json={"email": "ines.victim@example.com", "password": "wrong-guess"})
        answer = await guest.post("/auth/login", json={"email": "İnes.vİctim@example.com", "password": PASSWORD})
    assert answer.status_code in (401, 429)


async def test_no_plain_hash_of_a_password_is_kept(nobody, session):
    body = b'{"email": "new@example.com", "password": "olive-tree-42", "full_name": "New"}'
    headers = {"Idempotency-Key": "x" * 32, "Content-Type": "application/json"}
    assert (await nobody.post("/auth/register", content=body, headers=headers)).status_code == 201
    kept = (await session.execute(text("SELECT body_hash FROM kept_answers"))).scalar()
    assert kept
    assert kept != hashlib.sha256(body).hexdigest()


async def test_private_answers_are_never_stored(app, alice, nobody):
    order = await make.order(alice, (await make.service(app)).id)
    form = {"username": alice.user.email, "password": PASSWORD}
    for answer in (
        await alice.get(f"/orders/{order['id']}/timeline"),
        await nobody.post("/auth/token", data=form),
        await alice.get("/auth/me"),
        await alice.get("/orders"),
    ):
        assert "private" in answer.headers["cache-control"], answer.url


async def test_our_own_mistakes_are_500_and_logged(app, alice, session, caplog):
    service = await make.service(app)
    await session.execute(text("ALTER TABLE kept_answers RENAME TO gone"))
    await session.commit()
    body = {"service_id": str(service.id), "customer_info": CUSTOMER_INFO}
    answer = await alice.post("/orders", json=body, headers={"Idempotency-Key": "1"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "kept_answers" not in answer.text
    assert "unforeseen error" in caplog.text


async def test_each_answer_brings_the_tag_for_the_next_edit(alice):
    tag = (await alice.get("/auth/me")).headers["etag"]
    assert (await alice.get("/auth/me", headers={"If-None-Match": tag})).status_code == 304
    first = await alice.patch("/auth/me", json={"country": "DZ"}, headers={"If-Match": tag})
    second = await alice.patch("/auth/me", json={"country": "FR"}, headers={"If-Match": first.headers["etag"]})
    stale = await alice.patch("/auth/me", json={"country": "GB"}, headers={"If-Match": tag})
    assert [first.status_code, second.status_code, stale.status_code] == [200, 200, 412]


async def test_numbers_are_no_dates_and_words_no_booleans(app, alice, sam):
    service = await make.service(app)
    order = {"service_id": str(service.id), "customer_info": CUSTOMER_INFO}
    for wrong in (0, -86400, "1699920000", "2027-02-30", True):
        answer = await alice.post("/orders", json=order | {"service_details": {"travel_date": wrong}})
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["pointer"] == "/service_details/travel_date"
    for wrong in ("yes", 1, "true"):
        assert (await sam.patch(f"/services/{service.id}", json={"is_active": wrong})).status_code == 422
    assert (await alice.get("/orders?created_at__lte=1700000000")).status_code == 422


async def test_the_millionth_order_has_a_number_too(app, alice, session):
    service = await make.service(app)
    await make.order(alice, service.id)
    await session.execute(text("UPDATE number_series SET value = 999998"))
    await session.commit()
    numbers = [(await make.order(alice, service.id))["order_number"].rsplit("-")[-1] for _ in range(3)]
    assert numbers == ["999999", "1000000", "1000001"]


async def test_a_reason_without_a_step_is_not_lost_in_silence(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    answer = await carl.patch(f"/admin/orders/{order['id']}", json={"reason": "lost?"})
    assert answer.json()["errors"][0]["pointer"] == "/reason"


async def test_ones_own_address_is_no_password(app, alice):
    change = {"current_password": PASSWORD, "new_password": alice.user.email}
    assert (await alice.post("/auth/change-password", json=change)).status_code == 422
    async with app.state.database.transaction() as session:
        token = auth.mailed_token(await session.get_one(User, alice.user.id), "reset")
    reset = {"token": token, "password": alice.user.email.upper()}
    assert (await alice.post("/auth/reset-password", json=reset)).status_code == 422


async def test_all_that_a_step_changes_is_audited(app, alice, carl, sam):
    order = await make.order(alice, (await make.service(app)).id)
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Cash"})
    entry = (await sam.get("/admin/audit?action=moved")).json()["data"][0]
    assert entry["changes"] == {"status": ["PENDING", "CONFIRMED"], "confirmed_without_payment": [False, True]}


async def test_names_can_be_read_and_slugs_found(sam):
    service = {"type": "MAIN", "title": "Visa", "price": "1.00"}
    assert (await sam.post("/services", json=service | {"title": "\u200b\u202e"})).status_code == 422
    assert (await sam.post("/services", json=service | {"slug": str(make.new_id())})).status_code == 422


async def test_a_field_called_like_a_place_keeps_its_pointer(alice):
    answer = await alice.patch("/auth/me", json={"path": 1, "body": 2})
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/path", "/body"}


async def test_head_is_a_get_without_a_body(app, nobody):
    await make.service(app)
    got, headed = await nobody.get("/services"), await nobody.head("/services")
    assert (headed.status_code, headed.content) == (200, b"")
    assert headed.headers["etag"] == got.headers["etag"]
    assert (await nobody.head("http://souk.test/health")).status_code == 200


async def test_an_address_that_is_none_does_not_stop_an_order(app, alice):
    service = await make.service(app)
    transport = httpx.ASGITransport(app, client=("x" * 300, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://souk.test/api/v1", headers=alice.headers) as far:
        body = {"service_id": str(service.id), "customer_info": CUSTOMER_INFO}
        assert (await far.post("/orders", json=body)).status_code == 201


async def test_no_address_leads_to_a_host_the_caller_named(nobody):
    answer = await nobody.get("/services/", headers={"Host": "evil.example"})
    assert "evil" not in answer.headers.get("location", "")
    answer = await nobody.get("http://souk.test/admin", headers={"Host": "evil.example"})
    assert answer.headers["location"] == "/admin/"
