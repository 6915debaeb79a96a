"""Answers kept for repeats of a request with an Idempotency-Key."""

from alembic import op
import sqlalchemy as sa

revision = '202611222325'
down_revision = '202611222247'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('kept_answers',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('scope_hash', sa.String(length=200), nullable=False),
    sa.Column('body_hash', sa.String(length=200), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('answer', sa.String(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_kept_answers')),
    sa.UniqueConstraint('scope_hash', name=op.f('uq_kept_answers_scope_hash'))
    )
    op.create_index('ix_kept_answers_created_at', 'kept_answers', ['created_at'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_kept_answers_created_at', table_name='kept_answers')
    op.drop_table('kept_answers')
