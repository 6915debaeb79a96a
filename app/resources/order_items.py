"""The lines of an order: each one service or one product, with a snapshot of it as it was then."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint

from app.kit.resource import Resource
from app.kit.table import Currency, Json, Price, Table, Title, Whole, foreign_key


class OrderItem(Table, table=True):
    __table_args__ = (
        CheckConstraint("num_nonnulls(service_id, product_id) = 1", name="one_thing"),
        CheckConstraint("quantity > 0", name="quantity"),
    )

    order_id: UUID = foreign_key("orders.id")
    service_id: UUID | None = foreign_key("services.id", default=None)
    product_id: UUID | None = foreign_key("products.id", default=None)
    title: Title
    quantity: Whole = 1
    unit_price: Price
    line_total: Price
    currency: Currency
    snapshot: Json


SNAPSHOT: dict[str, Any] = {"title": "Canada Visitor Visa", "type": "MAIN", "price": "450.00", "currency": "USD"}

order_items = Resource(
    table=OrderItem,
    hidden=("order_id", "currency", "created_at", "updated_at"),
    example={
        "id": "019aab12-7c00-7000-8000-0000000000c1",
        "service_id": "019aab12-7c00-7000-8000-0000000000a1",
        "product_id": None,
        "title": "Canada Visitor Visa",
        "quantity": 1,
        "unit_price": "450.00",
        "line_total": "450.00",
        "snapshot": SNAPSHOT,
    },
)
"""Shown inside orders only; it has no routes of its own."""

PRODUCT_ITEM = {
    **order_items.example,
    "service_id": None,
    "product_id": "019aab12-7c00-7000-8000-0000000000a2",
    "title": "Olive oil, 5 litres",
    "quantity": 2,
    "unit_price": "6500.00",
    "line_total": "13000.00",
    "snapshot": {"name": "Olive oil, 5 litres", "price": "6500.00", "currency": "DZD"},
}
"""The same for a product."""
