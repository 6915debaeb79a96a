"""Goods paid by card, by accounts and by guests; and what becomes of those that nobody pays."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from app.kit.table import now
from app.resources.orders import Order
from app.resources.products import Product
from tests import make
from tests.walk import problem


@pytest.fixture
async def oil(shop, vera):
    return await make.product(shop.app, vera, price="6500.00")


async def stock(session, product):
    return await session.scalar(select(Product.c.stock).where(Product.c.id == product.id))


async def test_a_guest_pays_by_card(shop, nobody, vera, oil):
    order = await make.goods_order(nobody, oil.id, payment_method="CARD")
    nobody.headers["X-Order-Token"] = order["access_token"]
    shop.stripe.pay(await shop.intent(nobody, order))
    confirmed = await nobody.post("/payments/confirm", json={"order_id": order["id"]})
    assert confirmed.json()["data"]["status"] == "SUCCEEDED", confirmed.text
    shown = (await nobody.get(f"/orders/{order['id']}")).json()["data"]
    assert (shown["status"], shown["payment_status"]) == ("CONFIRMED", "SUCCEEDED")
    assert [each["amount"] for each in (await nobody.get("/payments")).json()["data"]] == ["6500.00"]
    shipped = await vera.patch(f"/seller/orders/{order['id']}", json={"status": "SHIPPED", "tracking_number": "DZ 1"})
    assert shipped.status_code == 200
    await shop.work()
    assert await shop.mails(order) == ["order_received", "new_sale", "order_confirmed", "order_status_changed"]
    told = [sent["text"] for sent in shop.resend.mails if sent["to"] == ["yacine@example.com"]]
    link = f"/orders/{order['id']}?token={order['access_token']}"
    assert [link in text for text in told] == [True] * 3
    assert all(order["access_token"] not in sent["text"] for sent in shop.resend.mails if sent["text"] not in told)


async def test_a_guest_pays_for_his_own_order_only(shop, nobody, alice, oil):
    mine = await make.goods_order(nobody, oil.id, payment_method="CARD")
    hers = await make.goods_order(alice, oil.id, payment_method="CARD")
    await shop.intent(alice, hers)
    for headers, status in (({}, 401), ({"X-Order-Token": "guessed"}, 404)):
        for path in ("/payments/create-intent", "/payments/confirm"):
            problem(await nobody.post(path, json={"order_id": mine["id"]}, headers=headers), status)
    token = {"X-Order-Token": mine["access_token"]}
    for path in ("/payments/create-intent", "/payments/confirm"):
        problem(await nobody.post(path, json={"order_id": hers["id"]}, headers=token), 404)
    assert (await nobody.get("/payments", headers=token)).json()["data"] == []


async def test_cash_takes_no_intent(shop, alice, oil):
    order = await make.goods_order(alice, oil.id)
    problem(await alice.post("/payments/create-intent", json={"order_id": order["id"]}), 409, "cash_on_delivery")


async def test_cancelling_what_is_paid_gives_money_and_goods_back(shop, alice, oil, session):
    order = await make.goods_order(alice, oil.id, 2, payment_method="CARD")
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    assert (await alice.post(f"/orders/{order['id']}/cancellation")).status_code == 200
    await shop.work()
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert (shown["status"], shown["payment_status"]) == ("CANCELLED", "REFUNDED")
    assert await stock(session, oil) == 10


async def grow_old(session, order, age):
    await session.execute(update(Order).where(Order.c.id == order["id"]).values(created_at=now() - age))
    await session.commit()


async def test_an_unpaid_card_gives_the_goods_back(shop, alice, session):
    oil = await make.product(shop.app, price="6500.00")
    order = await make.goods_order(alice, oil.id, 4, payment_method="CARD")
    cash = await make.goods_order(alice, oil.id)
    for each in (order, cash):
        await grow_old(session, each, timedelta(minutes=61))
    for _ in range(2):
        await shop.reconcile()
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert shown["status"] == "CANCELLED"
    assert (await alice.get(f"/orders/{cash['id']}")).json()["data"]["status"] == "PENDING"
    assert await session.scalar(select(Product.c.stock).where(Product.c.id == oil.id)) == 9
    timeline = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert timeline[-1]["text"] == "Order cancelled: It was not paid in time."


async def test_fresh_orders_and_services_wait(shop, alice, session):
    oil = await make.product(shop.app)
    fresh = await make.goods_order(alice, oil.id, payment_method="CARD")
    service = await make.order(alice, (await make.service(shop.app)).id)
    await grow_old(session, fresh, timedelta(minutes=59))
    await grow_old(session, service, timedelta(days=9))
    await shop.reconcile()
    for order in (fresh, service):
        assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "PENDING"


async def test_who_is_paying_is_waited_for(shop, alice, oil, session):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    intent = await shop.intent(alice, order)
    await grow_old(session, order, timedelta(minutes=61))
    await shop.reconcile()
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "PENDING"
    await shop.change("UPDATE payments SET created_at = now() - interval '16 minutes'")
    await shop.reconcile()
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "CANCELLED"
    assert await stock(session, oil) == 10
    assert shop.stripe.intents[intent]["status"] == "canceled"


async def test_what_was_paid_without_our_hearing_of_it_does_not_expire(shop, alice, oil, session):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.change("UPDATE payments SET created_at = now() - interval '50 minutes'")
    await grow_old(session, order, timedelta(minutes=61))
    await shop.reconcile()
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "CONFIRMED"


async def test_nothing_expires_while_stripe_cannot_be_asked(shop, alice, oil, session):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    await shop.intent(alice, order)
    await shop.change("UPDATE payments SET created_at = now() - interval '50 minutes'")
    await grow_old(session, order, timedelta(minutes=61))
    shop.stripe.fault("GET /v1/payment_intents", "500", times=100)
    await shop.reconcile()
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["status"] == "PENDING"


async def test_money_for_an_expired_order_goes_back(shop, alice, oil, session):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    intent = await shop.intent(alice, order)
    await shop.change("UPDATE payments SET created_at = now() - interval '50 minutes'")
    await grow_old(session, order, timedelta(minutes=61))
    await shop.reconcile()
    shop.stripe.intents[intent]["status"] = "requires_payment_method"
    shop.stripe.pay(intent)
    await shop.deliver_all()
    await shop.work()
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert (shown["status"], shown["payment_status"]) == ("CANCELLED", "REFUNDED")
    assert await stock(session, oil) == 10


async def test_what_was_refunded_is_not_shipped(shop, alice, vera, sam, oil):
    order = await make.goods_order(alice, oil.id, payment_method="CARD")
    shop.stripe.pay(await shop.intent(alice, order))
    await shop.deliver_all()
    (payment,) = await shop.payments(order)
    assert (await sam.post(f"/admin/payments/{payment.id}/refund")).status_code == 200
    shipping = {"status": "SHIPPED", "tracking_number": "DZ 1"}
    problem(await vera.patch(f"/seller/orders/{order['id']}", json=shipping), 409, "order_refunded")
    timeline = (await vera.get(f"/seller/orders/{order['id']}/timeline")).json()["data"]
    assert [event["text"] for event in timeline] == ["Order placed", "Order confirmed", "Refunded 6500.00 DZD"]


async def test_one_order_that_cannot_expire_does_not_keep_the_others(shop, alice, oil, session):
    stuck, other = [await make.goods_order(alice, oil.id, payment_method="CARD") for _ in range(2)]
    for order in (stuck, other):
        await grow_old(session, order, timedelta(minutes=61))
    await shop.change(f"ALTER TABLE orders ADD CHECK (status <> 'CANCELLED' OR id <> '{stuck['id']}')")
    await shop.reconcile()
    assert (await alice.get(f"/orders/{other['id']}")).json()["data"]["status"] == "CANCELLED"
