"""The three shelves of the service catalogue, `/services/main`, `/micro` and `/digital`; and what there is to choose
from among products, `/products/facets`.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import ColumnElement, Integer, Select, Subquery, Text, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from starlette.types import Scope

from app.db import Database, Statement
from app.kit import query
from app.kit.access import Actor, Rule, allowed, as_parameters
from app.kit.conditions import matching
from app.kit.query import Shape
from app.kit.reading import amount
from app.kit.router import list_route, read_route, row_parameters
from app.kit.schemas import Data, Output
from app.kit.table import Price
from app.kit.web import problems
from app.resources.categories import Category
from app.resources.products import FACETS, Product, products
from app.resources.sellers import Seller
from app.resources.services import ServiceType, services

MOST_SELLERS = 20
EXAMPLE = {
    "total": 64,
    "categories": [
        {"id": "019aab12-7c00-7000-8000-0000000000f1", "name": "Groceries", "count": 52},
        {"id": "019aab12-7c00-7000-8000-0000000000f2", "name": "Olive oil", "count": 9},
    ],
    "sellers": [{"id": "019aab12-7c00-7000-8000-0000000000f0", "shop_name": "Huilerie Djurdjura", "count": 9}],
    "prices": [{"currency": "DZD", "min": "350.00", "max": "48000.00"}],
    "in_stock": {"true": 60, "false": 4},
}

router = APIRouter()
router.routes += [
    list_route(
        services,
        path=f"/services/{type.lower()}",
        summary=f"List {type.lower()} services",
        name=f"list{type.capitalize()}Services",
        type=type,
    )
    for type in ServiceType
]


class CategoryCount(Output):
    """Products of a category and of those below it."""

    id: UUID
    name: str
    count: int


class SellerCount(Output):
    id: UUID
    shop_name: str
    count: int


class PriceRange(Output):
    currency: str
    min: Price
    max: Price


class InStock(Output):
    yes: int = Field(alias="true")
    no: int = Field(alias="false")


class Facets(Output):
    """Each count is the total of the list that has this value as one more filter."""

    total: int
    categories: list[CategoryCount]
    sellers: list[SellerCount]
    prices: list[PriceRange]
    in_stock: InStock


def json_object(**values: Any) -> ColumnElement[Any]:
    pairs: list[tuple[Any, Any]] = [(literal_column(f"'{name}'"), value) for name, value in values.items()]
    return func.json_build_object(*(part for pair in pairs for part in pair))


def listed(rows: Subquery, *order: ColumnElement[Any]) -> Any:
    """The rows as a JSON array of objects."""
    array = func.json_agg(aggregate_order_by(literal_column(rows.name), *order))
    return select(func.coalesce(array, literal_column("'[]'::json"))).select_from(rows).scalar_subquery()


def whole(number: ColumnElement[Any]) -> ColumnElement[int]:
    """A sum of counts, of nothing too."""
    return cast(func.coalesce(func.sum(number), literal_column("0")), Integer)


@lru_cache(maxsize=256)
def facets_statement(clauses: Rule, shape: Shape) -> Statement:
    """One column: the facets as JSON. Products are counted once, by all that is asked together; the rest adds up."""
    table = Product.c
    by = (table.category_id, table.seller_id, table.currency, table.in_stock)
    figures = (func.count().label("n"), func.min(table.price).label("low"), func.max(table.price).label("high"))
    found = select(*by, *figures).where(matching(products, clauses, shape)).group_by(*by)
    counted = found.cte("counted").prefix_with("MATERIALIZED").c
    there, not_there = case((counted.in_stock, counted.n)), case((~counted.in_stock, counted.n))
    facets = json_object(
        total=select(whole(counted.n)).scalar_subquery(),
        categories=categories_of(counted),
        sellers=sellers_of(counted),
        prices=prices_of(counted),
        in_stock=select(json_object(true=whole(there), false=whole(not_there))).scalar_subquery(),
    )
    return Statement(select(cast(facets, Text)))


def categories_of(counted: Any) -> Any:
    """Every category with products in its branch: each product counts for its category and for all above that."""
    top = select(Category.c.id, Category.c.id.label("above"), Category.c.parent_id).cte("branches", recursive=True)
    higher = Category.sql_table.alias("higher")
    step = select(top.c.id, higher.c.id, higher.c.parent_id).join(higher, higher.c.id == top.c.parent_id)
    branches = top.union(step)
    own: Select[Any] = select(counted.category_id, whole(counted.n).label("n")).group_by(counted.category_id)
    filed = own.subquery("filed")
    sums = (
        select(branches.c.above, whole(filed.c.n).label("n"))
        .join(filed, filed.c.category_id == branches.c.id)
        .group_by(branches.c.above)
        .subquery("sums")
    )
    rows = select(Category.c.id, Category.c.name, sums.c.n.label("count")).join(sums, sums.c.above == Category.c.id)
    category = rows.subquery("category")
    return listed(category, category.c["count"].desc(), category.c.name, category.c.id)


def sellers_of(counted: Any) -> Any:
    """The shops with most of the products."""
    sums = select(counted.seller_id, whole(counted.n).label("n")).group_by(counted.seller_id).subquery("sums")
    rows = select(Seller.c.id, Seller.c.shop_name, sums.c.n.label("count")).join(sums, sums.c.seller_id == Seller.c.id)
    most = rows.order_by(sums.c.n.desc(), Seller.c.shop_name, Seller.c.id).limit(literal_column(str(MOST_SELLERS)))
    shop = most.subquery("shop")
    return listed(shop, shop.c["count"].desc(), shop.c.shop_name, shop.c.id)


def prices_of(counted: Any) -> Any:
    """The lowest and the highest price in each currency."""
    low, high = (
        amount(each, counted.currency).label(name)
        for name, each in {"min": func.min(counted.low), "max": func.max(counted.high)}.items()
    )
    price = select(counted.currency, low, high).group_by(counted.currency).subquery("price")
    return listed(price, price.c.currency)


async def facets(scope: Scope, database: Database, actor: Actor) -> bytes:
    clauses = allowed(products.read, actor)
    asked = query.parse(products, scope["query_string"], whole_list=True)
    statement = facets_statement(clauses, asked.shape)
    ((found,),) = await database.read(statement, **as_parameters(actor), **asked.parameters())
    return f'{{"data":{found}}}'.encode()


router.routes.append(
    read_route(
        f"/{products.path}/{FACETS}",
        facets,
        name="getProductFacets",
        operation_id="getProductFacets",
        summary="Count products by what one can filter by",
        description="Takes the filters and the search of the list. A category counts with all below it; of sellers the "
        f"{MOST_SELLERS} with most come. Counts are of products you may see.",
        tags=["Products"],
        openapi_extra={"parameters": row_parameters(products, {})},
        responses={
            200: {"model": Data[Facets], "content": {"application/json": {"example": {"data": EXAMPLE}}}},
            **problems(422),
        },
    )
)
