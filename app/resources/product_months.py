"""What each product sold in each month, up to the last of `sales_days`: the other half of that rollup. By months and
not by days, or the best sellers of a large shop would be found among hundreds of thousands of rows.
"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field

from app.kit.table import Currency, Day, Table, foreign_key
from app.resources.sales_days import Sum


class ProductMonth(Table, table=True):
    """`month` is its first day. Both counts are less what was cancelled after it had been confirmed."""

    __table_args__ = (UniqueConstraint("seller_id", "product_id", "month"),)

    seller_id: UUID = foreign_key("sellers.id", index=False)
    product_id: UUID = foreign_key("products.id")
    month: Day
    quantity: int = Field(default=0, sa_type=BigInteger)
    amount: Sum = Decimal(0)
    currency: Currency
