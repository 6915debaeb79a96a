"""What each shop sold on each day that is over: a rollup, which a job makes from the history of orders
(`flows/seller_dashboard.py`). A day without a sale has no row.
"""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from app.kit.table import Currency, Day, Table, foreign_key

Sum = Annotated[Decimal, Field(max_digits=24, decimal_places=3)]
"""Prices added up, which are more than one price may be."""


class SalesDay(Table, table=True):
    """`orders` and `amount` are what was confirmed that day less what was cancelled after it had been confirmed, so
    both may be negative.
    """

    __table_args__ = (UniqueConstraint("seller_id", "day"),)

    seller_id: UUID = foreign_key("sellers.id", index=False)
    day: Day = Field(index=True)
    orders: int = 0
    amount: Sum = Decimal(0)
    currency: Currency
