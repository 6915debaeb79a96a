"""The order page: what staff see of an order, and the steps they take."""

import asyncio

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.kit.audit import AuditEntry
from app.resources.orders import Order
from app.resources.status_changes import StatusChange
from tests import make
from tests.admin.conftest import Enter
from tests.admin.desk import Desk
from tests.make import Person


async def placed(alice: Person, app: FastAPI) -> str:
    order = await make.order(alice, (await make.service(app)).id, service_details={"destination": "Canada"})
    return str(order["id"])


async def status_of(app: FastAPI, key: str) -> str:
    async with app.state.database.transaction() as session:
        return str((await session.get_one(Order, key)).status)


async def test_the_order_page_shows_number_customer_items_and_history(carls: Desk, alice: Person, app: FastAPI) -> None:
    page = (await carls.get(f"/orders/details/{await placed(alice, app)}")).text
    for text in ("HT-20", "Alice Benali", "alice@example.com", "Canada Visitor Visa", "450.00 USD", "Order placed"):
        assert text in page
    assert "Destination" in page
    assert ">Pending<" in page


async def test_only_the_allowed_steps_are_offered(carls: Desk, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    offered = {"CONFIRMED", "CANCELLED"}
    for step in ("CONFIRMED", "IN_PROGRESS", "COMPLETED"):
        page = (await carls.get(f"/orders/details/{key}")).text
        statuses = ("PENDING", "CONFIRMED", "IN_PROGRESS", "COMPLETED", "CANCELLED")
        assert {each for each in statuses if f'name="status" value="{each}"' in page} == offered
        answer = await carls.post(f"/orders/step/{key}", data={"status": step, "reason": "Paid at the desk"})
        assert answer.status_code == 303, answer.text
        offered = {"CONFIRMED": {"IN_PROGRESS", "CANCELLED"}, "IN_PROGRESS": {"COMPLETED"}}.get(step, set())
    page = (await carls.get(f"/orders/details/{key}")).text
    assert "Next steps" not in page
    assert "Order confirmed: Paid at the desk" in page
    assert "Carl Consultant" in page


async def test_a_step_is_history_and_audit_in_one(carls: Desk, carl: Person, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    await carls.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": "Bank transfer"})
    async with app.state.database.transaction() as session:
        change = (await session.scalars(select(StatusChange).order_by(StatusChange.c.at.desc()))).first()
        entry = (await session.scalars(select(AuditEntry).order_by(AuditEntry.c.at.desc()))).first()
        order = await session.get_one(Order, key)
    assert (change.to_status, change.reason, change.actor_id) == ("CONFIRMED", "Bank transfer", carl.user.id)
    assert (entry.action, entry.actor_id) == ("moved", carl.user.id)
    assert order.confirmed_without_payment


async def test_confirming_needs_a_reason(carls: Desk, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    answer = await carls.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": "  "})
    assert answer.status_code == 422
    assert "Confirm order needs a reason." in answer.text
    assert await status_of(app, key) == "PENDING"


@pytest.mark.parametrize("reason", ["a\x00b", "x" * 10_001])
async def test_a_reason_that_cannot_be_kept_is_said_and_stays(
    carls: Desk, alice: Person, app: FastAPI, reason: str
) -> None:
    key = await placed(alice, app)
    answer = await carls.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": reason})
    assert answer.status_code == 422
    assert await status_of(app, key) == "PENDING"


async def test_who_comes_second_is_told_and_keeps_his_reason(
    carls: Desk, sams: Desk, alice: Person, app: FastAPI
) -> None:
    key = await placed(alice, app)
    await carls.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": "Paid"})
    answer = await sams.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": "My long reason"})
    assert answer.status_code == 409
    assert "From CONFIRMED it can go to IN_PROGRESS, CANCELLED." in answer.text
    assert "My long reason" in answer.text


async def test_of_two_at_once_one_moves_the_order(carls: Desk, sams: Desk, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    data = {"status": "CONFIRMED", "reason": "Paid"}
    answers = await asyncio.gather(*(desk.post(f"/orders/step/{key}", data=data) for desk in (carls, sams) * 3))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409, 409, 409]


@pytest.mark.parametrize("target", ["PENDING", "COMPLETED", "NOTHING", "", "confirmed\x00"])
async def test_a_step_that_is_not_offered_is_refused(carls: Desk, alice: Person, app: FastAPI, target: str) -> None:
    key = await placed(alice, app)
    answer = await carls.post(f"/orders/step/{key}", data={"status": target, "reason": "x"})
    assert answer.status_code == 409
    assert await status_of(app, key) == "PENDING"


async def test_fields_that_a_step_does_not_know_are_ignored(carls: Desk, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    forged = dict.fromkeys(("row", "party", "actor", "session", "flow", "target"), "x")
    answer = await carls.post(f"/orders/step/{key}", data={"status": "CONFIRMED", "reason": "Paid"} | forged)
    assert answer.status_code == 303


async def test_steps_belong_to_flows_only(sams: Desk, sam: Person) -> None:
    assert (await sams.post(f"/users/step/{sam.user.id}", data={"status": "ADMIN"})).status_code == 404
    assert (await sams.post("/orders/step/xx", data={"status": "CONFIRMED", "reason": "x"})).status_code == 404


async def test_the_first_page_counts_orders_and_shows_what_waits_longest(
    carls: Desk, alice: Person, app: FastAPI
) -> None:
    await placed(alice, app)
    page = (await carls.get("/")).text
    assert 'href="/admin/orders/list?status=PENDING"><span class="card-body"><span class="count">1</span>' in page
    assert "HT-20" in page


async def test_orders_are_found_and_filtered(carls: Desk, alice: Person, app: FastAPI) -> None:
    await placed(alice, app)
    for query, count in {"search=benali": 1, "search=nobody": 0, "status=PENDING": 1, "status=COMPLETED": 0}.items():
        assert f"{count} in all" in (await carls.get(f"/orders/list?{query}")).text
    empty = await carls.get("/orders/list?search=&kind=&created_at__gte=2020-01-01&sortBy=total_amount&sort=desc")
    assert "1 in all" in empty.text


async def test_only_admins_read_the_audit_of_an_order(carls: Desk, sams: Desk, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    assert "Audit trail" in (await sams.get(f"/orders/details/{key}")).text
    assert "Audit trail" not in (await carls.get(f"/orders/details/{key}")).text


async def test_a_customers_page_lists_his_orders(enter: Enter, carl: Person, alice: Person, app: FastAPI) -> None:
    key = await placed(alice, app)
    page = (await (await enter(carl)).get(f"/customers/details/{alice.user.id}")).text
    assert f"/admin/orders/details/{key}" in page
    assert "450.00 USD" in page
