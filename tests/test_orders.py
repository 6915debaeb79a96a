"""Service orders: placed at the server's price, numbered without gaps, seen by their owner, moved by the flow."""

import asyncio

from app.flows.ordering import OrderCreate, place_service_order
from tests import make
from tests.make import CUSTOMER_INFO


async def test_alice_orders_a_visa_at_the_servers_price(app, alice):
    service = await make.service(app, price="450.00")
    order = await make.order(alice, service.id, service_details={"destination": "Canada", "travelDate": "2027-02-08"})
    assert order["total_amount"] == "450.00"
    assert order["status"] == "PENDING"
    assert order["order_number"].endswith("-000001")
    assert order["items"][0]["snapshot"]["title"] == "Canada Visitor Visa"
    assert order["allowed_transitions"] == ["CANCELLED"]


async def test_the_snapshot_keeps_the_price_of_the_day(app, alice, sam):
    service = await make.service(app, price="450.00")
    order = await make.order(alice, service.id)
    await sam.patch(f"/services/{service.id}", json={"price": "999.00", "title": "Dearer"})
    seen = (await alice.get(f"/orders/{order['id']}")).json()["data"]
    assert (seen["total_amount"], seen["items"][0]["title"]) == ("450.00", "Canada Visitor Visa")


async def test_bob_does_not_find_alices_order(app, alice, bob):
    service = await make.service(app)
    order = await make.order(alice, service.id)
    assert (await bob.get(f"/orders/{order['id']}")).status_code == 404
    assert (await bob.get(f"/orders/{order['id']}/timeline")).status_code == 404
    assert (await bob.post(f"/orders/{order['id']}/cancellation")).status_code == 404
    assert (await bob.get("/orders")).json()["meta"]["total"] == 0


async def test_nobody_orders_without_signing_in(app, nobody):
    service = await make.service(app)
    answer = await nobody.post("/orders", json={"service_id": str(service.id), "customer_info": CUSTOMER_INFO})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_retired_service_cannot_be_ordered(app, alice):
    service = await make.service(app, is_active=False)
    answer = await alice.post("/orders", json={"service_id": str(service.id), "customer_info": CUSTOMER_INFO})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/service_id"


async def test_price_status_and_number_are_never_taken_from_the_caller(app, alice):
    service = await make.service(app)
    for field in ("total_amount", "status", "order_number", "user_id", "price"):
        answer = await alice.post(
            "/orders", json={"service_id": str(service.id), "customer_info": CUSTOMER_INFO, field: "1"}
        )
        assert answer.status_code == 422, field


async def test_a_hundred_orders_at_once_get_a_hundred_numbers(app, alice):
    service = await make.service(app)
    orders = await asyncio.gather(*(make.order(alice, service.id) for _ in range(100)))
    numbers = sorted(int(order["order_number"].rsplit("-", 1)[1]) for order in orders)
    assert numbers == list(range(1, 101))


async def test_numbers_have_no_gap_when_a_third_is_rolled_back(app, alice, database):
    service = await make.service(app)
    body = OrderCreate(service_id=service.id, customer_info=CUSTOMER_INFO)

    async def place(number: int) -> None:
        async with database.transaction() as session:
            await place_service_order(session, alice.actor, body)
            if number % 3 == 0:
                raise RuntimeError("rolled back")

    results = await asyncio.gather(*(place(number) for number in range(90)), return_exceptions=True)
    assert sum(isinstance(result, RuntimeError) for result in results) == 30
    listed = (await alice.get("/orders?limit=100")).json()["data"]
    assert sorted(int(order["order_number"].rsplit("-", 1)[1]) for order in listed) == list(range(1, 61))


