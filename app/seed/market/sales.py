"""Half a year of goods orders in the demo: paid by card and in cash, by guests and customers, in every status.

Steps have their hours; those that are still to come were not taken yet.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from app.kit.access import secret_hash
from app.kit.table import Table, money
from app.resources.emails import Email
from app.resources.number_series import NumberSeries
from app.resources.order_items import OrderItem
from app.resources.order_letters import guest_token
from app.resources.orders import Order, OrderKind, OrderStatus
from app.resources.payments import Payment, PaymentMethod, PaymentStatus
from app.resources.products import Product
from app.resources.sellers import Seller
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.seed.market.buyers import AT_HOME, SELLERS_REASONS, Buyer, buyer, tracking_number
from app.seed.till import Till

PENDING, CONFIRMED, SHIPPED, DELIVERED, CANCELLED = (
    *(OrderStatus.PENDING, OrderStatus.CONFIRMED, OrderStatus.SHIPPED, OrderStatus.DELIVERED),
    OrderStatus.CANCELLED,
)
ORDERS, OF_TWO_SELLERS, DAYS = 600, 45, 182
"""Orders, checkouts that made two of them, and since how many days."""
CASH, SHOWN_SHOP = 0.66, 2.5
"""Which part is paid on delivery, and how much more the shop sells whose login is shown."""
FRESH = (timedelta(minutes=4), timedelta(minutes=9))
"""How old the orders are whose card has not been charged yet; one was declined."""
UNPAID = timedelta(hours=1)
"""After so long goods are for sale again."""
NOT_PAID = "It was not paid in time."
MAILED = 60
"""How many of the newest orders have mails, if there is an address."""
FATES = {
    PaymentMethod.CASH_ON_DELIVERY: {"delivered": 87, "regretted": 6, "refused": 5, "stopped": 2},
    PaymentMethod.CARD: {"delivered": 86, "unpaid": 6, "regretted": 3, "stopped": 5},
}
"""What becomes of an order, and how often; regretted by its customer, refused or stopped by its seller."""


class Step(NamedTuple):
    """`by` is the account that took it; nobody for a guest, the clock and Stripe."""

    status: OrderStatus
    at: datetime
    by: UUID | None
    reason: str | None = None


class Sales:
    """Makes the rows with a chance of its own. Products must be of these shops, customers of those who may order."""

    def __init__(
        self, now: datetime, till: Till, shops: list[Seller], products: list[Product], customers: list[User]
    ) -> None:
        self.chance, self.now, self.till, self.shops = Random(3009), now, till, shops
        self.goods = {shop.id: [each for each in products if each.seller_id == shop.id] for shop in shops}
        self.customers = [customers[0], *(each for each in customers[1:] if each.country in AT_HOME)]
        self.weights = [len(self.goods[shop.id]) * (SHOWN_SHOP if shop is shops[0] else 1) for shop in shops]
        self.cash: list[Payment] = []

    def batches(self) -> Iterator[tuple[Table, ...]]:
        """All of it, in the order it can be saved in."""
        placed = list(self.placed())
        orders = [rows[0] for rows in placed]
        yield tuple(orders)
        series = NumberSeries(**self.till.stamps(self.now), series="ZST", year=0, value=len(orders))
        payments = [*self.cash, *(payment for _, payment in self.till.payments)]
        yield (*(row for rows in placed for row in rows[1:]), series, *payments)
        yield (*self.till.refunds.values(), *self.mails(placed))

    def placed(self) -> Iterator[list[Table]]:
        """Every order with its items and history, the oldest first."""
        checkouts, number = ORDERS - OF_TWO_SELLERS, 0
        ages = sorted((self.age() for _ in range(checkouts - len(FRESH))), reverse=True)
        of_two = set(self.chance.sample(range(len(ages)), OF_TWO_SELLERS))
        for place, age in enumerate([*ages, *sorted(FRESH, reverse=True)]):
            customer, method = buyer(self.chance, self.customers), self.method()
            fresh = place >= len(ages)
            together = self.till.stamps(self.now - age)["id"] if place in of_two or customer.user_id else None
            for turn, shop in enumerate(self.some_shops(2 if place in of_two else 1)):
                number += 1
                order = self.order(number, self.now - age + timedelta(milliseconds=turn), customer, shop)
                order.checkout_id, order.payment_method = together, PaymentMethod.CARD if fresh else method
                yield [order, *self.items(order, shop), *self.history(order, shop, fresh)]

    def age(self) -> timedelta:
        return timedelta(days=DAYS * self.chance.random() ** 1.3, minutes=15)

    def method(self) -> PaymentMethod:
        return PaymentMethod.CASH_ON_DELIVERY if self.chance.random() < CASH else PaymentMethod.CARD

    def some_shops(self, count: int) -> list[Seller]:
        first = self.chance.choices(self.shops, self.weights)[0]
        others = [shop for shop in self.shops if shop is not first]
        return [first, *self.chance.sample(others, count - 1)]

    def order(self, number: int, moment: datetime, customer: Buyer, shop: Seller) -> Order:
        stamps = self.till.stamps(moment)
        return Order(
            **stamps,
            order_number=f"ZST-{number:05}",
            kind=OrderKind.GOODS,
            currency=shop.currency,
            user_id=customer.user_id,
            seller_id=shop.id,
            token_hash=None if customer.user_id else secret_hash(guest_token(stamps["id"])),
            customer_info=customer.customer_info,
            delivery_address=customer.delivery_address,
        )

    # -- what was bought

    def items(self, order: Order, shop: Seller) -> list[OrderItem]:
        """One to four products that were sold then; more than one piece of what is cheap."""
        sold = [each for each in self.goods[shop.id] if on_sale(each, order.created_at)]
        wanted = self.chance.sample(sold, min(len(sold), self.chance.choice((1, 1, 1, 2, 2, 3, 4))))
        items = [self.item(order, shop, product) for product in wanted]
        order.total_amount = sum((item.line_total for item in items), Decimal(0))
        return items

    def item(self, order: Order, shop: Seller, product: Product) -> OrderItem:
        is_cheap = product.price < (4000 if product.currency == "DZD" else 30)
        quantity = self.chance.choice((1, 1, 2, 2, 3, 6)) if is_cheap else 1
        facts = {"name": product.name, "slug": product.slug, "price": money(product.price, product.currency)}
        return OrderItem(
            **self.till.stamps(order.created_at),
            order_id=order.id,
            product_id=product.id,
            title=product.name,
            quantity=quantity,
            unit_price=product.price,
            line_total=product.price * quantity,
            currency=product.currency,
            snapshot=facts | {"currency": product.currency, "shop_name": shop.shop_name},
        )

    # -- what became of it

    def history(self, order: Order, shop: Seller, fresh: bool) -> list[StatusChange]:
        """Its steps up to now; the order and its payment as they left them."""
        fates = FATES[order.payment_method]
        fate = "unpaid" if fresh else self.chance.choices(list(fates), list(fates.values()))[0]
        first = Step(PENDING, order.created_at, order.user_id)
        steps = [step for step in (first, *self.steps(order, shop, fate)) if step.at <= self.now]
        befores = [None, *(step.status for step in steps)]
        changes = [self.change(order, before, step) for before, step in zip(befores, steps, strict=False)]
        order.status, order.updated_at = steps[-1].status, steps[-1].at
        statuses = {step.status for step in steps}
        if SHIPPED in statuses:
            order.tracking_number = tracking_number(self.chance)
        if order.payment_method is PaymentMethod.CARD and CONFIRMED in statuses:
            self.till.take(order, changes)
        elif DELIVERED in statuses:
            self.take_cash(order, steps[-1].at)
        if fresh:
            self.begin_to_pay(order)
        return changes

    def steps(self, order: Order, shop: Seller, fate: str) -> Iterator[Step]:
        """What follows once the order is placed."""
        by_card = order.payment_method is PaymentMethod.CARD
        if fate == "unpaid":
            yield Step(CANCELLED, order.created_at + UNPAID + timedelta(minutes=1), None, NOT_PAID)
            return
        paid = timedelta(minutes=self.chance.uniform(5, 14))
        confirmed = order.created_at + (paid if by_card else self.hours(2, 40))
        if fate == "refused" or (fate == "regretted" and not by_card):
            yield self.cancelled(order, shop, fate, order.created_at + self.hours(1, 20))
            return
        yield Step(CONFIRMED, confirmed, shop.user_id)
        if fate != "delivered":
            yield self.cancelled(order, shop, fate, confirmed + self.hours(2, 30))
            return
        shipped = confirmed + self.hours(10, 90)
        yield Step(SHIPPED, shipped, shop.user_id)
        yield Step(DELIVERED, shipped + self.hours(24, 150), shop.user_id)

    def cancelled(self, order: Order, shop: Seller, fate: str, at: datetime) -> Step:
        """By its customer, or by its seller with a reason; a guest may only while nobody has begun."""
        if fate == "regretted" and (order.user_id or order.payment_method is not PaymentMethod.CARD):
            return Step(CANCELLED, at, order.user_id)
        return Step(CANCELLED, at, shop.user_id, self.chance.choice(SELLERS_REASONS))

    def hours(self, least: float, most: float) -> timedelta:
        return timedelta(hours=self.chance.uniform(least, most))

    def change(self, order: Order, before: OrderStatus | None, step: Step) -> StatusChange:
        facts: dict[str, Any] = {"from_status": before, "to_status": step.status, "at": step.at}
        stamps = self.till.stamps(step.at)
        return StatusChange(**stamps, **facts, order_id=order.id, actor_id=step.by, reason=step.reason)

    def take_cash(self, order: Order, moment: datetime) -> None:
        payment = Payment(
            **self.till.stamps(moment),
            order_id=order.id,
            amount=order.total_amount,
            currency=order.currency,
            captured_amount=order.total_amount,
            paid_at=moment,
            payment_method=PaymentMethod.CASH_ON_DELIVERY,
        )
        payment.status = order.payment_status = PaymentStatus.SUCCEEDED
        self.cash.append(payment)

    def begin_to_pay(self, order: Order) -> None:
        """The older one was declined, the other is not entered yet."""
        moment = order.created_at + timedelta(minutes=1)
        payment = self.till.payment(order, moment, moment + timedelta(minutes=1))
        if self.now - order.created_at >= max(FRESH):
            payment.status = order.payment_status = PaymentStatus.FAILED

    # -- what the buyers were told

    def mails(self, placed: list[list[Table]]) -> list[Email]:
        """Those of the newest orders that have an address; all were sent."""
        payments = {payment.order_id: payment for _, payment in self.till.payments}
        newest = [rows for rows in placed[-MAILED:] if rows[0].values()["customer_info"]["email"]]
        made = [mail for rows in newest for mail in self.till.mails_of(rows, payments)]
        return [mail for mail in made if mail.created_at <= self.now]


def on_sale(product: Product, moment: datetime) -> bool:
    """Whether it was there by then, and not yet archived."""
    return product.created_at < moment and (product.is_active or moment < product.updated_at)
