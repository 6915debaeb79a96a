"""Giving money back: a POST of its own, through the same functions as the API's."""

from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.page import FAILED, Typed, address, as_problem, database_of, office_of, posted, redirect
from admin.pages.details import shown
from app.errors import NotFound, Unavailable
from app.flows.refunds import RefundWanted, ask, carry_out
from app.kit.schemas import validated
from app.resources.payments import desk_payments


async def refund(request: Request) -> Response:
    """Have it written down and done. What cannot be done is said on the page, with what was typed still there."""
    if office_of(request).view_of(request).resource is not desk_payments:
        raise NotFound()
    typed = await posted(request)
    try:
        notice = await refunded(request, typed)
    except FAILED as error:
        return await shown(request, as_problem(error), {name: typed.last(name) for name in typed.texts})
    return redirect(address(desk_payments.name, request.path_params["pk"]), notice)


async def refunded(request: Request, typed: Typed) -> str:
    """The notice for what came of it. Raises what the API answers; Stripe being away is no error here."""
    database, wanted = database_of(request), wanted_by(typed)
    async with database.transaction() as session:
        asked = await ask(session, actor(request), request.path_params["pk"], wanted, typed.last("id")[:200] or None)
    try:
        await carry_out(database, request.app.state.stripe, asked.id)
    except Unavailable:
        return "refund_waits"
    return "refunded"


def wanted_by(typed: Typed) -> RefundWanted:
    """What was typed; an empty field is not given."""
    texts = {name: typed.last(name).strip() for name in RefundWanted.model_fields}
    return RefundWanted(**validated(RefundWanted, {name: text for name, text in texts.items() if text}))
