"""Makers of rows and people for tests: every argument is optional."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from app import auth
from app.kit.access import Actor, Role
from app.kit.table import new_id
from app.resources.sellers import follow_account
from app.resources.services import Service, ServiceType
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


async def order(customer: Person, service_id: UUID, **values: Any) -> dict[str, Any]:
    """An order placed over REST, as the API shows it."""
    answer = await customer.post(
        "/orders", json={"service_id": str(service_id), "customer_info": CUSTOMER_INFO, **values}
    )
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data
