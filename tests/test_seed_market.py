"""The marketplace of the demo: eight categories, twelve shops, four hundred products with pictures, and its sales."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from random import Random

import psycopg
import pytest
from PIL import Image

from app import seed
from app.clients.storage import public_media
from app.db import Database
from app.kit.access import secret_hash
from app.letters import letter
from app.resources.cart_items import CartItem
from app.resources.categories import Category
from app.resources.emails import Email
from app.resources.number_series import NumberSeries
from app.resources.order_flows import FLOWS, flow_of
from app.resources.order_items import OrderItem
from app.resources.order_letters import guest_token
from app.resources.orders import Order, OrderKind, OrderStatus
from app.resources.payments import Payment, PaymentMethod, PaymentStatus
from app.resources.product_images import MEDIUM, SMALL, variant_key
from app.resources.products import Product
from app.resources.sellers import Seller, SellerCategory
from app.resources.status_changes import StatusChange
from app.resources.users import User
from app.seed.market import Market
from app.settings import Settings

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
LARGEST = 40_000


def opened() -> Market:
    """The marketplace before anything is drawn."""
    agency = seed.Agency(Random(20261122), NOW, "")
    agency.open()
    market = Market(NOW, "", agency.customers)
    market.open()
    return market


@pytest.fixture(scope="module")
def market() -> Market:
    return opened()


def rows(market: Market, kind: type) -> list:
    return [row for batch in market.batches for row in batch if isinstance(row, kind)]


def by_order(market: Market, kind: type) -> dict:
    found = defaultdict(list)
    for row in rows(market, kind):
        found[row.order_id].append(row)
    return found


def test_there_are_eight_categories_with_branches_and_goods_on_every_one(market):
    categories = rows(market, Category)
    tops = {category.id for category in categories if category.parent_id is None}
    branches = {category.id: category.parent_id for category in categories if category.parent_id}
    assert len(tops) == 8
    assert set(branches.values()) == tops
    assert {product.category_id for product in rows(market, Product)} == set(branches)


def test_twelve_shops_of_all_three_kinds_sell_most_of_them_in_dinars(market):
    shops = rows(market, Seller)
    owners = {owner.id: owner for owner in rows(market, User)}
    assert len(shops) == len(owners) == 12
    assert {owners[shop.user_id].seller_category for shop in shops} == set(SellerCategory)
    assert Counter(shop.currency for shop in shops) == {"DZD": 10, "EUR": 2}
    assert sum(shop.is_verified for shop in shops) >= 9
    assert seed.LOGINS["seller"] in {owner.email for owner in owners.values()}


def test_four_hundred_products_are_for_sale_sold_out_and_archived(market):
    products, shops = rows(market, Product), {shop.id: shop for shop in rows(market, Seller)}
    assert len({product.slug for product in products}) == len({product.name for product in products}) == 400
    assert min(product.stock for product in products) == 0
    assert 10 <= sum(not product.is_active for product in products) <= 40
    assert sum(product.stock == 0 for product in products) >= 10
    for product in products:
        assert product.currency == shops[product.seller_id].currency
        assert product.price > 0
        assert product.old_price is None or product.old_price > product.price
        assert product.created_at <= product.updated_at <= NOW


def test_six_hundred_orders_are_in_every_status_of_both_flows_numbered_in_order_of_time(market):
    orders = rows(market, Order)
    assert [order.order_number for order in orders] == [f"ZST-{number:05}" for number in range(1, 601)]
    assert [order.created_at for order in orders] == sorted(order.created_at for order in orders)
    (series,) = rows(market, NumberSeries)
    assert (series.series, series.year, series.value) == ("ZST", 0, 600)
    ways = Counter(order.payment_method for order in orders)
    assert 0.6 <= ways[PaymentMethod.CASH_ON_DELIVERY] / 600 <= 0.7
    found = {(order.payment_method, order.status) for order in orders}
    assert found == {
        (method, status)
        for method in PaymentMethod
        for move in FLOWS[OrderKind.GOODS, method].moves
        for status in (move.source, move.target)
    }


def test_an_order_is_what_its_items_add_up_to_of_one_seller_in_one_currency(market):
    products, items = {product.id: product for product in rows(market, Product)}, by_order(market, OrderItem)
    for order in rows(market, Order):
        bought = items[order.id]
        assert order.total_amount == sum(item.line_total for item in bought)
        assert len({item.product_id for item in bought}) == len(bought)
        for item in bought:
            assert item.line_total == item.quantity * item.unit_price
            assert products[item.product_id].seller_id == order.seller_id
            assert products[item.product_id].created_at < order.created_at
            assert item.currency == item.snapshot["currency"] == order.currency
            assert set(item.snapshot) == {"name", "slug", "price", "currency", "shop_name"}


def test_every_history_is_one_that_the_flow_allows(market):
    history, owners = by_order(market, StatusChange), {shop.id: shop.user_id for shop in rows(market, Seller)}
    for order in rows(market, Order):
        first, *later = history[order.id]
        assert (first.from_status, first.to_status, first.actor_id) == (None, "PENDING", order.user_id)
        moments = [change.at for change in history[order.id]]
        assert moments == sorted(moments)
        assert order.created_at == moments[0]
        assert (order.status, order.updated_at) == (history[order.id][-1].to_status, moments[-1])
        for change in later:
            party = party_of(change, order, owners[order.seller_id])
            step = (change.from_status, change.to_status)
            moves = [move for move in flow_of(order).moves if (move.source, move.target) == step]
            allowed = [move for move in moves if party in move.by]
            assert allowed, (order.order_number, party, change.to_status)
            assert change.reason or "reason" not in allowed[0].needs
        shipped = order.status in (OrderStatus.SHIPPED, OrderStatus.DELIVERED)
        assert (order.tracking_number is not None) == shipped


def party_of(change: StatusChange, order: Order, seller_id) -> str:
    if change.actor_id == seller_id:
        return "seller"
    if change.actor_id is not None:
        return "owner" if change.actor_id == order.user_id else "nobody"
    if change.to_status == "CONFIRMED":
        return "payment"
    return "clock" if change.reason else "guest"


def test_what_was_confirmed_by_card_or_delivered_for_cash_is_paid_and_what_was_cancelled_went_back(market):
    payments, history = by_order(market, Payment), by_order(market, StatusChange)
    for order in rows(market, Order):
        captured = [payment for payment in payments[order.id] if payment.captured_amount]
        confirmed = "CONFIRMED" in {change.to_status for change in history[order.id]}
        is_cash = order.payment_method is PaymentMethod.CASH_ON_DELIVERY
        assert len(captured) == (order.status is OrderStatus.DELIVERED if is_cash else confirmed)
        for payment in captured:
            went_back = payment.amount if order.status is OrderStatus.CANCELLED else 0
            assert (payment.amount, payment.currency) == (order.total_amount, order.currency)
            assert (payment.payment_method, payment.refunded_amount) == (order.payment_method, went_back)
            assert order.payment_status == (PaymentStatus.REFUNDED if went_back else PaymentStatus.SUCCEEDED)
            assert order.created_at < payment.paid_at <= NOW


def test_guests_hold_tokens_and_some_checkouts_are_of_two_sellers(market):
    orders = rows(market, Order)
    for order in orders:
        assert order.token_hash == (None if order.user_id else secret_hash(guest_token(order.id)))
        info = order.values()["customer_info"]
        assert info["full_name"]
        assert info["phone"].startswith("+")
    assert 300 <= sum(order.user_id is None for order in orders) <= 450
    together = defaultdict(list)
    for order in orders:
        if order.checkout_id:
            together[order.checkout_id].append(order)
    pairs = [each for each in together.values() if len(each) == 2]
    assert len(pairs) >= 30
    assert all(first.seller_id != second.seller_id for first, second in pairs)


def test_every_mail_about_goods_can_be_written(market):
    mails = rows(market, Email)
    assert {"order_received", "order_confirmed", "order_status_changed"} <= {mail.template for mail in mails}
    for mail in mails:
        assert letter(mail.template, mail.context, attach=False).subject


def test_two_customers_have_something_in_their_carts(market):
    assert len({item.cart_id for item in rows(market, CartItem)}) == 2


def test_it_is_the_same_every_time(market):
    again = opened()
    assert [row.values() for batch in again.batches for row in batch] == [
        row.values() for batch in market.batches for row in batch
    ]
    first, second = (each.things[0] for each in (market, again))
    assert first.draw() == second.draw()


async def test_every_product_has_pictures_that_open_and_nothing_is_left_to_do(database_url, redis_url, tmp_path: Path):
    settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)
    database, media = Database(database_url), public_media(settings)
    await seed.seed(database, settings)
    await database.close()
    with psycopg.connect(database_url) as connection:
        keys = "SELECT media_key, file_size, width, height FROM product_images WHERE is_ready AND has_variants"
        for key, size, *sides in connection.execute(keys).fetchall():
            files = [b"".join([part async for part in await media.open(each)]) for each in files_of(key)]
            assert len(files[0]) == size <= LARGEST
            pictures = [Image.open(BytesIO(content)) for content in files]
            assert [picture.format for picture in pictures] == ["JPEG", "WEBP", "WEBP"]
            assert (pictures[0].size, pictures[2].size) == (tuple(sides), (SMALL, SMALL))
        without = "SELECT count(*) FROM products WHERE id NOT IN (SELECT product_id FROM product_images WHERE is_ready)"
        assert connection.execute(without).fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM products WHERE is_active").fetchone()[0] >= 360
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)
        assert connection.execute("SELECT count(DISTINCT seller_id) FROM sales_days").fetchone() == (12,)


def files_of(key: str) -> tuple[str, str, str]:
    return key, variant_key(key, MEDIUM), variant_key(key, SMALL)
