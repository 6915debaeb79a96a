"""What a shop has sold: the figures of `GET /seller/dashboard`, and the rollup that makes them quick.

A sale counts on the day it was confirmed, and is taken back on the day it was cancelled after that. Both are rows of
`status_changes`, whose moments never change, so neither does a day that is over. The job puts such days into
`sales_days` and `product_months`; the figures are these and what has happened since the last day in them. Days after
it that the job found empty have nothing to add, so that day is all a reader has to know, and nothing is lost when the
job is late.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import WithJsonSchema
from sqlalchemy import Boolean, Date, Uuid, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Scope

from app import jobs
from app.db import Database, Statement, run
from app.jobs import Tools
from app.kit.access import Actor, allowed, seller
from app.kit.router import read_route
from app.kit.schemas import Data, Output
from app.kit.table import money, now
from app.kit.web import problems
from app.resources.products import NoShop

UNFINISHED = timedelta(hours=1)
"""Much longer than any transaction: by then all of a day's rows are there to be seen."""
SALES = """
    SELECT orders.id, orders.seller_id, orders.total_amount, orders.currency,
        CAST(status_changes.at AS date) AS day, CASE to_status WHEN 'CONFIRMED' THEN 1 ELSE -1 END AS sign
    FROM status_changes JOIN orders ON orders.id = status_changes.order_id
    WHERE (to_status = 'CONFIRMED' OR (to_status = 'CANCELLED' AND from_status <> 'PENDING'))
"""
"""Every sale and every one taken back, as `sign`. Sessions are in UTC, and so are days.

Whose it is, is asked of what was found: with that in here, a planner that knows little of new tables looks through all
orders of the shop for each of them.
"""
ROLL_UP = Statement(
    text(f"""
WITH rolled AS (SELECT max(day) AS last FROM sales_days),
span AS (
    SELECT
        CASE WHEN :everything OR last IS NULL THEN '-infinity' ELSE date_trunc('month', last - 1) END AS since,
        CAST(greatest(last + 1, :until) AS timestamptz) AS until
    FROM rolled
),
found AS MATERIALIZED (
    {SALES} AND status_changes.at >= (SELECT since FROM span) AND status_changes.at < (SELECT until FROM span)
),
moved AS (SELECT * FROM found WHERE seller_id IS NOT NULL),
days AS (
    INSERT INTO sales_days (id, created_at, updated_at, seller_id, day, orders, amount, currency)
    SELECT gen_random_uuid(), now(), now(), seller_id, day, sum(sign), sum(sign * total_amount), max(currency)
    FROM moved GROUP BY seller_id, day
    ON CONFLICT (seller_id, day) DO UPDATE
    SET orders = excluded.orders, amount = excluded.amount, updated_at = excluded.updated_at
    WHERE (sales_days.orders, sales_days.amount) <> (excluded.orders, excluded.amount)
)
INSERT INTO product_months (id, created_at, updated_at, seller_id, product_id, month, quantity, amount, currency)
SELECT gen_random_uuid(), now(), now(), seller_id, product_id, CAST(date_trunc('month', day) AS date) AS month,
    sum(sign * quantity), sum(sign * line_total), max(moved.currency)
FROM moved JOIN order_items ON order_items.order_id = moved.id
GROUP BY seller_id, product_id, month
ON CONFLICT (seller_id, product_id, month) DO UPDATE
SET quantity = excluded.quantity, amount = excluded.amount, updated_at = excluded.updated_at
WHERE (product_months.quantity, product_months.amount) <> (excluded.quantity, excluded.amount)
""").bindparams(bindparam("everything", type_=Boolean()), bindparam("until", type_=Date()))  # noqa: S608
)
"""From the first of the month in which the last two rolled days lie; what is rolled stays so, whatever the clock."""
FIGURES = Statement(
    text(f"""
WITH shop AS MATERIALIZED (SELECT id, currency FROM sellers WHERE user_id = :user_id),
found AS MATERIALIZED (
    {SALES} AND status_changes.at >= (SELECT CAST(coalesce(max(day) + 1, '-infinity') AS timestamptz) FROM sales_days)
        AND status_changes.at < 'infinity'  -- a range, of which the planner expects little: it takes the index
),
fresh AS (SELECT * FROM found WHERE seller_id = (SELECT id FROM shop)),
days AS (
    SELECT day, orders, amount FROM sales_days WHERE seller_id = (SELECT id FROM shop)
    UNION ALL SELECT day, sign, sign * total_amount FROM fresh
),
months AS (
    SELECT to_char(month, 'YYYY-MM') AS month, CAST(coalesce(sum(amount), 0) AS text) AS amount
    FROM generate_series(:month - interval '11 months', :month, interval '1 month') AS month
    LEFT JOIN days ON date_trunc('month', day) = month
    GROUP BY 1 ORDER BY 1
),
sold AS (
    SELECT product_id, quantity, amount FROM product_months WHERE seller_id = (SELECT id FROM shop)
    UNION ALL
    SELECT product_id, sign * quantity, sign * line_total FROM fresh JOIN order_items ON order_id = fresh.id
),
best AS (
    SELECT product_id, sum(quantity) AS quantity, sum(amount) AS amount FROM sold
    GROUP BY product_id HAVING sum(quantity) > 0 ORDER BY 3 DESC, 2 DESC, 1 LIMIT 5
),
named AS (
    SELECT product_id, name, quantity, CAST(amount AS text) AS amount
    FROM best JOIN products ON products.id = product_id ORDER BY best.amount DESC, quantity DESC, product_id
)
SELECT currency, (SELECT coalesce(sum(amount), 0) FROM days), (SELECT CAST(coalesce(sum(orders), 0) AS int) FROM days),
    (SELECT count(*) FROM orders WHERE seller_id = shop.id AND status = 'PENDING'),
    (SELECT json_agg(row_to_json(months)) FROM months),
    (SELECT coalesce(json_agg(row_to_json(named)), '[]') FROM named)
FROM shop
""").bindparams(bindparam("user_id", type_=Uuid()), bindparam("month", type_=Date()))  # noqa: S608
)


