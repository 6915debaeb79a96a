"""The lines of a cart: a product stands in one line, with the price that its customer saw last."""

from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint

from app.kit.table import Currency, Price, Table, Whole, foreign_key


class CartItem(Table, table=True):
    __table_args__ = (UniqueConstraint("cart_id", "product_id"), CheckConstraint("quantity > 0", name="quantity"))

    cart_id: UUID = foreign_key("carts.id", index=False)
    product_id: UUID = foreign_key("products.id")
    quantity: Whole
    seen_price: Price
    currency: Currency
