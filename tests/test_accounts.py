"""One's own account: registering, signing in and out, profile, passwords, verification."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from sqlalchemy import select

from app import auth
from app.kit.access import Role
from app.resources.emails import Email
from app.resources.users import User
from tests import make, walk
from tests.make import PASSWORD

NEW = {"email": "dora@example.com", "password": "lemon-tree-43", "full_name": "Dora Haddad"}
NEVER = ("hashed_password", "token_version", "argon2", "$", PASSWORD)


async def mails(app, recipient: str) -> list[Email]:
    async with app.state.database.sessions() as session:
        return list(await session.scalars(select(Email).where(Email.recipient == recipient).order_by(Email.id)))


async def mailed_token(app, recipient: str) -> str:
    link = (await mails(app, recipient))[-1].context["link"]
    return parse_qs(urlsplit(link).query)["token"][0]


async def login(client, email: str, password: str = PASSWORD):
    return await client.post("/auth/login", json={"email": email, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# -- registering


async def test_dora_registers_and_signs_in(app, nobody):
    answer = await nobody.post("/auth/register", json={**NEW, "phone": "+213 550 12 34 56", "country": "DZ"})
    assert answer.status_code == 201
    user = answer.json()["data"]
    assert (user["email"], user["role"], user["is_verified"]) == ("dora@example.com", "CUSTOMER", False)
    assert not any(word in answer.text for word in (*NEVER, "lemon"))
    assert [mail.template for mail in await mails(app, "dora@example.com")] == ["welcome"]
    token = (await login(nobody, "dora@example.com", NEW["password"])).json()["data"]["access_token"]
    assert (await nobody.get("/auth/me", headers=bearer(token))).json()["data"] == user


async def test_a_taken_email_is_refused_in_any_casing(app, nobody):
    assert (await nobody.post("/auth/register", json=NEW)).status_code == 201
    for email in ("dora@example.com", "DORA@Example.COM", " Dora@example.com "):
        problem = walk.problem(await nobody.post("/auth/register", json={**NEW, "email": email}), 409, "email_taken")
        assert problem["errors"][0]["pointer"] == "/email"


async def test_of_ten_registrations_at_once_one_succeeds(app, nobody):
    spellings = [NEW["email"], NEW["email"].upper()] * 5
    answers = await asyncio.gather(
        *(nobody.post("/auth/register", json={**NEW, "email": email}) for email in spellings)
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}
    assert len([mail for mail in await mails(app, "dora@example.com") + await mails(app, "DORA@example.com")]) == 1


async def test_nobody_registers_with_a_role_a_category_or_a_flag(nobody):
    for field, value in {
        "role": "ADMIN",
        "seller_category": "GROSSISTE",
        "is_verified": True,
        "id": str(make.new_id()),
    }.items():
        answer = await nobody.post("/auth/register", json={**NEW, field: value})
        assert walk.problem(answer, 422)["errors"][0]["pointer"] == f"/{field}"


async def test_passwords_that_are_guessed_first_are_refused(nobody):
    for password in (
        "short-1",
        "password",
        "PASSWORD1",
        "iloveyou",
        "12345678",
        "aaaaaaaa",
        "dora@example.com",
        "dora haddad",
        "x" * 257,
    ):
        answer = await nobody.post("/auth/register", json={**NEW, "password": password})
        assert walk.problem(answer, 422, about=password)["errors"][0]["pointer"] == "/password"


async def test_what_is_no_email_is_refused(nobody):
    for email in (
        "",
        "dora",
        "dora@",
        "@example.com",
        "a b@example.com",
        "dora@example.com\nBcc: x@y.zz",
        "a@b",
        f"{'x' * 250}@a.bc",
        None,
        1,
    ):
        answer = await nobody.post("/auth/register", json={**NEW, "email": email})
        assert walk.problem(answer, 422, about=email)["errors"][0]["pointer"] == "/email"


async def test_camel_case_is_understood_and_answered_in_kind(nobody):
    answer = await nobody.post(
        "/auth/register", json={"email": NEW["email"], "password": NEW["password"], "fullName": "Dora Haddad"}
    )
    assert answer.json()["data"]["full_name"] == "Dora Haddad"
    answer = await nobody.post(
        "/auth/register", json={"email": NEW["email"], "password": NEW["password"], "fullName": "\n\n" * 2 + "a\nb"}
    )
    assert walk.problem(answer, 422)["errors"][0]["pointer"] == "/fullName"


# -- signing in and out


async def test_the_token_has_exactly_the_claims_of_the_contract(app, alice, nobody):
    data = (await login(nobody, "alice@example.com")).json()["data"]
    claims = jwt.decode(data["access_token"], auth.signing_key(), algorithms=["HS256"], audience="souk:auth")
    assert {"sub", "aud", "iat", "exp", "ver"} <= claims.keys()
    assert (claims["sub"], claims["aud"], claims["ver"]) == (str(alice.user.id), "souk:auth", 0)
    assert claims["exp"] - claims["iat"] == data["expires_in"] == 7 * 24 * 3600
    assert data["token_type"] == "bearer"


async def test_login_ignores_the_casing_of_the_email(alice, nobody):
    assert (await login(nobody, "Alice@EXAMPLE.com")).status_code == 200


async def test_unknown_email_wrong_password_and_a_dead_account_look_the_same(app, alice, nobody):
    await make.person(app, full_name="Gone Person", is_active=False)
    bodies = []
    for email, password in (
        ("alice@example.com", "wrong"),
        ("zoe@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("", ""),
        ("a'--", "x"),
    ):
        answer = await login(nobody, email, password)
        bodies.append({**walk.problem(answer, 401, "invalid_credentials"), "request_id": ""})
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert all(body == bodies[0] for body in bodies)


async def test_unknown_emails_take_as_long_as_wrong_passwords(alice, nobody):
    async def seconds(email: str) -> float:
        begin = time.perf_counter()
        await login(nobody, email, "wrong")
        return time.perf_counter() - begin

    known = min([await seconds("alice@example.com") for _ in range(6)])
    unknown = min([await seconds("zoe@example.com") for _ in range(6)])
    assert unknown > known / 2


async def test_swagger_signs_in_by_form(alice, nobody):
    answer = await nobody.post(
        "/auth/token",
        data={"grant_type": "password", "username": "alice@example.com", "password": PASSWORD, "scope": ""},
    )
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert (await nobody.get("/auth/me", headers=bearer(answer.json()["access_token"]))).status_code == 200
    wrong = await nobody.post("/auth/token", data={"username": "alice@example.com", "password": "wrong"})
    walk.problem(wrong, 401, "invalid_credentials")


async def test_odd_forms_are_refused_cleanly(nobody):
    for form in (
        {},
        {"username": "a"},
        {"username": "a\x00b", "password": "x"},
        {"username": "a", "password": "x" * 5000},
        {"username": "a", "password": "x", "grant_type": "refresh_token"},
        {"username": "a", "password": "x", "role": "ADMIN"},
    ):
        walk.problem(await nobody.post("/auth/token", data=form), 422, "validation_error", form)
    walk.problem(await nobody.post("/auth/token", json={"username": "a", "password": "x"}), 422)
    raw = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (
        await nobody.post("/auth/token", content=b"username=%ff%00&password=%ed%a0%80", headers=raw)
    ).status_code in (401, 422)


async def test_logout_ends_this_token_at_once_and_no_other(alice, nobody):
    first, second = [(await login(nobody, "alice@example.com")).json()["data"]["access_token"] for _ in range(2)]
    assert (await nobody.post("/auth/logout", headers=bearer(first))).status_code == 204
    walk.problem(await nobody.get("/auth/me", headers=bearer(first)), 401, "not_authenticated")
    walk.problem(await nobody.post("/auth/logout", headers=bearer(first)), 401)
    assert (await nobody.get("/auth/me", headers=bearer(second))).status_code == 200


async def test_logging_out_twice_at_once_does_no_harm(alice):
    answers = await asyncio.gather(*(alice.post("/auth/logout") for _ in range(8)))
    assert {answer.status_code for answer in answers} <= {204, 401}


def token_of(claims: dict[str, Any], key: str | None = None, **header: Any) -> str:
    return jwt.encode(claims, key or auth.signing_key(), algorithm="HS256", headers=header)


def unsigned(claims: dict[str, Any], alg: Any) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part, default=str).encode()).rstrip(b"=").decode()
        for part in ({"alg": alg, "typ": "JWT"}, claims)
    ]
    return ".".join([*parts, ""])


def bad_tokens(user: User) -> dict[str, str]:
    moment = int(datetime.now(UTC).timestamp())
    good = {"sub": str(user.id), "aud": "souk:auth", "iat": moment, "exp": moment + 600, "ver": 0}
    missing = {f"without {name}": token_of({key: value for key, value in good.items() if key != name}) for name in good}
    changed = {
        "expired": {"exp": moment - 31},
        "other audience": {"aud": "souk:reset"},
        "two audiences": {"aud": ["souk:auth", "x"]},
        "future": {"iat": moment + 600},
        "not yet": {"nbf": moment + 600},
        "unknown account": {"sub": str(make.new_id())},
        "sub is no id": {"sub": "admin"},
        "sub with NUL": {"sub": "\x00"},
        "other version": {"ver": 1},
        "version as text": {"ver": "0"},
        "version is false": {"ver": False},
        "version is a float": {"ver": 0.0},
        "huge version": {"ver": 10**30},
        "huge expiry": {"exp": 10**30},
        "expiry as text": {"exp": "soon"},
    }
    nested = base64.urlsafe_b64encode(b"[" * 30_000).decode().rstrip("=")
    header, payload, signature = token_of(good).split(".")
    other = unsigned({**good, "sub": str(make.new_id())}, "HS256").split(".")[1]
    return {
        **missing,
        **{name: token_of({**good, **change}) for name, change in changed.items()},
        "other key": token_of(good, "another secret that is long enough for it"),
        "none": unsigned(good, "none"),
        "None": unsigned(good, "None"),
        "alg is a list": unsigned(good, ["HS256"]),
        "alg is null": unsigned(good, None),
        "RS256 header": unsigned(good, "RS256") + signature,
        "cut": f"{header}.{payload}",
        "signature off": f"{header}.{payload}.{signature[::-1]}",
        "payload of another": f"{header}.{other}.{signature}",
        "deep": f"{nested}.{payload}.{signature}",
        "garbage": "garbage",
        "dots": "....",
        "spaces": "a b c",
        "unicode": "é.ü.ñ",
        "long": "x" * 60_000,
    }


async def test_forged_expired_and_broken_tokens_are_refused(app, alice, nobody):
    good = token_of(
        {"sub": str(alice.user.id), "aud": "souk:auth", "iat": int(time.time()), "exp": int(time.time()) - 20, "ver": 0}
    )
    assert (await nobody.get("/auth/me", headers=bearer(good))).status_code == 200, "30 s of leeway"
    for name, token in bad_tokens(alice.user).items():
        for path in ("/auth/me", "/services", "/orders"):
            answer = await nobody.get(path, headers=[(b"authorization", b"Bearer " + token.encode("latin-1"))])
            walk.problem(answer, 401, "not_authenticated", (name, path))
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"', name


async def test_other_schemes_and_empty_tokens_are_nobody(app, alice, nobody):
    token = alice.headers["Authorization"].split()[1]
    for value in ("", "Bearer", "Bearer ", "Basic YTpi", f"Token {token}", token):
        assert (await nobody.get("/services", headers={"Authorization": value})).status_code == 200, value
        answer = await nobody.get("/auth/me", headers={"Authorization": value})
        walk.problem(answer, 401, "not_authenticated", value)
        assert answer.headers["www-authenticate"].startswith("Bearer"), value
    assert (await nobody.get("/auth/me", headers={"Authorization": f"bearer {token}"})).status_code == 200


async def test_a_token_that_expires_is_refused_though_it_was_seen_before(app, alice, nobody, monkeypatch):
    moment = int(time.time())
    token = token_of({"sub": str(alice.user.id), "aud": "souk:auth", "iat": moment - 60, "exp": moment - 28, "ver": 0})
    assert (await nobody.get("/auth/me", headers=bearer(token))).status_code == 200
    await asyncio.sleep(3)
    walk.problem(await nobody.get("/auth/me", headers=bearer(token)), 401)


# -- profile


async def test_alice_changes_her_profile(alice):
    answer = await alice.patch(
        "/auth/me", json={"fullName": "Alice B.", "phone": "+213 555 00 11 22", "country": "Algérie"}
    )
    assert answer.status_code == 200
    changed = answer.json()["data"]
    assert (changed["full_name"], changed["phone"], changed["country"]) == ("Alice B.", "+213 555 00 11 22", "Algérie")
    assert (await alice.get("/users/me")).json() == (await alice.get("/auth/me")).json() == answer.json()
    assert (await alice.patch("/auth/me", json={"phone": None})).json()["data"]["phone"] is None


async def test_role_email_and_flags_are_not_hers_to_write(alice):
    before = (await alice.get("/auth/me")).json()
    for field, value in {
        "role": "ADMIN",
        "email": "a@b.cd",
        "is_active": True,
        "is_verified": True,
        "seller_category": "GROSSISTE",
        "hashed_password": "x",
        "token_version": 9,
        "id": str(make.new_id()),
        "created_at": "2020-01-01T00:00:00Z",
        "password": "lemon-tree-43",
    }.items():
        for spelling in {field, walk.camel(field)}:
            answer = await alice.patch("/auth/me", json={spelling: value, "full_name": "Not This"})
            assert walk.problem(answer, 422)["errors"][0]["pointer"] == f"/{spelling}"
    assert (await alice.get("/auth/me")).json() == before


async def test_bad_profiles_are_refused(alice):
    for field, value in (
        ("full_name", ""),
        ("full_name", "  "),
        ("full_name", None),
        ("full_name", "x" * 201),
        ("phone", "call me"),
        ("country", "a\nb"),
    ):
        answer = await alice.patch("/auth/me", json={field: value})
        assert walk.problem(answer, 422, about=field)["errors"][0]["pointer"] == f"/{field}"


async def test_no_answer_about_accounts_holds_a_secret(app, alice, sam, carl, nobody):
    answers = [
        await alice.get("/auth/me"),
        await alice.get("/users/me"),
        await login(nobody, "alice@example.com"),
        await sam.get("/admin/users"),
        await sam.get(f"/admin/users/{alice.user.id}"),
        await carl.get("/admin/customers"),
        await carl.get(f"/admin/customers/{alice.user.id}"),
        await alice.patch("/auth/me", json={"country": "DZ"}),
        await sam.get("/admin/emails"),
        await sam.get("/admin/audit"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert not any(
            word in answer.text for word in NEVER if word != "hashed_password" or "audit" not in str(answer.url)
        ), answer.url


# -- passwords


async def test_a_new_password_ends_every_token(app, alice, nobody):
    other = (await login(nobody, "alice@example.com")).json()["data"]["access_token"]
    answer = await alice.post(
        "/auth/change-password", json={"current_password": PASSWORD, "new_password": "lemon-tree-43"}
    )
    assert answer.status_code == 200
    for client, headers in ((alice, {}), (nobody, bearer(other))):
        walk.problem(await client.get("/auth/me", headers=headers), 401)
    assert (await nobody.get("/auth/me", headers=bearer(answer.json()["data"]["access_token"]))).status_code == 200
    walk.problem(await login(nobody, "alice@example.com"), 401)
    assert (await login(nobody, "alice@example.com", "lemon-tree-43")).status_code == 200
    assert [mail.template for mail in await mails(app, "alice@example.com")] == ["password_changed"]


async def test_the_present_password_is_asked_for(alice):
    wrong = await alice.post("/auth/change-password", json={"currentPassword": "wrong", "newPassword": "lemon-tree-43"})
    assert walk.problem(wrong, 422)["errors"][0] == {
        "pointer": "/currentPassword",
        "code": "wrong_password",
        "message": "This is not your present password.",
    }
    common = await alice.post("/auth/change-password", json={"current_password": PASSWORD, "new_password": "password1"})
    assert walk.problem(common, 422)["errors"][0]["pointer"] == "/new_password"
    assert (await alice.get("/auth/me")).status_code == 200


async def test_of_two_password_changes_at_once_one_holds(alice, nobody):
    bodies = [{"current_password": PASSWORD, "new_password": f"lemon-tree-{number}"} for number in range(2)]
    answers = await asyncio.gather(*(alice.post("/auth/change-password", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers)[0] == 200
    winner = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
    assert [answer.status_code == 200 for answer in answers].count(True) == 1
    assert (await login(nobody, "alice@example.com", f"lemon-tree-{winner}")).status_code == 200


async def test_a_forgotten_password_is_reset_by_a_mailed_link_once(app, alice, nobody):
    known = await nobody.post("/auth/forgot-password", json={"email": "ALICE@example.com"})
    unknown = await nobody.post("/auth/forgot-password", json={"email": "zoe@example.com"})
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (202, known.json())
    (mail,) = await mails(app, "alice@example.com")
    assert (mail.template, await mails(app, "zoe@example.com")) == ("reset_password", [])
    assert mail.context["link"].startswith("http://localhost:3000/reset-password?token=")
    body = {"token": await mailed_token(app, "alice@example.com"), "password": "lemon-tree-43"}
    assert (await nobody.post("/auth/reset-password", json=body)).status_code == 204
    walk.problem(await alice.get("/auth/me"), 401)
    assert (await login(nobody, "alice@example.com", "lemon-tree-43")).status_code == 200
    assert walk.problem(await nobody.post("/auth/reset-password", json=body), 422)["errors"][0]["pointer"] == "/token"


async def test_one_link_used_twice_at_once_works_once(app, alice, nobody):
    await nobody.post("/auth/forgot-password", json={"email": "alice@example.com"})
    token = await mailed_token(app, "alice@example.com")
    bodies = [{"token": token, "password": f"lemon-tree-{number}"} for number in range(4)]
    answers = await asyncio.gather(*(nobody.post("/auth/reset-password", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 422, 422, 422]


async def test_forged_expired_and_borrowed_links_are_refused(app, alice, nobody):
    good = {
        "sub": str(alice.user.id),
        "aud": "souk:reset",
        "print": auth.fingerprint(alice.user),
        "exp": int(time.time()) + 60,
    }
    tokens = [
        token_of({**good, "exp": int(time.time()) - 1}),
        token_of(good, "another secret that is long enough for it"),
        token_of({**good, "print": "x"}),
        token_of({**good, "aud": "souk:verify"}),
        token_of({**good, "aud": "souk:auth"}),
        unsigned(good, "none"),
        auth.make_token(alice.user.id, 0),
        auth.mailed_token(alice.user, "verify"),
        token_of({**good, "sub": "x"}),
        "garbage",
        "",
        "é",
        base64.urlsafe_b64encode(b"[" * 700).decode() + ".e30.x",
    ]
    for token in tokens:
        answer = await nobody.post("/auth/reset-password", json={"token": token, "password": "lemon-tree-43"})
        assert walk.problem(answer, 422, about=token)["errors"][0]["pointer"] == "/token"
    assert (await alice.get("/auth/me")).status_code == 200
    answer = await nobody.post("/auth/reset-password", json={"token": token_of(good), "password": "password1"})
    assert walk.problem(answer, 422)["errors"][0]["pointer"] == "/password"
    assert (
        await nobody.post("/auth/reset-password", json={"token": token_of(good), "password": "lemon-tree-43"})
    ).status_code == 204


async def test_a_mailed_link_is_no_way_to_sign_in(app, alice, nobody):
    for purpose in ("reset", "verify"):
        walk.problem(await nobody.get("/auth/me", headers=bearer(auth.mailed_token(alice.user, purpose))), 401)


async def test_an_address_is_verified_by_a_mailed_link_once(app, alice, nobody):
    assert (await nobody.post("/auth/request-verify", json={"email": "alice@example.com"})).status_code == 202
    token = await mailed_token(app, "alice@example.com")
    assert (await nobody.post("/auth/verify", json={"token": token})).json()["data"]["is_verified"] is True
    walk.problem(await nobody.post("/auth/verify", json={"token": token}), 422)
    walk.problem(await nobody.post("/auth/verify", json={"token": auth.mailed_token(alice.user, "reset")}), 422)
    assert (await nobody.post("/auth/request-verify", json={"email": "alice@example.com"})).status_code == 202
    assert len(await mails(app, "alice@example.com")) == 1, "no second mail for a verified address"


# -- what ends tokens


@pytest.mark.parametrize("change", [{"role": "CONSULTANT"}, {"is_active": False}])
async def test_a_change_of_role_or_deactivation_ends_every_token(app, alice, sam, nobody, change):
    assert (await sam.patch(f"/admin/users/{alice.user.id}", json=change)).status_code == 200
    walk.problem(await alice.get("/auth/me"), 401, "not_authenticated")
    expected = 200 if "role" in change else 401
    assert (await login(nobody, "alice@example.com")).status_code == expected


async def test_a_dead_account_gets_no_mail_and_cannot_use_an_old_link(app, sam, nobody):
    gone = await make.person(app, full_name="Gone Person")
    token = auth.mailed_token(gone.user, "reset")
    await sam.patch(f"/admin/users/{gone.user.id}", json={"is_active": False})
    await nobody.post("/auth/forgot-password", json={"email": "gone@example.com"})
    assert await mails(app, "gone@example.com") == []
    walk.problem(await nobody.post("/auth/reset-password", json={"token": token, "password": "lemon-tree-43"}), 422)


async def test_jwt_secret_is_used_as_it_is(alice):
    header, payload, signature = alice.headers["Authorization"].split()[1].split(".")
    key = auth.signing_key().encode()
    wanted = hmac.new(key, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(wanted).decode().rstrip("=") == signature
    assert datetime.now(UTC) + timedelta(days=6) < datetime.fromtimestamp(
        jwt.decode(f"{header}.{payload}.{signature}", options={"verify_signature": False})["exp"], UTC
    )
    assert alice.user.role is Role.CUSTOMER
