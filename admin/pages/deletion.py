"""Deleting rows: first a page that names them, then a POST. All of them or none; some kinds are archived instead."""

import json

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from admin.door import actor
from admin.extras import extra_of
from admin.page import address, database_of, office_of, posted, redirect, render
from admin.references import names_in
from admin.show import Row
from app.errors import BadRequest, Forbidden
from app.kit import changes
from app.kit.access import Actor, allowed
from app.kit.reading import one
from app.kit.resource import Resource

MOST = 50


def keys_of(texts: list[str]) -> list[str]:
    """The ids that were chosen, repeated or with commas between. In order, so that two of them cannot deadlock."""
    keys = sorted({key for text in texts for key in text.split(",") if key})
    if not keys:
        raise BadRequest("Nothing was chosen.")
    if len(keys) > MOST:
        raise BadRequest(f"At most {MOST} at once.")
    return keys


async def delete_page(request: Request) -> Response:
    """Asks once more."""
    view, reader = office_of(request).view_of(request), actor(request)
    if not await view.check_can_delete(request, None):
        raise Forbidden()
    keys = keys_of(request.query_params.getlist("pks"))
    found = [json.loads(await one(database_of(request), view.resource, reader, key))["data"] for key in keys]
    async with database_of(request).transaction() as session:
        names = await names_in(session, reader, [(view.resource, row) for row in found])
    rows, parting = [Row(view.resource, row, names) for row in found], extra_of(view.resource).parting
    return await render(request, "delete.html", view=view, rows=rows, parting=parting)


async def delete(request: Request) -> Response:
    view, reader = office_of(request).view_of(request), actor(request)
    texts = request.query_params.getlist("pks")
    if request.method == "POST":
        texts = texts + list((await posted(request)).all("pks"))
    allowed(view.resource.delete, reader)
    keys = keys_of(texts)
    async with database_of(request).transaction() as session:
        gone = [await taken_away(session, view.resource, reader, key) for key in keys]
    if request.method == "DELETE":
        return PlainTextResponse(address(view.identity))
    return redirect(address(view.identity), "deleted" if all(gone) else "partly_archived" if any(gone) else "archived")


async def taken_away(session: AsyncSession, resource: Resource, reader: Actor, key: str) -> bool:
    """Whether the row is deleted; otherwise it is archived."""
    if take_away := extra_of(resource).take_away:
        return await take_away(session, resource, reader, key)
    await changes.delete(session, resource, reader, key)
    return True
