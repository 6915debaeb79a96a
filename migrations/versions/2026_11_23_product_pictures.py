"""Pictures of products: the job for their smaller ones, the files to be erased after them, and those that failed."""

from alembic import op
import sqlalchemy as sa

revision = '202611231310'
down_revision = '202611231225'
branch_labels = None
depends_on = None

ERASE = """
CREATE FUNCTION erase_pictures() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  beside text := regexp_replace(OLD.media_key, '[.][a-z]+$', '');
BEGIN
  INSERT INTO erasures (id, created_at, updated_at, address, due_at)
  SELECT gen_random_uuid(), now(), now(), 'media:' || key, now() + CASE WHEN has_come THEN '0'::interval ELSE '10 minutes' END
  FROM (VALUES (OLD.media_key, OLD.is_ready),
               (beside || '-400.webp', OLD.has_variants),
               (beside || '-1000.webp', OLD.has_variants)
  ) AS files (key, has_come);
  RETURN NULL;
END $$
"""
"""A file that is not noted as stored may still be on its way: it is erased later."""
ENQUEUE = """
CREATE FUNCTION enqueue_variants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, args)
  VALUES ('default', 'draw_variants', -3, 'draw_variants', jsonb_build_object('id', NEW.id));
  RETURN NULL;
END $$
"""
"""One at a time, and after everything else: drawing takes long, and nobody's mail waits for it."""


def upgrade() -> None:
    op.add_column('product_images', sa.Column('has_failed', sa.Boolean(), nullable=False, server_default='false'))
    op.alter_column('product_images', 'has_failed', server_default=None)
    op.execute(ERASE)
    op.execute(ENQUEUE)
    op.execute("CREATE TRIGGER erase AFTER DELETE ON product_images FOR EACH ROW EXECUTE FUNCTION erase_pictures()")
    op.execute(
        "CREATE TRIGGER enqueue AFTER INSERT OR UPDATE OF is_ready ON product_images FOR EACH ROW "
        "WHEN (NEW.is_ready AND NOT NEW.has_variants AND NOT NEW.has_failed) EXECUTE FUNCTION enqueue_variants()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER enqueue ON product_images")
    op.execute("DROP TRIGGER erase ON product_images")
    op.execute("DROP FUNCTION enqueue_variants")
    op.execute("DROP FUNCTION erase_pictures")
    op.drop_column('product_images', 'has_failed')
