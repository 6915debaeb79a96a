"""The activities of the business, one file each. Every module with a `router` is served."""

from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter

ROUTERS: list[APIRouter] = [
    module.router
    for info in iter_modules(__path__)
    if hasattr(module := import_module(f"{__name__}.{info.name}"), "router")
]
