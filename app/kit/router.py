"""A resource's REST routes: list, one, create, update, delete, as far as its rules open them.

Reads are answered by `ReadRoute` itself, past FastAPI's dependency solving; it stays an ordinary route for the docs
and the router. Writes are ordinary FastAPI endpoints that call `kit/changes.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.params import Depends as DependsParam
from fastapi.routing import APIRoute
from fastapi.security import OAuth2PasswordBearer
from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from app.db import Database, Session
from app.errors import NotAuthenticated
from app.kit import changes, query, reading
from app.kit.access import NOBODY, Actor, Role, Rule, allowed, answer
from app.kit.resource import Resource
from app.kit.schemas import create_schema, data_of, given, input_type, page_of, pascal, read_schema, update_schema

PREFIX = "/api/v1"
PARTS = {
    400: "The request could not be understood.",
    401: "Not signed in.",
    403: "Not yours to do.",
    404: "Not there, or not yours to see.",
    409: "Does not fit the present state.",
    412: "Changed since you read it.",
    413: "The request is too large.",
    415: "This kind of content is not accepted.",
    422: "A value is not valid.",
    429: "Too many requests.",
    503: "Cannot be done right now.",
}
bearer = OAuth2PasswordBearer(
    tokenUrl=f"{PREFIX}/auth/token", auto_error=False, description="A token from `/auth/login`."
)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers for these errors, and for those that any request may get."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": PARTS[status], "content": content} for status in sorted({*statuses, 429, 503})}


async def current_actor(request: Request, _: Annotated[str | None, Depends(bearer)]) -> Actor:
    actor: Actor = request.scope.get("actor", NOBODY)
    return actor


async def signed_in_actor(actor: Annotated[Actor, Depends(current_actor)]) -> Actor:
    if actor.id is None:
        raise NotAuthenticated()
    return actor


Caller = Annotated[Actor, Depends(current_actor)]
"""Who calls; maybe nobody."""
SignedIn = Annotated[Actor, Depends(signed_in_actor)]
"""Who calls; 401 for nobody."""


def rule_needed(rule: Rule) -> DependsParam:
    """A dependency that lets in only callers the rule lets in: checked before the body is."""

    async def check(actor: Caller) -> None:
        allowed(rule, actor)

    dependency: DependsParam = Depends(check)
    return dependency


def json_response(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json", headers={"Cache-Control": "private, no-store"})


Answer = Callable[[Scope, Database, Actor], Awaitable[bytes]]


class ReadRoute(APIRoute):
    """A GET that answers with the bytes of one statement, with ETag and 304."""

    answer: Answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            return await super().handle(scope, receive, send)
        actor: Actor = scope.get("actor", NOBODY)
        body = await self.answer(scope, scope["app"].state.database, actor)
        await send_tagged(scope, send, body, public=actor.id is None)


async def send_tagged(scope: Scope, send: Send, body: bytes, public: bool) -> None:
    tag = reading.etag(body).encode()
    cache = b"public, max-age=0, must-revalidate" if public else b"private, no-cache"
    headers = [(b"etag", tag), (b"cache-control", cache), (b"vary", b"Authorization")]
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
        openapi_extra={"parameters": [id_parameter(resource)]},
        responses={
            200: {"model": data_of(read_schema(resource)), **example_of(resource)},
            **problems(*denials(resource.read), 404),
        },
    )


def create_route(resource: Resource) -> APIRoute:
    schema = create_schema(resource)

    async def endpoint(session: Session, actor: Caller, body: schema) -> Response:  # type: ignore[valid-type]
        row = await changes.create(session, resource, actor, given(body))
        return json_response(await reading.one(session, resource, actor, row.id), 201)

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
        dependencies=[rule_needed(rule)],
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
    return "Staff" if resource.path.startswith("admin/") else resource.name.replace("-", " ").capitalize()


def plural(resource: Resource) -> str:
    return resource.name.replace("-", " ") + (" (staff)" if resource.path.startswith("admin/") else "")


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
    return " ".join([*parts, "Undeclared parameters are refused."])


def list_parameters(resource: Resource, fixed: Mapping[str, str]) -> list[dict[str, Any]]:
    whole = {"type": "integer", "minimum": 1}
    found = [
        in_query("page", {**whole, "default": 1}, "Which page, from 1."),
        in_query("limit", {**whole, "maximum": query.MAX_LIMIT, "default": 20}, "Rows on a page."),
        in_query(
            "sort", {"type": "string", "example": resource.order}, f"Comma-separated: {', '.join(resource.sort)}."
        ),
    ]
    if resource.search:
        found.append(in_query("search", {"type": "string", "maxLength": 200}, "Words that must all occur."))
    for name in resource.filters:
        column, _, operator = name.partition("__")
        if column not in fixed:
            words = {"": "Equal to.", "gte": "At least.", "lte": "At most.", "in": "One of, comma-separated."}[operator]
            schema = (
                {"type": "string"}
                if operator == "in"
                else TypeAdapter(input_type(resource.annotation(column))).json_schema()
            )
            found.append(in_query(name, inline(schema), words))
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


def example_of(resource: Resource, many: bool = False) -> dict[str, Any]:
    """An example answer, where the resource declares one."""
    if not resource.example:
        return {}
    data: Any = [dict(resource.example)] if many else dict(resource.example)
    meta = {"meta": {"page": 1, "limit": 20, "total": 1, "pages": 1}} if many else {}
    return {"content": {"application/json": {"example": {"data": data, **meta}}}}
