"""Races and bad luck in the market: whoever comes at the same moment, what is sold was there, and is sold once.

Real processes on one database; two of them have it far away, where every packet takes 50 ms, so that each moment
between reading and writing is long. Each test ends with the books of its products, the last one with all of them.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
import pytest

from app import jobs
from app.db import Database
from app.flows.reconciling import expire_orders
from app.jobs import Tools
from app.kit.access import Role
from app.settings import Settings
from tests.market.crowd import GUEST, Answer, LiveMarket, Shopper, Wish, checkout_of, long_key, order_of
from tests.market.proxy import far_away
from tests.payments.processes import CENTS, Process, opened

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
UNREAD = "SELECT 1 FROM stripe_events WHERE status = 'RECEIVED'"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
OF_LONG_AGO = """
WITH aged AS (UPDATE orders SET created_at = now() - interval '2 hours' WHERE id = ANY(%s))
UPDATE payments SET created_at = now() - interval '2 hours', checked_at = now() WHERE order_id = ANY(%s)
"""


@pytest.fixture(scope="module")
async def open_market(services, template, worker_id, tmp_path_factory) -> AsyncIterator[LiveMarket]:
    """Two servers near the database, and a worker. Mails are written and not sent."""
    name, folder = f"races_{worker_id}_{os.getpid()}", tmp_path_factory.mktemp("races")
    async with opened(LiveMarket, services, template, name, folder, RESEND_API_KEY="") as market:
        with far_away(market.database_url) as market.far_url:
            yield market
            market.close()


@pytest.fixture
def market(open_market) -> LiveMarket:
    """Nothing has gone wrong in it yet."""
    open_market.wrong.clear()
    return open_market


@pytest.fixture(scope="module")
async def far(open_market) -> list[Process]:
    """Two more servers."""
    open_market.far += await asyncio.gather(*(open_market.serve(DATABASE_URL=open_market.far_url) for _ in range(2)))
    return open_market.far


@pytest.fixture(params=["near", "far"])
def servers(request, market) -> Any:
    return market.serves if request.param == "near" else request.getfixturevalue("far")


@pytest.fixture(scope="module")
async def crowd(open_market) -> list[Shopper]:
    return await open_market.shoppers(100)


@pytest.fixture(scope="module")
async def vera(open_market) -> Shopper:
    return (await open_market.shoppers(1, Role.SELLER))[0]


@pytest.fixture(scope="module")
async def omar(open_market) -> Shopper:
    return (await open_market.shoppers(1, Role.SELLER))[0]


@pytest.fixture(scope="module")
async def sam(open_market) -> Shopper:
    return (await open_market.shoppers(1, Role.ADMIN))[0]


@contextmanager
def holding(market: LiveMarket, sql: str, *values: Any) -> Iterator[None]:
    """Rows changed by somebody who commits at the end of the block."""
    with psycopg.connect(market.database_url) as connection:
        connection.execute(sql, values)
        yield


def codes(answers: list[Answer]) -> list[str]:
    """Each answer's status, or what kept it from being 200 or 201."""
    return [answer.code or str(answer.status) for answer in answers]


def refusals(answers: list[Answer]) -> set[str]:
    return set(codes(answers)) - {"200", "201"}


def token_of(order: dict[str, Any]) -> Shopper:
    """A guest with the token of this order."""
    return Shopper({"X-Order-Token": order["access_token"]})


def cancelling(who: Shopper, order: str) -> Wish:
    return Wish(who, "POST", f"/orders/{order}/cancellation")


# -- many buyers, few goods


