"""${message}

The laws of migrations: one change each; a dated name; never edit one that has landed. New columns are nullable
or have a default; indexes on large tables are made CONCURRENTLY; columns are dropped one release after the code
stopped using them.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
