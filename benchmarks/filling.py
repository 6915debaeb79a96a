"""The benchmark's own database: made beside the given one, migrated, filled, dropped at the end.

`fill.sql` is for all benchmarks; `fill_catalogue.sql` and `fill_checkout.sql` add a marketplace to read, and one to buy
in, for those that ask for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from app.migrate import upgrade

NAME = "souk_bench"
HERE = Path(__file__).parent
FILES = ("fill.sql", "fill_catalogue.sql", "fill_checkout.sql")
FILL, CATALOGUE, CHECKOUT = ((HERE / name).read_bytes() for name in FILES)


@dataclass(frozen=True)
class Known:
    """Ids that the requests are made of. `sellers` are accounts, `shops` theirs, in the same order."""

    services: list[UUID]
    customers: list[UUID]
    sellers: list[UUID]
    shops: list[UUID]
    categories: list[UUID]


@contextmanager
def filled(database_url: str, *more: bytes) -> Iterator[tuple[str, Known]]:
    """The URL of a fresh database, and ids in it; `more` is SQL to fill it with."""
    url = make_url(database_url).set(database=NAME).render_as_string(hide_password=False)
    administer(database_url, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    administer(database_url, f"CREATE DATABASE {NAME}")
    try:
        upgrade(url)
        yield url, fill(url, *more)
    finally:
        administer(database_url, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def administer(database_url: str, command: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(command.encode())


def fill(url: str, *more: bytes) -> Known:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            for sql in (FILL, *more):
                connection.execute(sql)
        connection.execute("VACUUM (ANALYZE)")
        return known(connection)


def known(connection: psycopg.Connection[Any]) -> Known:
    def ids(rows: LiteralString) -> list[UUID]:
        return [id for (id,) in connection.execute(rows)]

    return Known(
        services=ids("SELECT id FROM services WHERE is_active ORDER BY id DESC LIMIT 500"),
        customers=ids("SELECT id FROM users WHERE role = 'CUSTOMER' ORDER BY id LIMIT 100"),
        sellers=ids("SELECT user_id FROM sellers WHERE is_open ORDER BY id LIMIT 100"),
        shops=ids("SELECT id FROM sellers WHERE is_open ORDER BY id LIMIT 100"),
        categories=ids("SELECT id FROM categories ORDER BY position"),
    )
