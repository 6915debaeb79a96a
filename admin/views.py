"""One SQLAdmin view for each resource with a look: menu, address and permissions come from the resource.

Our pages read through `kit.reading` and write through `kit.changes`. SQLAdmin's own fetch points are limited by the
same rule all the same, and its form maker is shut: whatever stock page is ever mounted finds no way round.
"""

import types
from typing import Any, ClassVar
from uuid import UUID

from sqladmin import ModelView
from sqlalchemy import Select, select
from starlette.requests import Request

from admin.door import actor
from admin.extras import entrance
from admin.kinds import open_to, words
from app.errors import NotFound
from app.kit.access import NOBODY, Actor, Role, Rule, answer
from app.kit.reading import visible
from app.kit.resource import Resource


class ResourceView(ModelView):
    """A resource in the back office."""

    resource: ClassVar[Resource]
    entrance: ClassVar[str]
    can_import: ClassVar[bool] = False
    page_size: ClassVar[int] = 25

    def is_accessible(self, request: Request) -> bool:
        return self.resource in open_to(actor(request))

    def may(self, request: Request, rule: Rule) -> bool:
        """Whether the rule lets this reader at some rows at least."""
        return self.is_accessible(request) and bool(answer(rule, actor(request)))

    async def check_can_create(self, request: Request) -> bool:
        return self.may(request, self.resource.create)

    async def check_can_edit(self, request: Request, model: Any) -> bool:
        return bool(self.resource.writable) and self.may(request, self.resource.update)

    async def check_can_delete(self, request: Request, model: Any) -> bool:
        return self.may(request, self.resource.delete)

    async def check_can_export(self, request: Request) -> bool:
        """Admins take everything with them, sellers what is theirs."""
        return self.is_accessible(request) and actor(request).role in (Role.ADMIN, Role.SELLER)

    def list_query(self, request: Request) -> Select[Any]:
        return self.readable(actor(request))

    def form_details_query(self, request: Request) -> Select[Any]:
        return self.list_query(request).where(self.resource.column("id") == self.key(request.path_params["pk"]))

    form_edit_query = form_details_query

    def _stmt_by_identifier(self, identifier: str) -> Select[Any]:
        """SQLAdmin asks here without a request, so nobody knows for whom: whoever is not signed in sees what he may."""
        return self.readable(NOBODY).where(self.resource.column("id") == self.key(identifier))

    def readable(self, reader: Actor) -> Select[Any]:
        return select(self.model).where(visible(self.resource, reader, self.resource.read))

    def key(self, identifier: str) -> UUID:
        try:
            return UUID(identifier)
        except ValueError:
            raise NotFound() from None

    async def scaffold_form(self, rules: list[str] | None = None) -> Any:
        raise NotFound()


def view_for(resource: Resource) -> type[ResourceView]:
    """A view class of its own: SQLAdmin writes the application's templates and engine on the class."""
    look = resource.admin
    assert look
    body = {
        "resource": resource,
        "entrance": entrance(resource),
        "name": words(resource.noun),
        "name_plural": words(resource.name),
        "category": look.group,
        "icon": f"ti ti-{look.icon}",
        "column_list": [name for name in look.columns if name in resource.columns],
        "column_details_list": resource.columns,
        "column_export_list": resource.columns,
    }
    name, bases, options = f"{resource.table.__name__}View", (ResourceView,), {"model": resource.table}
    made: type[ResourceView] = types.new_class(name, bases, options, lambda space: space.update(body))
    made.identity = resource.name
    return made
