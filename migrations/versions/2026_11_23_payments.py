"""Payments, refunds, the inbox of Stripe's events, the rest of the outbox; and the triggers that enqueue their work."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '202611230118'
down_revision = '202611230100'
branch_labels = None
depends_on = None

ENQUEUE = """
CREATE FUNCTION enqueue_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args)
  VALUES ('default', TG_ARGV[0], CASE TG_TABLE_NAME WHEN 'emails' THEN -1 ELSE 0 END, jsonb_build_object('id', NEW.id));
  RETURN NULL;
END $$
"""
TRIGGERS = {
    "emails": ("NEW.status = 'QUEUED'", "send_email"),
    "stripe_events": ("NEW.status = 'RECEIVED'", "work_stripe_event"),
    "refunds": ("NEW.status = 'PENDING'", "carry_out_refund"),
    "orders": ("NEW.status = 'CANCELLED' OR NEW.confirmed_without_payment", "release_payments"),
}
"""The state in which a row of each table needs work, and the task that does it. Money goes before mail."""

def upgrade() -> None:
    op.create_table('payments',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('status', sa.Enum('PENDING', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'REFUNDED', name='paymentstatus', native_enum=False, length=40), nullable=False),
    sa.Column('payment_method', sa.Enum('CARD', 'CASH_ON_DELIVERY', name='paymentmethod', native_enum=False, length=40), nullable=False),
    sa.Column('stripe_payment_intent_id', sa.String(length=200), nullable=True),
    sa.Column('stripe_charge_id', sa.String(length=200), nullable=True),
    sa.Column('card_brand', sa.String(length=200), nullable=True),
    sa.Column('card_last4', sa.String(length=200), nullable=True),
    sa.Column('captured_amount', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('refunded_amount', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('needs_review', sa.Boolean(), nullable=False),
    sa.Column('review_reason', sa.String(length=10000), nullable=True),
    sa.Column('goes_back', sa.Boolean(), nullable=False),
    sa.Column('is_current', sa.Boolean(), nullable=False),
    sa.Column('checked_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("payment_method IN ('CARD', 'CASH_ON_DELIVERY')", name=op.f('ck_payments_payment_method')),
    sa.CheckConstraint("status IN ('PENDING', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'REFUNDED')", name=op.f('ck_payments_status')),
    sa.CheckConstraint('amount > 0', name=op.f('ck_payments_amount')),
    sa.CheckConstraint('refunded_amount BETWEEN 0 AND captured_amount', name=op.f('ck_payments_refunded_amount')),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], name=op.f('fk_payments_order_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payments')),
    sa.UniqueConstraint('stripe_payment_intent_id', name=op.f('uq_payments_stripe_payment_intent_id'))
    )
    op.create_index('ix_payments_created_at', 'payments', ['created_at'], unique=False)
    op.create_index(op.f('ix_payments_needs_review'), 'payments', ['needs_review'], unique=False)
    op.create_index(op.f('ix_payments_order_id'), 'payments', ['order_id'], unique=False)
    op.create_index('ix_payments_search', 'payments', [sa.literal_column("CAST((coalesce(stripe_payment_intent_id, '') || ' ') || coalesce(stripe_charge_id, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index(op.f('ix_payments_status'), 'payments', ['status'], unique=False)
    op.create_index('uq_payments_order_id', 'payments', ['order_id'], unique=True, postgresql_where=sa.text('is_current'))
    op.create_table('refunds',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('payment_id', sa.Uuid(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('status', sa.Enum('PENDING', 'SUCCEEDED', 'FAILED', name='refundstatus', native_enum=False, length=40), nullable=False),
    sa.Column('reason', sa.String(length=10000), nullable=True),
    sa.Column('asked_by', sa.Uuid(), nullable=True),
    sa.Column('asked_as', sa.String(length=200), nullable=True),
    sa.Column('stripe_refund_id', sa.String(length=200), nullable=True),
    sa.Column('error', sa.String(length=10000), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.CheckConstraint("status IN ('PENDING', 'SUCCEEDED', 'FAILED')", name=op.f('ck_refunds_status')),
    sa.ForeignKeyConstraint(['asked_by'], ['users.id'], name=op.f('fk_refunds_asked_by'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_refunds_payment_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refunds')),
    sa.UniqueConstraint('payment_id', 'asked_as', name='uq_refunds_asked_as'),
    sa.UniqueConstraint('stripe_refund_id', name=op.f('uq_refunds_stripe_refund_id'))
    )
    op.create_index(op.f('ix_refunds_asked_by'), 'refunds', ['asked_by'], unique=False)
    op.create_index(op.f('ix_refunds_payment_id'), 'refunds', ['payment_id'], unique=False)
    op.create_index(op.f('ix_refunds_status'), 'refunds', ['status'], unique=False)
    op.create_index('uq_refunds_payment_id', 'refunds', ['payment_id'], unique=True, postgresql_where=sa.text("status = 'PENDING'"))
    op.create_table('stripe_events',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('event_id', sa.String(length=200), nullable=False),
    sa.Column('type', sa.String(length=200), nullable=False),
    sa.Column('status', sa.Enum('RECEIVED', 'PROCESSED', 'IGNORED', 'UNMATCHED', 'FAILED', name='eventstatus', native_enum=False, length=40), nullable=False),
    sa.Column('payment_id', sa.Uuid(), nullable=True),
    sa.Column('payload', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('error', sa.String(length=10000), nullable=True),
    sa.CheckConstraint("status IN ('RECEIVED', 'PROCESSED', 'IGNORED', 'UNMATCHED', 'FAILED')", name=op.f('ck_stripe_events_status')),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_stripe_events_payment_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_stripe_events')),
    sa.UniqueConstraint('event_id', name=op.f('uq_stripe_events_event_id'))
    )
    op.create_index('ix_stripe_events_created_at', 'stripe_events', ['created_at'], unique=False)
    op.create_index(op.f('ix_stripe_events_payment_id'), 'stripe_events', ['payment_id'], unique=False)
    op.create_index('ix_stripe_events_search', 'stripe_events', [sa.literal_column("CAST(coalesce(event_id, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index(op.f('ix_stripe_events_status'), 'stripe_events', ['status'], unique=False)
    op.create_index(op.f('ix_stripe_events_type'), 'stripe_events', ['type'], unique=False)
    op.add_column('emails', sa.Column('order_id', sa.Uuid(), nullable=True))
    op.add_column('emails', sa.Column('sendings', sa.Integer(), nullable=False, server_default='0'))
    op.alter_column('emails', 'sendings', server_default=None)
    op.add_column('emails', sa.Column('provider_id', sa.String(length=200), nullable=True))
    op.add_column('emails', sa.Column('error', sa.String(length=10000), nullable=True))
    op.create_index(op.f('ix_emails_order_id'), 'emails', ['order_id'], unique=False)
    op.create_foreign_key(op.f('fk_emails_order_id'), 'emails', 'orders', ['order_id'], ['id'], ondelete='RESTRICT')
    op.drop_constraint(op.f('ck_emails_status'), 'emails')
    op.create_check_constraint(op.f('ck_emails_status'), 'emails', "status IN ('QUEUED', 'SENT', 'KEPT', 'FAILED')")
    op.execute("UPDATE emails SET status = 'KEPT'")  # what was collected before anything could be sent is history
    op.execute(ENQUEUE)
    for table, (when, task) in TRIGGERS.items():
        columns = "status, confirmed_without_payment" if table == "orders" else "status"
        events = f"UPDATE OF {columns}" if table == "orders" else f"INSERT OR UPDATE OF {columns}"
        op.execute(
            f"CREATE TRIGGER enqueue AFTER {events} ON {table} FOR EACH ROW "
            f"WHEN ({when}) EXECUTE FUNCTION enqueue_job('{task}')"
        )


def downgrade() -> None:
    for table in TRIGGERS:
        op.execute(f"DROP TRIGGER enqueue ON {table}")
    op.execute("DROP FUNCTION enqueue_job")
    op.execute("UPDATE emails SET status = 'QUEUED'")
    op.drop_constraint(op.f('ck_emails_status'), 'emails')
    op.create_check_constraint(op.f('ck_emails_status'), 'emails', "status IN ('QUEUED')")
    op.drop_constraint(op.f('fk_emails_order_id'), 'emails', type_='foreignkey')
    op.drop_index(op.f('ix_emails_order_id'), table_name='emails')
    op.drop_column('emails', 'error')
    op.drop_column('emails', 'provider_id')
    op.drop_column('emails', 'sendings')
    op.drop_column('emails', 'order_id')
    op.drop_index(op.f('ix_stripe_events_type'), table_name='stripe_events')
    op.drop_index(op.f('ix_stripe_events_status'), table_name='stripe_events')
    op.drop_index('ix_stripe_events_search', table_name='stripe_events', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_stripe_events_payment_id'), table_name='stripe_events')
    op.drop_index('ix_stripe_events_created_at', table_name='stripe_events')
    op.drop_table('stripe_events')
    op.drop_index('uq_refunds_payment_id', table_name='refunds', postgresql_where=sa.text("status = 'PENDING'"))
    op.drop_index(op.f('ix_refunds_status'), table_name='refunds')
    op.drop_index(op.f('ix_refunds_payment_id'), table_name='refunds')
    op.drop_index(op.f('ix_refunds_asked_by'), table_name='refunds')
    op.drop_table('refunds')
    op.drop_index('uq_payments_order_id', table_name='payments', postgresql_where=sa.text('is_current'))
    op.drop_index(op.f('ix_payments_status'), table_name='payments')
    op.drop_index('ix_payments_search', table_name='payments', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_payments_order_id'), table_name='payments')
    op.drop_index(op.f('ix_payments_needs_review'), table_name='payments')
    op.drop_index('ix_payments_created_at', table_name='payments')
    op.drop_table('payments')
