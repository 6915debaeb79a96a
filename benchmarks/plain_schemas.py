"""What the plain version takes and gives: pydantic models beside its tables, as tutorials show."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, PlainSerializer, computed_field

from benchmarks.plain_models import OrderStatus, PaymentMethod, ServiceType

T = TypeVar("T")
Money = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str)]


class CustomerInfo(BaseModel):
    full_name: str = Field(min_length=1, max_length=200)
    email: EmailStr
    phone: str = Field(pattern=r"^\+?[\d ()./-]{5,30}$")
    country: str = Field(min_length=1, max_length=200)


class ServiceDetails(BaseModel):
    destination: str | None = Field(None, max_length=200)
    travel_date: date | None = None
    passport_number: str | None = Field(None, max_length=200)
    nationality: str | None = Field(None, max_length=200)
    purpose_of_travel: str | None = Field(None, max_length=200)
    additional_notes: str | None = Field(None, max_length=10_000)


class OrderCreate(BaseModel):
    service_id: UUID
    customer_info: CustomerInfo
    service_details: ServiceDetails | None = None


def reachable(text: str) -> str:
    try:
        number = phonenumbers.parse(text, "DZ")
    except phonenumbers.NumberParseException:
        raise ValueError("must be a phone number") from None
    if not phonenumbers.is_valid_number(number):
        raise ValueError("must be a phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


class CheckoutCreate(BaseModel):
    customer_name: str = Field(min_length=1, max_length=200)
    customer_phone: Annotated[str, Field(max_length=40), AfterValidator(reachable)]
    customer_email: EmailStr | None = None
    delivery_address: str | None = Field(None, max_length=1000)
    payment_method: PaymentMethod


class Output(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ServiceRead(Output):
    id: UUID
    type: ServiceType
    title: str
    slug: str
    description: str
    price: Money
    old_price: Money | None
    currency: str
    images: list[str]
    specs: dict[str, Any]
    features: list[str]
    region: str | None
    required_documents: list[str]
    is_active: bool
    created_at: datetime
    updated_at: datetime


class ProductRead(Output):
    id: UUID
    seller_id: UUID
    category_id: UUID | None
    name: str
    slug: str
    description: str
    price: Money
    old_price: Money | None
    currency: str
    stock: int
    in_stock: bool
    is_active: bool
    images: list[str]
    created_at: datetime
    updated_at: datetime


class OrderItemRead(Output):
    id: UUID
    service_id: UUID | None
    product_id: UUID | None
    title: str
    quantity: int
    unit_price: Money
    line_total: Money
    snapshot: dict[str, Any]


class OrderDocuments(Output):
    required: int
    verified: int
    waiting: list[str]
    missing: list[str]
    is_complete: bool
    passport_expires_too_soon: bool | None


CUSTOMER_MAY = {OrderStatus.PENDING: [OrderStatus.CANCELLED], OrderStatus.CONFIRMED: [OrderStatus.CANCELLED]}


class CustomerRead(Output):
    full_name: str
    email: str | None
    phone: str
    country: str | None


class OrderListed(Output):
    id: UUID
    order_number: str
    kind: str
    status: OrderStatus
    total_amount: Money
    currency: str
    payment_method: str
    payment_status: str
    confirmed_without_payment: bool
    user_id: UUID | None
    seller_id: UUID | None
    checkout_id: UUID | None
    customer_info: CustomerRead
    service_details: ServiceDetails | None
    delivery_address: str | None
    tracking_number: str | None
    created_at: datetime
    updated_at: datetime
    items: list[OrderItemRead]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def allowed_transitions(self) -> list[OrderStatus]:
        return CUSTOMER_MAY.get(self.status, [])


class OrderRead(OrderListed):
    documents: OrderDocuments


class CheckoutRead(Output):
    checkout_id: UUID
    orders: list[OrderRead]


class Meta(Output):
    page: int
    limit: int
    total: int
    pages: int


class Data(Output, Generic[T]):
    data: T


class Page(Output, Generic[T]):
    data: list[T]
    meta: Meta


class Paging(BaseModel):
    page: int = Field(1, ge=1)
    limit: int = Field(20, ge=1, le=100)


class ServiceFilter(Paging):
    type: ServiceType | None = None
    region: str | None = Field(None, max_length=200)
    price__gte: Decimal | None = None
    price__lte: Decimal | None = None
    search: str | None = Field(None, max_length=200)


class ProductFilter(Paging):
    seller_id: UUID | None = None
    in_stock: bool | None = None
    price__gte: Decimal | None = None
    price__lte: Decimal | None = None
    search: str | None = Field(None, max_length=200)
    sort: Literal["created_at", "-created_at", "price", "-price", "name", "-name"] = "-created_at"
