"""Sellers: the shop of each account with the role SELLER, with one currency. Staff mark those whose papers they saw.

The row is made when an admin makes somebody a seller, and blocked when he is none any more (`users.py`).
"""

from typing import Any
from uuid import UUID

from slugify import slugify
from sqlalchemy import Index, Select, String, Uuid, column, exists, literal_column, select, table, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import Conflict
from app.kit.access import Actor, Choice, either, everyone, only, seller, staff
from app.kit.resource import Computed, Look, Resource
from app.kit.table import Currency, Line, Note, Slug, Table, Title, foreign_key, new_id
from app.settings import get_settings


class SellerCategory(Choice):
    """Where a seller stands in the wholesale chain."""

    IMPORTATEUR = "IMPORTATEUR"
    GROSSISTE = "GROSSISTE"
    FOURNISSEUR = "FOURNISSEUR"


class CurrencyInUse(Conflict):
    """This shop has products with prices, so its currency stays."""


def home_currency() -> str:
    """The dinar where the shop sells in it, else the first currency it sells in."""
    known = get_settings().currencies
    return "DZD" if "DZD" in known else known[0]


class Seller(Table, table=True):
    """`is_open` is the seller's own choice; `is_blocked` while his account may not sell."""

    __table_args__ = (Index("ix_sellers_created_at", "created_at"),)

    user_id: UUID = foreign_key("users.id", index=False, unique=True)
    shop_name: Title = Field(index=True)
    slug: Slug = Field(unique=True)
    description: Note = ""
    city: Line | None = Field(default=None, index=True)
    currency: Currency = Field(default_factory=home_currency)
    is_verified: bool = Field(default=False, index=True)
    is_open: bool = True
    is_blocked: bool = False


PRODUCTS = table("products", column("id", Uuid()), column("seller_id", Uuid()), column("is_listed"))


async def prepare(session: AsyncSession, actor: Actor, shop: Seller, values: dict[str, Any]) -> None:
    """The currency stays while there are prices in it; what a closed shop has is not for sale."""
    if values.get("shop_name", shop.shop_name) != shop.shop_name:
        shop.is_verified = False  # staff saw the papers of another name
    has_prices = select(exists().where(PRODUCTS.c.seller_id == shop.id))
    if values.get("currency", shop.currency) != shop.currency and await session.scalar(has_prices):
        raise CurrencyInUse()
    if values.get("is_open", shop.is_open) != shop.is_open:
        await list_products(session, shop, values["is_open"] and not shop.is_blocked)


async def list_products(session: AsyncSession, shop: Seller, listed: bool) -> None:
    """Put all products of a shop on the shelves, or take them off. Locked in id order, as checkout does."""
    others = select(PRODUCTS.c.id).where(PRODUCTS.c.seller_id == shop.id, PRODUCTS.c.is_listed != listed)
    held = others.order_by(PRODUCTS.c.id).with_for_update(key_share=True)
    await session.execute(update(PRODUCTS).where(PRODUCTS.c.id.in_(held)).values(is_listed=listed))


async def follow_account(session: AsyncSession, user_id: UUID, name: str, may_sell: bool) -> None:
    """Make a shop for whoever becomes a seller, and block it for as long as he may not sell."""
    shop = await session.scalar(select(Seller).where(Seller.c.user_id == user_id).with_for_update(key_share=True))
    if shop is None and may_sell:
        shop_id = new_id()
        slug = f"{slugify(name, max_length=180) or 'shop'}-{shop_id.hex[-6:]}"
        session.add(Seller(id=shop_id, user_id=user_id, shop_name=name, slug=slug))
    elif shop is not None and shop.is_blocked is may_sell:
        shop.is_blocked = not may_sell
        await list_products(session, shop, shop.is_open and may_sell)


def category_of(resource: Resource) -> Any:
    """The category of the account."""
    found: Select[Any] = select(literal_column("users.seller_category")).select_from(table("users"))
    return type_coerce(found.where(literal_column("users.id") == resource.column("user_id")).scalar_subquery(), String)


async def currency_of(session: AsyncSession, actor: Actor) -> str:
    """What this seller's shop sells in."""
    found: str | None = await session.scalar(select(Seller.c.currency).where(Seller.c.user_id == actor.id))
    return found or home_currency()


CATEGORY = Computed(SellerCategory | None, category_of)
OWN = ("shop_name", "description", "city", "currency", "is_open")
EXAMPLE = {
    "id": "019aab12-7c00-7000-8000-0000000000f0",
    "user_id": "019aab12-7c00-7000-8000-000000000002",
    "shop_name": "Huilerie Djurdjura",
    "slug": "huilerie-djurdjura-5a1c0e",
    "description": "Olive oil of our own groves, pressed in November.",
    "city": "Tizi Ouzou",
    "currency": "DZD",
    "is_verified": True,
    "is_open": True,
    "category": "FOURNISSEUR",
}

sellers = Resource(
    table=Seller,
    owner="user_id",
    read=either(staff, seller, only(everyone, is_blocked=False)),
    update=seller,
    writable=OWN,
    hidden=("is_blocked",),
    filters=("city", "is_verified"),
    search=("shop_name", "city"),
    sort=("created_at", "shop_name"),
    slug="slug",
    computed={"category": CATEGORY},
    prepare=prepare,
    example=EXAMPLE,
)

desk_sellers = Resource(
    table=Seller,
    path="admin/sellers",
    read=staff,
    update=staff,
    writable=("is_verified",),
    filters=("city", "is_verified"),
    search=("shop_name", "city"),
    sort=("created_at", "shop_name"),
    computed={"category": CATEGORY},
    example={**EXAMPLE, "is_blocked": False},
    admin=Look(
        group="People",
        icon="building-store",
        title="shop_name",
        columns=("shop_name", "category", "city", "currency", "is_verified", "is_open", "is_blocked", "created_at"),
        order=35,
    ),
)
"""The same for staff, who say whose papers they have seen."""

shop = Resource(
    table=Seller,
    path="seller/shop",
    owner="user_id",
    read=seller,
    update=seller,
    writable=OWN,
    hidden=("is_blocked", "user_id"),
    computed={"category": CATEGORY},
    prepare=prepare,
    rest=False,
    admin=Look(
        group="Shop",
        icon="building-store",
        title="shop_name",
        columns=("shop_name", "city", "currency", "is_verified", "is_open"),
        order=70,
    ),
)
"""One's own shop, as its seller sees it in the back office."""
