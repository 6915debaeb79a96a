"""The lines of an order, with a snapshot of what was bought as it was then."""

from typing import Any
from uuid import UUID

from app.kit.resource import Resource
from app.kit.table import Currency, Json, Price, Table, Title, Whole, foreign_key


class OrderItem(Table, table=True):
    order_id: UUID = foreign_key("orders.id")
    service_id: UUID | None = foreign_key("services.id", default=None)
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
        "title": "Canada Visitor Visa",
        "quantity": 1,
        "unit_price": "450.00",
        "line_total": "450.00",
        "snapshot": SNAPSHOT,
    },
)
"""Shown inside orders only; it has no routes of its own."""
