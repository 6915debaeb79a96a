"""Reading: searches go through their trigram index, lists through the index of their order."""

import psycopg
import pytest

from app.db import Statement, plain
from app.kit.access import Actor, Role, answer
from app.kit.query import parse
from app.kit.reading import list_statement
from app.kit.resource import RESOURCES
from app.kit.table import new_id
from app.resources.order_views import orders
from app.resources.services import services

SEARCHED = {resource.table: resource for resource in reversed(RESOURCES.values()) if resource.search}.values()


def plan(database_url: str, statement: Statement, **values: object) -> str:
    """How PostgreSQL would run it, when it may not read whole tables."""
    with psycopg.connect(database_url, cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET enable_seqscan = off")
        known = {**statement.fixed, **values}
        arguments = [plain(known[name]) for name in statement.names]
        return str(connection.execute(f"EXPLAIN {statement.sql}", arguments).fetchall())


@pytest.mark.parametrize("resource", SEARCHED, ids=lambda resource: resource.path)
def test_every_search_goes_through_its_index(resource, database_url):
    wanted = parse(resource, b"search=canada+visa")
    statement = list_statement(resource, answer(resource.read, Actor(new_id(), Role.ADMIN)), wanted.shape)
    used = plan(database_url, statement, actor_id=new_id(), **wanted.parameters())
    assert f"ix_{resource.table.__tablename__}_search" in used


def test_own_orders_and_the_shelves_go_through_their_index(database_url):
    mine = list_statement(orders, answer(orders.read, Actor(new_id(), Role.CUSTOMER)), parse(orders, b"").shape)
    assert "ix_orders_user_id_created_at" in plan(database_url, mine, actor_id=new_id(), limit=20, offset=0)
    wanted = parse(services, b"type=MAIN")
    shelf = list_statement(services, answer(services.read, Actor()), wanted.shape)
    assert "ix_services_shelf" in plan(database_url, shelf, actor_id=None, **wanted.parameters())
