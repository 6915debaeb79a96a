"""What sellers sell. Prices are in the shop's one currency; what was ever ordered is archived, not deleted."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, select
from sqlalchemy import Computed as Generated
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field

from app.errors import Conflict, Forbidden, ValidationError
from app.kit.access import Actor, admin, either, everyone, only, seller, staff
from app.kit.resource import Computed, Look, Resource
from app.kit.slugs import name_slug
from app.kit.table import Currency, Note, Price, Slug, Table, Title, foreign_key
from app.resources.product_images import Picture, image_urls, pictures, thumbnail_url
from app.resources.sellers import Seller

FACETS = "facets"
"""An address below /products of its own, so no product may be called so."""
FACETTED = ("seller_id", "currency", "in_stock")
SHOWN = ("seller_id", "category_id", "in_stock", "is_active", "is_listed")
"""What rules and filters ask, in the indexes of orders too: ids of a page come from an index alone."""


Stock = Annotated[int, Field(ge=0, le=1_000_000_000)]
"""Well below what the column holds: what comes back from cancelled orders is added to it."""


class Product(Table, table=True):
    """`is_active` is the seller's word on this product, `is_listed` false while his whole shop is closed or blocked.

    `in_stock` is made of `stock` by the database.
    """

    __table_args__ = (
        Index("ix_products_seller_id", "seller_id", "created_at", "id"),
        Index("ix_products_created_at", "created_at", "id", postgresql_include=SHOWN),
        Index("ix_products_price", "price", "id", postgresql_include=SHOWN),
        Index("ix_products_name", "name", "id", postgresql_include=SHOWN),
        Index("ix_products_facets", "category_id", *FACETTED, "price", postgresql_include=("is_active", "is_listed")),
        Index("ix_products_in_stock", "in_stock", "created_at", "id"),
        CheckConstraint("stock >= 0", name="stock"),
    )

    seller_id: UUID = foreign_key("sellers.id", index=False)
    category_id: UUID | None = foreign_key("categories.id", index=False, default=None)
    name: Title
    slug: Slug = Field(unique=True)
    description: Note = ""
    price: Price
    old_price: Price | None = None
    currency: Currency
    stock: Stock = 0
    in_stock: bool = Field(default=None, sa_column_args=[Generated("stock > 0", persisted=True)])
    is_active: bool = True
    is_listed: bool = True


class OutOfStock(Conflict):
    """There is not enough of this left."""


class NoShop(Forbidden):
    """Your account has no shop."""


async def prepare(session: AsyncSession, actor: Actor, product: Product, values: dict[str, Any]) -> None:
    """A new product goes into the shop of its seller, in that shop's currency."""
    await name_slug(session, product, values, "name", (FACETS,))
    if product.seller_id is not None:
        return
    shop = await session.scalar(select(Seller).where(Seller.c.user_id == actor.id).with_for_update(read=True))
    if shop is None:
        raise NoShop()
    if values.get("currency") not in (None, shop.currency):
        raise ValidationError.of(
            "/currency", "not_the_shops", f"Your shop sells in {shop.currency}.", allowed=[shop.currency]
        )
    values["currency"] = shop.currency
    product.seller_id, product.is_listed = shop.id, shop.is_open and not shop.is_blocked


SHELF: dict[str, Any] = {
    "table": Product,
    "owner": "seller_id.user_id",
    "writable": ("name", "description", "price", "old_price", "stock", "category_id", "is_active"),
    "create_only": ("slug", "currency"),
    "filters": ("seller_id", "category_id", "price__gte", "price__lte", "in_stock"),
    "search": ("name", "description"),
    "short_words": "name",
    "sort": ("created_at", "price", "name"),
    "order": "-created_at",
    "slug": "slug",
    "computed": {
        "images": Computed(list[str], image_urls),
        "thumbnail_url": Computed(str | None, thumbnail_url),
        "pictures": Computed(list[Picture], pictures, single=True),
    },
    "prepare": prepare,
    "example": {
        "id": "019aab12-7c00-7000-8000-0000000000a2",
        "seller_id": "019aab12-7c00-7000-8000-0000000000f0",
        "category_id": "019aab12-7c00-7000-8000-0000000000f2",
        "name": "Olive oil, 5 litres",
        "slug": "olive-oil-5-litres",
        "description": "Cold pressed, of this year's harvest.",
        "price": "6500.00",
        "old_price": None,
        "currency": "DZD",
        "stock": 40,
        "in_stock": True,
        "is_active": True,
        "images": ["https://souk.example/media/products/019aab12/019aab13/019aab14.jpg"],
        "thumbnail_url": "https://souk.example/media/products/019aab12/019aab13/019aab14-400.webp",
        "pictures": [
            {
                "url": "https://souk.example/media/products/019aab12/019aab13/019aab14.jpg",
                "medium_url": "https://souk.example/media/products/019aab12/019aab13/019aab14-1000.webp",
                "small_url": "https://souk.example/media/products/019aab12/019aab13/019aab14-400.webp",
            }
        ],
    },
}

products = Resource(
    read=either(staff, only(everyone, is_active=True, is_listed=True), seller),
    create=seller,
    update=either(seller, admin),
    delete=either(seller, admin),
    hidden=("is_listed",),
    admin=Look(
        group="Catalogue",
        icon="shopping-bag",
        title="name",
        columns=("thumbnail_url", "name", "seller_id", "category_id", "price", "stock", "is_active", "created_at"),
        order=52,
    ),
    **SHELF,
)

shop_products = Resource(
    path="seller/products",
    read=seller,
    create=seller,
    update=seller,
    delete=seller,
    hidden=("is_listed", "seller_id"),
    rest=False,
    admin=Look(
        group="Shop",
        icon="shopping-bag",
        title="name",
        columns=("thumbnail_url", "name", "category_id", "price", "stock", "is_active", "created_at"),
        order=54,
    ),
    **SHELF | {"create_only": (), "filters": tuple(name for name in SHELF["filters"] if name != "seller_id")},
)
"""The products of one's own shop, as its seller sees them in the back office."""
