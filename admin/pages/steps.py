"""Taking a step of a flow: a POST with a reason, through the one guarded move that the API uses too."""

import json
from collections.abc import Mapping

from pydantic import TypeAdapter
from pydantic import ValidationError as Invalid
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.extras import Extra, extra_of
from admin.page import FAILED, Typed, address, as_problem, database_of, office_of, posted, redirect
from admin.pages.details import shown
from app.errors import NotFound
from app.kit import changes, flow
from app.kit.access import Choice
from app.kit.reading import one
from app.kit.schemas import as_validation_error
from app.kit.table import Line, Note

QUEUED = ("QUEUED", "RECEIVED")
"""Statuses that a job takes further in a moment."""
REASON: TypeAdapter[str] = TypeAdapter(Note)
LINE: TypeAdapter[str] = TypeAdapter(Line)


async def step(request: Request) -> Response:
    """Move a row on. What cannot be done is said on its page, with the reason still there."""
    resource, key = office_of(request).view_of(request).resource, request.path_params["pk"]
    extra, typed = extra_of(resource), await posted(request)
    if not extra.flows or not extra.may_step(resource):
        raise NotFound()
    try:
        given = checked(typed, extra.fields())
        async with database_of(request).transaction() as session:
            row = await changes.locked(session, resource, actor(request), key, extra.may_step(resource))
            steps = extra.flow(row)
            if steps is None:
                raise flow.IllegalTransition(allowed=[])
            target = next((move.target for move in steps.moves if move.target == typed.last("status")), None)
            if target is None:
                raise flow.IllegalTransition("There is no such step.", allowed=[])
            if extra.take:
                await extra.take(session, row, target, actor(request), **given)
            else:
                await flow.move(session, steps, row, target, actor(request), extra.party, **given)
            notices = await notices_of(session, request, extra, target)
    except FAILED as error:
        kept = {name: typed.last(name) for name in typed.texts}
        return await shown(request, as_problem(error), kept)
    return redirect(address(resource.name, key), *notices)


async def notices_of(session: AsyncSession, request: Request, extra: Extra, target: Choice) -> list[str]:
    """That it is done or being done, and what is to be minded all the same."""
    done = "queued" if target in QUEUED else "moved"
    if not extra.cautions:
        return [done]
    resource, key = office_of(request).view_of(request).resource, request.path_params["pk"]
    values = json.loads(await one(session, resource, actor(request), key))["data"]
    caution = extra.caution(values, str(target))
    return [done, caution.notice] if caution else [done]


def checked(typed: Typed, names: set[str]) -> Mapping[str, str | None]:
    """The fields of the step, each a text that can be stored; empty ones count as not given."""
    adapters = {name: REASON if name == "reason" else LINE for name in sorted(names) if name in typed}
    return {name: valid(adapter, name, typed.last(name)).strip() or None for name, adapter in adapters.items()}


def valid(adapter: TypeAdapter[str], name: str, text: str) -> str:
    try:
        return adapter.validate_python(text)
    except Invalid as error:
        raise as_validation_error([{**problem, "loc": (name, *problem["loc"])} for problem in error.errors()]) from None
