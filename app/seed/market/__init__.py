"""The demo's marketplace: categories, shops, products with their pictures, half a year of sales, and two carts.

It has a chance of its own, so that the agency is the same with or without it.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from slugify import slugify

from app.kit.access import Role
from app.kit.table import Table
from app.resources.cart_items import CartItem
from app.resources.carts import Cart
from app.resources.categories import Category
from app.resources.product_images import ProductImage, media_key
from app.resources.products import Product
from app.resources.sellers import Seller
from app.resources.users import User
from app.seed.market.goods import Goods, Shelf
from app.seed.market.pictures import Thing
from app.seed.market.sales import Sales
from app.seed.market.shops import SHELVES, SHOPS, Shop
from app.seed.till import Till

DAYS = 182
DINARS_FOR_A_EURO = 145
LATER, ARCHIVED, REDUCED = 0.25, 0.05, 0.15
"""Which part of the goods came in the last half year, of the products is archived, and costs less than before."""
STOCKS = {0: 6, 1: 3, 2: 3, 4: 4, 12: 24, 40: 30, 90: 20, 240: 10}
"""How many pieces there are about, and how often."""


class Market:
    """`batches` are rows in the order they can be saved in; `things` are what is still to be drawn."""

    def __init__(self, now: datetime, hashed: str, customers: list[User]) -> None:
        self.chance, self.now, self.hashed, self.customers = Random(3007), now, hashed, customers
        self.founded = now - timedelta(days=DAYS + 28)
        self.till = Till(3008)
        self.batches: list[tuple[Table, ...]] = []
        self.things: list[Thing] = []
        self.products: list[Product] = []
        self.names: dict[str, str] = {}

    def open(self) -> None:
        shops = [self.shop(place, each) for place, each in enumerate(SHOPS)]
        tops = {name: self.category(name, None, place) for place, name in enumerate(SHELVES)}
        self.batches.append(tuple(tops.values()))
        self.batches.append(tuple(owner for owner, _ in shops))
        self.batches.append(tuple(shop for _, shop in shops))
        for name, shelf in SHELVES.items():
            dealers = [shop for (_, shop), each in zip(shops, SHOPS, strict=True) if shelf in each.sells]
            self.fill(shelf, tops[name], dealers)
        self.batches.append(tuple(self.products))
        self.batches.append(tuple(image for thing in self.things for image in thing.images))
        sales = Sales(self.now, self.till, [shop for _, shop in shops], self.products, self.customers)
        self.batches.extend(sales.batches())
        self.carts()

    def shop(self, place: int, shop: Shop) -> tuple[User, Seller]:
        """Its owner's account, and the shop."""
        moment = self.founded + timedelta(hours=place)
        owner = User(
            **self.till.stamps(moment),
            email=f"{shop.name}@example.com",
            hashed_password=self.hashed,
            full_name=shop.owner,
            phone=f"+2135300002{place:02}",
            country="DZ",
            role=Role.SELLER,
            seller_category=shop.category,
            is_verified=True,
        )
        facts = {name: getattr(shop, name) for name in ("shop_name", "city", "description", "currency", "is_verified")}
        return owner, Seller(**self.till.stamps(moment), user_id=owner.id, slug=slugify(shop.shop_name), **facts)

    def category(self, name: str, parent: UUID | None, position: int) -> Category:
        stamps = self.till.stamps(self.founded)
        return Category(**stamps, name=name, slug=slugify(name), parent_id=parent, position=position)

    def fill(self, shelf: Shelf, top: Category, dealers: list[Seller]) -> None:
        """Branches and products of one shelf; its dealers take the goods by turns."""
        branches = [self.category(name, top.id, place) for place, name in enumerate(shelf)]
        self.batches.append(tuple(branches))
        turn = 0
        for branch, goods in zip(branches, shelf.values(), strict=True):
            for each in goods:
                self.stock(each, branch, dealers[turn % len(dealers)])
                turn += 1

    def stock(self, goods: Goods, branch: Category, shop: Seller) -> None:
        """A product of each variant, and what is to be drawn of them: one thing for each colour."""
        moment = self.founded + timedelta(days=self.chance.uniform(1, 20))
        if self.chance.random() < LATER:
            moment = self.now - timedelta(days=self.chance.uniform(2, DAYS))
        views = self.chance.choice((1, 1, 1, 1, 2, 3))
        things: dict[str, Thing] = {}
        for place, (label, dinars) in enumerate(goods.each()):
            product = self.product(goods, label, dinars, moment + timedelta(minutes=place))
            product.category_id, product.seller_id, product.currency = branch.id, shop.id, shop.currency
            self.price(product, dinars)
            thing = Thing.of(goods, label, views)
            things.setdefault(thing.colour, thing).images.extend(self.images(product, thing.views))
            self.products.append(product)
        self.things.extend(things.values())

    def product(self, goods: Goods, label: str, dinars: int, moment: datetime) -> Product:
        name = f"{goods.name}, {label}" if label else goods.name
        about = self.chance.choices(list(STOCKS), list(STOCKS.values()))[0]
        rare = 4 if dinars > 10_000 else 1
        product = Product(
            **self.till.stamps(moment),
            name=name,
            slug=slugify(name),
            description=goods.text,
            stock=round(about * self.chance.uniform(0.8, 1.2)) // (rare if about > 4 else 1),
        )
        if self.chance.random() < ARCHIVED:
            product.is_active = False
            product.updated_at = max(moment, self.now - timedelta(days=self.chance.uniform(15, 70)))
        return product

    def price(self, product: Product, dinars: int) -> None:
        """In the currency of the shop, and for some what it was before."""
        of_before = self.chance.choice((1.1, 1.15, 1.25)) if self.chance.random() < REDUCED else None
        product.price = amount(dinars, product.currency)
        product.old_price = amount(dinars * of_before, product.currency) if of_before else None

    def images(self, product: Product, views: int) -> list[ProductImage]:
        """Rows for that many pictures; drawing completes them."""
        images = []
        for position in range(views):
            stamps = self.till.stamps(product.created_at + timedelta(seconds=20 * position + 20))
            key = media_key(product.seller_id, product.id, stamps["id"], "image/jpeg")
            row = {"product_id": product.id, "position": position, "media_key": key, "mime_type": "image/jpeg"}
            images.append(ProductImage(**stamps, **row, file_size=0, width=0, height=0))
        return images

    def carts(self) -> None:
        """Of the customer whose login is shown, and of one more; the price of one line was another when it came in."""
        sold = [product for product in self.products if product.is_active and product.stock > 3]
        for customer, lines in ((self.customers[0], 3), (self.customers[-1], 2)):
            moment = self.now - timedelta(hours=self.chance.uniform(2, 30))
            cart = Cart(**self.till.stamps(moment), user_id=customer.id)
            items = []
            for product in self.chance.sample(sold, lines):
                moment += timedelta(minutes=2)
                facts = {"product_id": product.id, "quantity": self.chance.randint(1, 3), "currency": product.currency}
                items.append(CartItem(**self.till.stamps(moment), cart_id=cart.id, seen_price=product.price, **facts))
            items[-1].seen_price = round(items[-1].seen_price * Decimal("0.9"), 2)
            self.batches += [(cart,), tuple(items)]


def amount(dinars: float, currency: str) -> Decimal:
    """Rounded as shops do: to tens of dinars, to ten cents."""
    if currency == "DZD":
        return round(Decimal(dinars) / 10) * Decimal("10.00")
    return round(Decimal(dinars) / DINARS_FOR_A_EURO, 1) * Decimal("1.0")
