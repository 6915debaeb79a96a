"""The seller's figures: a sale counts when it is confirmed, goes when it is cancelled; the rollup changes nothing."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from app import jobs
from app.flows.seller_dashboard import roll_up, seller_figures
from app.kit.table import money, now
from app.resources.product_months import ProductMonth
from app.resources.sales_days import SalesDay
from app.resources.status_changes import StatusChange
from tests import make
from tests.walk import problem

AUGUST = datetime(2026, 8, 20, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Books:
    """Shops, what happens in them, and the figures that follow, computed without the database."""

    def __init__(self, database):
        self.database = database
        self.products, self.moves, self.orders = {}, [], []

    async def stock(self, seller, prices=("9.00", "2.50", "30.00", "7.77", "120.00", "1.00", "15.00")):
        async with self.database.transaction() as session:
            shop = await make.shop_of(session, seller)
            made = [await make.make_product(session, shop, f"Product {price}", price) for price in prices]
        self.products[seller.user.id] = made

    async def place(self, seller, at, lines=None):
        lines = lines or [(self.products[seller.user.id][0], 1)]
        async with self.database.transaction() as session:
            order = await make.make_goods_order(session, lines, at)
        self.orders.append((seller.user.id, order))
        return seller.user.id, order, lines

    def write(self, session, placed, status, at):
        """A step of an order as a row, in a transaction of the caller."""
        user_id, order, lines = placed
        session.add(StatusChange(order_id=order.id, from_status=order.status, to_status=status, at=at))
        if status == "CONFIRMED" or (status == "CANCELLED" and order.status != "PENDING"):
            self.moves.append((user_id, at, lines, 1 if status == "CONFIRMED" else -1))
        order.status = status

    async def move(self, placed, status, at):
        async with self.database.transaction() as session:
            self.write(session, placed, status, at)
            await session.merge(placed[1])

    async def sell(self, seller, at, lines=None):
        placed = await self.place(seller, at - HOUR, lines)
        await self.move(placed, "CONFIRMED", at)
        return placed

    async def roll_up(self, at, **options):
        async with self.database.transaction() as session:
            await roll_up(session, at=at, **options)

    def expected(self, seller, at):
        moves = [move for move in self.moves if move[0] == seller.user.id]
        months, products = defaultdict(Decimal), defaultdict(lambda: [0, Decimal(0)])
        for _, moment, lines, sign in moves:
            for product, quantity in lines:
                months[f"{moment:%Y-%m}"] += sign * quantity * product.price
                sold = products[str(product.id), product.name]
                sold[0] += sign * quantity
                sold[1] += sign * quantity * product.price
        year = [f"{y}-{m + 1:02}" for y, m in (divmod(at.year * 12 + at.month - 12 + n, 12) for n in range(12))]
        best = sorted(products.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
        return {
            "total_sales": money(sum(months.values(), Decimal(0)), "DZD"),
            "total_orders": sum(sign for *_, sign in moves),
            "pending_orders": sum(of == seller.user.id and order.status == "PENDING" for of, order in self.orders),
            "monthly_revenue": money(months[f"{at:%Y-%m}"], "DZD"),
            "revenue_by_month": [{"month": month, "amount": money(months[month], "DZD")} for month in year],
            "top_products": [
                {"product_id": id, "name": name, "quantity": quantity, "amount": money(amount, "DZD")}
                for (id, name), (quantity, amount) in best
                if quantity > 0
            ][:5],
            "currency": "DZD",
        }

    async def check(self, seller, at=NOVEMBER):
        assert await seller_figures(self.database, seller.user.id, at) == self.expected(seller, at)


@pytest.fixture
async def books(database, vera, omar):
    kept = Books(database)
    for seller in (vera, omar):
        await kept.stock(seller)
    return kept


async def history(books, chance, sellers, orders=60):
    """Steps of orders over three months, oldest first: what is placed, confirmed, shipped, delivered and cancelled."""
    steps = []
    for _ in range(orders):
        seller = chance.choice(sellers)
        lines = [(product, chance.randint(1, 4)) for product in chance.sample(books.products[seller.user.id], 3)]
        at = AUGUST + chance.random() * (NOVEMBER - 3 * DAY - AUGUST)
        placed = await books.place(seller, at, lines)
        ways = (("CONFIRMED", "SHIPPED", "DELIVERED"), ("CONFIRMED", "CANCELLED"), ("CONFIRMED",), ("CANCELLED",), ())
        for status in chance.choice(ways):
            at += chance.random() * chance.choice((HOUR, DAY, 20 * DAY))
            steps.append((min(at, NOVEMBER), placed, status))
    return sorted(steps, key=lambda step: step[0])


async def days_rolled(database):
    async with database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(SalesDay))


async def stored(database):
    async with database.transaction() as session:
        wanted = (SalesDay.c.id, SalesDay.c.updated_at, SalesDay.c.orders, SalesDay.c.amount)
        months = (ProductMonth.c.id, ProductMonth.c.updated_at, ProductMonth.c.quantity, ProductMonth.c.amount)
        return [sorted(map(tuple, await session.execute(select(*columns)))) for columns in (wanted, months)]


async def test_a_confirmed_order_is_a_sale(vera, books):
    oil = books.products[vera.user.id][0]
    await books.sell(vera, now(), [(oil, 3)])
    await books.place(vera, now())
    figures = (await vera.get("/seller/dashboard")).json()["data"]
    assert (figures["total_sales"], figures["total_orders"], figures["pending_orders"]) == ("27.00", 1, 1)
    assert (figures["monthly_revenue"], figures["currency"]) == ("27.00", "DZD")
    assert figures["top_products"] == [{"product_id": str(oil.id), "name": oil.name, "quantity": 3, "amount": "27.00"}]


async def test_the_last_twelve_months_are_there_oldest_first(vera, books):
    await books.sell(vera, datetime(2025, 12, 1, tzinfo=UTC))
    await books.sell(vera, datetime(2025, 11, 30, 23, 59, 59, tzinfo=UTC))
    figures = await seller_figures(books.database, vera.user.id, NOVEMBER)
    months = [month["month"] for month in figures["revenue_by_month"]]
    assert (len(months), months[0], months[1], months[-1]) == (12, "2025-12", "2026-01", "2026-11")
    assert [month["amount"] for month in figures["revenue_by_month"]] == ["9.00"] + ["0.00"] * 11
    assert figures["total_sales"] == "18.00"


async def test_a_shop_without_orders_has_zeros(vera):
    figures = (await vera.get("/seller/dashboard")).json()["data"]
    assert (figures["total_sales"], figures["total_orders"], figures["pending_orders"]) == ("0.00", 0, 0)
    assert {month["amount"] for month in figures["revenue_by_month"]} == {"0.00"}
    assert figures["top_products"] == []


async def test_amounts_have_the_digits_of_the_currency(vera, books):
    async with books.database.transaction() as session:
        shop = await make.shop_of(session, vera)
        shop.currency = "KWD"
        product = await make.make_product(session, shop, price="1.125")
    await books.sell(vera, now(), [(product, 2)])
    figures = (await vera.get("/seller/dashboard")).json()["data"]
    assert (figures["total_sales"], figures["top_products"][0]["amount"]) == ("2.250", "2.250")
    assert figures["revenue_by_month"][0]["amount"] == "0.000"


async def test_only_sellers_have_figures(nobody, alice, carl, sam):
    problem(await nobody.get("/seller/dashboard"), 401, "not_authenticated")
    for person in (alice, carl, sam):
        problem(await person.get("/seller/dashboard"), 403, "forbidden")


async def test_who_sells_no_more_has_no_figures(vera, sam, nobody):
    answer = await sam.patch(f"/admin/users/{vera.user.id}", json={"role": "CUSTOMER"})
    assert answer.status_code == 200, answer.text
    again = await nobody.post("/auth/login", json={"email": vera.user.email, "password": make.PASSWORD})
    token = {"Authorization": f"Bearer {again.json()['data']['access_token']}"}
    problem(await nobody.get("/seller/dashboard", headers=token), 403, "forbidden")


async def test_a_seller_without_a_shop_is_told_so(app, vera, database):
    async with database.transaction() as session:
        await session.delete(await make.shop_of(session, vera))
    problem(await vera.get("/seller/dashboard"), 403, "no_shop")


async def test_what_others_sell_does_not_count(vera, omar, books):
    await books.sell(vera, NOVEMBER - 5 * DAY)
    for rolled in (False, True):
        if rolled:
            await books.roll_up(NOVEMBER)
        await books.check(omar)
        assert books.expected(omar, NOVEMBER)["total_orders"] == 0


async def test_a_cancelled_sale_is_taken_back_on_the_day_it_was_cancelled(vera, books):
    placed = await books.sell(vera, datetime(2026, 10, 5, tzinfo=UTC))
    await books.sell(vera, datetime(2026, 10, 6, tzinfo=UTC))
    await books.roll_up(NOVEMBER)
    await books.move(placed, "CANCELLED", datetime(2026, 11, 5, tzinfo=UTC))
    for _ in ("before", "after"):
        figures = await seller_figures(books.database, vera.user.id, NOVEMBER)
        assert [month["amount"] for month in figures["revenue_by_month"]][-2:] == ["18.00", "-9.00"]
        assert (figures["total_sales"], figures["total_orders"], figures["monthly_revenue"]) == ("9.00", 1, "-9.00")
        await books.roll_up(NOVEMBER)


async def test_an_order_cancelled_before_it_was_confirmed_never_counted(vera, books):
    placed = await books.place(vera, NOVEMBER - 3 * DAY)
    await books.move(placed, "CANCELLED", NOVEMBER - 2 * DAY)
    for _ in ("before", "after"):
        assert (await seller_figures(books.database, vera.user.id))["total_orders"] == 0
        await books.roll_up(NOVEMBER)


@pytest.mark.parametrize("seed", range(3))
async def test_the_rollup_changes_no_figure(vera, omar, books, seed):
    for moment, placed, status in await history(books, random.Random(seed), (vera, omar)):
        await books.move(placed, status, moment)
    for at in ((), (NOVEMBER - 40 * DAY,), (NOVEMBER,), (NOVEMBER,), (NOVEMBER + DAY, NOVEMBER + DAY)):
        await asyncio.gather(*map(books.roll_up, at))
        for seller in (vera, omar):
            await books.check(seller)
    assert await days_rolled(books.database) > 20


@pytest.mark.parametrize("seed", range(3))
async def test_figures_are_exact_whenever_the_job_runs(vera, omar, books, seed):
    chance = random.Random(seed)
    for moment, placed, status in await history(books, chance, (vera, omar), orders=40):
        await books.move(placed, status, moment)
        if chance.random() < 0.3:
            await books.roll_up(moment + chance.random() * chance.choice((HOUR, DAY)) * chance.choice((0, 1)))
            await books.check(chance.choice((vera, omar)), moment)
    for seller in (vera, omar):
        await books.check(seller)


async def test_a_second_run_writes_nothing(vera, omar, books):
    for moment, placed, status in await history(books, random.Random(7), (vera, omar), orders=20):
        await books.move(placed, status, moment)
    await books.roll_up(NOVEMBER)
    once = await stored(books.database)
    await books.roll_up(NOVEMBER + HOUR)
    assert await stored(books.database) == once


async def test_a_day_is_rolled_up_an_hour_after_its_end(vera, books):
    await books.sell(vera, datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC))
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    await books.roll_up(midnight + HOUR - timedelta(seconds=1))
    assert await days_rolled(books.database) == 0
    await books.roll_up(midnight + HOUR)
    assert await days_rolled(books.database) == 1
    await books.check(vera)


async def test_a_sale_that_is_committed_after_midnight_is_not_lost(vera, books):
    evening = datetime(2026, 11, 20, 23, 59, 50, tzinfo=UTC)
    await books.sell(vera, evening - HOUR)
    placed = await books.place(vera, evening - HOUR)
    async with books.database.transaction() as session:
        books.write(session, placed, "CONFIRMED", evening)
        await session.merge(placed[1])
        await session.flush()
        await books.roll_up(evening + HOUR / 2)
    for later in (HOUR / 2, 2 * HOUR, 3 * DAY):
        await books.check(vera)
        await books.roll_up(evening + later)
    await books.check(vera)


async def test_what_came_a_day_too_late_counts_from_the_next_run_on(vera, books):
    first = datetime(2026, 10, 31, 12, tzinfo=UTC)
    await books.sell(vera, first)
    await books.sell(vera, first + DAY)
    await books.roll_up(first + 2 * DAY)
    await books.sell(vera, first + HOUR)
    await books.roll_up(first + 2 * DAY + HOUR)
    await books.check(vera)


async def test_a_worker_whose_clock_is_behind_takes_nothing_away(vera, books):
    await books.sell(vera, NOVEMBER - 10 * DAY)
    await books.sell(vera, NOVEMBER - 2 * DAY)
    await books.roll_up(NOVEMBER)
    await books.roll_up(NOVEMBER - 5 * DAY)
    await books.check(vera)


async def test_two_workers_take_turns(vera, books):
    for days in (2, 3, 5, 8):
        await books.sell(vera, NOVEMBER - days * DAY)
    await books.roll_up(NOVEMBER - 6 * DAY)
    async with books.database.transaction() as session:
        await roll_up(session, at=NOVEMBER)
        behind = asyncio.create_task(books.roll_up(NOVEMBER - 2 * DAY))
        await asyncio.sleep(0.3)
    await behind
    await books.check(vera)


async def test_history_written_afterwards_counts_once_everything_is_rolled_anew(vera, books):
    await books.sell(vera, NOVEMBER - 3 * DAY)
    await books.roll_up(NOVEMBER)
    await books.sell(vera, AUGUST)
    await books.roll_up(NOVEMBER, everything=True)
    await books.check(vera)


async def test_prices_that_fit_add_up_to_sums_that_do(vera, books):
    async with books.database.transaction() as session:
        shop = await make.shop_of(session, vera)
        dear = await make.make_product(session, shop, "Palace", "99999999999.99")
    for _ in range(3):
        await books.sell(vera, NOVEMBER - 3 * DAY, [(dear, 1)])
    await books.roll_up(NOVEMBER)
    await books.check(vera)
    assert books.expected(vera, NOVEMBER)["total_sales"] == "299999999999.97"


async def test_the_job_runs_by_the_clock(database, vera, books, settings):
    await books.sell(vera, now() - 2 * DAY)
    tools = jobs.tools_of(settings, database)
    await jobs.TASKS["roll_up_sales"](tools)
    await tools.stripe.close()
    assert jobs.EVERY["roll_up_sales"](settings) == 3600
    assert await days_rolled(database) == 1
