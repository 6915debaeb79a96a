"""Making and editing rows: exactly the fields the resource opens, saved the way the API saves them."""

import json
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.extras import extra_of
from admin.fields import Field, create_fields, edit_fields, fill, values_of
from admin.page import FAILED, Typed, address, as_problem, database_of, messages, office_of, posted, redirect, render
from admin.pages.details import applies
from admin.references import names_in
from admin.show import Row
from admin.views import ResourceView
from app.errors import AppError, Conflict, Forbidden
from app.kit import changes
from app.kit.access import allowed
from app.kit.reading import one
from app.kit.schemas import create_schema, update_schema, validated


class ChangedMeanwhile(Conflict):
    """Somebody changed this while you were typing. Nothing is lost: look at what changed and save again."""


@dataclass
class Form:
    """What is on the page. `version` is when the row was last changed as the page shows it; empty for a new row."""

    fields: list[Field]
    version: str = ""
    row: Row | None = None
    errors: list[str] = field(default_factory=list)
    status: int = 200
    currency: str = ""

    def refuse(self, error: AppError) -> None:
        """Each sentence at its field; what is about no field on top."""
        self.status = error.status
        by_name = {each.name: each for each in self.fields}
        for name, sentences in messages(error).items():
            (by_name[name].errors if name in by_name else self.errors).extend(sentences)


async def show(request: Request, view: ResourceView, form: Form) -> Response:
    return await render(request, "edit.html", form.status, view=view, form=form)


async def edit_page(request: Request) -> Response:
    view = office_of(request).view_of(request)
    async with database_of(request).transaction() as session:
        form = await edit_form(request, view, session)
    return await show(request, view, form)


async def edit_form(request: Request, view: ResourceView, session: AsyncSession) -> Form:
    """The form of a row as it is now. Raises NotFound, Forbidden."""
    resource, reader, key = view.resource, actor(request), request.path_params["pk"]
    values = json.loads(await one(session, resource, reader, key))["data"]
    if not resource.writable or not await applies(session, resource, reader, resource.update, UUID(values["id"])):
        raise Forbidden()
    names = await names_in(session, reader, [(resource, values)])
    fields = await edit_fields(session, resource, reader, values, names)
    currency = "" if "currency" in resource.writable else values.get("currency", "")
    return Form(fields, values["updated_at"], Row(resource, values, names), currency=currency)


async def edit(request: Request) -> Response:
    """Save what was changed on the page, if the row is still as the page showed it."""
    view, typed = office_of(request).view_of(request), await posted(request)
    resource, reader, key, form = view.resource, actor(request), request.path_params["pk"], None
    try:
        async with database_of(request).transaction() as session:
            row = await changes.locked(session, resource, reader, key, resource.update)
            form = await edit_form(request, view, session)
            if typed.last("version") != form.version or is_overtaken(form, typed):
                merge(form, typed)
                raise ChangedMeanwhile()
            fill(form.fields, typed)
            changed = [each for each in form.fields if each.is_changed]
            values = validated(update_schema(resource), values_of(changed))
            if values:
                await changes.change(session, resource, reader, row, values)
    except FAILED as error:
        if form is None:
            raise
        form.refuse(as_problem(error))
        return await show(request, view, form)
    return redirect(address(view.identity, key), "saved" if values else "unchanged")


def is_overtaken(form: Form, typed: Typed) -> bool:
    """Whether a field was changed here that is not as the page showed it: stock moves without the row's moment."""
    sent = (each for each in form.fields if each.name in typed and f"was.{each.name}" in typed)
    return any(typed.last(f"was.{each.name}") not in (each.text, typed.last(each.name)) for each in sent)


def merge(form: Form, typed: Typed) -> None:
    """What the person typed stays; what he did not touch is as it is now; where both changed, he sees the other's."""
    for each in form.fields:
        present = each.text
        fill([each], typed)
        if not each.is_changed:
            each.text = present
        elif each.text != present and each.was != present:
            each.theirs = present
        each.was = present


async def create_page(request: Request) -> Response:
    view = office_of(request).view_of(request)
    return await show(request, view, await create_form(request, view))


async def create_form(request: Request, view: ResourceView) -> Form:
    if not view.is_accessible(request):
        raise Forbidden()
    allowed(view.resource.create, actor(request))
    currency_of = extra_of(view.resource).currency
    async with database_of(request).transaction() as session:
        currency = await currency_of(session, actor(request)) if currency_of else ""
        return Form(await create_fields(session, view.resource, actor(request)), currency=currency)


async def create(request: Request) -> Response:
    """A new row of what was typed; what was left empty has its default."""
    view, typed = office_of(request).view_of(request), await posted(request)
    form = await create_form(request, view)
    fill(form.fields, typed)
    try:
        values = validated(create_schema(view.resource), values_of(each for each in form.fields if each.text))
        async with database_of(request).transaction() as session:
            row = await changes.create(session, view.resource, actor(request), values)
    except FAILED as error:
        form.refuse(as_problem(error))
        return await show(request, view, form)
    return redirect(address(view.identity, row.id), "created")
