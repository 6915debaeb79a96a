"""Parts of a page that are more than columns and rows: a form for a refund, a mail as its reader sees it, pictures."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from starlette.requests import Request

from admin import media
from admin.door import actor
from admin.page import database_of
from app.flows.product_images import MOST, shown_images
from app.kit.access import admin, answer, seller
from app.kit.reading import one
from app.kit.table import new_id
from app.letters import Letter, LetterError, attachment_names, letter
from app.resources.emails import ERASED, Email, emails
from app.resources.product_images import SMALL, ProductImage, variant_key
from app.resources.products import products
from app.settings import Settings
from app.settlement import PAID


@dataclass(frozen=True)
class Panel:
    """A template of its own and what it is filled with. `fields` are those of its form."""

    template: str
    values: Mapping[str, Any]
    fields: tuple[str, ...] = field(default=())


async def refund_panel(request: Request, payment: Mapping[str, Any]) -> Panel | None:
    """For admins, while there is money to give back. The refund's id is in the form, so that it is asked for once."""
    left = Decimal(payment["captured_amount"]) - Decimal(payment["refunded_amount"])
    if not answer(admin, actor(request)) or left <= 0 or payment["payment_method"] != "CARD":
        return None
    return Panel("_refund.html", {"left": left, "id": new_id()}, ("amount", "reason"))


async def review_panel(request: Request, payment: Mapping[str, Any]) -> Panel | None:
    """For admins, when money that counts needs a look; what never counted can only be refunded."""
    if not answer(admin, actor(request)) or not payment["needs_review"] or payment["status"] not in PAID:
        return None
    return Panel("_review.html", {}, ("note",))


async def letter_panel(request: Request, email: Mapping[str, Any]) -> Panel:
    """The mail; a sentence where it cannot be written."""
    template, context = await mail_for_staff(request, email["id"])
    try:
        made = await written(request, template, context, attach=False)
    except LetterError as error:
        return Panel("_letter.html", {"problem": error.detail})
    shown = {"letter": made, "attachments": attachment_names(template, context)}
    return Panel("_letter.html", shown | {"is_masked": context.get("link") == ERASED})


async def pictures_panel(request: Request, product: Mapping[str, Any]) -> Panel | None:
    """A product's pictures in their order, for its seller with a form to add one; for him and admins to be removed."""
    may_add, may_remove = bool(answer(seller, actor(request))), bool(answer(products.delete, actor(request)))
    async with database_of(request).transaction() as session:
        images = list(await session.scalars(shown_images(UUID(product["id"]))))
    if not images and not may_add:
        return None
    shown = [picture_of(request, image) for image in images]
    values = {"pictures": shown, "may_add": may_add, "may_remove": may_remove, "room": len(images) < MOST}
    return Panel("_pictures.html", values, ("file",))


def picture_of(request: Request, image: ProductImage) -> dict[str, Any]:
    key, url = image.media_key, request.app.state.media.url
    small = variant_key(key, SMALL) if image.has_variants else key
    return {"id": image.id, "whole": media.source(url(key)), "small": media.source(url(small))}


async def mail_for_staff(request: Request, key: str) -> tuple[str, dict[str, Any]]:
    """Template and context of a mail, without a link that would log its reader in. Raises NotFound, Forbidden.

    In development the link stays: nothing is mailed there, and a newcomer needs it.
    """
    settings: Settings = request.app.state.settings
    async with database_of(request).transaction() as session:
        await one(session, emails, actor(request), key)
        email = await session.get_one(Email, UUID(key))
    if not settings.production:
        return email.template, email.context
    masked = {"link": ERASED} if "link" in email.context else {}
    return email.template, {name: value for name, value in email.context.items() if name != "guest_order"} | masked


async def written(request: Request, template: str, context: Mapping[str, Any], attach: bool) -> Letter:
    """The letter, made where it holds nobody up. Raises LetterError."""
    settings: Settings = request.app.state.settings
    return await asyncio.to_thread(letter, template, context, settings.shop, attach=attach)
