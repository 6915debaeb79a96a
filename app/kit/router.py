"""A resource's REST routes: list, one, create, update, delete, as far as its rules open them.

Reads are answered by `ReadRoute` itself, past FastAPI's dependency solving; it stays an ordinary route for the docs
and the router. Writes are ordinary FastAPI endpoints that call `kit/changes.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.params import Depends as DependsParam
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from app.db import Database, Session
from app.kit import changes, query, reading
from app.kit.access import NOBODY, Actor, Role, Rule, allowed, answer
from app.kit.conditions import tree_behind
from app.kit.cursors import MAX_LENGTH
from app.kit.once import Once, keep
from app.kit.resource import Resource
from app.kit.schemas import create_schema, data_of, given, input_type, page_of, pascal, read_schema, update_schema
from app.kit.web import PREFIX, Caller, OrderToken, example_of, json_response, problems, rule_needed

MEANINGS = {"": "Equal to.", "gte": "At least.", "lte": "At most.", "in": "One of, comma-separated."}
"""What the operators of filters say."""
Answer = Callable[[Scope, Database, Actor], Awaitable[bytes]]


class ReadRoute(APIRoute):
    """A GET that answers with the bytes of one statement, with ETag and 304."""

    answer: Answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            return await super().handle(scope, receive, send)
        actor: Actor = scope.get("actor", NOBODY)
        body = await self.answer(scope, scope["app"].state.database, actor)
        await send_tagged(scope, send, body, public=actor == NOBODY)


async def send_tagged(scope: Scope, send: Send, body: bytes, public: bool) -> None:
    tag = reading.etag(body).encode()
    cache = b"public, max-age=0, must-revalidate" if public else b"private, no-cache"
    headers = [(b"etag", tag), (b"cache-control", cache), (b"vary", b"Authorization, X-Order-Token")]
    known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
    status = 304 if tag in known or known.strip() == b"*" else 200
    if status == 200:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body if status == 200 else b""})


def read_route(path: str, answer: Answer, **docs: Any) -> ReadRoute:
    async def endpoint(_: Caller) -> None:
        """Only for the docs: ReadRoute answers itself."""

    route = ReadRoute(PREFIX + path, endpoint, methods=["GET"], **docs)
    route.answer = answer
    return route


def list_route(resource: Resource, path: str = "", summary: str = "", name: str = "", **fixed: str) -> ReadRoute:
    """The list of a resource. `fixed` are filters the address stands for: `/services/main` is `type=MAIN`."""
    preset = "&".join(f"{key}={value}" for key, value in fixed.items()).encode()

    async def answer(scope: Scope, database: Database, actor: Actor) -> bytes:
        allowed(resource.read, actor)
        parts = [part for part in (scope["query_string"], preset) if part]
        return await reading.page(database, resource, actor, query.parse(resource, b"&".join(parts)))

    return read_route(
        path or f"/{resource.path}",
        answer,
        name=name or f"list{pascal(resource)}s",
        operation_id=name or f"list{pascal(resource)}s",
        summary=summary or f"List {plural(resource)}",
        description=list_description(resource),
        tags=[tag(resource)],
        dependencies=keys(resource),
        openapi_extra={"parameters": list(list_parameters(resource, fixed))},
        responses={
            200: {"model": page_of(read_schema(resource, single=False)), **example_of(resource, many=True)},
            **problems(*denials(resource.read), 422),
        },
    )


def one_route(resource: Resource) -> ReadRoute:
    async def answer(scope: Scope, database: Database, actor: Actor) -> bytes:
        return await reading.one(database, resource, actor, scope["path_params"]["id"])

    return read_route(
        f"/{resource.path}/{{id}}",
        answer,
        name=f"get{pascal(resource)}",
        operation_id=f"get{pascal(resource)}",
        summary=f"Get one {resource.noun}",
        description=f"By id{' or slug' if resource.slug else ''}. Comes with an `ETag`; `If-None-Match` gives 304.",
        tags=[tag(resource)],
        dependencies=keys(resource),
        openapi_extra={"parameters": [id_parameter(resource)]},
        responses={
            200: {"model": data_of(read_schema(resource)), **example_of(resource)},
            **problems(*denials(resource.read), 404),
        },
    )


def keys(resource: Resource) -> list[DependsParam]:
    """What opens a row besides signing in."""
    return [OrderToken] if resource.key else []


def create_route(resource: Resource) -> APIRoute:
    schema = create_schema(resource)

    async def endpoint(session: Session, actor: Caller, body: schema) -> Response:  # type: ignore[valid-type]
        row = await changes.create(session, resource, actor, given(body))
        return await keep(session, await reading.one(session, resource, actor, row.id))

    return write_route(resource, "POST", "create", endpoint, resource.create, 201, 409, 413, 422)


def update_route(resource: Resource) -> APIRoute:
    schema = update_schema(resource)

    async def endpoint(
        id: str,
        session: Session,
        actor: Caller,
        body: schema,  # type: ignore[valid-type]
        if_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        row = await changes.update(session, resource, actor, id, given(body), if_match)
        return json_response(await reading.one(session, resource, actor, row.id))

    return write_route(resource, "PATCH", "update", endpoint, resource.update, 200, 404, 409, 412, 413, 422)


def delete_route(resource: Resource) -> APIRoute:
    async def endpoint(id: str, session: Session, actor: Caller) -> Response:
        await changes.delete(session, resource, actor, id)
        return Response(status_code=204)

    return write_route(resource, "DELETE", "delete", endpoint, resource.delete, 204, 404, 409)


def write_route(
    resource: Resource, method: str, verb: str, endpoint: Any, rule: Rule, status: int, *errors: int
) -> APIRoute:
    shown: dict[int | str, dict[str, Any]] = {}
    if status != 204:
        shown[status] = {"model": data_of(read_schema(resource)), **example_of(resource)}
    text = f"{verb.capitalize()} {article(resource.noun)}"
    allow = ", ".join(sorted({clause.name for clause in rule}))
    return APIRoute(
        f"{PREFIX}/{resource.path}" + ("" if method == "POST" else "/{id}"),
        endpoint,
        methods=[method],
        status_code=status,
        name=f"{verb}{pascal(resource)}",
        operation_id=f"{verb}{pascal(resource)}",
        summary=text,
        description=f"{text}. Open to: {allow}."
        + (" Send `If-Match` to be told when somebody was faster." if method == "PATCH" else ""),
        tags=[tag(resource)],
        dependencies=[rule_needed(rule), *([Once] if method == "POST" else [])],
        responses=shown | problems(*denials(rule), *errors),
        response_model=None,
    )


def routes(resource: Resource) -> list[APIRoute]:
    """Every route the resource's rules open."""
    if not resource.rest:
        return []
    reads = [list_route(resource), one_route(resource)] if resource.read else []
    makers: Mapping[str, Callable[[Resource], APIRoute]] = {
        "create": create_route,
        "update": update_route,
        "delete": delete_route,
    }
    return [*reads, *(make(resource) for option, make in makers.items() if getattr(resource, option))]


