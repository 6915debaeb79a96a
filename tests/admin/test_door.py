"""Who passes the door of the back office, and what ends a session."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from app.kit.access import Role
from app.kit.table import now
from app.resources.sessions import StaffSession
from app.resources.users import User
from app.settings import Settings
from tests import make
from tests.admin.conftest import Enter
from tests.admin.desk import EVIL, Desk
from tests.make import Person


async def test_staff_sign_in_and_see_the_first_page(sams: Desk) -> None:
    page = await sams.get("/")
    assert page.status_code == 200
    assert "Waiting longest" in page.text
    assert "Sam Admin" in page.text


async def test_the_cookie_is_strict_and_out_of_reach_of_scripts(visitor: Desk, sam: Person) -> None:
    cookie = (await visitor.sign_in(sam.user.email)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie


async def test_in_production_the_cookie_is_secure_and_bound_to_the_host(settings: Settings) -> None:
    from admin.site import BackOffice
    from app.main import create_app

    safe = {"environment": "production", "frontend_url": "https://souk.example", "rate_limits": "on"}
    office: BackOffice = create_app(settings.model_copy(update=safe)).state.back_office
    assert office.cookie.startswith("__Host-")
    assert office.secure


async def test_the_database_keeps_only_a_hash_of_the_key(sams: Desk, session: Any) -> None:
    key = sams.cookies["souk_staff"]
    assert key not in (await session.scalars(select(StaffSession.c.key_hash))).all()


async def test_customers_may_not_enter(visitor: Desk, alice: Person) -> None:
    answer = await visitor.sign_in(alice.user.email)
    assert answer.status_code == 403
    assert "This account may not enter the back office." in answer.text
    assert (await visitor.get("/orders/list")).status_code == 303


async def test_a_wrong_password_and_an_unknown_address_look_the_same(visitor: Desk, sam: Person) -> None:
    answers = [await visitor.sign_in(sam.user.email, "wrong"), await visitor.sign_in("who@example.com", "wrong")]
    assert {answer.status_code for answer in answers} == {401}
    assert all("E-mail or password is wrong." in answer.text for answer in answers)


async def test_guessing_is_slowed_down(limited_app: FastAPI) -> None:
    person = await make.person(limited_app, full_name="Sam Admin", role=Role.ADMIN)
    async with Desk(limited_app) as desk:
        for _ in range(10):
            assert (await desk.sign_in(person.user.email, "wrong")).status_code == 401
        answer = await desk.sign_in(person.user.email)
    assert answer.status_code == 429
    assert "Retry-After" in answer.headers


async def test_who_is_not_signed_in_is_sent_to_the_login_and_back(visitor: Desk, sam: Person) -> None:
    answer = await visitor.get("/orders/list?status=PENDING")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/admin/login?next=/admin/orders/list%3Fstatus%3DPENDING"
    typed = {"username": sam.user.email, "password": make.PASSWORD, "next": "/admin/orders/list?status=PENDING"}
    assert (await visitor.post("/login", data=typed)).headers["location"] == typed["next"]


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example", "/admin/\\evil", "/admin/logout", "/api/docs"]
)
async def test_after_the_login_nobody_is_sent_elsewhere(visitor: Desk, sam: Person, goal: str) -> None:
    typed = {"username": sam.user.email, "password": make.PASSWORD, "next": goal}
    assert (await visitor.post("/login", data=typed)).headers["location"] == "/admin/"


@pytest.mark.parametrize("values", [{"is_active": False}, {"token_version": 1}, {"role": Role.CUSTOMER}])
async def test_a_change_of_the_account_ends_its_session(
    sams: Desk, sam: Person, app: FastAPI, values: dict[str, Any]
) -> None:
    async with app.state.database.transaction() as session:
        await session.execute(update(User).where(User.c.id == sam.user.id).values(**values))
    assert (await sams.get("/orders/list")).status_code == 303


async def test_a_session_ends_after_twelve_hours_and_is_swept_at_the_next_login(
    sams: Desk, enter: Enter, sam: Person, app: FastAPI
) -> None:
    async with app.state.database.transaction() as session:
        await session.execute(update(StaffSession).values(expires_at=now() - timedelta(seconds=1)))
    assert (await sams.get("/")).status_code == 303
    await enter(sam)
    async with app.state.database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(StaffSession)) == 1


async def test_logging_out_ends_the_session_on_the_server(sams: Desk) -> None:
    key = sams.cookies["souk_staff"]
    assert (await sams.post("/logout")).status_code == 303
    sams.cookies.set("souk_staff", key)
    assert (await sams.get("/")).status_code == 303


async def test_signing_in_again_ends_the_session_before(sams: Desk, sam: Person) -> None:
    before = sams.cookies["souk_staff"]
    await sams.sign_in(sam.user.email)
    assert sams.cookies["souk_staff"] != before
    sams.cookies.clear()
    sams.cookies.set("souk_staff", before)
    assert (await sams.get("/")).status_code == 303


async def test_a_bearer_token_is_no_key_to_the_back_office(visitor: Desk, sam: Person) -> None:
    answer = await visitor.get("/orders/list", headers={"Authorization": sam.headers["Authorization"]})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "headers", [EVIL, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "", "Sec-Fetch-Site": "none"}]
)
async def test_a_login_from_another_site_is_refused(visitor: Desk, sam: Person, headers: dict[str, str]) -> None:
    typed = {"username": sam.user.email, "password": make.PASSWORD}
    answer = await visitor.post("/login", data=typed, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "text/html" in answer.headers["content-type"]


async def test_a_post_that_does_not_say_where_it_is_from_is_refused(sams: Desk) -> None:
    for name in ("Origin", "Sec-Fetch-Site"):
        del sams.headers[name]
    assert (await sams.post("/logout")).status_code == 403
    assert (await sams.get("/")).status_code == 200


@pytest.mark.parametrize("text", ["\x00", "x" * 5000, "\ud800", "'; DROP TABLE users; --"])
async def test_odd_text_at_the_login_is_only_a_wrong_password(visitor: Desk, text: str) -> None:
    body = {"username": text.encode("utf-8", "surrogatepass"), "password": text.encode("utf-8", "surrogatepass")}
    assert (await visitor.post("/login", data=body)).status_code == 401
