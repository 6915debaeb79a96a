"""A small believable agency with a marketplace: services, people, goods, and six months of orders in every status.

Dates count back from the day it runs; everything else comes from a fixed random seed and is the same every time. It
refuses in production and fills only an empty database.
"""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from slugify import slugify
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import auth
from app.clients.storage import private_files, public_media
from app.db import Database
from app.errors import AppError
from app.flows.seller_dashboard import roll_up
from app.kit.access import Role
from app.kit.table import Table
from app.resources.number_series import NumberSeries
from app.resources.order_items import OrderItem
from app.resources.orders import Order, OrderStatus
from app.resources.services import Service, ServiceType
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.seed.catalogue import DESTINATIONS, NOTES, PURPOSES, SERVICES, STEP_REASONS
from app.seed.market import Market, pictures
from app.seed.papers import Papers
from app.seed.people import ADMIN, CONSULTANTS, CUSTOMERS
from app.seed.specimens import Paper, store
from app.seed.till import Till
from app.settings import Settings

PASSWORD = "welcome-to-souk"  # noqa: S105
LOGINS = {
    "admin": "sam@example.com",
    "consultant": "grace@example.com",
    "seller": "vera@example.com",
    "customer": "eleanor1@example.com",
}
ORDERS, DAYS = 300, 182
NEEDED = timedelta(days=55)
"""For so long services have named the documents they need: older orders were dealt with by e-mail."""
PATHS: dict[OrderStatus, list[OrderStatus]] = {
    OrderStatus.PENDING: [],
    OrderStatus.CONFIRMED: [OrderStatus.CONFIRMED],
    OrderStatus.IN_PROGRESS: [OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS],
    OrderStatus.COMPLETED: [OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED],
    OrderStatus.CANCELLED: [OrderStatus.CANCELLED],
}


class SeedRefused(AppError):
    """Demo data is not for production, nor for a database that has people in it."""


async def seed(database: Database, settings: Settings) -> None:
    """Fill an empty database. Raises SeedRefused in production, or when anybody has an account."""
    if settings.production:
        raise SeedRefused()
    async with database.transaction() as session:
        await refuse_people(session)
    agency = Agency(random.Random(20261122), datetime.now(UTC), await auth.hash_password(PASSWORD))
    agency.open()
    market = Market(agency.now, agency.hashed, agency.customers)
    market.open()
    await store(agency.papers, private_files(settings))
    await pictures.store(market.things, public_media(settings))
    async with database.transaction() as session:
        await refuse_people(session)
        for rows in (*agency.batches, *market.batches):
            session.add_all(rows)
            await session.flush()
        await roll_up(session, everything=True)


async def refuse_people(session: AsyncSession) -> None:
    if await session.scalar(select(User.c.id).limit(1)):
        raise SeedRefused()


