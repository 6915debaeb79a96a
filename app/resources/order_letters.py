"""What mails say of an order, and to whom."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.table import money
from app.resources.emails import mail
from app.resources.order_items import OrderItem
from app.resources.orders import Order
from app.resources.payments import PaymentMethod
from app.resources.sellers import Seller
from app.resources.users import User
from app.settings import get_settings, signing_key


def guest_token(order_id: UUID) -> str:
    """The secret that opens one order to whoever ordered without signing in. Made of the id, so that a mail can have it
    without its being kept; the row has its hash."""
    digest = hmac.digest(signing_key().encode(), b"order:" + order_id.bytes, "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


Items = Iterable[tuple[str, int, Decimal]]
"""Title, quantity and line total of each line."""


def order_letter(order: Mapping[str, Any], items: Items) -> dict[str, Any]:
    """What every mail to a customer says of an order. A guest's gets his token when it is written (`letters.py`)."""
    page = "dashboard/orders" if order["user_id"] else "orders"
    return {
        "name": order["customer_info"]["full_name"],
        "email": order["customer_info"]["email"],
        "order_url": f"{get_settings().frontend_url.rstrip('/')}/{page}/{order['id']}",
        **({} if order["user_id"] else {"guest_order": str(order["id"])}),
        **({"pay_by": pay_by(order)} if order["seller_id"] and order["payment_method"] == PaymentMethod.CARD else {}),
        **contents(order, items),
    }


def pay_by(order: Mapping[str, Any]) -> str:
    """Until when goods wait for a card."""
    ends: datetime = order["created_at"] + get_settings().unpaid_order_expiration
    return ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sale_letter(order: Mapping[str, Any], items: Items, seller_name: str) -> dict[str, Any]:
    """What the mail to the seller says of an order. Nothing that the buyer wrote: that is in the back office."""
    here = get_settings().here
    page = f"{here}/admin/orders/details/{order['id']}" if here else None
    return {"name": seller_name, "order_url": page, **contents(order, items)}


def contents(order: Mapping[str, Any], items: Items) -> dict[str, Any]:
    currency = order["currency"]
    return {
        "order_number": order["order_number"],
        "items": [
            {"title": title, "quantity": quantity, "line_total": money(total, currency)}
            for title, quantity, total in items
        ],
        "in_cash": order["payment_method"] == PaymentMethod.CASH_ON_DELIVERY,
        "amount": money(order["total_amount"], currency),
        "currency": currency,
    }


async def tell_customer(session: AsyncSession, order: Order, template: str, **more: Any) -> None:
    """Put a mail about this order into the outbox, if there is an address."""
    values = order.values()
    if not (recipient := values["customer_info"].get("email")):
        return
    context = order_letter(values, await items_of(session, order))
    session.add(mail(recipient, template, order.id, **context, **more))


async def tell_seller(session: AsyncSession, order: Order, template: str, unless: UUID | None = None) -> None:
    """Put a mail to the seller into the outbox, unless that is he."""
    its_seller = select(User.c.id, User.c.email, User.c.full_name).join(Seller, Seller.c.user_id == User.c.id)
    user_id, email, name = (await session.execute(its_seller.where(Seller.c.id == order.seller_id))).one()
    if user_id != unless:
        context = sale_letter(order.values(), await items_of(session, order), name)
        session.add(mail(email, template, order.id, **context))


async def items_of(session: AsyncSession, order: Order) -> Items:
    wanted = (OrderItem.c.title, OrderItem.c.quantity, OrderItem.c.line_total)
    items = await session.execute(select(*wanted).where(OrderItem.c.order_id == order.id).order_by(OrderItem.c.id))
    return [(title, quantity, total) for title, quantity, total in items]
