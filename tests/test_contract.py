"""The contract, over everything declared: a new resource is covered the minute it exists."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Uuid

from app.kit.access import Actor, answer
from app.kit.query import parse
from app.kit.resource import RESOURCES
from app.kit.schemas import create_schema, read_schema, update_schema
from tests import walk
from tests.walk import problem

LISTS = walk.lists()


@pytest.fixture
async def everybody(app):
    return await walk.cast(app)


def path(resource) -> str:
    return f"/{resource.path}"


def fits(data: Any, schema: Any, about: str) -> None:
    """The row validates, has exactly the fields that are declared, and its amounts are strings."""
    model = schema.model_validate_json(json.dumps(data))
    assert list(data) == list(schema.model_fields), about
    for name, value in model:
        kind = {Decimal: str, bool: bool, int: int, datetime: str}.get(type(value))
        assert kind is None or type(data[name]) is kind, (about, name)
        assert not isinstance(value, datetime) or data[name].endswith("Z"), (about, name)


def readers(resource, everybody):
    return [person for person in everybody.values() if walk.lets_in(resource, person)]


async def test_rows_are_what_the_docs_say(app, everybody):
    assert LISTS
    for resource in LISTS:
        for person in readers(resource, everybody):
            row = await walk.seen_row(app, resource, person)
            one = await person.get(f"{path(resource)}/{row.id}")
            assert one.status_code == 200, (resource.path, one.text)
            fits(one.json()["data"], read_schema(resource), resource.path)
            listed = (await person.get(path(resource))).json()
            assert listed.keys() == {"data", "meta"}
            assert listed["meta"].keys() == {"page", "limit", "total", "pages"}
            assert str(row.id) in [shown["id"] for shown in listed["data"]], resource.path
            for shown in listed["data"]:
                fits(shown, read_schema(resource, single=False), resource.path)


async def test_hidden_columns_never_appear(app, everybody):
    for resource in LISTS:
        for person in readers(resource, everybody):
            row = await walk.seen_row(app, resource, person)
            for answer_ in (await person.get(path(resource)), await person.get(f"{path(resource)}/{row.id}")):
                rows = answer_.json()["data"]
                for shown in rows if isinstance(rows, list) else [rows]:
                    assert not set(resource.hidden) & shown.keys(), resource.path


async def test_what_a_rule_does_not_open_is_closed(app, everybody, nobody):
    for resource in LISTS:
        row = await walk.seen_row(app, resource, everybody["ADMIN"])
        for address in (path(resource), f"{path(resource)}/{row.id}", f"{path(resource)}/nonsense"):
            if not answer(resource.read, Actor()):
                refused = await nobody.get(address)
                problem(refused, 401, "not_authenticated", address)
                assert refused.headers["www-authenticate"].startswith("Bearer")
            for person in everybody.values():
                if not walk.lets_in(resource, person):
                    problem(await person.get(address), 403, "forbidden", (address, person.user.role))


async def test_writes_are_closed_to_whom_no_rule_lets_in(app, everybody, nobody):
    for resource in LISTS:
        for option, method, address in (
            ("create", "POST", ""),
            ("update", "PATCH", f"/{uuid4()}"),
            ("delete", "DELETE", f"/{uuid4()}"),
        ):
            rule = getattr(resource, option)
            if rule:
                problem(
                    await nobody.request(method, path(resource) + address, json={}), 401, about=(resource.path, option)
                )
                for person in everybody.values():
                    if not answer(rule, Actor(person.user.id, person.user.role)):
                        refused = await person.request(method, path(resource) + address, json={})
                        problem(refused, 403, "forbidden", (resource.path, option, person.user.role))


async def test_bob_does_not_find_what_is_alices(app, alice, bob):
    owned = [resource for resource in LISTS if any(clause.name.startswith("mine") for clause in resource.read)]
    assert owned
    for resource in owned:
        if not walk.lets_in(resource, alice):
            continue
        row = await walk.seen_row(app, resource, alice)
        assert (await alice.get(f"{path(resource)}/{row.id}")).status_code == 200
        hers, none = [await bob.get(f"{path(resource)}/{key}") for key in (row.id, uuid4())]
        assert {**problem(hers, 404), "request_id": ""} == {**problem(none, 404), "request_id": ""}
        assert str(row.id) not in (await bob.get(f"{path(resource)}?limit=100")).text
        for method in ("PATCH", "DELETE"):
            assert (await bob.request(method, f"{path(resource)}/{row.id}", json={})).status_code in (404, 405), (
                resource.path
            )


async def test_an_etag_saves_the_body(app, everybody, nobody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        row = await walk.seen_row(app, resource, person)
        for address in (path(resource), f"{path(resource)}/{row.id}"):
            for client in (person, nobody) if answer(resource.read, Actor()) else (person,):
                first = await client.get(address)
                tag = first.headers["etag"]
                for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
                    again = await client.get(address, headers={"If-None-Match": known})
                    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), address
                assert (await client.get(address, headers={"If-None-Match": '"other"'})).content == first.content
                kind = "private" if client is person else "public"
                assert kind in first.headers["cache-control"], address
                assert "Authorization" in first.headers["vary"], address


async def test_an_unknown_parameter_is_answered_with_the_known_ones(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for query in (
            "nonsense=1",
            "id__gte=1",
            "%00=1",
            "hashed_password=x",
            "Page=1",
            "price__gte__in=1",
            "=1",
            "or=1%3D1",
            "limit%20=1",
        ):
            found = problem(
                await person.get(f"{path(resource)}?{query}"), 422, "validation_error", (resource.path, query)
            )
            assert found["errors"][0]["pointer"].startswith("?"), query
            assert {"page", "limit", "cursor", "sort", *resource.filters} <= set(found["errors"][0]["allowed"]), (
                resource.path
            )


async def test_odd_pages_are_refused(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for name, values in {
            "page": ("0", "-1", "1.5", "", "x", "1" + "0" * 30, "9" * 5000, "%00", "١", "1e3", "+1", " 1"),
            "limit": ("0", "101", "1000000", "-1", "", "x", "NaN", "%EF%BC%91"),
        }.items():
            for value in values:
                found = problem(
                    await person.get(f"{path(resource)}?{name}={value}"), 422, "validation_error", (name, value)
                )
                assert found["errors"][0]["pointer"] == f"?{name}"
        assert (await person.get(f"{path(resource)}?page=1000000000&limit=100")).json()["data"] == []


async def test_repeated_and_too_many_parameters_are_refused(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for query in ("page=1&page=2", "page=1&page=1", "sort=x&sort=y", "&".join(f"a{n}=1" for n in range(200))):
            problem(await person.get(f"{path(resource)}?{query}"), 422, "validation_error", query[:20])


async def test_sorting_takes_declared_columns_only(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        await walk.seen_row(app, resource, person)
        for key in resource.sort:
            for spelling in (key, f"-{key}", walk.camel(key), f"-{walk.camel(key)}"):
                assert (await person.get(f"{path(resource)}?sort={spelling}")).status_code == 200, spelling
        for key in (
            "nonsense",
            "hashed_password",
            "--created_at",
            "created_at desc",
            ",",
            "created_at,",
            "id;DROP",
            "%00",
            "-",
            "x" * 5000,
        ):
            found = problem(await person.get(path(resource), params={"sort": key}), 422, "validation_error", key)
            assert set(resource.sort) <= set(found["errors"][0]["allowed"])


async def test_filters_take_both_spellings_and_refuse_nonsense(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        row = await walk.seen_row(app, resource, person)
        for name in resource.filters:
            column = name.split("__")[0]
            value = getattr(row, column)
            if isinstance(
                resource.column(column).type, Uuid
            ):  # it finds what the rule shows, and never changes who asks
                found = await person.get(path(resource), params={name: str(uuid4())})
                assert (found.status_code, found.json().get("data")) == (200, []), (resource.path, name)
            if value is not None:
                text = (
                    str(value).lower()
                    if isinstance(value, bool)
                    else value.isoformat()
                    if hasattr(value, "isoformat")
                    else str(value)
                )
                for spelling in {name, walk.camel(column) + name.removeprefix(column)}:
                    found = await person.get(path(resource), params={spelling: text, "limit": 100})
                    assert str(row.id) in found.text, (resource.path, spelling, text)
            for value in (
                "\x00",
                "a\x00",
                "x" * 5000,
                "\ud83d",
                "NaN",
                "Infinity",
                "9" * 5000,
                "1e999999",
                "null",
                "",
                "[]",
                "'",
                "0001-01-01T00:00:00+14:00",
                "9999-12-31T23:59:59-14:00",
            ):
                found = await person.get(path(resource), params={name: value.encode("utf-8", "surrogatepass")})
                assert found.status_code in (200, 422), (resource.path, name, value, found.text)
                if found.status_code == 422:
                    assert problem(found, 422)["errors"][0]["pointer"] == f"?{name}"


async def test_lists_of_choices_are_bounded(app, everybody):
    for resource in LISTS:
        for name in resource.filters:
            if name.endswith("__in"):
                person = readers(resource, everybody)[0]
                assert (await person.get(f"{path(resource)}?{name}={','.join(['x'] * 51)}")).status_code == 422


async def test_search_takes_anything_but_nul(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for words, status in (
            ("a b c", 200),
            ("%_\\'\"", 200),
            ("é ü 日本", 200),
            ("  ", 200),
            ("x" * 201, 422),
            ("a\x00b", 422),
        ):
            found = await person.get(path(resource), params={"search": words})
            assert found.status_code == (status if resource.search else 422), (resource.path, words)
        assert (await person.get(f"{path(resource)}?search=%ED%A0%80%FF")).status_code == (
            200 if resource.search else 422
        )


async def test_pages_never_overlap(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for _ in range(5):
            await walk.seen_row(app, resource, person)
        total = (await person.get(path(resource))).json()["meta"]["total"]
        for sort in ("", *(f"sort={key}&" for key in resource.sort)):
            seen = []
            for page in range(1, total + 1):
                seen += [
                    row["id"]
                    for row in (await person.get(f"{path(resource)}?{sort}limit=1&page={page}")).json()["data"]
                ]
            assert len(set(seen)) == total, (resource.path, sort)


async def test_a_feed_is_the_list_row_by_row(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        for _ in range(3):
            await walk.seen_row(app, resource, person)
        one_way = [sign + key for key in resource.sort for sign in ("", "-")]
        mixed = [f"{first},-{second}" for first in resource.sort for second in resource.sort if first != second]
        for sort in ("", *one_way, *mixed):
            address = f"{path(resource)}?sort={sort}" if sort else path(resource)
            rows = (await person.get(address, params={**({"sort": sort} if sort else {}), "limit": 100})).json()["data"]
            assert await walk.feed(person, address) == [row["id"] for row in rows], (resource.path, sort)


async def test_rows_that_come_while_a_feed_is_walked_make_none_come_twice(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        early = {str((await walk.seen_row(app, resource, person)).id) for _ in range(3)}
        found, cursor = [], ""
        while cursor is not None:
            part = (await person.get(path(resource), params={"limit": 1, "cursor": cursor})).json()
            found += [row["id"] for row in part["data"]]
            cursor = part["meta"]["next_cursor"]
            if len(found) < 3:
                await walk.seen_row(app, resource, person)
        assert early <= set(found), resource.path
        assert len(found) == len(set(found)), resource.path


def forgeries(real: str) -> list[str]:
    """Cursors that nobody was given."""
    order, *values = json.loads(urlsafe_b64decode(real + "=="))
    texts = ("\x00", "\ud800", "1e999999", "9" * 3000, "", "NaN", "0001-01-01T00:00:00+14:00")
    wrong: list[Any] = [[order, *values[:-1], text] for text in texts]
    wrong += [[order, *([text] * len(values))] for text in texts]
    wrong += [[order, *values[:-1]], [order, *values, "1"], ["id", *values], [order, *values[:-1], 5], [5, *values]]
    wrong += [[], {}, None, "x", 1, [[order, *values]], {order: values}]
    packed = [urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in wrong]
    return [*packed, "x", "!", "é", "\x00", real[:-3], "A" * 5000, urlsafe_b64encode(b"[" * 2900).decode()]


async def first_cursor(app, resource, person) -> str | None:
    for _ in range(2):
        await walk.seen_row(app, resource, person)
    begun = await person.get(path(resource), params={"limit": 1, "cursor": ""})
    cursor: str | None = begun.json()["meta"]["next_cursor"]
    return cursor


async def test_odd_cursors_are_refused(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        if real := await first_cursor(app, resource, person):
            for cursor in forgeries(real):
                refused = problem(await person.get(path(resource), params={"cursor": cursor}), 422, about=resource.path)
                assert refused["errors"][0]["pointer"] == "?cursor", (resource.path, cursor)


async def test_a_cursor_is_for_one_order_and_no_page(app, everybody):
    for resource in LISTS:
        person = readers(resource, everybody)[0]
        if real := await first_cursor(app, resource, person):
            for query in (f"cursor={real}&page=1", "cursor=&page=2", "cursor=&cursor=", f"cursor={real}&sort=-"):
                problem(await person.get(f"{path(resource)}?{query}"), 422, "validation_error", query)
            for sort in (sort for sort in resource.sort if sort != resource.order):
                refused = await person.get(path(resource), params={"cursor": real, "sort": sort})
                assert problem(refused, 422)["errors"][0]["code"] == "other_sort", (resource.path, sort)


async def test_writable_fields_come_in_both_spellings(app):
    for resource in RESOURCES.values():
        for schema in (create_schema(resource), update_schema(resource)):
            for name in schema.model_fields:
                if name in resource.example and resource.example[name] is not None:
                    partial = update_schema(resource) if name in update_schema(resource).model_fields else None
                    if partial:
                        snake, camel = (
                            partial.model_validate({key: resource.example[name]}) for key in (name, walk.camel(name))
                        )
                        assert getattr(snake, name) == getattr(camel, name), (resource.path, name)
                        assert camel.model_fields_set == {name}


async def test_an_example_is_a_row(app):
    for resource in LISTS:
        if resource.example and not any(extra.single for extra in resource.computed.values()):
            schema, moment = read_schema(resource), "2026-11-22T09:30:00Z"
            assert set(resource.example) <= set(schema.model_fields), resource.path
            missing = {name: moment if name.endswith("_at") else None for name in schema.model_fields}
            schema.model_validate(missing | dict(resource.example))


async def test_every_declared_resource_parses_its_own_default(app):
    for resource in LISTS:
        assert parse(resource, b"").limit == 20
