"""What the agency sells: visa packages, small services around a trip, digital products."""

from typing import Annotated, Any

from pydantic import AfterValidator
from sqlalchemy import Index, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.kit.access import Actor, Choice, admin, either, everyone, only, staff
from app.kit.resource import Look, Resource
from app.kit.slugs import name_slug
from app.kit.table import Currency, Json, Line, Lines, Note, Price, Slug, Table, Title


class ServiceType(Choice):
    MAIN = "MAIN"
    MICRO = "MICRO"
    DIGITAL = "DIGITAL"


SHELVES = {type.lower() for type in ServiceType}
"""Addresses below /services that are lists, so no service may be called so."""


class DocumentCategory(Choice):
    PASSPORT = "PASSPORT"
    PHOTO = "PHOTO"
    BANK_STATEMENT = "BANK_STATEMENT"
    OTHER = "OTHER"


def each_once(categories: list[DocumentCategory]) -> list[DocumentCategory]:
    return list(dict.fromkeys(categories))


class Service(Table, table=True):
    __table_args__ = (
        Index("ix_services_created_at", "created_at"),
        Index("ix_services_shelf", "type", "created_at", "id", postgresql_where=text("is_active")),
    )

    type: ServiceType = Field(index=True)
    title: Title = Field(index=True)
    slug: Slug = Field(unique=True)
    description: Note = ""
    price: Price = Field(index=True)
    old_price: Price | None = None
    currency: Currency = "USD"
    images: Lines = Field(default_factory=list)
    specs: Json = Field(default_factory=dict)
    features: Lines = Field(default_factory=list)
    region: Line | None = Field(default=None, index=True)
    required_documents: Annotated[list[DocumentCategory], Field(max_length=50), AfterValidator(each_once)] = Field(
        default_factory=list
    )
    is_active: bool = Field(default=True, index=True)


async def prepare(session: AsyncSession, actor: Actor, service: Service, values: dict[str, Any]) -> None:
    await name_slug(session, service, values, "title", SHELVES)


services = Resource(
    table=Service,
    read=either(staff, only(everyone, is_active=True)),
    create=admin,
    update=admin,
    delete=admin,
    writable=(
        *("type", "title", "description", "price", "old_price", "currency", "images", "specs", "features", "region"),
        *("required_documents", "is_active"),
    ),
    create_only=("slug",),
    filters=("type", "region", "price__gte", "price__lte"),
    search=("title", "description", "region"),
    sort=("price", "created_at", "title"),
    order="-created_at",
    slug="slug",
    prepare=prepare,
    example={
        "id": "019aab12-7c00-7000-8000-0000000000a1",
        "type": "MAIN",
        "title": "Canada Visitor Visa",
        "slug": "canada-visitor-visa",
        "description": "We prepare and file your visitor visa application.",
        "price": "450.00",
        "old_price": "500.00",
        "currency": "USD",
        "images": [],
        "specs": {"processing_time": "4 to 8 weeks", "entries": "Multiple"},
        "features": ["File review", "Appointment booking"],
        "region": "North America",
        "required_documents": ["PASSPORT", "PHOTO"],
        "is_active": True,
        "created_at": "2026-11-22T09:30:00.000000Z",
        "updated_at": "2026-11-22T09:30:00.000000Z",
    },
    admin=Look(
        group="Catalogue",
        icon="package",
        title="title",
        columns=("title", "type", "price", "region", "is_active"),
        order=50,
    ),
)
