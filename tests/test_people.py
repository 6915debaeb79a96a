"""Who may look after people: admins change roles, consultants see customers, and one admin always stays."""

import asyncio

from app.kit.access import Role
from tests import make, walk


async def test_an_admin_makes_bob_a_seller_with_a_category(sam, bob):
    answer = await sam.patch(f"/admin/users/{bob.user.id}", json={"role": "seller", "sellerCategory": "grossiste"})
    assert answer.status_code == 200
    assert (answer.json()["data"]["role"], answer.json()["data"]["seller_category"]) == ("SELLER", "GROSSISTE")
    answer = await sam.patch(f"/admin/users/{bob.user.id}", json={"role": "CUSTOMER"})
    assert answer.json()["data"]["seller_category"] is None


async def test_only_admins_see_and_change_users(alice, bob, vera, carl, nobody):
    for person in (alice, vera, carl, nobody):
        status = 401 if person is nobody else 403
        for answer in (
            await person.get("/admin/users"),
            await person.get(f"/admin/users/{bob.user.id}"),
            await person.patch(f"/admin/users/{bob.user.id}", json={"role": "ADMIN"}),
            await person.patch("/admin/users/nonsense", json={"nonsense": 1}),
        ):
            walk.problem(answer, status)
    assert (await bob.get("/auth/me")).json()["data"]["role"] == "CUSTOMER"


async def test_a_consultant_sees_customers_with_their_orders(app, alice, bob, vera, carl, sam):
    order = await make.order(alice, (await make.service(app)).id)
    listed = (await carl.get("/admin/customers")).json()
    assert [person["email"] for person in listed["data"]] == ["bob@example.com", "alice@example.com"]
    assert not {"orders", "role", "hashed_password", "token_version"} & listed["data"][0].keys()
    seen = (await carl.get(f"/admin/customers/{alice.user.id}")).json()["data"]
    assert [(row["id"], row["status"]) for row in seen["orders"]] == [(order["id"], "PENDING")]
    assert (await carl.get("/admin/customers?search=BENALI")).json()["meta"]["total"] == 1
    for other in (vera, sam, carl):
        walk.problem(await carl.get(f"/admin/customers/{other.user.id}"), 404)
    for person in (alice, vera):
        walk.problem(await person.get("/admin/customers"), 403)


async def test_the_list_of_users_is_filtered_and_searched(sam, alice, vera, carl):
    async def emails(query: str) -> list[str]:
        return [user["email"].split("@")[0] for user in (await sam.get(f"/admin/users?{query}")).json()["data"]]

    assert await emails("role=SELLER") == ["vera"]
    assert await emails("role=consultant") == ["carl"]
    assert await emails("isActive=false") == []
    assert await emails("search=ali+example") == ["alice"]
    assert await emails("sort=-createdAt") == ["carl", "vera", "alice", "sam"]


async def test_what_an_admin_may_not_write(sam, bob):
    for field, value in (
        *(
            ("email", "a@b.cd"),
            ("full_name", "X"),
            ("hashed_password", "x"),
            ("token_version", 0),
            ("is_verified", True),
            ("id", "x"),
        ),
        *(
            ("role", "KING"),
            ("role", None),
            ("role", ""),
            ("is_active", None),
            ("is_active", "maybe"),
            ("seller_category", "x"),
        ),
    ):
        answer = await sam.patch(f"/admin/users/{bob.user.id}", json={field: value})
        assert walk.problem(answer, 422, about=(field, value))["errors"][0]["pointer"] == f"/{field}"


async def test_a_category_is_for_sellers_only(sam, bob, vera):
    answer = await sam.patch(f"/admin/users/{bob.user.id}", json={"sellerCategory": "GROSSISTE"})
    assert walk.problem(answer, 422)["errors"][0]["pointer"] == "/sellerCategory"
    answer = await sam.patch(f"/admin/users/{vera.user.id}", json={"seller_category": "IMPORTATEUR"})
    assert answer.json()["data"]["seller_category"] == "IMPORTATEUR"
    assert (await vera.get("/auth/me")).status_code == 200, "a category does not end her tokens"


async def test_wrong_roles_are_answered_with_the_right_ones(sam, bob):
    answer = await sam.patch(f"/admin/users/{bob.user.id}", json={"role": "KING"})
    assert walk.problem(answer, 422)["errors"][0]["allowed"] == ["CUSTOMER", "CONSULTANT", "SELLER", "ADMIN"]


async def test_the_last_admin_stays(app, sam):
    await make.person(app, full_name="Dead Admin", role=Role.ADMIN, is_active=False)
    for change in ({"role": "CUSTOMER"}, {"is_active": False}, {"role": "SELLER", "is_active": False}):
        walk.problem(await sam.patch(f"/admin/users/{sam.user.id}", json=change), 409, "last_admin")
    assert (await sam.get("/auth/me")).json()["data"]["role"] == "ADMIN"
    other = await make.person(app, full_name="Other Admin", role=Role.ADMIN)
    assert (await other.patch(f"/admin/users/{sam.user.id}", json={"role": "CUSTOMER"})).status_code == 200
    walk.problem(await other.patch(f"/admin/users/{other.user.id}", json={"is_active": False}), 409, "last_admin")


async def test_two_admins_who_demote_each_other_at_once_leave_one(app):
    for change in ({"role": "CUSTOMER"}, {"is_active": False}):
        one = await make.person(
            app, full_name="One", email=f"one-{len(change)}{next(iter(change))}@example.com", role=Role.ADMIN
        )
        two = await make.person(
            app, full_name="Two", email=f"two-{len(change)}{next(iter(change))}@example.com", role=Role.ADMIN
        )
        answers = await asyncio.gather(
            one.patch(f"/admin/users/{two.user.id}", json=change), two.patch(f"/admin/users/{one.user.id}", json=change)
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes[0] == 200
        assert codes[1] in (401, 409), answers[1].text
        left = [person for person in (one, two) if (await person.get("/admin/users")).status_code == 200]
        assert len(left) == 1
        async with app.state.database.transaction() as session:
            (await session.get_one(type(one.user), left[0].user.id)).role = Role.CUSTOMER


async def test_an_edit_of_an_old_version_is_refused(sam, bob):
    path = f"/admin/users/{bob.user.id}"
    tag = (await sam.get(path)).headers["etag"]
    assert (await sam.patch(path, json={"role": "SELLER"}, headers={"If-Match": tag})).status_code == 200
    walk.problem(await sam.patch(path, json={"role": "ADMIN"}, headers={"If-Match": tag}), 412, "stale")
