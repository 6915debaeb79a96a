"""Pictures of a product in the back office: adding one and taking one away, through the functions of the API."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from admin.door import actor
from admin.page import FAILED, address, as_problem, database_of, office_of, redirect
from admin.pages.details import shown
from app.errors import NotFound
from app.flows import product_images
from app.resources.products import Product


async def add(request: Request) -> Response:
    """Put the file of the form behind the pictures that are there. What is wrong with it is said on the page."""
    page = page_of(request)
    try:
        await product_images.add(request, actor(request), request.path_params["pk"])
    except FAILED as error:
        return await shown(request, as_problem(error), {"file": ""})
    return redirect(page, "picture_added")


async def remove(request: Request) -> Response:
    page = page_of(request)
    try:
        async with database_of(request).transaction() as session:
            image_id = id_of(request.path_params["image"])
            await product_images.remove(session, actor(request), request.path_params["pk"], image_id)
    except FAILED as error:
        return await shown(request, as_problem(error), {"image": ""})
    return redirect(page, "picture_removed")


def page_of(request: Request) -> str:
    """The page of the product. Raises NotFound where the address is not about a product."""
    resource = office_of(request).view_of(request).resource
    if resource.table is not Product:
        raise NotFound()
    return address(resource.name, request.path_params["pk"])


def id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("There is no such picture.") from None