class Agency:
    """The demo in the making: one source of chance, one `now`. `batches` are rows in the order they can be saved in."""

    def __init__(self, chance: random.Random, now: datetime, hashed: str) -> None:
        self.chance, self.now, self.hashed = chance, now, hashed
        self.till = Till()
        self.batches: list[tuple[Table, ...]] = []
        self.papers: list[Paper] = []
        self.customers: list[User] = []

    def open(self) -> None:
        founded = self.now - timedelta(days=DAYS + 30)
        staff = [
            self.person(*ADMIN, Role.ADMIN, founded),
            *(self.person(*each, Role.CONSULTANT, founded) for each in CONSULTANTS),
        ]
        self.customers = [self.customer(place, *each) for place, each in enumerate(CUSTOMERS, 1)]
        services = [self.service(place, each) for place, each in enumerate(SERVICES)]
        self.save(*staff, *self.customers, *services)
        self.place_orders(self.customers, [service for service in services if service.is_active], staff[1:])

    def id_at(self, moment: datetime) -> UUID:
        """A UUIDv7 of this moment."""
        bits = int(moment.timestamp() * 1000) << 80 | self.chance.getrandbits(80)
        return UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)

    def stamps(self, moment: datetime) -> dict[str, Any]:
        return {"id": self.id_at(moment), "created_at": moment, "updated_at": moment}

    def person(self, full_name: str, name: str, role: Role, moment: datetime) -> User:
        account = {"email": f"{name}@example.com", "full_name": full_name, "role": role, "is_verified": True}
        return User(**self.stamps(moment), **account, hashed_password=self.hashed)

    def customer(self, place: int, full_name: str, country: str, phone: str) -> User:
        moment = self.now - timedelta(days=DAYS + self.chance.uniform(1, 25))
        name = slugify(full_name.split()[0]) or "customer"
        user = self.person(full_name, f"{name}{place}", Role.CUSTOMER, moment)
        user.country, user.phone = country, phone
        return user

    def service(self, place: int, texts: dict[str, Any]) -> Service:
        moment = self.now - timedelta(days=DAYS + 30, minutes=-place)
        prices = {name: Decimal(texts[name]) for name in ("price", "old_price") if texts.get(name)}
        values = {**texts, **prices, "type": ServiceType(texts["type"]), "slug": slugify(texts["title"])}
        return Service(**self.stamps(moment), **values)

    def place_orders(self, customers: list[User], services: list[Service], consultants: list[User]) -> None:
        moments = sorted(
            self.now - timedelta(days=DAYS * self.chance.random() ** 1.3, minutes=5) for _ in range(ORDERS)
        )
        counts: dict[int, int] = {}
        placed: list[list[Table]] = []
        for moment in moments:
            counts[moment.year] = counts.get(moment.year, 0) + 1
            number = f"HT-{moment.year}-{counts[moment.year]:06}"
            placed.append(
                self.place(number, moment, self.chance.choice(customers), self.chance.choice(services), consultants)
            )
        orders = [rows[0] for rows in placed if isinstance(rows[0], Order)]
        self.till.close(orders, self.now)
        series = [NumberSeries(series="HT", year=year, value=value) for year, value in counts.items()]
        lines = [line for rows in placed for line in rows[1:]]
        payments = [payment for _, payment in self.till.payments]
        desk = Papers(self.now, customers, consultants)
        desk.hand_in(placed)
        self.papers = desk.drawn
        # the session does not know what comes before what refers to it
        self.save(*orders)
        self.save(*lines, *series, *payments, *self.till.mails(placed, self.now))
        self.save(*self.till.refunds.values(), *self.till.events(self.now))
        self.save(*(paper.document for paper in desk.drawn), *desk.mails)

    def save(self, *rows: Table) -> None:
        self.batches.append(rows)

    def place(
        self, number: str, moment: datetime, customer: User, service: Service, consultants: list[User]
    ) -> list[Table]:
        """The order first, then its item and history."""
        consultant = self.chance.choice(consultants)
        path, by_card = self.till.path(PATHS[self.status_after(self.now - moment)])
        order = Order(
            **self.stamps(moment),
            order_number=number,
            total_amount=service.price,
            currency=service.currency,
            user_id=customer.id,
            customer_info={name: getattr(customer, name) for name in ("full_name", "email", "phone", "country")},
            service_details=self.details(moment, customer, service),
            assigned_to=consultant.id if path and path[0] is not OrderStatus.CANCELLED else None,
            confirmed_without_payment=OrderStatus.CONFIRMED in path and not by_card,
            required_documents=service.required_documents if moment > self.now - NEEDED else [],
        )
        order.status = path[-1] if path else OrderStatus.PENDING
        snapshot = {
            "title": service.title,
            "type": service.type,
            "price": str(service.price),
            "currency": service.currency,
        }
        item = OrderItem(
            **self.stamps(moment),
            order_id=order.id,
            service_id=service.id,
            title=service.title,
            unit_price=service.price,
            line_total=service.price,
            currency=service.currency,
            snapshot=snapshot | {"region": service.region, "specs": service.specs, "features": service.features},
        )
        history = self.history(order, customer, consultant, path)
        if by_card:
            self.till.take(order, history)
        return [order, item, *history]

    def status_after(self, age: timedelta) -> OrderStatus:
        """What has become of an order of this age: fresh ones wait, old ones are done."""
        if self.chance.random() < 0.08:
            return OrderStatus.CANCELLED
        done = min(1.0, age.days / 45) * self.chance.uniform(0.55, 1.2)
        stages = [OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED]
        return stages[min(3, int(done * 4.4))]

    def history(self, order: Order, customer: User, consultant: User, path: list[OrderStatus]) -> list[StatusChange]:
        moment = order.created_at
        changes = [
            StatusChange(
                **self.stamps(moment), order_id=order.id, to_status=OrderStatus.PENDING, at=moment, actor_id=customer.id
            )
        ]
        for before, after in zip([OrderStatus.PENDING, *path], path, strict=False):
            moment += (self.now - moment) * self.chance.uniform(0.1, 0.4)
            reason = self.chance.choice(STEP_REASONS[after])
            step = {
                "from_status": before,
                "to_status": after,
                "at": moment,
                "actor_id": consultant.id,
                "reason": reason,
            }
            changes.append(StatusChange(**self.stamps(moment), order_id=order.id, **step))
        order.updated_at = moment
        return changes

    def details(self, moment: datetime, customer: User, service: Service) -> dict[str, Any] | None:
        if service.type is not ServiceType.MAIN:
            return None
        travels = (moment + timedelta(days=self.chance.randint(20, 120))).date()
        return {
            "destination": DESTINATIONS.get(service.title),
            "travel_date": travels.isoformat(),
            "passport_number": f"X{self.chance.randint(1_000_000, 9_999_999)}",
            "nationality": customer.country,
            "purpose_of_travel": self.chance.choice(PURPOSES),
            "additional_notes": self.chance.choice(NOTES) if self.chance.random() < 0.4 else None,
        }
