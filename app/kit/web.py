"""What every handler needs: who calls, an answer in JSON, and the docs of errors and examples."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response, Security
from fastapi.params import Depends as DependsParam
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer

from app.errors import NotAuthenticated
from app.kit.access import NOBODY, Actor, Rule, allowed
from app.kit.reading import etag
from app.kit.resource import Resource

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
    416: "There is no such part.",
    422: "A value is not valid.",
    429: "Too many requests.",
    503: "Cannot be done right now.",
}
bearer = OAuth2PasswordBearer(
    tokenUrl=f"{PREFIX}/auth/token", auto_error=False, description="A token from `/auth/login`."
)


OrderToken: DependsParam = Security(
    APIKeyHeader(
        name="X-Order-Token",
        scheme_name="OrderToken",
        auto_error=False,
        description="The `access_token` of an order that was placed without signing in.",
    )
)
"""For the docs of what a guest may do, too; `edge.py` reads it."""


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
    """A row as JSON, with its tag: what a GET of it would have, for the next `If-Match`."""
    headers = {"Cache-Control": "private, no-store", "ETag": etag(body)}
    return Response(body, status, media_type="application/json", headers=headers)


def example_of(resource: Resource, many: bool = False) -> dict[str, Any]:
    """An example answer, where the resource declares one."""
    if not resource.example:
        return {}
    alone = {name for name, extra in resource.computed.items() if extra.single}
    row = {name: value for name, value in resource.example.items() if not (many and name in alone)}
    data: Any = [row] if many else row
    meta = {"meta": {"page": 1, "limit": 20, "total": 1, "pages": 1}} if many else {}
    return {"content": {"application/json": {"example": {"data": data, **meta}}}}
