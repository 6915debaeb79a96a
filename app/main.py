"""`create_app()`: the one module that knows everybody."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any

import fastapi_swagger
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

import app.resources  # noqa: F401  (declares them)
from admin.site import mount_admin
from app import health
from app.clients.clamav import ClamAv
from app.clients.storage import private_files, public_media
from app.clients.stripe import Stripe
from app.clients.valkey import Counters
from app.db import Database
from app.edge import Edge, header, raise_again
from app.flows import ROUTERS
from app.kit.resource import RESOURCES
from app.kit.router import ReadRoute, routes
from app.kit.schemas import Problem
from app.kit.web import PARTS
from app.settings import Settings, get_settings, reveal

ABOUT = """Catalogue, orders, payments and accounts of Souk.

**Envelope**: `{"data": …}`; lists add `meta`. **Errors**: `application/problem+json` with a stable `code`.
**Names**: snake_case out; snake_case or camelCase in; unknown fields are refused. **Money**: decimal strings.
"""


ASKED = "Authorization Content-Type If-Match If-None-Match Idempotency-Key Range X-Order-Token X-Request-Id"
TOLD = (
    "Content-Disposition Content-Range ETag Idempotency-Replayed RateLimit-Limit RateLimit-Remaining RateLimit-Reset "
    "Retry-After X-Request-Id"
)
"""Headers that a browser on the site may send, and those it may read."""


class Souk(FastAPI):
    """FastAPI, which answers generated reads before its routers look through all routes, twice.

    A GET of one of them that carries no `Origin` needs nothing of the middleware but `Edge`; CORS is for browsers.
    """

    quick: Edge
    exact: dict[str, ReadRoute]
    by_id: dict[str, ReadRoute]
    others: set[str]

    def prepare_reads(self, counters: Callable[[], Counters | None], https: bool) -> None:
        """Call when all routes are there. `others` are hand-written paths, which go before `…/{id}`."""
        reads = [route for route in self.routes if isinstance(route, ReadRoute)]
        self.exact = {route.path: route for route in reads if "{" not in route.path}
        self.by_id = {route.path.removesuffix("{id}"): route for route in reads if route.path.endswith("/{id}")}
        self.others = {route.path for route in self.routes if isinstance(route, APIRoute)}
        self.quick = Edge(answer_read, counters, https)

    def find_read(self, scope: Scope) -> ReadRoute | None:
        """The generated read that this request asks for; a key in its path goes into the scope."""
        path: str = scope["path"]
        if route := self.exact.get(path):
            return route
        parent, _, key = path.rpartition("/")
        scope["path_params"] = {"id": key}
        return self.by_id.get(parent + "/") if key and path not in self.others else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and not header(scope, b"origin"):
            if route := self.find_read(scope):
                scope["app"], scope["route"] = self, route
                return await self.quick(scope, receive, send)
            scope.pop("path_params", None)
        await super().__call__(scope, receive, send)


async def answer_read(scope: Scope, receive: Receive, send: Send) -> None:
    await scope["route"].handle(scope, receive, send)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The whole application, ready to serve. Settings need both URLs."""
    settings = settings or get_settings()
    assert settings.database_url, "DATABASE_URL is needed; `souk up` finds one"
    assert settings.redis_url, "REDIS_URL is needed; `souk up` finds one"
    database, counters = Database(settings.database_url, settings.database_pool), Counters(settings.redis_url)
    stripe = Stripe(reveal(settings.stripe_secret_key), settings.stripe_api_base)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        counters.open()
        yield
        await stripe.close()
        await counters.close()
        await database.close()

    application = Souk(
        title="Souk",
        version="1",
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    application.state.settings = settings
    application.state.database = database
    application.state.stripe = stripe
    application.state.files = private_files(settings)
    application.state.media = public_media(settings)
    application.state.scanner = ClamAv(settings.clamav_socket) if settings.clamav_socket else None
    application.state.counters = counters if settings.rate_limits == "on" else None
    application.state.valkey = counters
    add_routes(application)
    for kind in (RequestValidationError, HTTPException):
        application.add_exception_handler(kind, raise_again)
    mount_admin(application, settings)
    edge: dict[str, Any] = {"counters": lambda: application.state.counters, "https": settings.production}
    application.prepare_reads(**edge)
    application.add_middleware(Edge, **edge)
    application.add_middleware(
        CORSMiddleware,
        allow_origins=[settings.frontend_url.rstrip("/")],
        allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
        allow_headers=ASKED.split(),
        expose_headers=TOLD.split(),
        max_age=600,
    )
    return application


def add_routes(application: FastAPI) -> None:
    """Flat, flows first: an included router would be searched anew for each request."""
    for router in ROUTERS:
        application.router.routes.extend(router.routes)
    written = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    taken = {(route.path, method) for route in written for method in route.methods or ()}
    for resource in RESOURCES.values():
        for route in routes(resource):
            if not {(route.path, method) for method in route.methods or ()} & taken:
                application.router.routes.append(route)
    application.router.routes.extend(health.router.routes)
    add_docs(application)


def add_docs(application: FastAPI) -> None:
    """The schema, and Swagger UI from files of our own."""
    application.openapi = cache(lambda: openapi(application))  # type: ignore[method-assign]
    assets = files(fastapi_swagger).joinpath("resources")
    application.mount("/api/docs/assets", StaticFiles(directory=str(assets)), name="docs-assets")

    @application.get("/api/openapi.json", include_in_schema=False)
    async def openapi_json() -> Response:
        return JSONResponse(application.openapi())

    @application.get("/api/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(DOCS_PAGE, headers={"Content-Security-Policy": DOCS_CSP})

    @application.get("/api/docs/start.js", include_in_schema=False)
    async def docs_start() -> Response:
        return PlainTextResponse(DOCS_START, media_type="text/javascript")

    @application.get("/", include_in_schema=False)
    async def root(request: Request) -> Response:
        return Response(status_code=307, headers={"Location": "/api/docs"})


def openapi(application: FastAPI) -> dict[str, Any]:
    """One Problem schema for every error; no operation says HTTPValidationError."""
    schema = get_openapi(
        title=application.title,
        version=application.version,
        description=application.description,
        routes=application.routes,
    )
    schemas = schema["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    for operations in schema["paths"].values():
        for operation in operations.values():
            complete(operation)
    return schema


def complete(operation: dict[str, Any]) -> None:
    """The handler's docstring is summary and description: its first line, and the rest."""
    responses = operation.get("responses", {})
    if responses.get("422", {}).get("content", {}).get("application/json"):
        responses["422"] = {"description": PARTS[422], "content": PROBLEM_CONTENT}
    for status in (400, 413, 415, 422) if "requestBody" in operation else ():
        responses.setdefault(str(status), {"description": PARTS[status], "content": PROBLEM_CONTENT})
    first, _, rest = operation.get("description", "").partition("\n\n")
    if rest or "." not in first:
        operation["summary"] = first or operation["summary"]
        operation["description"] = rest or first + "."
    for response in responses.values():
        response.setdefault("description", "")
    if "200" in responses and "application/problem+json" not in str(responses["200"]):
        responses["200"]["description"] = responses["200"]["description"] or "Done."


PROBLEM_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
DOCS_CSP = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
DOCS_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Souk API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/api/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/api/docs/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="/api/docs/assets/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script></body></html>
"""
DOCS_START = """SwaggerUIBundle({url: "/api/openapi.json", dom_id: "#swagger-ui", deepLinking: true,
  persistAuthorization: true, docExpansion: "list", tryItOutEnabled: true, validatorUrl: null});
"""