@jobs.every(lambda settings: 3600)
async def roll_up_sales(tools: Tools) -> None:
    async with tools.database.transaction() as session:
        await roll_up(session)


async def roll_up(session: AsyncSession, *, everything: bool = False, at: datetime | None = None) -> None:
    """Roll up the days that had ended an hour before `at`, and the latest ones anew; with `everything` all of them,
    for whoever has written history himself. Workers take turns; a second time changes nothing.
    """
    await session.flush()
    turn = func.pg_advisory_xact_lock(func.hashtextextended("sales_days", 0))
    await session.execute(select(turn, func.set_config("statement_timeout", "300s", True)))
    await run(session, ROLL_UP, everything=everything, until=((at or now()) - UNFINISHED).date())


async def seller_figures(database: Database, user_id: UUID, at: datetime | None = None) -> dict[str, Any]:
    """`SellerFigures` of this account's shop, as they are now; `at` says which months are the last twelve.

    Raises NoShop.
    """
    rows = await database.read(FIGURES, user_id=user_id, month=month_of(at or now()))
    if not rows:
        raise NoShop()
    ((currency, total, orders, pending, months, best),) = rows
    revenue = [with_money(month, currency) for month in months]
    return {
        "total_sales": money(total, currency),
        "total_orders": orders,
        "pending_orders": pending,
        "monthly_revenue": revenue[-1]["amount"],
        "revenue_by_month": revenue,
        "top_products": [with_money(product, currency) for product in best],
        "currency": currency,
    }


def month_of(moment: datetime) -> date:
    return moment.date().replace(day=1)


def with_money(row: dict[str, Any], currency: str) -> dict[str, Any]:
    return {**row, "amount": money(Decimal(row["amount"]), currency)}


Amount = Annotated[str, WithJsonSchema({"type": "string", "format": "decimal", "examples": ["13000.00"]})]


class MonthRevenue(Output):
    month: str
    amount: Amount


class TopProduct(Output):
    product_id: UUID
    name: str
    quantity: int
    amount: Amount


class SellerFigures(Output):
    total_sales: Amount
    total_orders: int
    pending_orders: int
    monthly_revenue: Amount
    revenue_by_month: list[MonthRevenue]
    top_products: list[TopProduct]
    currency: str


async def dashboard(scope: Scope, database: Database, actor: Actor) -> bytes:
    allowed(seller, actor)
    assert actor.id
    figures = SellerFigures(**await seller_figures(database, actor.id))
    return Data(data=figures).model_dump_json().encode()


PRODUCT = {"product_id": "019aab12-7c00-7000-8000-0000000000a2", "name": "Olive oil, 5 litres"}
EXAMPLE = {
    "total_sales": "91000.00",
    "total_orders": 7,
    "pending_orders": 1,
    "monthly_revenue": "26000.00",
    "revenue_by_month": [{"month": "2026-10", "amount": "65000.00"}, {"month": "2026-11", "amount": "26000.00"}],
    "top_products": [{**PRODUCT, "quantity": 14, "amount": "91000.00"}],
    "currency": "DZD",
}
router = APIRouter()
router.routes += [
    read_route(
        "/seller/dashboard",
        dashboard,
        name="getSellerDashboard",
        operation_id="getSellerDashboard",
        summary="Get the figures of one's own shop",
        description="A sale counts from the moment its order is confirmed, in the month of that moment (UTC). If the "
        "order is cancelled afterwards, it is taken back in the month of the cancellation, which may make a month "
        "negative. `revenue_by_month` has the last twelve months, this one last; `top_products` the five that brought "
        "most since the shop began. `pending_orders` wait to be confirmed or paid.",
        tags=["Seller"],
        responses={
            200: {"model": Data[SellerFigures], "content": {"application/json": {"example": {"data": EXAMPLE}}}},
            **problems(401, 403),
        },
    )
]
