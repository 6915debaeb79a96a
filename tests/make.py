"""Makers of rows and people for tests: every argument is optional."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import auth
from app.kit.access import Actor, Role
from app.kit.table import new_id, now
from app.resources.categories import Category
from app.resources.order_items import OrderItem
from app.resources.orders import Order, OrderKind
from app.resources.payments import PaymentMethod
from app.resources.products import Product
from app.resources.sellers import Seller, follow_account
from app.resources.services import Service, ServiceType
from app.resources.status_changes import StatusChange
from app.resources.users import User

PASSWORD = "olive-tree-42"
HASHED = auth.passwords.hash(PASSWORD)
CUSTOMER_INFO = {
    "full_name": "Alice Benali",
    "email": "alice@example.com",
    "phone": "+213 550 12 34 56",
    "country": "DZ",
}


class Person(httpx.AsyncClient):
    """An HTTP client that is signed in as `user`."""

    user: User

    @property
    def actor(self) -> Actor:
        return Actor(self.user.id, self.user.role)


def client(app: FastAPI, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://souk.test/api/v1", **options)


async def person(app: FastAPI, **values: Any) -> Person:
    async with app.state.database.transaction() as session:
        user = await make_user(session, **values)
    token = auth.make_token(user.id, user.token_version)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    signed_in = Person(
        transport=transport, base_url="http://souk.test/api/v1", headers={"Authorization": f"Bearer {token}"}
    )
    signed_in.user = user
    return signed_in


async def make_user(
    session: AsyncSession, full_name: str = "Alice Benali", role: Role = Role.CUSTOMER, **values: Any
) -> User:
    email = values.pop("email", f"{full_name.split()[0].lower()}@example.com")
    user = User(**{"email": email, "full_name": full_name, "role": role, "hashed_password": HASHED} | values)
    session.add(user)
    await session.flush()
    await follow_account(session, user.id, user.full_name, may_sell=user.role is Role.SELLER)
    return user


async def make_service(
    session: AsyncSession, title: str = "Canada Visitor Visa", price: str = "450.00", **values: Any
) -> Service:
    row_id = new_id()
    row = {
        "id": row_id,
        "type": ServiceType.MAIN,
        "title": title,
        "slug": f"service-{row_id.hex}",
        "price": Decimal(price),
    }
    service = Service(**row | values)
    session.add(service)
    await session.flush()
    return service


async def service(app: FastAPI, **values: Any) -> Service:
    """A committed service."""
    async with app.state.database.transaction() as session:
        return await make_service(session, **values)


async def make_shop(session: AsyncSession, currency: str = "DZD", **values: Any) -> Seller:
    """The shop of a new seller."""
    user = await make_user(session, email=f"{new_id().hex}@example.com", role=Role.SELLER)
    shop = (await session.execute(select(Seller).where(Seller.c.user_id == user.id))).scalar_one()
    for name, value in {"currency": currency, **values}.items():
        setattr(shop, name, value)
    await session.flush()
    return shop


async def make_product(
    session: AsyncSession,
    shop: Seller | None = None,
    name: str = "Olive oil, 5 litres",
    price: str = "9.00",
    **values: Any,
) -> Product:
    """A product of which there are ten, in this shop or in a new one that sells in dinars."""
    row_id, currency = new_id(), values.pop("currency", "DZD")
    shop = shop or await make_shop(session, currency)
    row = {"id": row_id, "name": name, "slug": f"product-{row_id.hex}", "price": Decimal(price), "stock": 10}
    made = Product(**row | {"seller_id": shop.id, "currency": shop.currency} | values)
    session.add(made)
    await session.flush()
    return made


async def make_category(session: AsyncSession, name: str = "Olive oil", **values: Any) -> Category:
    row_id = new_id()
    made = Category(**{"id": row_id, "name": name, "slug": f"category-{row_id.hex}"} | values)
    session.add(made)
    await session.flush()
    return made


async def product(app: FastAPI, seller: Person | None = None, **values: Any) -> Product:
    """A committed product, of this seller's shop or of a new one."""
    async with app.state.database.transaction() as session:
        return await make_product(session, await shop_of(session, seller) if seller else None, **values)


async def order(customer: Person, service_id: UUID, **values: Any) -> dict[str, Any]:
    """An order placed over REST, as the API shows it."""
    answer = await customer.post(
        "/orders", json={"service_id": str(service_id), "customer_info": CUSTOMER_INFO, **values}
    )
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def shop_of(session: AsyncSession, seller: Person) -> Seller:
    found: Seller = (await session.scalars(select(Seller).where(Seller.c.user_id == seller.user.id))).one()
    return found


BUYER = {
    "customer_name": "Yacine Haddad",
    "customer_phone": "0550 12 34 56",
    "customer_email": "yacine@example.com",
    "delivery_address": "12 rue Didouche Mourad, Alger",
    "payment_method": "CASH_ON_DELIVERY",
}


async def goods_order(buyer: httpx.AsyncClient, product_id: UUID, quantity: int = 1, **values: Any) -> dict[str, Any]:
    """An order of goods placed over REST, as the API shows it; a guest's with its `access_token`."""
    items = [{"product_id": str(product_id), "quantity": quantity}]
    answer = await buyer.post("/orders", json={"items": items, **BUYER, **values})
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def make_goods_order(
    session: AsyncSession, lines: list[tuple[Product, int]], at: datetime | None = None, **values: Any
) -> Order:
    """An order of these products and quantities as rows, placed at that moment; no stock is taken."""
    row_id, placed, product = new_id(), at or now(), lines[0][0]
    about = {"currency": product.currency, "created_at": placed, "updated_at": placed}
    row = {"id": row_id, "order_number": f"ZST-{row_id.hex}", "kind": OrderKind.GOODS, "seller_id": product.seller_id}
    more = {"payment_method": PaymentMethod.CASH_ON_DELIVERY, "customer_info": CUSTOMER_INFO, **about}
    total = sum((each.price * quantity for each, quantity in lines), Decimal(0))
    order = Order(**row | more | {"total_amount": total} | values)
    session.add(order)
    await session.flush()
    for each, quantity in lines:
        line = {"product_id": each.id, "title": each.name, "quantity": quantity, "unit_price": each.price, **about}
        session.add(OrderItem(order_id=row_id, **line, line_total=each.price * quantity, snapshot={}))
    session.add(StatusChange(order_id=row_id, to_status="PENDING", at=placed, actor_id=order.user_id))
    await session.flush()
    return order
