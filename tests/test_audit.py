"""Who changed what, when, from where: written with every change, kept for ever, without secrets."""

import httpx
import psycopg
import pytest
from sqlalchemy import select

from app.kit.audit import MASK, AuditEntry
from tests import make, walk
from tests.make import PASSWORD

FROM = {"X-Request-Id": "request-of-the-test"}


async def entries(app, **wanted) -> list[AuditEntry]:
    async with app.state.database.sessions() as session:
        found = await session.scalars(select(AuditEntry).filter_by(**wanted).order_by(AuditEntry.id))
        return list(found)


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"]
)
async def test_the_database_itself_refuses_to_change_the_log(app, alice, database_url, statement):
    await alice.patch("/auth/me", json={"country": "FR"})
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM audit_entries").fetchone()[0] == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)


async def test_every_write_leaves_old_and_new_values(app, sam):
    service = (await sam.post("/services", json={"type": "MAIN", "title": "Visa", "price": "10"}, headers=FROM)).json()[
        "data"
    ]
    await sam.patch(f"/services/{service['id']}", json={"price": "12.50", "title": "Visa"})
    await sam.delete(f"/services/{service['id']}")
    created, updated, deleted = await entries(app, resource="services")
    assert [entry.action for entry in (created, updated, deleted)] == ["created", "updated", "deleted"]
    assert created.changes["title"] == [None, "Visa"]
    assert updated.changes == {"price": ["10.000", "12.50"]}
    assert deleted.changes["title"] == ["Visa", None]
    for entry in (created, updated, deleted):
        assert (entry.actor_id, str(entry.row_id), entry.ip) == (sam.user.id, service["id"], "127.0.0.1")
        assert entry.request_id
    assert created.request_id == FROM["X-Request-Id"]


async def test_every_write_of_the_docs_is_audited(app, alice, carl, sam, nobody):
    async def count() -> int:
        return len(await entries(app))

    service = await make.service(app)
    order = await make.order(alice, service.id)
    steps = [
        carl.patch(f"/admin/orders/{order['id']}", json={"admin_notes": "Called"}),
        carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Cash"}),
        alice.post(f"/orders/{order['id']}/cancellation", json={}),
        sam.patch(f"/admin/users/{carl.user.id}", json={"role": "SELLER"}),
        alice.patch("/auth/me", json={"country": "FR"}),
        nobody.post(
            "/auth/register", json={"email": "d@example.com", "password": "lemon-tree-43", "full_name": "Dora"}
        ),
        alice.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": "lemon-tree-43"}),
    ]
    for step in steps:
        before, answer = await count(), await step
        assert answer.status_code < 300, answer.text
        assert await count() == before + 1, answer.url


async def test_a_move_says_from_where_to_where_and_who(app, alice, carl):
    order = await make.order(alice, (await make.service(app)).id)
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "Cash"}, headers=FROM)
    entry = (await entries(app, resource="orders"))[-1]
    assert (entry.actor_id, entry.request_id) == (carl.user.id, FROM["X-Request-Id"])
    assert entry.changes["status"] == ["PENDING", "CONFIRMED"]


async def test_what_changes_nothing_leaves_nothing(app, alice):
    await alice.patch("/auth/me", json={"full_name": "Alice Benali"})
    await alice.patch("/auth/me", json={})
    assert await entries(app) == []


async def test_what_is_refused_or_rolled_back_leaves_nothing(app, alice, carl, sam, database):
    order = await make.order(alice, (await make.service(app)).id)
    before = len(await entries(app))
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "COMPLETED", "admin_notes": "lost"})
    await sam.patch(f"/admin/users/{sam.user.id}", json={"role": "CUSTOMER"})
    await sam.post("/services", json={"type": "MAIN", "title": "Visa", "price": "10.001"})
    await alice.patch(f"/admin/orders/{order['id']}", json={"admin_notes": "mine"})
    assert len(await entries(app)) == before


async def test_no_secret_enters_the_log(app, alice, sam, nobody):
    await nobody.post(
        "/auth/register", json={"email": "d@example.com", "password": "lemon-tree-43", "full_name": "Dora"}
    )
    await alice.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": "lemon-tree-44"})
    await sam.patch(f"/admin/users/{alice.user.id}", json={"is_active": False})
    found = await entries(app)
    assert len(found) == 3
    text = str([entry.changes for entry in found])
    assert "argon2" not in text
    assert "lemon" not in text
    assert found[0].changes["hashed_password"] == [MASK, MASK]


async def test_only_admins_read_the_log_and_nobody_writes_it(app, alice, carl, sam):
    await alice.patch("/auth/me", json={"country": "FR"})
    for person in (alice, carl):
        walk.problem(await person.get("/admin/audit"), 403)
    (entry,) = (await sam.get(f"/admin/audit?actorId={alice.user.id}&resource=users&action=updated")).json()["data"]
    assert entry["changes"] == {"country": [None, "FR"]}
    assert entry["at"].endswith("Z")
    for method in ("PATCH", "PUT", "DELETE"):
        assert (await sam.request(method, f"/admin/audit/{entry['id']}", json={})).status_code == 405
    assert (await sam.post("/admin/audit", json={})).status_code == 405


async def test_the_address_is_the_callers(app, sam):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://souk.test/api/v1", headers=sam.headers) as far:
        await far.patch("/auth/me", json={"country": "FR"}, headers={"X-Forwarded-For": "1.2.3.4"})
    assert [entry.ip for entry in await entries(app)] == ["203.0.113.7"]
