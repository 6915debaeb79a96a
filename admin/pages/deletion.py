"""Deleting rows: first a page that names them, then a POST. All of them or none."""

import json

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from admin.door import actor
from admin.page import address, database_of, office_of, posted, redirect, render
from admin.references import names_in
from admin.show import Row
from app.errors import BadRequest, Forbidden
from app.kit import changes
from app.kit.access import allowed
from app.kit.reading import one

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
    return await render(request, "delete.html", view=view, rows=[Row(view.resource, row, names) for row in found])


async def delete(request: Request) -> Response:
    view, reader = office_of(request).view_of(request), actor(request)
    texts = request.query_params.getlist("pks")
    if request.method == "POST":
        texts = texts + list((await posted(request)).all("pks"))
    allowed(view.resource.delete, reader)
    keys = keys_of(texts)
    async with database_of(request).transaction() as session:
        for key in keys:
            await changes.delete(session, view.resource, reader, key)
    if request.method == "DELETE":
        return PlainTextResponse(address(view.identity))
    return redirect(address(view.identity), "deleted")
