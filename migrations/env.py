"""Alembic's entry: called by `souk migrate`, `souk check` and the tests with a connection."""

from alembic import context
from sqlmodel import SQLModel

import app.migrate  # noqa: F401  (knows every table)


def include_name(name: str | None, kind: str, parents: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    include_name=include_name,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