async def test_staff_confirm_with_a_reason_and_the_customer_sees_it(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    path = f"/admin/orders/{order['id']}"
    assert (await carl.patch(path, json={"status": "CONFIRMED"})).json()["errors"][0]["pointer"] == "/reason"
    answer = await carl.patch(path, json={"status": "confirmed", "reason": "Bank transfer received"})
    assert answer.json()["data"]["status"] == "CONFIRMED"
    assert answer.json()["data"]["confirmed_without_payment"] is True
    assert answer.json()["data"]["allowed_transitions"] == ["IN_PROGRESS", "CANCELLED"]
    events = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert [event["to_status"] for event in events] == ["PENDING", "CONFIRMED"]
    assert events[0]["by"] == "You"
    assert "Carl" not in str(events)
    assert "Bank transfer" in events[1]["text"]


async def test_staff_read_who_acted(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Cash"})
    events = (await carl.get(f"/admin/orders/{order['id']}/timeline")).json()["data"]
    assert [event["by"] for event in events] == ["Alice Benali", "Carl Consultant"]


async def test_an_illegal_step_names_the_allowed_ones(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    answer = await carl.patch(f"/admin/orders/{order['id']}", json={"status": "COMPLETED"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "illegal_transition"
    assert answer.json()["allowed"] == ["CONFIRMED", "CANCELLED"]


async def test_a_refused_step_takes_the_note_back_with_it(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "COMPLETED", "admin_notes": "lost"})
    assert (await carl.get(f"/admin/orders/{order['id']}")).json()["data"]["admin_notes"] is None


async def test_of_twenty_cancellations_one_succeeds(app, alice, database):
    order = await make.order(alice, (await make.service(app)).id)
    answers = await asyncio.gather(*(alice.post(f"/orders/{order['id']}/cancellation", json={}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
    events = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    assert len(events) == 2


async def test_alice_cancels_a_confirmed_order_but_not_one_in_progress(app, alice, carl):
    service = await make.service(app)
    for steps, status in ((["CONFIRMED"], 200), (["CONFIRMED", "IN_PROGRESS"], 409)):
        order = await make.order(alice, service.id)
        for step in steps:
            await carl.patch(f"/admin/orders/{order['id']}", json={"status": step, "reason": "Paid in cash"})
        answer = await alice.post(f"/orders/{order['id']}/cancellation", json={"reason": "Postponed"})
        assert answer.status_code == status


async def test_customers_see_no_staff_fields_and_no_staff_pages(app, alice):
    order = await make.order(alice, (await make.service(app)).id)
    assert not {"admin_notes", "assigned_to"} & order.keys()
    assert (await alice.get("/admin/orders")).status_code == 403
    assert (
        await alice.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "x"})
    ).status_code == 403


async def test_work_is_assigned_to_staff_only(app, alice, carl, sam):
    order = await make.order(alice, (await make.service(app)).id)
    path = f"/admin/orders/{order['id']}"
    assert (await carl.patch(path, json={"assigned_to": str(sam.user.id)})).status_code == 200
    assert (await carl.patch(path, json={"assigned_to": str(alice.user.id)})).status_code == 422
    assert (await carl.patch(path, json={"assigned_to": str(make.new_id())})).status_code == 422


async def test_staff_find_orders_by_number_name_mail_and_phone(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    for words in (order["order_number"][-6:], "benali", "ALICE@example", "550 12"):
        found = (await carl.get("/admin/orders", params={"search": words})).json()
        assert found["meta"]["total"] == 1, words
    assert (await carl.get("/admin/orders?search=unknown")).json()["meta"]["total"] == 0


async def test_an_edit_on_an_old_version_is_refused(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    path = f"/admin/orders/{order['id']}"
    tag = (await carl.get(path)).headers["etag"]
    assert (await carl.patch(path, json={"admin_notes": "one"}, headers={"If-Match": tag})).status_code == 200
    stale = await carl.patch(path, json={"admin_notes": "two"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")


async def test_up_to_a_date_means_the_whole_of_it(app, alice):
    order = await make.order(alice, (await make.service(app)).id)
    today = order["created_at"][:10]
    assert (await alice.get(f"/orders?created_at__lte={today}")).json()["meta"]["total"] == 1
    assert (await alice.get(f"/orders?created_at__gte={today}")).json()["meta"]["total"] == 1
    assert (await alice.get(f"/orders?created_at__lte={today}T00:00:00Z")).json()["meta"]["total"] == 0
