"""Closing the review of a payment: a POST with a note, through the same function as the API's."""

from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.page import FAILED, address, as_problem, database_of, office_of, posted, redirect
from admin.pages.details import shown
from app.errors import NotFound
from app.flows.reviews import Review, close_review
from app.kit.schemas import validated
from app.resources.payments import desk_payments


async def review(request: Request) -> Response:
    """What cannot be done is said on the page, with the note still there."""
    if office_of(request).view_of(request).resource is not desk_payments:
        raise NotFound()
    typed, key = await posted(request), request.path_params["pk"]
    try:
        note = validated(Review, {"note": typed.last("note").strip()})["note"]
        async with database_of(request).transaction() as session:
            await close_review(session, actor(request), key, note)
    except FAILED as error:
        return await shown(request, as_problem(error), {name: typed.last(name) for name in typed.texts})
    return redirect(address(desk_payments.name, key), "reviewed")