@pytest.mark.parametrize("units", [1, 7, 50])
async def test_of_two_hundred_buyers_as_many_get_one_as_there_are(market, servers, crowd, vera, units):
    """Guests and accounts, with a key and without, by order and by cart."""
    oil = await market.product(vera, stock=units)
    await market.fill(*((who, [(oil, 1)]) for who in crowd))
    wishes = []
    for number, who in enumerate([*crowd, *100 * [GUEST]]):
        buying, key = (order_of, checkout_of)[number // 2 % 2], long_key() if number // 4 % 2 else ""
        wishes.append(buying(who, (oil, 1), key=key))
    answers = await market.at_once(*wishes, servers=servers)
    assert codes(answers).count("201") == units
    assert refusals(answers) == {"out_of_stock"}
    assert market.sold(oil) == market.stocked[oil.id] == units
    market.balance()
    bought = [(wish, answer) for wish, answer in zip(wishes, answers, strict=True) if answer.status == 201 and wish.key]
    again = await market.at_once(*(wish for wish, _ in bought), servers=servers)
    assert [answer.body for answer in again] == [answer.body for _, answer in bought]
    assert market.sold(oil) == units


async def test_opposite_orders_get_what_they_want(market, far, crowd, vera, omar):
    """One seller's goods in both orders, two sellers' in both, by order and by cart, while others are cancelled."""
    left, right, lamp = [await market.product(who, stock=300) for who in (vera, vera, omar)]
    pairs = [[(left, 1), (right, 2)], [(right, 2), (left, 1)], [(left, 1), (lamp, 1)], [(lamp, 1), (left, 1)]]
    buyers = crowd[:24]
    earlier = await market.at_once(*(order_of(buyers[0], *pairs[number % 2]) for number in range(20)))
    await market.fill(*((who, pairs[number // 4 % 4]) for number, who in enumerate(buyers)))
    carts = [checkout_of(who) for who in buyers]
    orders = [order_of(GUEST, *pairs[number // 4 % 2]) for number in range(40)]
    checkouts = [checkout_of(GUEST, *pairs[2 + number // 4 % 2]) for number in range(24)]
    cancels = [cancelling(buyers[0], each.orders[0]["id"]) for each in earlier]
    buying = market.at_once(*orders, *checkouts, *carts, servers=[*market.serves, *far])
    answers = await asyncio.gather(buying, market.at_once(*cancels))
    assert [refusals(each) for each in answers] == [set(), set()]
    assert [market.sold(product) for product in (left, right, lamp)] == [88, 112, 32]
    market.balance()


# -- one cart, many hands


@pytest.mark.parametrize("times", [2, 20])
async def test_many_checkouts_of_one_cart_make_one(market, servers, crowd, vera, omar, times):
    """Without a key the others find it empty; with the same key all get the same answer."""
    oil, lamp = await market.product(vera), await market.product(omar)
    first, second = crowd[:2]
    await market.fill(*((who, [(oil, 2), (lamp, 1)]) for who in (first, second)))
    key = long_key()
    wishes = [checkout_of(first), checkout_of(second, key=key)] * times
    answers = await market.at_once(*wishes, servers=[servers[0], *servers, servers[1]])
    assert sorted(codes(answers[::2])) == ["201"] + ["cart_is_empty"] * (times - 1)
    assert set(codes(answers[1::2])) == {"201"}
    assert len({answer.body["data"]["checkout_id"] for answer in answers[1::2]}) == 1
    assert (market.sold(oil), market.sold(lamp)) == (4, 2)
    assert market.in_cart(first) == market.in_cart(second) == {}
    market.balance()


CHANGES = {
    "more of it": lambda line: ("PATCH", f"/cart/items/{line}", {"quantity": 3}),
    "less of it": lambda line: ("PATCH", f"/cart/items/{line}", {"quantity": 1}),
    "none of it": lambda line: ("DELETE", f"/cart/items/{line}", None),
    "nothing": lambda line: ("DELETE", "/cart", None),
}
LEFT = {"more of it": (3, 1), "less of it": (1, 1), "none of it": (0, 1), "nothing": (0, 0)}


async def test_a_checkout_buys_the_cart_of_one_moment(market, servers, crowd, vera, omar):
    """The cart as it was before a change or after it, and never a line that stays in it."""
    oil, lamp = await market.product(vera), await market.product(omar)
    shoppers = crowd[:24]
    await market.fill(*((who, [(oil, 2), (lamp, 1)]) for who in shoppers))
    changes = [list(CHANGES)[number % 4] for number in range(24)]
    wishes = []
    for number, (who, change) in enumerate(zip(shoppers, changes, strict=True)):
        line = market.in_cart(who)[oil.id][0]
        both = (checkout_of(who), Wish(who, *CHANGES[change](line)))
        wishes += both if number // 4 % 2 else both[::-1]
    answers = await market.at_once(*wishes, servers=servers)
    for number, (who, change) in enumerate(zip(shoppers, changes, strict=True)):
        bought, changed = answers[2 * number : 2 * number + 2][:: 1 if number // 4 % 2 else -1]
        rest = market.in_cart(who)
        got = quantities(bought) if bought.status == 201 else {}
        wanted = (got.get(oil.id.hex, 0), got.get(lamp.id.hex, 0))
        if changed.status == 404:
            assert wanted == (2, 1), change
        else:
            assert (changed.status, wanted in {(2, 1), LEFT[change]}) == (200, True), (change, changed, wanted)
        assert bought.status == 201 or (change, bought.code) == ("nothing", "cart_is_empty")
        assert rest == {}, (change, wanted)
    market.balance()


async def test_what_is_added_during_a_checkout_is_bought_or_stays(market, crowd, vera):
    oil, jar = await market.product(vera), await market.product(vera)
    shoppers = crowd[:16]
    await market.fill(*((who, [(oil, 2)]) for who in shoppers))
    added = [{"product_id": str((oil, jar)[number // 2 % 2].id), "quantity": 3} for number in range(16)]
    pairs = [
        (checkout_of(who), Wish(who, "POST", "/cart/items", body)) for who, body in zip(shoppers, added, strict=True)
    ]
    answers = await market.at_once(*(wish for pair in pairs for wish in pair))
    assert refusals(answers) == set()
    for number, who in enumerate(shoppers):
        got, rest = quantities(answers[2 * number]), {id.hex: row[1] for id, row in market.in_cart(who).items()}
        one = (oil, jar)[number // 2 % 2].id.hex
        assert got.get(one, 0) + rest.get(one, 0) == 3 + 2 * (one == oil.id.hex)
        assert got[oil.id.hex] in (2, 5)
    market.balance()


def quantities(bought: Answer) -> dict[str, int]:
    """How many of each product, by its id in hex."""
    items = [item for order in bought.orders for item in order["items"]]
    return {item["product_id"].replace("-", ""): item["quantity"] for item in items}


# -- the seller changes something meanwhile


@pytest.mark.parametrize(
    ("change", "sold"),
    [("price = 500", 30), ("is_active = false", 0), ("is_listed = false", 0), ("stock = 13", 13), ("stock = 0", 0)],
)
async def test_what_changes_while_buyers_wait_holds_for_them(market, crowd, vera, change, sold):
    oil, buyers = await market.product(vera, stock=50), crowd[:10]
    await market.fill(*((who, [(oil, 1)]) for who in buyers))
    wishes = [checkout_of(who) for who in buyers] + [order_of(GUEST, (oil, 1)) for _ in range(20)]
    with holding(market, f"UPDATE products SET {change} WHERE id = %s", oil.id):
        asked = asyncio.create_task(market.at_once(*wishes))
        await market.until(lambda: market.rows(WAITING)[0][0] >= 4)
    answers = await asked
    assert refusals(answers) <= {"out_of_stock", "validation_error"}
    market.stocked[oil.id] = 13 if change == "stock = 13" else 0 if change == "stock = 0" else 50
    assert codes(answers).count("201") == market.sold(oil) == sold
    totals = {order["total_amount"] for answer in answers if answer.status == 201 for order in answer.orders}
    assert totals == ({"500.00"} if "price" in change else {"450.00"} if sold else set())
    market.balance()


async def test_a_price_change_amid_a_rush_leaves_whole_sums(market, vera, omar):
    oil, jar, lamp = [await market.product(who, price="100.00", stock=500) for who in (vera, vera, omar)]
    orders = [order_of(GUEST, (oil, 1 + number % 3), (jar, 2)) for number in range(30)]
    checkouts = [checkout_of(GUEST, (lamp, 1), (jar, 1), (oil, 2)) for _ in range(30)]
    prices = [Wish(vera, "PATCH", f"/products/{each.id}", {"price": "150.00"}) for each in (oil, jar)]
    answers = await market.at_once(*orders, *prices, *checkouts)
    assert refusals(answers) == set()
    bought = [item for each in answers if each.status == 201 for order in each.orders for item in order["items"]]
    assert {item["unit_price"] for item in bought} <= {"100.00", "150.00"}
    assert {item["snapshot"]["price"] == item["unit_price"] for item in bought} == {True}
    (after,) = await market.at_once(order_of(GUEST, (oil, 1), (jar, 1)))
    assert after.orders[0]["total_amount"] == "300.00"
    market.balance()


async def test_archiving_and_closing_amid_a_rush(market, crowd, vera, omar):
    """No buyer and no seller waits for the other in vain, and afterwards nothing is sold."""
    late, early, lamp = [await market.product(who, stock=500) for who in (vera, vera, omar)]
    market.rows("UPDATE products SET description = repeat('x', 9000) WHERE id = %s", late.id)
    shop = f"/sellers/{late.seller_id}"
    orders = [order_of(GUEST, (early, 1), (late, 1)) for _ in range(40)]
    checkouts = [checkout_of(who, (late, 1), (lamp, 1), (early, 1)) for who in 40 * [GUEST]]
    closing = [Wish(vera, "PATCH", shop, {"is_open": number % 2 == 1}) for number in range(9)]
    archived = Wish(omar, "PATCH", f"/products/{lamp.id}", {"is_active": False})
    wishes = [*orders[:10], closing[0], *checkouts[:10], closing[1], *orders[10:], archived, *checkouts[10:]]
    answers = await market.at_once(*wishes, *closing[2:], servers=[*market.serves, market.serves[0]])
    assert refusals(answers) <= {"out_of_stock", "validation_error"}
    sold = market.sold(lamp)
    assert codes(await market.at_once(checkout_of(GUEST, (lamp, 1)))) == ["validation_error"]
    await market.at_once(Wish(vera, "PATCH", shop, {"is_open": False}))
    assert codes(await market.at_once(order_of(GUEST, (late, 1)))) == ["validation_error"]
    await market.at_once(Wish(vera, "PATCH", shop, {"is_open": True}))
    assert market.sold(lamp) == sold
    market.balance()


# -- taking it back


async def test_twenty_cancels_give_the_stock_back_once(market, crowd, vera, sam):
    oil, alice = await market.product(vera), crowd[0]
    bought = await market.at_once(*(order_of(who, (oil, 3)) for who in (alice, GUEST, alice, GUEST)))
    orders = [answer.orders[0] for answer in bought]
    wishes = []
    for number, order in enumerate(orders):
        owner, reason = alice if number % 2 == 0 else token_of(order), {"reason": "The harvest was bad."}
        seller = Wish(vera, "PATCH", f"/seller/orders/{order['id']}", {"status": "CANCELLED", **reason})
        staff = Wish(sam, "PATCH", f"/admin/orders/{order['id']}", {"status": "CANCELLED", **reason})
        wishes += 5 * [cancelling(owner, order["id"]), seller, staff, cancelling(owner, order["id"])]
    answers = await market.at_once(*wishes, servers=[*market.serves, *market.serves[::-1]])
    for number, order in enumerate(orders):
        assert sorted(codes(answers[20 * number : 20 * number + 20])) == ["200"] + 19 * ["illegal_transition"]
        assert market.steps(order["id"]) == ["PENDING", "CANCELLED"]
        letters = "SELECT count(*) FROM emails WHERE order_id = %s AND template = 'order_cancelled'"
        assert market.rows(letters, order["id"]) == [(1,)]
    assert market.sold(oil) == 0
    market.balance()


async def test_cancelling_races_the_seller_who_ships(market, crowd, vera):
    products, alice = [await market.product(vera) for _ in range(4)], crowd[0]
    buyers = zip(4 * products, 8 * [alice, GUEST], strict=True)
    bought = await market.at_once(*(order_of(who, (product, 2)) for product, who in buyers))
    orders, wishes = [answer.orders[0] for answer in bought], []
    for number, order in enumerate(orders):
        path = f"/seller/orders/{order['id']}"
        owner = alice if number % 2 == 0 else token_of(order)
        confirm = Wish(vera, "PATCH", path, {"status": "CONFIRMED"})
        ship = Wish(vera, "PATCH", path, {"status": "SHIPPED", "tracking_number": "DZ 1"})
        cancel = cancelling(owner, order["id"])
        wishes += [confirm, cancel, ship] if number // 2 % 2 else [cancel, confirm, ship]
    answers = await market.at_once(*wishes)
    assert refusals(answers) <= {"illegal_transition"}
    kept = 0
    for number, order in enumerate(orders):
        steps = market.steps(order["id"])
        assert steps in possible(by_guest=number % 2 == 1)
        assert codes(answers[3 * number : 3 * number + 3]).count("200") == len(steps) - 1
        kept += steps[-1] != "CANCELLED"
    assert sum(map(market.sold, products)) == 2 * kept
    market.balance()


def possible(by_guest: bool) -> list[list[str]]:
    """What an order can have gone through: a guest cannot cancel what is confirmed."""
    ways = ["PENDING CANCELLED", "PENDING CONFIRMED", "PENDING CONFIRMED SHIPPED"]
    return [way.split() for way in [*ways, *([] if by_guest else ["PENDING CONFIRMED CANCELLED"])]]


async def unpaid(market: LiveMarket, oil: Any, buyers: list[Shopper]) -> list[tuple[dict[str, Any], Shopper, str]]:
    """Card orders with who opened them and their intents."""
    wishes = [order_of(who, (oil, 1), payment_method="CARD") for who in buyers]
    orders = [answer.orders[0] for answer in await market.at_once(*wishes)]
    owners = [who if who.id else token_of(order) for who, order in zip(buyers, orders, strict=True)]
    asked = [
        Wish(who, "POST", "/payments/create-intent", {"order_id": order["id"]})
        for who, order in zip(owners, orders, strict=True)
    ]
    intents = [each.body["data"]["payment"]["stripe_payment_intent_id"] for each in await market.at_once(*asked)]
    return list(zip(orders, owners, intents, strict=True))


@asynccontextmanager
async def clocks(market: LiveMarket, number: int) -> AsyncIterator[list[Tools]]:
    """What so many workers work with."""
    given = {name.lower(): value for name, value in market.environment.items() if name.lower() in Settings.model_fields}
    settings = Settings(**given)
    databases = [Database(market.database_url) for _ in range(number)]
    tools = [jobs.tools_of(settings, database) for database in databases]
    try:
        yield tools
    finally:
        for each in tools:
            await each.stripe.close()
            await each.database.close()


async def settled(market: LiveMarket, order: str) -> bool:
    """Whether it was kept: then it is confirmed and paid; otherwise it is cancelled and the money back."""
    steps = market.steps(order)
    refunded = CENTS if steps[-1] == "CANCELLED" else 0
    books = {
        "order": steps[-1],
        "payments": ["REFUNDED" if refunded else "SUCCEEDED"],
        "captured, at Stripe and here": (CENTS, CENTS),
        "refunded, at Stripe and here": (refunded, refunded),
        "reviews": 0,
        "confirmations": steps.count("CONFIRMED"),
        "confirmed mails": steps.count("CONFIRMED"),
    }
    await market.until(lambda: books.items() <= market.found(order).items(), seconds=30)
    return not refunded


async def test_cancelling_races_the_payment(market, crowd, vera):
    """By owner, guest and seller: the goods stay sold and paid, or they and the money go back."""
    oil, orders = await market.product(vera), []
    orders = await unpaid(market, oil, 6 * [crowd[0], GUEST])
    cancels = []
    for number, (order, owner, intent) in enumerate(orders):
        market.stripe.pay(intent)
        path, body = f"/seller/orders/{order['id']}", {"status": "CANCELLED", "reason": "Sold out."}
        cancels.append(Wish(vera, "PATCH", path, body) if number % 3 == 0 else cancelling(owner, order["id"]))
    events = [event for _, _, intent in orders for event in market.events(intent, "payment_intent.succeeded")]
    delivered, answers = await asyncio.gather(market.deliver(*events), market.at_once(*cancels))
    assert set(delivered) == {200}
    assert refusals(answers) <= {"illegal_transition"}
    await market.until(lambda: market.rows(UNREAD) == [])
    kept = [await settled(market, order["id"]) for order, _, _ in orders]
    assert market.sold(oil) == sum(kept) == codes(answers).count("illegal_transition")
    market.balance()


async def test_expiry_races_the_payment_and_itself(market, crowd, vera):
    """Three clocks strike while money arrives for half of the orders: each is kept and paid, or sold to others."""
    oil = await market.product(vera)
    orders = await unpaid(market, oil, 10 * [crowd[0], GUEST])
    ids = [order["id"] for order, _, _ in orders]
    market.rows(OF_LONG_AGO, ids, ids)
    paid, unheard = orders[::2], orders[1::2]
    for _, _, intent in paid:
        market.stripe.pay(intent)
    events = [event for _, _, intent in paid for event in market.events(intent, "payment_intent.succeeded")]
    async with clocks(market, 3) as tools:
        delivered, *_ = await asyncio.gather(market.deliver(*events), *map(expire_orders, tools))
        await expire_orders(tools[0])
    assert set(delivered) == {200}
    for order, _, _ in unheard:
        assert market.steps(order["id"]) == ["PENDING", "CANCELLED"]
    await market.until(lambda: market.rows(UNREAD) == [])
    assert market.sold(oil) == sum([await settled(market, order["id"]) for order, _, _ in paid])
    market.balance()


# -- sudden death


async def test_a_server_killed_amid_a_rush_leaves_no_trace(market, far, vera, omar):
    """Whoever got no answer asks again with the same key, and has bought once."""
    oil, lamp = await market.product(vera, stock=300), await market.product(omar, stock=300)
    victim = await market.serve(DATABASE_URL=market.far_url)
    wishes = [checkout_of(GUEST, (oil, 1), (lamp, 1), key=long_key()) for _ in range(120)]
    asked = asyncio.create_task(market.at_once(*wishes, servers=[victim, far[0]]))
    await market.until(lambda: market.rows("SELECT 1 FROM order_items WHERE product_id = %s LIMIT 10", oil.id))
    victim.kill()
    answers = await asked
    unanswered = [wish for wish, answer in zip(wishes, answers, strict=True) if answer.status == 0]
    assert unanswered
    assert set(codes(answers)) == {"201", "0"}
    market.balance()
    again = await market.at_once(*unanswered, *unanswered, servers=[*market.serves, *far])
    assert set(codes(again)) == {"201"}
    bought = {answer.body["data"]["checkout_id"] for answer in (*answers, *again) if answer.status == 201}
    assert len(bought) == market.sold(oil) == market.sold(lamp) == 120
    market.balance()


async def test_in_the_end_the_books_are_right(market):
    """Nothing came late, nobody was answered 5xx, and nobody ever stood in the way of somebody who stood in his."""
    market.balance()
    for process in (*market.serves, *market.far):
        assert await asyncio.to_thread(process.end) == 0
    market.send_home()
    for process in market.started:
        assert "Traceback" not in process.log.read_text()
    await market.until(lambda: market.rows(OTHERS) == [(0,)])
    assert market.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
