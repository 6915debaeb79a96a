"""The benchmark's own database: made beside the given one, migrated, filled by `fill.sql`, dropped at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from app.migrate import upgrade

NAME = "souk_bench"
FILL = (Path(__file__).parent / "fill.sql").read_text()


@dataclass(frozen=True)
class Known:
    """Ids that the requests are made of."""

    services: list[UUID]
    customers: list[UUID]


@contextmanager
def filled(database_url: str) -> Iterator[tuple[str, Known]]:
    """The URL of a fresh database, and ids in it."""
    url = make_url(database_url).set(database=NAME).render_as_string(hide_password=False)
    administer(database_url, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    administer(database_url, f"CREATE DATABASE {NAME}")
    try:
        upgrade(url)
        yield url, fill(url)
    finally:
        administer(database_url, f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def administer(database_url: str, command: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(command.encode())


def fill(url: str) -> Known:
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute(FILL.encode())
        connection.execute("VACUUM (ANALYZE)")
        services = connection.execute("SELECT id FROM services WHERE is_active ORDER BY id DESC LIMIT 500").fetchall()
        customers = connection.execute("SELECT id FROM users ORDER BY id LIMIT 100").fetchall()
    return Known([id for (id,) in services], [id for (id,) in customers])