# -- words and parameters of the docs


def tag(resource: Resource) -> str:
    """The chapter of the docs: the area where the path names one, `Staff` for /admin/orders."""
    area, _, name = resource.path.rpartition("/")
    return "Staff" if area == "admin" else (area or name).replace("-", " ").capitalize()


def plural(resource: Resource) -> str:
    return resource.name.replace("-", " ") + (f" ({tag(resource).lower()})" if "/" in resource.path else "")


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' and not noun.startswith('user') else 'a'} {noun}"


def denials(rule: Rule) -> list[int]:
    """Which of 401 and 403 a rule can answer."""
    if answer(rule, NOBODY):
        return []
    return [401] if all(answer(rule, Actor(id=NOT_NOBODY, role=role)) for role in Role) else [401, 403]


NOT_NOBODY: Any = object()


def list_description(resource: Resource) -> str:
    parts = [f"Sort by {', '.join(resource.sort)} (a leading minus: descending). Default: `{resource.order}`."]
    if resource.search:
        parts.append(f"`search` finds every word in {', '.join(name.split('.')[-1] for name in resource.search)}.")
    if resource.short_words:
        parts.append(f"Words of less than three letters are looked for where words begin in {resource.short_words}.")
    parts.append("With `cursor` the list is a feed: without a total, quick however deep, and no row comes twice.")
    return " ".join([*parts, "Undeclared parameters are refused."])


def list_parameters(resource: Resource, fixed: Mapping[str, str]) -> list[dict[str, Any]]:
    return [*place_parameters(resource), *row_parameters(resource, fixed)]


def place_parameters(resource: Resource) -> list[dict[str, Any]]:
    """What says where in the list one is."""
    whole, text = {"type": "integer", "minimum": 1}, {"type": "string"}
    cursor = "Empty to begin a feed, then each `next_cursor`, with the same `sort`. Not together with `page`."
    return [
        in_query("page", {**whole, "default": 1}, "Which page, from 1."),
        in_query("limit", {**whole, "maximum": query.MAX_LIMIT, "default": 20}, "Rows on a page."),
        in_query("cursor", {**text, "maxLength": MAX_LENGTH}, cursor),
        in_query("sort", {**text, "example": resource.order}, f"Comma-separated: {', '.join(resource.sort)}."),
    ]


def row_parameters(resource: Resource, fixed: Mapping[str, str]) -> list[dict[str, Any]]:
    """What says which rows: search, and the filters that the address does not stand for."""
    found = []
    if resource.search:
        found.append(in_query("search", {"type": "string", "maxLength": 200}, "Words that must all occur."))
    for name in resource.filters:
        column, _, operator = name.partition("__")
        if column not in fixed:
            is_tree = tree_behind(resource.column(column)) is not None
            words = "This one or below it." if is_tree and not operator else MEANINGS[operator]
            kind = TypeAdapter(input_type(resource.annotation(column))).json_schema()
            found.append(in_query(name, {"type": "string"} if operator == "in" else inline(kind), words))
    return found


def inline(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without definitions of its own."""
    for definition in schema.get("$defs", {}).values():
        return {key: definition[key] for key in ("type", "enum") if key in definition}
    return schema


def in_query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def id_parameter(resource: Resource) -> dict[str, Any]:
    schema = {"type": "string"} if resource.slug else {"type": "string", "format": "uuid"}
    return {"name": "id", "in": "path", "required": True, "schema": schema}
