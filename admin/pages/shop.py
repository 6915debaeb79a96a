"""What the first page says to a seller of his shop: how much it sold, and what sold best, in figures and charts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_skeleton
from sqladmin.i18n import get_locale
from sqladmin.i18n import gettext as _
from sqlalchemy import Date, Uuid, bindparam, func, select, text
from starlette.requests import Request

from admin.charts import Chart, bar_chart
from admin.door import actor
from admin.page import address, database_of
from app.db import Statement
from app.flows.seller_dashboard import SALES, seller_figures
from app.kit.reading import visible
from app.kit.table import money, now
from app.resources.order_views import shop_orders
from app.resources.products import Product, shop_products

SOLD_SINCE = Statement(
    text(f"""
SELECT CAST(coalesce(sum(sign), 0) AS int), coalesce(sum(sign * total_amount), 0)
FROM ({SALES} AND status_changes.at >= :since) AS sale
WHERE seller_id = (SELECT id FROM sellers WHERE user_id = :user_id)
""").bindparams(bindparam("since", type_=Date()), bindparam("user_id", type_=Uuid()))  # noqa: S608
)


@dataclass(frozen=True)
class Card:
    """A figure, what it is, what more there is to say of it, and where it leads."""

    icon: str
    figure: str
    text: str
    more: str = ""
    link: str = ""


@dataclass(frozen=True)
class Month:
    """A month of the year in a short and a long word, and what was sold in it."""

    short: str
    long: str
    amount: str


@dataclass(frozen=True)
class Best:
    """A product that sold well; `share` is of the one that sold best, in hundredths."""

    name: str
    link: str
    quantity: int
    amount: str
    share: int


@dataclass(frozen=True)
class Shop:
    currency: str
    cards: list[Card]
    months: list[Month]
    chart: Chart
    best: list[Best]


async def shop_of(request: Request) -> Shop:
    reader = actor(request)
    assert reader.id
    figures = await seller_figures(database_of(request), reader.id)
    months = [month_of(entry) for entry in figures["revenue_by_month"]]
    amounts = [Decimal(entry["amount"]) for entry in figures["revenue_by_month"]]
    chart = bar_chart([(month.short, amount) for month, amount in zip(months, amounts, strict=True)])
    return Shop(figures["currency"], await cards(request, figures), months, chart, best(figures["top_products"]))


async def cards(request: Request, figures: dict[str, Any]) -> list[Card]:
    reader, currency = actor(request), figures["currency"]
    ((orders, amount),) = await database_of(request).read(SOLD_SINCE, since=now().date(), user_id=reader.id)
    ours = visible(shop_products, reader, shop_products.read)
    empty = select(func.count()).where(ours, Product.c.is_active, ~Product.c.in_stock)
    async with database_of(request).transaction() as session:
        out_of_stock = await session.scalar(empty) or 0
    waiting, gone = f"{address(shop_orders.name)}?status=PENDING", f"{address(shop_products.name)}?in_stock=false"
    return [
        Card("cash", said(money(amount, currency)), _("Sold today"), _("Orders: %(n)s") % {"n": orders}),
        Card("calendar", said(figures["monthly_revenue"]), _("Sold this month")),
        Card("clock", f"{figures['pending_orders']:,}", _("Pending orders"), link=waiting),
        Card("package-off", f"{out_of_stock:,}", _("Products out of stock"), link=gone),
    ]


def said(amount: str) -> str:
    return f"{Decimal(amount):,}"


def month_of(entry: dict[str, Any]) -> Month:
    first = date.fromisoformat(f"{entry['month']}-01")
    short, long = (format_skeleton(form, first, locale=get_locale()) for form in ("MMM", "yMMMM"))
    return Month(short, long, said(entry["amount"]))


def best(products: list[dict[str, Any]]) -> list[Best]:
    most = max((Decimal(entry["amount"]) for entry in products), default=Decimal(0))
    return [
        Best(
            entry["name"],
            address(shop_products.name, entry["product_id"]),
            entry["quantity"],
            said(entry["amount"]),
            int(100 * max(Decimal(entry["amount"]), Decimal(0)) / most) if most > 0 else 0,
        )
        for entry in products
    ]
