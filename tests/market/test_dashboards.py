"""The customer's dashboard: counts of one's own, and orders with service, payment, documents and history."""

from decimal import Decimal

from app.resources.documents import Document
from app.resources.orders import OrderStatus
from app.resources.payments import Payment
from app.resources.services import DocumentCategory
from tests import make
from tests.walk import problem, row


async def order_rows(database, customer, *statuses):
    """Orders of goods with these statuses, as rows."""
    async with database.transaction() as session:
        product = await make.make_product(session)
        return [
            await make.make_goods_order(session, [(product, 2)], user_id=customer.user.id, status=OrderStatus(status))
            for status in statuses
        ]


async def a_document(app, order_id, owner, **values):
    about = {"category": DocumentCategory.PASSPORT, "original_name": "passport.jpg", "storage_key": "local:x"}
    kind = {"file_size": 1, "mime_type": "image/jpeg", "is_ready": True}
    return await row(app, Document, order_id=order_id, user_id=owner.user.id, **about | kind | values)


async def a_payment(app, order_id, **values):
    return await row(app, Payment, order_id=order_id, amount=Decimal("450"), currency="USD", **values)


async def detail(customer, order_id):
    answer = await customer.get(f"/dashboard/orders/{order_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_the_overview_counts_what_goes_on_and_what_is_done(app, alice, database):
    await order_rows(database, alice, *OrderStatus)
    await a_document(app, None, alice)
    assert (await alice.get("/dashboard/overview")).json()["data"] == {
        "active_orders": 4,
        "completed_orders": 2,
        "pending_documents": 1,
    }


async def test_the_overview_counts_ones_own_only(app, alice, bob, vera, database):
    await order_rows(database, alice, *OrderStatus)
    await a_document(app, None, alice)
    for person in (bob, vera):
        counts = (await person.get("/dashboard/overview")).json()["data"]
        assert set(counts.values()) == {0}


async def test_documents_that_are_decided_or_unfinished_do_not_wait(app, alice):
    await a_document(app, None, alice, status="VERIFIED")
    await a_document(app, None, alice, is_ready=False)
    assert (await alice.get("/dashboard/overview")).json()["data"]["pending_documents"] == 0


async def test_nobody_has_a_dashboard(nobody, database, alice):
    (order,) = await order_rows(database, alice, "PENDING")
    for path in ("overview", "orders", f"orders/{order.id}"):
        problem(await nobody.get(f"/dashboard/{path}"), 401, "not_authenticated")


async def test_orders_come_with_their_service_and_payment_status(app, alice):
    service = await make.service(app, title="Canada Visitor Visa")
    order = await make.order(alice, service.id)
    listed = (await alice.get("/dashboard/orders?status=PENDING&sort=-created_at&limit=5")).json()
    assert listed["meta"] == {"page": 1, "limit": 5, "total": 1, "pages": 1}
    assert listed["data"][0]["id"] == order["id"]
    assert listed["data"][0]["service"] == {"id": str(service.id), "title": service.title, "slug": service.slug}
    assert listed["data"][0]["payment_status"] == "PENDING"


async def test_goods_have_no_service(alice, database):
    (order,) = await order_rows(database, alice, "PENDING")
    shown = await detail(alice, order.id)
    assert (shown["service"], shown["payment"], shown["documents"]) == (None, None, [])
    assert shown["items"][0]["quantity"] == 2


async def test_the_service_is_titled_as_it_was_ordered(app, alice, sam):
    service = await make.service(app, title="Canada Visitor Visa")
    order = await make.order(alice, service.id)
    await sam.patch(f"/services/{service.id}", json={"title": "Canada Visa, renamed"})
    assert (await detail(alice, order["id"]))["service"]["title"] == "Canada Visitor Visa"


async def test_the_history_names_no_staff(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Bank transfer"})
    placed, confirmed = (await detail(alice, order["id"]))["status_history"]
    assert (placed["from_status"], placed["to_status"], placed["by"]) == (None, "PENDING", "You")
    assert confirmed.pop("at").endswith("Z")
    assert confirmed == {
        "from_status": "PENDING",
        "to_status": "CONFIRMED",
        "reason": "Bank transfer",
        "by": "Our team",
    }


async def test_the_history_says_what_the_timeline_says(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    path = f"/admin/orders/{order['id']}"
    for step in ("CONFIRMED", "IN_PROGRESS", "COMPLETED"):
        await carl.patch(path, json={"status": step, "reason": step.lower()})
    timeline = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    history = (await detail(alice, order["id"]))["status_history"]
    names = ("at", "by", "from_status", "to_status")
    assert [[step[name] for name in names] for step in history] == [[step[name] for name in names] for step in timeline]


async def test_the_payment_is_the_one_that_counts(app, alice):
    order = await make.order(alice, (await make.service(app)).id)
    await a_payment(app, order["id"], status="FAILED", is_current=False)
    current = await a_payment(app, order["id"], status="SUCCEEDED")
    shown = (await detail(alice, order["id"]))["payment"]
    assert (shown["id"], shown["status"], shown["amount"]) == (str(current.id), "SUCCEEDED", "450.00")
    assert "captured_amount" not in shown


async def test_the_documents_are_ones_own_and_finished(app, alice, bob):
    order = await make.order(alice, (await make.service(app)).id)
    document = await a_document(app, order["id"], alice)
    await a_document(app, order["id"], alice, is_ready=False)
    await a_document(app, order["id"], bob)
    (shown,) = (await detail(alice, order["id"]))["documents"]
    assert shown == (await alice.get(f"/documents/{document.id}")).json()["data"]


async def test_bob_does_not_find_alices_order(app, alice, bob, carl, sam):
    order = await make.order(alice, (await make.service(app)).id)
    for person in (bob, carl, sam):
        problem(await person.get(f"/dashboard/orders/{order['id']}"), 404, "not_found")
        assert (await person.get("/dashboard/orders")).json()["meta"]["total"] == 0
    problem(await alice.get("/dashboard/orders/nonsense"), 404, "not_found")
