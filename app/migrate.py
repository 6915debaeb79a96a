"""Migrations: bringing a database to the newest version, writing a new one, and finding drift."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect
from sqlmodel import SQLModel

import app.kit.once
import app.resources  # noqa: F401  (both declare tables)
from app.db import sqlalchemy_url

FOLDER = Path(__file__).parent.parent / "migrations"
LOCK = 7_305_671  # any number: two processes that start at once must not migrate at once


def config(connection: Connection | None = None) -> Config:
    found = Config()
    found.set_main_option("script_location", str(FOLDER))
    found.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    found.attributes["connection"] = connection
    return found


def upgrade(database_url: str) -> None:
    """Bring the database to the newest version; safe to call from several processes."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        command.upgrade(config(connection), "head")
    engine.dispose()


def newest() -> str | None:
    return ScriptDirectory.from_config(config()).get_current_head()


def include_object(thing: Any, name: str | None, kind: str, reflected: bool, known: Any) -> bool:
    """What is compared. A search index only by its name: PostgreSQL writes its expression in its own way."""
    if kind == "index" and name is not None and name.endswith("_search"):
        return known is None
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def drift(database_url: str) -> list[Any]:
    """What the tables declare and the migrations do not make."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": include_object})
        found: list[Any] = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    return found


def lacking(database_url: str) -> list[str]:
    """Declared tables that no migration has made."""
    engine = create_engine(sqlalchemy_url(database_url))
    there = set(inspect(engine).get_table_names())
    engine.dispose()
    return sorted(set(SQLModel.metadata.tables) - there)


def write(database_url: str, message: str) -> str:
    """A new migration file for what drifted; its path."""
    engine = create_engine(sqlalchemy_url(database_url))
    with engine.begin() as connection:
        stamp = datetime.now(UTC).strftime("%Y%m%d%H%M")
        script = command.revision(config(connection), message=message, autogenerate=True, rev_id=stamp)
    engine.dispose()
    return str(script.path)  # type: ignore[union-attr]
