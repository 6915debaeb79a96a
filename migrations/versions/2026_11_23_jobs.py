"""The queue: Procrastinate's own tables, in its own steps, so that a later version adds only what is new."""

from importlib.resources import files

from alembic import op

revision = "202611230100"
down_revision = "202611222357"
branch_labels = None
depends_on = None

NEWEST = "03.04.00_50"
"""The last of Procrastinate's steps that belongs to this migration."""


def upgrade() -> None:
    folder = files("procrastinate.sql").joinpath("migrations")
    for step in sorted(folder.iterdir(), key=lambda path: path.name):
        if step.name.endswith(".sql") and step.name[: len(NEWEST)] <= NEWEST:
            op.get_bind().exec_driver_sql(step.read_text(encoding="utf-8").replace("%", "%%"))


def downgrade() -> None:
    op.execute(
        "DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs, procrastinate_workers CASCADE"
    )
    op.execute(
        "DO $$ DECLARE name text; BEGIN "
        "FOR name IN SELECT oid::regprocedure FROM pg_proc WHERE proname LIKE 'procrastinate%' LOOP "
        "EXECUTE 'DROP FUNCTION ' || name || ' CASCADE'; END LOOP; "
        "FOR name IN SELECT typname FROM pg_type WHERE typname LIKE 'procrastinate%' LOOP "
        "EXECUTE 'DROP TYPE ' || name || ' CASCADE'; END LOOP; END $$"
    )
