"""Tables and schemas of the plain version. The tables are Souk's, declared anew in a registry of their own."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, DateTime, Enum, Numeric
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field as Column
from sqlmodel import Relationship, SQLModel
from uuid_utils import uuid7


class ServiceType(StrEnum):
    MAIN = "MAIN"
    MICRO = "MICRO"
    DIGITAL = "DIGITAL"


class OrderStatus(StrEnum):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class PaymentMethod(StrEnum):
    CARD = "CARD"
    CASH_ON_DELIVERY = "CASH_ON_DELIVERY"


def new_id() -> UUID:
    return UUID(bytes=uuid7().bytes)


def now() -> datetime:
    return datetime.now(UTC)


def moment() -> Any:
    return Column(default_factory=now, sa_type=DateTime(timezone=True))


def money(**options: Any) -> Any:
    return Column(sa_type=Numeric(14, 3), **options)


class Row(SQLModel, registry=registry()):
    id: UUID = Column(default_factory=new_id, primary_key=True)
    created_at: datetime = moment()
    updated_at: datetime = moment()


class User(Row, table=True):
    __tablename__ = "users"

    email: str
    hashed_password: str
    full_name: str
    phone: str | None = None
    country: str | None = None
    role: str = "CUSTOMER"
    is_active: bool = True
    is_verified: bool = False
    token_version: int = 0


class Service(Row, table=True):
    __tablename__ = "services"

    type: ServiceType = Column(sa_type=Enum(ServiceType, native_enum=False))
    title: str
    slug: str
    description: str = ""
    price: Decimal = money()
    old_price: Decimal | None = money(default=None)
    currency: str = "USD"
    images: list[str] = Column(default_factory=list, sa_type=JSONB)
    specs: dict[str, Any] = Column(default_factory=dict, sa_type=JSONB)
    features: list[str] = Column(default_factory=list, sa_type=JSONB)
    region: str | None = None
    required_documents: list[str] = Column(default_factory=list, sa_type=JSONB)
    is_active: bool = True


class Order(Row, table=True):
    __tablename__ = "orders"

    order_number: str
    kind: str = "SERVICE"
    status: OrderStatus = Column(default=OrderStatus.PENDING, sa_type=Enum(OrderStatus, native_enum=False))
    total_amount: Decimal = money()
    currency: str
    payment_method: str = "CARD"
    payment_status: str = "PENDING"
    confirmed_without_payment: bool = False
    user_id: UUID | None = Column(default=None, foreign_key="users.id")
    seller_id: UUID | None = Column(default=None, foreign_key="sellers.id")
    checkout_id: UUID | None = None
    customer_info: dict[str, Any] = Column(sa_type=JSONB)
    service_details: dict[str, Any] | None = Column(default=None, sa_type=JSONB(none_as_null=True))
    delivery_address: str | None = None
    tracking_number: str | None = None
    required_documents: list[str] = Column(default_factory=list, sa_type=JSONB)
    items: list["OrderItem"] = Relationship(sa_relationship_kwargs={"order_by": "OrderItem.id"})
    uploads: list["Document"] = Relationship()

    @property
    def documents(self) -> dict[str, Any]:
        """How far its documents are."""
        best: dict[str, str] = {}
        for each in self.uploads:
            if each.is_ready and each.status != "REJECTED":
                best[each.category] = max(best.get(each.category, ""), each.status)
        verified = [category for category in self.required_documents if best.get(category) == "VERIFIED"]
        return {
            "required": len(self.required_documents),
            "verified": len(verified),
            "waiting": [category for category in self.required_documents if best.get(category) == "PENDING"],
            "missing": [category for category in self.required_documents if category not in best],
            "is_complete": len(verified) == len(self.required_documents),
            "passport_expires_too_soon": self.passport_expires_too_soon(),
        }

    def passport_expires_too_soon(self) -> bool | None:
        passports = (each for each in self.uploads if each.category == "PASSPORT" and each.status == "VERIFIED")
        expires = max((each.expires_on for each in passports if each.expires_on), default=None)
        travels = (self.service_details or {}).get("travel_date")
        return expires and expires < (date.fromisoformat(travels) + timedelta(days=183) if travels else now().date())


class OrderItem(Row, table=True):
    __tablename__ = "order_items"

    order_id: UUID = Column(foreign_key="orders.id")
    service_id: UUID | None = Column(default=None, foreign_key="services.id")
    product_id: UUID | None = Column(default=None, foreign_key="products.id")
    title: str
    quantity: int = 1
    unit_price: Decimal = money()
    line_total: Decimal = money()
    currency: str
    snapshot: dict[str, Any] = Column(sa_type=JSONB)


class Document(Row, table=True):
    __tablename__ = "documents"

    order_id: UUID | None = Column(default=None, foreign_key="orders.id")
    category: str
    status: str
    expires_on: date | None = None
    is_ready: bool = False


class Seller(Row, table=True):
    __tablename__ = "sellers"

    user_id: UUID = Column(foreign_key="users.id")
    shop_name: str
    user: User = Relationship()


class Product(Row, table=True):
    __tablename__ = "products"

    seller_id: UUID = Column(foreign_key="sellers.id")
    category_id: UUID | None = None
    name: str
    slug: str
    description: str = ""
    price: Decimal = money()
    old_price: Decimal | None = money(default=None)
    currency: str
    stock: int = 0
    in_stock: bool = Column(sa_column_args=[Computed("stock > 0")])
    is_active: bool = True
    is_listed: bool = True
    seller: Seller = Relationship()
    pictures: list["ProductImage"] = Relationship(sa_relationship_kwargs={"order_by": "ProductImage.position"})

    @property
    def images(self) -> list[str]:
        return [f"/media/{picture.media_key}" for picture in self.pictures if picture.is_ready]


class ProductImage(Row, table=True):
    __tablename__ = "product_images"

    product_id: UUID = Column(foreign_key="products.id")
    position: int
    media_key: str
    is_ready: bool = False


class Cart(Row, table=True):
    __tablename__ = "carts"

    user_id: UUID = Column(foreign_key="users.id")


class CartItem(Row, table=True):
    __tablename__ = "cart_items"

    cart_id: UUID = Column(foreign_key="carts.id")
    product_id: UUID = Column(foreign_key="products.id")
    quantity: int
    product: Product = Relationship()


class StatusChange(Row, table=True):
    __tablename__ = "status_changes"

    order_id: UUID = Column(foreign_key="orders.id")
    from_status: str | None = None
    to_status: str
    at: datetime = moment()
    actor_id: UUID | None = Column(default=None, foreign_key="users.id")
    reason: str | None = None
    order: Order = Relationship()


class AuditEntry(Row, table=True):
    __tablename__ = "audit_entries"

    at: datetime = moment()
    actor_id: UUID | None = None
    action: str
    resource: str
    row_id: UUID | None = None
    changes: dict[str, Any] = Column(default_factory=dict, sa_type=JSONB)
    request_id: str = ""
    ip: str = ""


class Email(Row, table=True):
    __tablename__ = "emails"

    recipient: str
    template: str
    context: dict[str, Any] = Column(sa_type=JSONB)
    order_id: UUID | None = Column(default=None, foreign_key="orders.id")
    status: str = "QUEUED"
    attempts: int = 0
    sendings: int = 0
    order: Order | None = Relationship()


class NumberSeries(Row, table=True):
    __tablename__ = "number_series"

    series: str
    year: int
    value: int
