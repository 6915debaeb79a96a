"""Whatever a caller sends, he gets a clean answer: every operation of the docs is fed what it does not expect."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests import make, walk

HUGE = b"9" * 5000
STRANGE: dict[str, bytes] = {
    "empty": b"",
    "not json": b"{nonsense",
    "cut off": b'{"a": "b',
    "not utf-8": b'{"a": "\xff\xfe"}',
    "array": b"[]",
    "list of bodies": b"[{}]",
    "null": b"null",
    "text": b'"text"',
    "number": b"1",
    "huge number": HUGE,
    "nan": b"NaN",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "nul key": b'{"\\u0000": 1}',
    "surrogate key": b'{"\\ud800": 1}',
    "slash key": b'{"a/b~c": 1}',
    "empty key": b'{"": 1}',
}
WRONG = [
    *("a\x00b", "\ud800", "x" * 20_000, "   ", "1e400", "' OR 1"),
    *(None, True, -1, 10**30, 1e300, [], {}, {"\ud800": {"\x00": "\ud800"}}, ["\ud800"], ["\x00"]),
]
RAW = [HUGE, b"NaN", b"-Infinity", b'{"a":' * 40 + b"1" + b"}" * 40]


@pytest.fixture
async def everybody(app):
    return await walk.cast(app)


async def send(client, operation: walk.Operation, content: bytes, key: Any = None, **headers: str):
    path = operation.path.replace("{id}", str(key or uuid4()))
    return await client.request(
        operation.method,
        f"http://souk.test{path}",
        content=content,
        headers={"Content-Type": "application/json", **headers},
    )


def check(answer: Any, about: Any) -> None:
    assert answer.status_code < 500, (about, answer.text)
    if answer.status_code >= 400:
        walk.problem(answer, answer.status_code, about=about)


async def keys(app, everybody) -> dict[str, Any]:
    """A row for each address that takes an id, where the admin can change it."""
    return {resource.path: (await walk.seen_row(app, resource, everybody["ADMIN"])).id for resource in walk.lists()}


def key_for(known: dict[str, Any], operation: walk.Operation) -> Any:
    return known.get(operation.path.removeprefix("/api/v1/").split("/{id}")[0])


async def test_strange_bodies_are_refused_cleanly(app, everybody):
    known = await keys(app, everybody)
    for operation in walk.operations(app):
        if operation.body is None:
            continue
        for name, content in STRANGE.items():
            answer = await send(walk.caller(operation, everybody), operation, content, key_for(known, operation))
            check(answer, (operation.name, name))
            if content not in (b"", b"null") and "list" not in name:
                assert answer.status_code in (400, 422), (operation.name, name, answer.text)


async def test_strange_values_in_any_field_are_refused_cleanly(app, everybody):
    known = await keys(app, everybody)
    for operation in walk.operations(app):
        for field in (operation.body or {}).get("properties", {}):
            for value in WRONG:
                body = {**operation.example, field: value}
                answer = await send(
                    walk.caller(operation, everybody), operation, json.dumps(body).encode(), key_for(known, operation)
                )
                check(answer, (operation.name, field, value))
                assert "not_authenticated" not in answer.text, (operation.name, field, value)
            for raw in RAW:
                head = json.dumps({**operation.example, field: "§"}).encode()
                answer = await send(
                    walk.caller(operation, everybody),
                    operation,
                    head.replace(b'"\\u00a7"', raw),
                    key_for(known, operation),
                )
                check(answer, (operation.name, field, raw[:20]))


async def test_nul_and_lone_surrogates_never_reach_a_text_field(app, everybody):
    known = await keys(app, everybody)
    for operation in walk.operations(app):
        for field, schema in (operation.body or {}).get("properties", {}).items():
            kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
            for value in ("a\x00b\x00cdefgh", "abc\ud800defgh") if "string" in kinds else ():
                body = json.dumps({**operation.example, field: value}).encode()
                answer = await send(walk.caller(operation, everybody), operation, body, key_for(known, operation))
                problem = walk.problem(answer, 422, "validation_error", (operation.name, field, value))
                assert problem["errors"][0]["pointer"] == f"/{field}", (operation.name, problem)


async def test_an_unknown_field_is_named_in_the_callers_spelling(app, everybody):
    known = await keys(app, everybody)
    for operation in walk.operations(app):
        for name in ("surprise", "surpriseField") if operation.body else ():
            body = json.dumps({**operation.example, name: 1}).encode()
            answer = await send(walk.caller(operation, everybody), operation, body, key_for(known, operation))
            problem = walk.problem(answer, 422, "validation_error", operation.name)
            assert {"pointer": f"/{name}", "code": "extra_forbidden"}.items() <= problem["errors"][0].items(), (
                operation.name
            )


async def test_a_field_in_both_spellings_is_refused(app, everybody):
    for operation in walk.operations(app):
        for name in (operation.body or {}).get("properties", {}):
            camel = walk.camel(name)
            if camel != name:
                body = json.dumps({**operation.example, name: None, camel: None}).encode()
                walk.problem(
                    await send(walk.caller(operation, everybody), operation, body),
                    422,
                    "validation_error",
                    operation.name,
                )


async def test_numbers_of_five_thousand_digits_are_a_validation_error(app, sam):
    for number in (HUGE, b"-" + HUGE):
        answer = await sam.post(
            "/services", content=b'{"title": "A", "price": %b}' % number, headers={"Content-Type": "application/json"}
        )
        walk.problem(answer, 422, "validation_error")


async def test_only_json_is_taken(app, everybody):
    for operation in walk.operations(app):
        for kind in (
            ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense", "")
            if operation.body
            else ()
        ):
            answer = await send(
                walk.caller(operation, everybody),
                operation,
                json.dumps(operation.example).encode(),
                **{"Content-Type": kind},
            )
            walk.problem(answer, 415, "unsupported_media_type", (operation.name, kind))


async def test_bodies_over_a_mebibyte_are_refused_however_they_come(app, everybody):
    async def trickle():
        for _ in range(20):
            yield b" " * 100_000

    for operation in walk.operations(app):
        if operation.body:
            for content in (b" " * (1024 * 1024 + 1), trickle()):
                answer = await send(walk.caller(operation, everybody), operation, content)
                problem = walk.problem(answer, 413, "payload_too_large", operation.name)
                assert "1048576" in problem["detail"]


async def test_a_mebibyte_is_not_too_much(app, nobody):
    body = b'{"email": "a@b.cd", "password": "x"}'
    answer = await nobody.post(
        "/auth/login", content=body.ljust(1024 * 1024), headers={"Content-Type": "application/json"}
    )
    walk.problem(answer, 401, "invalid_credentials")


async def test_absurd_headers_are_answered_cleanly(app, alice):
    for headers in (
        {"Content-Length": "9" * 5000},
        {"If-None-Match": "x" * 5000},
        {"Content-Type": "\xff"},
        {"Authorization": alice.headers["Authorization"] + "\xff"},
    ):
        raw = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
        for path in ("/auth/me", "/services"):
            check(await alice.get(path, headers=raw), headers)


async def test_malformed_unknown_and_foreign_ids_look_the_same(app, everybody, alice, bob):
    for operation in walk.operations(app):
        if "{id}" not in operation.path:
            continue
        bodies = []
        for key in (
            "not-a-uuid",
            "%00",
            "a%00b",
            "%ED%A0%80",
            "%F0%9F%92%A9",
            "-1",
            "1" * 5000,
            "null",
            "{}",
            "..%2e",
            str(uuid4()),
            uuid4().hex,
        ):
            content = json.dumps(operation.example).encode() if operation.body else b""
            answer = await send(walk.caller(operation, everybody), operation, content, key)
            problem = walk.problem(answer, 404, "not_found", (operation.name, key))
            bodies.append({**problem, "request_id": ""})
        assert all(body == bodies[0] for body in bodies), operation.name


async def test_unknown_addresses_and_methods_are_problems_too(app, nobody):
    for path in ("/nothing", "/services/a/b/c", "/%00", "/%ED%A0%80", "/" + "x" * 5000):
        walk.problem(await nobody.get(path), 404, "not_found", path)
    for path in (
        "/",
        "/api",
        "/api/v2/services",
        "/.env",
        "/api/docs/assets/none.js",
        "/api/docs/assets/..%2f..%2fetc/passwd",
    ):
        answer = await nobody.get(f"http://souk.test{path}")
        assert answer.status_code == 307 if path == "/" else walk.problem(answer, 404, "not_found", path)
    for method, path in (
        ("PUT", "/services"),
        ("DELETE", "/services"),
        ("POST", "/auth/me"),
        ("PATCH", "/orders"),
        ("NONSENSE", "/services"),
    ):
        answer = await nobody.request(method, path)
        walk.problem(answer, 405, "method_not_allowed", path)
        assert answer.headers["allow"], path


async def test_the_request_id_comes_back_unless_it_is_strange(app, nobody):
    for given, kept in (
        ("my-request.1", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("two words", False),
        ("<script>", False),
        ("", False),
    ):
        answer = await nobody.get("/orders", headers={"X-Request-Id": given})
        walk.problem(answer, 401)
        assert (answer.headers["x-request-id"] == given) is kept, given


async def test_security_headers_are_on_every_answer(app, nobody):
    for path in ("/services", "/orders", "/nothing"):
        headers = (await nobody.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_what_nobody_foresaw_says_nothing_of_itself(app, alice, monkeypatch):
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2 at /srv/souk/app")

    monkeypatch.setattr(app.state.database, "read", broken)
    answer = await make.client(app).get("/services")
    problem = walk.problem(answer, 500, "internal_error")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    assert problem["detail"] == "Something failed on our side."
