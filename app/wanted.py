"""What somebody wants to buy: who he is, and the products as they are offered at this moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, ConfigDict, Field
from sqlalchemy import ColumnElement, Uuid, any_, bindparam, cast, select
from sqlalchemy.dialects.postgresql import ARRAY

from app.db import Database, Statement
from app.errors import Conflict, ValidationError
from app.kit.access import Actor
from app.kit.schemas import Input
from app.kit.table import Email, Line, Note, Title
from app.resources.cart_items import CartItem, Quantity
from app.resources.carts import Cart
from app.resources.payments import PaymentMethod
from app.resources.products import OutOfStock, Product
from app.resources.sellers import Seller
from app.resources.users import User
from app.settings import get_settings


class CartIsEmpty(Conflict):
    """Your cart is empty."""


def reachable_phone(text: str) -> str:
    """A number that can be called, as `+213 550 12 34 56`; without a country's code it is of PHONE_REGION."""
    region = get_settings().phone_region
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        shown = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL) if example else ""
        raise ValueError(f"must be a phone number such as {shown}, or begin with + and a country's code")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


CallablePhone = Annotated[Line, Field(max_length=40), AfterValidator(reachable_phone)]
EXAMPLE: dict[str, Any] = {
    "customer_name": "Yacine Haddad",
    "customer_phone": "0550 12 34 56",
    "customer_email": "yacine@example.com",
    "delivery_address": "12 rue Didouche Mourad, Alger",
    "payment_method": "CASH_ON_DELIVERY",
}


@dataclass(frozen=True)
class Buyer:
    """Who buys, where it goes and how it is paid. `email` is where mails go, if anywhere."""

    actor: Actor
    name: str
    phone: str
    email: str | None
    address: str | None
    payment_method: PaymentMethod


class GoodsBuyer(Input):
    """Who buys goods, where they go and how they are paid."""

    customer_name: Title
    customer_phone: CallablePhone
    customer_email: Email | None = None
    delivery_address: Annotated[Note, Field(max_length=1000)] | None = None
    payment_method: PaymentMethod

    def buyer(self, actor: Actor) -> Buyer:
        given = (self.customer_name, self.customer_phone, self.customer_email, self.delivery_address)
        return Buyer(actor, *given, self.payment_method)


class WantedItem(Input):
    product_id: UUID
    quantity: Quantity


WantedItems = Annotated[list[WantedItem], Field(min_length=1, max_length=100)]


class GoodsOrderCreate(GoodsBuyer):
    """An order of goods of one seller. The prices are the server's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"product_id": "019aab12-7c00-7000-8000-0000000000a2", "quantity": 2}], **EXAMPLE}]
        }
    )

    items: WantedItems


@dataclass(frozen=True)
class Offer:
    """A product as it is, and how many are wanted. `pointer` is what an error about it points at."""

    product_id: UUID
    quantity: int
    pointer: str
    seller_id: UUID
    shop_name: str
    seller_name: str
    seller_email: str
    name: str
    slug: str
    price: Decimal
    currency: str
    stock: int
    on_sale: bool
    cart_item_id: UUID | None

    @property
    def total(self) -> Decimal:
        return self.price * self.quantity

    @property
    def left(self) -> int:
        return self.stock if self.on_sale else 0

    @property
    def shortage(self) -> str:
        """Why not as many as are wanted can be had."""
        if not self.on_sale:
            return f"{self.name} is no longer sold."
        return f"Only {self.stock} left of {self.name}." if self.stock else f"{self.name} is sold out."


def ids(parameter: str) -> ColumnElement[Any]:
    """SQL of a list of ids. Inside a SELECT of its own PostgreSQL does not see how long it is: it would find short ones
    so cheap that it plans the whole statement anew for each."""
    array = ARRAY(Uuid())
    return cast(select(bindparam(parameter, type_=array)).scalar_subquery(), array)


SHOWN = (
    *(Product.c.id, Product.c.seller_id, Seller.c.shop_name, User.c.full_name, User.c.email.label("seller_email")),
    *(Product.c.name, Product.c.slug, Product.c.price),
    *(Product.c.currency, Product.c.stock, (Product.c.is_active & Product.c.is_listed).label("on_sale")),
)
OFFERS = Statement(
    select(*SHOWN)
    .join(Seller, Seller.c.id == Product.c.seller_id)
    .join(User, User.c.id == Seller.c.user_id)
    .where(Product.c.id == any_(ids("ids")))
)
IN_CART = Statement(
    select(*SHOWN, CartItem.c.id, CartItem.c.quantity)
    .select_from(Cart)
    .join(CartItem, CartItem.c.cart_id == Cart.c.id)
    .join(Product, Product.c.id == CartItem.c.product_id)
    .join(Seller, Seller.c.id == Product.c.seller_id)
    .join(User, User.c.id == Seller.c.user_id)
    .where(Cart.c.user_id == bindparam("user_id", type_=Uuid()))
    .order_by(CartItem.c.id)
)


async def offered(database: Database, wanted: Sequence[WantedItem]) -> list[Offer]:
    """What is offered of what is wanted; a product that is named twice is one line. Raises ValidationError."""
    quantities: dict[UUID, int] = {}
    places: dict[UUID, int] = {}
    for place, item in enumerate(wanted):
        quantities[item.product_id] = quantities.get(item.product_id, 0) + item.quantity
        places.setdefault(item.product_id, place)
    found = {row[0]: row for row in await database.read(OFFERS, ids=list(quantities))}
    offers = []
    for product_id, quantity in quantities.items():
        pointer = f"/items/{places[product_id]}"
        if product_id not in found or not found[product_id][-1]:
            raise unknown_product(f"{pointer}/product_id")
        offers.append(Offer(*(product_id, quantity, f"{pointer}/quantity", *found[product_id][1:], None)))
    return offers


def unknown_product(pointer: str) -> ValidationError:
    return ValidationError.of(pointer, "unknown_product", "There is no such product for sale.")


async def in_cart(database: Database, user_id: UUID) -> list[Offer]:
    """What is offered of what is in the cart. Raises CartIsEmpty."""
    rows = await database.read(IN_CART, user_id=user_id)
    if not rows:
        raise CartIsEmpty()
    return [
        Offer(*(product_id, quantity, f"/cart/items/{item_id}", *product, item_id))
        for product_id, *product, item_id, quantity in rows
    ]


def check_stock(offers: Iterable[Offer]) -> None:
    """Raises OutOfStock, which names every line that cannot be had."""
    errors = [
        {"pointer": offer.pointer, "code": "out_of_stock", "message": offer.shortage, "available": offer.left}
        for offer in offers
        if offer.left < offer.quantity
    ]
    if errors:
        raise OutOfStock(" ".join(str(error["message"]) for error in errors), errors=errors)
