"""Documents, the files to be erased after them, and what orders require; with the triggers for the jobs they cause."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = '202611230529'
down_revision = '202611230118'
branch_labels = None
depends_on = None

ERASE = """
CREATE FUNCTION erase_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO erasures (id, created_at, updated_at, address, due_at)
  SELECT gen_random_uuid(), now(), now(), address, now() + CASE WHEN has_come THEN '0'::interval ELSE '10 minutes' END
  FROM (VALUES (OLD.storage_key, OLD.is_ready),
               (coalesce(nullif(OLD.thumbnail_key, ''), OLD.storage_key || '-thumbnail'), OLD.thumbnail_key IS NOT NULL)
  ) AS files (address, has_come);
  RETURN NULL;
END $$
"""
"""A file that is not noted as stored may still be on its way: it is erased later."""
ENQUEUE = """
CREATE FUNCTION enqueue_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, scheduled_at)
  VALUES ('default', 'erase_file', -2, jsonb_build_object('id', NEW.id), greatest(NEW.due_at, now()));
  RETURN NULL;
END $$
"""

ENQUEUE_DRAWING = """
CREATE FUNCTION enqueue_drawing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
  VALUES ('default', 'draw_thumbnail', -3, 'draw_thumbnail', jsonb_build_object('id', NEW.id));
  RETURN NULL;
END $$
"""
"""One at a time, and after everything else: drawing takes long, and nobody's mail waits for it."""


def upgrade() -> None:
    op.create_table('erasures',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasures'))
    )
    op.create_table('documents',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('order_id', sa.Uuid(), nullable=True),
    sa.Column('category', sa.Enum('PASSPORT', 'PHOTO', 'BANK_STATEMENT', 'OTHER', name='documentcategory', native_enum=False, length=40), nullable=False),
    sa.Column('status', sa.Enum('PENDING', 'VERIFIED', 'REJECTED', name='documentstatus', native_enum=False, length=40), nullable=False),
    sa.Column('original_name', sa.String(length=200), nullable=False),
    sa.Column('file_size', sa.Integer(), nullable=False),
    sa.Column('mime_type', sa.String(length=200), nullable=False),
    sa.Column('rejection_reason', sa.String(length=10000), nullable=True),
    sa.Column('expires_on', sa.Date(), nullable=True),
    sa.Column('pages', sa.Integer(), nullable=False),
    sa.Column('decided_by', sa.Uuid(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('storage_key', sa.String(length=200), nullable=False),
    sa.Column('thumbnail_key', sa.String(length=200), nullable=True),
    sa.Column('is_ready', sa.Boolean(), nullable=False),
    sa.CheckConstraint("category IN ('PASSPORT', 'PHOTO', 'BANK_STATEMENT', 'OTHER')", name=op.f('ck_documents_category')),
    sa.CheckConstraint("status <> 'REJECTED' OR rejection_reason <> ''", name=op.f('ck_documents_rejection_reason')),
    sa.CheckConstraint("status IN ('PENDING', 'VERIFIED', 'REJECTED')", name=op.f('ck_documents_status')),
    sa.ForeignKeyConstraint(['decided_by'], ['users.id'], name=op.f('fk_documents_decided_by'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], name=op.f('fk_documents_order_id'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_documents_user_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_documents'))
    )
    op.create_index(op.f('ix_documents_category'), 'documents', ['category'], unique=False)
    op.create_index('ix_documents_created_at', 'documents', ['created_at'], unique=False)
    op.create_index(op.f('ix_documents_decided_by'), 'documents', ['decided_by'], unique=False)
    op.create_index(op.f('ix_documents_order_id'), 'documents', ['order_id'], unique=False)
    op.create_index('ix_documents_search', 'documents', [sa.literal_column("CAST(coalesce(original_name, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index(op.f('ix_documents_status'), 'documents', ['status'], unique=False)
    op.create_index('ix_documents_user_id_created_at', 'documents', ['user_id', 'created_at'], unique=False)
    op.add_column('orders', sa.Column('required_documents', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False, server_default='[]'))
    op.execute("""
        UPDATE orders SET required_documents = services.required_documents FROM order_items JOIN services ON services.id = order_items.service_id
        WHERE order_items.order_id = orders.id
    """)
    op.execute(ERASE)
    op.execute(ENQUEUE)
    op.execute("CREATE TRIGGER erase AFTER DELETE ON documents FOR EACH ROW EXECUTE FUNCTION erase_files()")
    op.execute("CREATE TRIGGER enqueue AFTER INSERT OR UPDATE ON erasures FOR EACH ROW EXECUTE FUNCTION enqueue_erasure()")
    op.execute(ENQUEUE_DRAWING)
    op.execute(
        "CREATE TRIGGER enqueue AFTER INSERT OR UPDATE OF is_ready ON documents FOR EACH ROW "
        "WHEN (NEW.is_ready AND NEW.thumbnail_key IS NULL) EXECUTE FUNCTION enqueue_drawing()"
    )


def downgrade() -> None:
    op.drop_column('orders', 'required_documents')
    op.drop_index('ix_documents_user_id_created_at', table_name='documents')
    op.drop_index(op.f('ix_documents_status'), table_name='documents')
    op.drop_index('ix_documents_search', table_name='documents', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_documents_order_id'), table_name='documents')
    op.drop_index(op.f('ix_documents_decided_by'), table_name='documents')
    op.drop_index('ix_documents_created_at', table_name='documents')
    op.drop_index(op.f('ix_documents_category'), table_name='documents')
    op.drop_table('documents')
    op.drop_table('erasures')
    op.execute("DROP FUNCTION enqueue_drawing")
    op.execute("DROP FUNCTION enqueue_erasure")
    op.execute("DROP FUNCTION erase_files")
