"""What each shop sold on each day that is over: a rollup, which a job makes from the history of orders."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.kit.table import Currency, Day, Price, Table, foreign_key


class SalesDay(Table, table=True):
    """`orders` and `amount` are what was confirmed that day less what was cancelled after it had been confirmed, so
    both may be negative. `products` are `{product_id, quantity, amount}` by the same count.
    """

    __table_args__ = (UniqueConstraint("seller_id", "day"),)

    seller_id: UUID = foreign_key("sellers.id", index=False)
    day: Day = Field(index=True)
    orders: int = 0
    amount: Price = Decimal(0)
    currency: Currency
    products: list[dict[str, Any]] = Field(default_factory=list)
