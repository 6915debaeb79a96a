"""The trigram indexes that searches of orders, services and users go through, and one for the catalogue's shelves."""

from alembic import op
import sqlalchemy as sa

revision = '202611222357'
down_revision = '202611222325'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('ix_orders_search', 'orders', [sa.literal_column("CAST((((((coalesce(order_number, '') || ' ') || coalesce(customer_info ->> 'full_name', '')) || ' ') || coalesce(customer_info ->> 'email', '')) || ' ') || coalesce(customer_info ->> 'phone', '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index('ix_services_search', 'services', [sa.literal_column("CAST((((coalesce(title, '') || ' ') || coalesce(description, '')) || ' ') || coalesce(region, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index('ix_services_shelf', 'services', ['type', 'created_at', 'id'], unique=False, postgresql_where=sa.text('is_active'))
    op.create_index('ix_users_search', 'users', [sa.literal_column("CAST((((coalesce(full_name, '') || ' ') || coalesce(email, '')) || ' ') || coalesce(phone, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})


def downgrade() -> None:
    op.drop_index('ix_users_search', table_name='users', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index('ix_services_shelf', table_name='services', postgresql_where=sa.text('is_active'))
    op.drop_index('ix_services_search', table_name='services', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index('ix_orders_search', table_name='orders', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
