"""Fulfilment: sellers confirm, ship, deliver and cancel; cash becomes a payment."""

import pytest
from sqlalchemy import select

from app.resources.documents import Document
from app.resources.emails import Email
from app.resources.payments import Payment
from app.resources.products import Product
from tests import make, walk
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


async def test_a_wrong_tracking_number_is_corrected(alice, vera, carl, oil, session):
    order = await make.goods_order(alice, oil.id)
    path = f"/seller/orders/{order['id']}"
    problem(await vera.patch(path, json={"tracking_number": "DZ 1"}), 422)
    await step(vera, order, "CONFIRMED")
    await step(vera, order, "SHIPPED", tracking_number="DZ 1")
    assert (await vera.patch(path, json={"tracking_number": "DZ 2"})).json()["data"]["tracking_number"] == "DZ 2"
    staff = await carl.patch(f"/admin/orders/{order['id']}", json={"tracking_number": "DZ 3"})
    assert staff.json()["data"]["tracking_number"] == "DZ 3"
    told = await session.scalars(select(Email.c.context).where(Email.c.template == "order_status_changed"))
    assert sorted(context["tracking_number"] for context in told) == ["DZ 1", "DZ 2", "DZ 3"]
    problem(await vera.patch(path, json={}), 422)


async def test_a_stale_sale_is_not_moved(alice, vera, oil):
    order = await make.goods_order(alice, oil.id)
    path = f"/seller/orders/{order['id']}"
    tag = (await vera.get(path)).headers["etag"]
    await step(vera, order, "CONFIRMED")
    stale = await vera.patch(path, json={"status": "CANCELLED", "reason": "Sold out"}, headers={"If-Match": tag})
    problem(stale, 412, "stale")


async def test_a_customers_own_words_are_not_mailed(nobody, oil, session):
    order = await make.goods_order(nobody, oil.id)
    token = {"X-Order-Token": order["access_token"]}
    bait = {"reason": "Sign in at https://evil.example"}
    await nobody.post(f"/orders/{order['id']}/cancellation", json=bait, headers=token)
    mails = (await session.scalars(select(Email))).all()
    assert {mail.template for mail in mails} == {"order_received", "new_sale", "order_cancelled", "sale_cancelled"}
    assert "evil" not in str([mail.context for mail in mails])


async def test_a_seller_does_not_hear_of_his_own_cancelling(alice, vera, oil, session):
    order = await make.goods_order(alice, oil.id)
    await step(vera, order, "CANCELLED", reason="The harvest was bad.")
    mails = (await session.scalars(select(Email).order_by(Email.id))).all()
    assert {mail.template for mail in mails} == {"order_received", "new_sale", "order_cancelled"}
    refused = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Pay me"})
    assert problem(refused, 422)["errors"][0]["pointer"] == "/reason"


async def test_stock_that_would_not_fit_does_not_stop_a_cancellation(alice, vera, oil, session):
    order = await make.goods_order(alice, oil.id)
    problem(await vera.patch(f"/products/{oil.id}", json={"stock": 2_147_483_647}), 422)
    await session.execute(Product.sql_table.update().where(Product.c.id == oil.id).values(stock=2_147_483_647))
    await session.commit()
    assert (await alice.post(f"/orders/{order['id']}/cancellation")).status_code == 200


async def test_what_costs_nothing_is_not_paid_by_card(alice, app, vera):
    gift = await make.product(app, vera, price="0.00")
    items = [{"product_id": str(gift.id), "quantity": 1}]
    answer = await alice.post("/orders", json={"items": items, **make.BUYER, "payment_method": "CARD"})
    assert problem(answer, 422)["errors"][0]["pointer"] == "/payment_method"
    await make.goods_order(alice, gift.id)


async def test_a_seller_does_not_read_of_the_customers_papers(app, alice, vera, oil):
    order = await make.goods_order(alice, oil.id)
    await walk.row(app, Document, user_id=alice.user.id, order_id=order["id"], is_ready=True)
    for reader, path, kinds in (
        (alice, "/orders", {"placed", "document"}),
        (vera, "/seller/orders", {"placed"}),
    ):
        timeline = (await reader.get(f"{path}/{order['id']}/timeline")).json()["data"]
        assert {event["kind"] for event in timeline} == kinds
