"""The back office as one mountable site: SQLAdmin's frame and addresses, with our handlers behind all of them."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqladmin import Admin
from sqladmin.i18n import gettext
from sqlalchemy import String, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from admin import page, show
from admin.door import BASE, BehindTheDoor, Door, actor, person_or_nobody
from admin.extras import extra_of
from admin.kinds import label, looks, open_to, pages_of, words
from admin.pages import (
    deletion,
    details,
    documents,
    export,
    files,
    forms,
    home,
    letters,
    lists,
    login,
    pictures,
    refunds,
    reviews,
    steps,
)
from admin.views import ResourceView, view_for
from app.db import Database
from app.errors import AppError, NotFound
from app.kit.reading import visible
from app.kit.resource import Resource
from app.settings import Settings

HERE = Path(__file__).parent
COOKIE = "souk_staff"
ROUTES = (
    Route("/", home.home, name="index"),
    Route("/login", login.login_page, name="login"),
    Route("/login", login.log_in, methods=["POST"]),
    Route("/logout", login.log_out, methods=["POST"], name="logout"),
    Route("/documents/next", documents.first, name="next-document"),
    Route("/documents/details/{pk}", documents.document_page, name="document"),
    Route("/documents/verdict/{pk}", documents.no_verdict, name="verdict"),
    Route("/documents/verdict/{pk}", documents.verdict, methods=["POST"]),
    Route("/documents/picture/{pk}", files.picture, name="picture"),
    Route("/documents/file/{pk}", files.file, name="file"),
    Route("/documents/thumbnail/{pk}", files.thumbnail, name="thumbnail"),
    Route("/{identity}/list", lists.list_page, name="list"),
    Route("/{identity}/details/{pk}", details.details_page, name="details"),
    Route("/{identity}/create", forms.create_page, name="create"),
    Route("/{identity}/create", forms.create, methods=["POST"]),
    Route("/{identity}/edit/{pk}", forms.edit_page, name="edit"),
    Route("/{identity}/edit/{pk}", forms.edit, methods=["POST"]),
    Route("/{identity}/step/{pk}", steps.step, methods=["POST"], name="step"),
    Route("/{identity}/review/{pk}", reviews.review, methods=["POST"], name="review"),
    Route("/{identity}/refund/{pk}", refunds.refund, methods=["POST"], name="refund"),
    Route("/{identity}/pictures/{pk}", pictures.add, methods=["POST"], name="add-picture"),
    Route("/{identity}/pictures/{pk}/{image}/removal", pictures.remove, methods=["POST"], name="remove-picture"),
    Route("/{identity}/letter/{pk}", letters.letter_page, name="letter"),
    Route("/{identity}/attachment/{pk}/{place:int}", letters.attachment, name="attachment"),
    Route("/{identity}/delete", deletion.delete_page, name="delete"),
    Route("/{identity}/delete", deletion.delete, methods=["POST", "DELETE"]),
    Route("/{identity}/export/{export_type}", export.export, name="export"),
)
"""All there is. SQLAdmin's own pages are not mounted: they write on HEAD and GET, and know no rules for rows."""


def translated(message: str, **values: Any) -> str:
    """The text in the reader's language, to be escaped like any other: Jinja's own `_` would take it for markup."""
    return gettext(message) % values if values else gettext(message)


HELPERS: dict[str, Any] = {
    "_": translated,
    "words": words,
    "label": label,
    "status": show.status,
    "moment": show.moment,
    "ago": show.ago,
    "compact": show.compact,
    "address": page.address,
    "with_query": page.with_query,
    "messages": page.messages,
    "in_words": page.in_words,
    "person": person_or_nobody,
}
"""What templates may call."""


class BackOffice(Admin):
    """The views, the templates and the routes of one application's back office."""

    def __init__(self, application: FastAPI, settings: Settings) -> None:
        database: Database = application.state.database
        self.secure = settings.production
        self.cookie = f"__Host-{COOKIE}" if self.secure else COOKIE
        super().__init__(
            application,
            session_maker=async_sessionmaker(database.engine, class_=AsyncSession),
            base_url=BASE,
            title="Souk",
            templates_dir=str(HERE / "templates"),
            authentication_backend=BehindTheDoor(),
            middlewares=[Middleware(Door, database=database, cookie=self.cookie)],
        )
        self.admin.state = application.state
        files = Mount("/files", StaticFiles(directory=HERE / "static"), name="files")
        self.admin.router.routes[:] = [self.stock_files(), files, *ROUTES]
        for route in ROUTES:
            (route.methods or set()).discard("HEAD")
        self.admin.exception_handlers |= dict.fromkeys((HTTPException, Exception), pass_on)
        self.templates.env.globals |= HELPERS | {"menu": self.menu}

    def stock_files(self) -> Any:
        """SQLAdmin's styles and scripts."""
        return next(route for route in self.admin.router.routes if getattr(route, "name", "") == "statics")

    def menu(self, request: Request) -> list[tuple[str, list[ResourceView]]]:
        """What this reader may open, by group."""
        groups: dict[str, list[ResourceView]] = {}
        for view in self.seen(request):
            groups.setdefault(view.category, []).append(view)
        return list(groups.items())

    async def badges(self, request: Request) -> dict[str, int]:
        """How many rows of a view wait for somebody, by its address, where the menu says so."""
        found, reader = {}, actor(request)
        badges = ((view.resource, badge) for view in self.seen(request) if (badge := extra_of(view.resource).badge))
        async with page.database_of(request).transaction() as session:
            for resource, badge in badges:
                wanted = type_coerce(resource.column(badge.name), String) == badge.value
                rows = select(func.count()).where(wanted, visible(resource, reader, resource.read))
                found[resource.name] = await session.scalar(rows) or 0
        return found

    def seen(self, request: Request) -> list[ResourceView]:
        """The views that this reader may open."""
        return [view for place in open_to(actor(request)) if (view := self.page_view(place))]

    def page_view(self, resource: Resource) -> ResourceView | None:
        return next((view for view in self.views if isinstance(view, ResourceView) and view.resource is resource), None)

    def view_of(self, request: Request) -> ResourceView:
        """The view an address names. Raises NotFound."""
        return self.view_named(request, request.path_params["identity"])

    def view_named(self, request: Request, name: str) -> ResourceView:
        """The one with this name among the reader's pages. Raises NotFound."""
        page = next((page for page in pages_of(actor(request).role) if page.name == name), None)
        if page is None or not (view := self.page_view(page)):
            raise NotFound()
        return view


def mount_admin(application: FastAPI, settings: Settings) -> None:
    """Serve the back office under /admin, with a view for each resource that has a look."""
    home = RedirectResponse(f"{BASE}/", headers={"Cache-Control": "no-store"})
    application.router.routes.append(Route(BASE, home))
    office = BackOffice(application, settings)
    for resource in looks():
        office.add_view(view_for(resource))
    application.state.back_office = office
    application.state.error_pages = {BASE: answer_with_page}


async def pass_on(request: Request, error: Exception) -> Response:
    """Errors leave the mounted site as they are: the edge of the application maps and logs them like all others."""
    raise error


async def answer_with_page(scope: Any, error: AppError, request_id: str) -> Response:
    return await page.error_page(Request(scope), error, request_id)
