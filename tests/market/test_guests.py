"""Orders that guests placed become an account's own once it is known that the address is his."""

import pytest

from app import auth
from tests import make
from tests.walk import problem


@pytest.fixture
async def oil(app, vera):
    return await make.product(app, vera)


async def log_in(client, email, **more):
    return await client.post("/auth/login", json={"email": email, "password": make.PASSWORD, **more})


async def test_verifying_the_address_claims_the_orders(nobody, alice, oil):
    order = await make.goods_order(nobody, oil.id, customer_email="Alice@Example.com")
    problem(await alice.get(f"/orders/{order['id']}"), 404)
    token = auth.mailed_token(alice.user, "verify")
    assert (await nobody.post("/auth/verify", json={"token": token})).status_code == 200
    hers = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert hers["user_id"] == str(alice.user.id)
    followed = await nobody.get(f"/orders/{order['id']}", headers={"X-Order-Token": order["access_token"]})
    assert followed.status_code == 200


async def test_an_address_that_is_not_verified_claims_nothing(nobody, alice, oil):
    order = await make.goods_order(nobody, oil.id, customer_email="alice@example.com")
    cart = [{"product_id": str(oil.id), "quantity": 1}]
    for more in ({}, {"cart": cart}):
        assert (await log_in(nobody, "alice@example.com", **more)).status_code == 200
    problem(await alice.get(f"/orders/{order['id']}"), 404)
    assert (await alice.get("/orders")).json()["data"] == []


async def test_a_verified_account_claims_at_login(app, nobody, oil):
    alice = await make.person(app, full_name="Alice Benali", is_verified=True)
    bob = await make.person(app, full_name="Bob Martin", is_verified=True)
    order = await make.goods_order(nobody, oil.id, customer_email="alice@example.com")
    await log_in(nobody, "bob@example.com")
    problem(await bob.get(f"/orders/{order['id']}"), 404)
    await log_in(nobody, "alice@example.com")
    assert (await alice.get(f"/orders/{order['id']}")).status_code == 200


async def test_a_wrong_password_claims_nothing(app, nobody, oil):
    alice = await make.person(app, full_name="Alice Benali", is_verified=True)
    order = await make.goods_order(nobody, oil.id, customer_email="alice@example.com")
    wrong = await nobody.post("/auth/login", json={"email": "alice@example.com", "password": "guessed-42"})
    problem(wrong, 401)
    problem(await alice.get(f"/orders/{order['id']}"), 404)


async def test_claiming_is_in_the_audit(app, nobody, sam, oil):
    alice = await make.person(app, full_name="Alice Benali", is_verified=True)
    order = await make.goods_order(nobody, oil.id, customer_email="alice@example.com")
    await log_in(nobody, "alice@example.com")
    entries = (await sam.get("/admin/audit")).json()
    claimed = [entry for entry in entries["data"] if entry["action"] == "claimed"]
    assert [(entry["row_id"], entry["changes"]) for entry in claimed] == [
        (order["id"], {"user_id": [None, str(alice.user.id)]})
    ]


async def test_a_claimed_order_may_be_cancelled_while_the_flow_allows(app, nobody, vera, oil):
    alice = await make.person(app, full_name="Alice Benali", is_verified=True)
    order = await make.goods_order(nobody, oil.id, customer_email="alice@example.com")
    await vera.patch(f"/seller/orders/{order['id']}", json={"status": "CONFIRMED"})
    await log_in(nobody, "alice@example.com")
    token = {"X-Order-Token": order["access_token"]}
    for reader, headers, steps in ((nobody, token, []), (alice, {}, ["CANCELLED"])):
        shown = (await reader.get(f"/orders/{order['id']}", headers=headers)).json()["data"]
        assert shown["allowed_transitions"] == steps
    problem(await nobody.post(f"/orders/{order['id']}/cancellation", headers=token), 409)
    assert (await alice.post(f"/orders/{order['id']}/cancellation")).status_code == 200
