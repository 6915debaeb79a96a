"""The three shelves of the service catalogue: `/services/main`, `/services/micro`, `/services/digital`."""

from fastapi import APIRouter

from app.kit.router import list_route
from app.resources.services import ServiceType, services

router = APIRouter()
router.routes += [
    list_route(
        services,
        path=f"/services/{type.lower()}",
        summary=f"List {type.lower()} services",
        name=f"list{type.capitalize()}Services",
        type=type,
    )
    for type in ServiceType
]
