"""The docs: valid, complete, in the shape clients are generated from, and served from our own host."""

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests import walk


@pytest.fixture
def schema(app) -> dict[str, Any]:
    return app.openapi()


def everything(part: Any):
    yield part
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from everything(child)


def test_the_schema_is_valid(schema):
    validate(schema)
    assert schema["openapi"].startswith("3.1")


def test_every_operation_says_what_it_does(app):
    for operation in walk.operations(app):
        docs = operation.docs
        assert docs["summary"], operation.name
        assert not docs["summary"].endswith("."), operation.name
        assert docs["description"].strip().endswith((".", "`", ")")), (operation.name, docs["description"])
        assert "HTTPValidationError" not in str(docs), operation.name
        assert docs["tags"], operation.name


def test_operation_ids_are_unique_and_pretty(app):
    names = [operation.docs["operationId"] for operation in walk.operations(app)]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z][A-Za-z0-9]+", name) or "_" in name] == []


def test_every_body_has_an_example_that_is_valid(app):
    for operation in walk.operations(app):
        if operation.body is None:
            continue
        example = operation.example
        assert example, operation.name
        assert set(example) <= set(operation.body["properties"]), operation.name
        assert set(operation.body.get("required", ())) <= set(example), operation.name
        assert operation.body["additionalProperties"] is False, operation.name


def test_every_error_is_a_problem(app):
    for operation in walk.operations(app):
        for status, answer in operation.docs["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (operation.name, status)
                assert answer["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
                assert answer["description"], operation.name
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(
        app.openapi()["components"]["schemas"]["Problem"]["required"]
    )


def test_every_answer_has_a_shape(app):
    for operation in walk.operations(app):
        for status, answer in operation.docs["responses"].items():
            if status < "400" and status != "204":
                for shape in answer["content"].values():
                    assert shape.get("schema"), (operation.name, status)
                assert answer["content"], (operation.name, status)
            if status == "204":
                assert "content" not in answer, operation.name


def test_every_answer_that_a_body_can_get_is_named(app):
    for operation in walk.operations(app):
        statuses = set(operation.docs["responses"])
        assert {"429", "503"} <= statuses, operation.name
        if operation.content:
            assert {"413", "422"} <= statuses, (operation.name, "takes a body")
        if operation.body:
            assert {"400", "415"} <= statuses, (operation.name, "takes JSON")
        if "{id}" in operation.path:
            assert "404" in statuses, operation.name


async def test_who_may_not_is_in_the_docs(app, nobody, alice):
    for operation in walk.operations(app):
        path = f"http://souk.test{operation.path.replace('{id}', str(walk.new_id()))}"
        for client, status in ((nobody, 401), (alice, 403)):
            answer = await client.request(operation.method, path, json=operation.example if operation.body else None)
            if answer.status_code == status:
                assert str(status) in operation.docs["responses"], operation.name


def test_no_operation_asks_for_what_is_not_documented(app):
    for operation in walk.operations(app):
        for parameter in operation.docs.get("parameters", ()):
            assert parameter["schema"], (operation.name, parameter)
            if parameter["in"] == "query":
                assert parameter["description"], (operation.name, parameter["name"])


def test_secrets_are_in_no_schema(schema):
    names = {
        name
        for part in everything(schema["components"])
        if isinstance(part, dict)
        for name in part.get("properties", {})
    }
    assert not {name for name in names if "hashed" in name or name in ("token_version", "key_hash")}


def test_money_and_choices_are_said_as_such(schema):
    row = schema["components"]["schemas"]["Service"]["properties"]
    assert {"type": "string", "format": "decimal"}.items() <= row["price"].items()
    assert "MAIN" in str(schema["components"]["schemas"]["ServiceType"]["enum"])


def test_references_lead_somewhere(schema):
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert {part["$ref"] for part in everything(schema) if isinstance(part, dict) and "$ref" in part} <= known


async def test_the_docs_page_loads_from_our_own_host_only(app, nobody):
    page = await nobody.get("http://souk.test/api/docs")
    assert page.status_code == 200
    assert "'self'" in page.headers["content-security-policy"]
    assert not re.search(r"(https?:)?//", page.text)
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        asset = await nobody.get(f"http://souk.test{link}")
        assert asset.status_code == 200, link
        assert asset.headers["content-type"].split(";")[0] in (
            "text/css",
            "text/javascript",
            "application/javascript",
            "image/png",
        ), link
    assert "https:" not in (await nobody.get("http://souk.test/api/docs/start.js")).text
    assert (await nobody.get("http://souk.test/api/openapi.json")).json() == app.openapi()
