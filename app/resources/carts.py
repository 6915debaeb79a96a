"""Carts: one for each account, made by its first item."""

from uuid import UUID

from app.kit.table import Table, foreign_key


class Cart(Table, table=True):
    user_id: UUID = foreign_key("users.id", index=False, unique=True)
