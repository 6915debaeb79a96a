"""Fulfilment: sellers confirm, ship, deliver and cancel; cash becomes a payment."""

import pytest
from sqlalchemy import select

from app.resources.emails import Email
from app.resources.payments import Payment
from app.resources.products import Product
from tests import make
from tests.walk import problem


@pytest.fixture
async def oil(app, vera):
    return await make.product(app, vera, price="6500.00")


async def step(seller, order, status, code=200, **values):
    answer = await seller.patch(f"/seller/orders/{order['id']}", json={"status": status, **values})
    assert answer.status_code == code, answer.text
    return answer.json().get("data")


async def test_vera_delivers_and_is_paid_in_cash(alice, vera, oil, session):
    order = await make.goods_order(alice, oil.id, 2)
    assert (await step(vera, order, "CONFIRMED"))["allowed_transitions"] == ["SHIPPED", "CANCELLED"]
    assert (await step(vera, order, "SHIPPED", tracking_number="DZ 123"))["tracking_number"] == "DZ 123"
    assert (await step(vera, order, "delivered"))["payment_status"] == "SUCCEEDED"
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert (shown["status"], shown["payment_status"], shown["tracking_number"]) == ("DELIVERED", "SUCCEEDED", "DZ 123")
    (payment,) = (await alice.get("/payments")).json()["data"]
    assert (payment["payment_method"], payment["status"], payment["amount"]) == (
        "CASH_ON_DELIVERY",
        "SUCCEEDED",
        "13000.00",
    )
    mails = (
        await session.scalars(select(Email).where(Email.c.recipient == "yacine@example.com").order_by(Email.id))
    ).all()
    assert [(mail.template, mail.context.get("status")) for mail in mails] == [
        ("order_received", None),
        ("order_confirmed", None),
        ("order_status_changed", "SHIPPED"),
        ("order_status_changed", "DELIVERED"),
    ]
    assert mails[2].context["tracking_number"] == "DZ 123"


async def test_shipping_takes_a_tracking_number(alice, vera, oil):
    order = await make.goods_order(alice, oil.id)
    await step(vera, order, "CONFIRMED")
    for values in ({}, {"tracking_number": " "}, {"tracking_number": None}):
        answer = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "SHIPPED", **values})
        assert problem(answer, 422)["errors"][0]["pointer"] == "/tracking_number"


async def test_a_seller_says_why_he_cancels(alice, vera, oil, session):
    order = await make.goods_order(alice, oil.id, 3)
    refused = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "CANCELLED"})
    assert problem(refused, 422)["errors"][0]["pointer"] == "/reason"
    await step(vera, order, "CANCELLED", reason="The harvest was bad.")
    assert await session.scalar(select(Product.c.stock).where(Product.c.id == oil.id)) == 10
    timeline = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert timeline[-1]["text"] == "Order cancelled: The harvest was bad."


async def test_steps_go_one_way(alice, vera, oil):
    order = await make.goods_order(alice, oil.id)
    answer = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "DELIVERED"})
    assert problem(answer, 409, "illegal_transition")["allowed"] == ["CONFIRMED", "CANCELLED"]
    await step(vera, order, "CONFIRMED")
    await step(vera, order, "SHIPPED", tracking_number="DZ 123")
    problem(await alice.post(f"/orders/{order['id']}/cancellation"), 409, "illegal_transition")
    for status in ("IN_PROGRESS", "COMPLETED", "PENDING"):
        await step(vera, order, status, 409)
    await step(vera, order, "LOST", 422)


async def test_another_sellers_order_is_not_found(alice, vera, omar, oil):
    order = await make.goods_order(alice, oil.id)
    path = f"/seller/orders/{order['id']}"
    problem(await omar.get(path), 404)
    problem(await omar.get(f"{path}/timeline"), 404)
    problem(await omar.patch(path, json={"status": "CONFIRMED"}), 404)
    assert (await omar.get("/seller/orders")).json()["data"] == []
    for somebody in (alice,):
        problem(await somebody.patch(path, json={"status": "CONFIRMED"}), 403)
    assert (await vera.get(path)).json()["data"]["customer_info"]["full_name"] == "Yacine Haddad"


async def test_a_seller_does_not_see_what_is_for_staff(alice, vera, oil):
    order = await make.goods_order(alice, oil.id)
    shown = (await vera.get(f"/seller/orders/{order['id']}")).json()["data"]
    assert not {"admin_notes", "assigned_to", "user_id", "token_hash", "access_token"} & shown.keys()


async def test_only_payment_confirms_a_card_order(alice, vera, sam, oil):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    assert (await vera.get(f"/seller/orders/{order['id']}")).json()["data"]["allowed_transitions"] == ["CANCELLED"]
    answer = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "CONFIRMED"})
    problem(answer, 409, "order_not_paid")
    path = f"/admin/orders/{order['id']}"
    problem(await sam.patch(path, json={"status": "CONFIRMED"}), 422)
    confirmed = await sam.patch(path, json={"status": "CONFIRMED", "reason": "Bank transfer"})
    assert confirmed.json()["data"]["confirmed_without_payment"] is True
    await step(vera, order, "SHIPPED", tracking_number="DZ 123")


async def test_staff_ship_too(alice, sam, oil):
    order = await make.goods_order(alice, oil.id)
    path = f"/admin/orders/{order['id']}"
    confirmed = (await sam.patch(path, json={"status": "CONFIRMED"})).json()["data"]
    assert confirmed["confirmed_without_payment"] is False
    problem(await sam.patch(path, json={"status": "SHIPPED"}), 422)
    problem(await sam.patch(path, json={"tracking_number": "DZ 1"}), 422)
    shipped = await sam.patch(path, json={"status": "SHIPPED", "tracking_number": "DZ 1"})
    assert shipped.json()["data"]["tracking_number"] == "DZ 1"


async def test_cash_is_not_refunded_by_card(alice, vera, sam, oil, session):
    order = await make.goods_order(alice, oil.id)
    for status, values in (("CONFIRMED", {}), ("SHIPPED", {"tracking_number": "DZ 1"}), ("DELIVERED", {})):
        await step(vera, order, status, **values)
    payment = await session.scalar(select(Payment.c.id))
    problem(await sam.post(f"/admin/payments/{payment}/refund"), 409, "paid_in_cash")
