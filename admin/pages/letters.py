"""A mail as its reader sees it: its HTML for a frame that can do nothing, and its attachments."""

from starlette.requests import Request
from starlette.responses import Response

from admin.page import office_of
from admin.panels import mail_for_staff, written
from app.errors import Conflict, NotFound
from app.letters import Letter, LetterError
from app.resources.emails import emails

FRAMED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Nothing runs, loads or leads elsewhere, and only the back office shows it."""


async def letter_page(request: Request) -> Response:
    made = await letter_of(request, attach=False)
    return Response(made.html, media_type="text/html", headers=FRAMED)


async def attachment(request: Request) -> Response:
    """The file, to be saved."""
    made, place = await letter_of(request, attach=True), request.path_params["place"]
    if place >= len(made.attachments):
        raise NotFound()
    found = made.attachments[place]
    name = f'attachment; filename="{found.filename}"'
    return Response(found.content, media_type=found.content_type, headers={"Content-Disposition": name})


async def letter_of(request: Request, attach: bool) -> Letter:
    if office_of(request).view_of(request).resource is not emails:
        raise NotFound()
    template, context = await mail_for_staff(request, request.path_params["pk"])
    try:
        return await written(request, template, context, attach)
    except LetterError as error:
        raise Conflict(error.detail) from None
