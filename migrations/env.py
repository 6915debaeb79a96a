"""Alembic's entry: called by `souk migrate`, `souk check` and the tests with a connection."""

from alembic import context
from sqlmodel import SQLModel

from app.migrate import include_object  # knows every table, too

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    include_object=include_object,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
