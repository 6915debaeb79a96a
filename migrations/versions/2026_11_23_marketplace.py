"""Categories, shops, products and their pictures, carts, orders of goods, and what shops sold each day."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.settings import get_settings

revision = '202611231225'
down_revision = '202611230529'
branch_labels = None
depends_on = None


SERVICES, GOODS = "'PENDING', 'CONFIRMED', 'IN_PROGRESS', 'COMPLETED'", "'SHIPPED', 'DELIVERED'"
SHOPS = """
INSERT INTO sellers (id, created_at, updated_at, user_id, shop_name, slug, description, currency, is_verified, is_open, is_blocked)
SELECT gen_random_uuid(), now(), now(), id, full_name, 'shop-' || right(id::text, 12), '', :currency, false, true, NOT is_active
FROM users WHERE role = 'SELLER'
"""
RETURN_STOCK = """
CREATE FUNCTION return_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM products WHERE id IN (SELECT product_id FROM order_items WHERE order_id = NEW.id)
  ORDER BY id FOR NO KEY UPDATE;
  UPDATE products SET stock = least(products.stock::bigint + order_items.quantity, 2147483647) FROM order_items
  WHERE order_items.order_id = NEW.id AND products.id = order_items.product_id;
  RETURN NULL;
END $$
"""
"""What a cancelled order had taken. At its commit, so that no product is locked for longer than that takes."""


def upgrade() -> None:
    op.create_table('categories',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('parent_id', sa.Uuid(), nullable=True),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('slug', sa.String(length=200), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['parent_id'], ['categories.id'], name=op.f('fk_categories_parent_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_categories')),
    sa.UniqueConstraint('slug', name=op.f('uq_categories_slug'))
    )
    op.create_index(op.f('ix_categories_name'), 'categories', ['name'], unique=False)
    op.create_index(op.f('ix_categories_parent_id'), 'categories', ['parent_id'], unique=False)
    op.create_index(op.f('ix_categories_position'), 'categories', ['position'], unique=False)
    op.create_index('ix_categories_search', 'categories', [sa.literal_column("CAST(coalesce(name, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_table('carts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_carts_user_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_carts')),
    sa.UniqueConstraint('user_id', name=op.f('uq_carts_user_id'))
    )
    op.create_table('sellers',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('shop_name', sa.String(length=200), nullable=False),
    sa.Column('slug', sa.String(length=200), nullable=False),
    sa.Column('description', sa.String(length=10000), nullable=False),
    sa.Column('city', sa.String(length=200), nullable=True),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('is_verified', sa.Boolean(), nullable=False),
    sa.Column('is_open', sa.Boolean(), nullable=False),
    sa.Column('is_blocked', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_sellers_user_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sellers')),
    sa.UniqueConstraint('slug', name=op.f('uq_sellers_slug')),
    sa.UniqueConstraint('user_id', name=op.f('uq_sellers_user_id'))
    )
    op.create_index(op.f('ix_sellers_city'), 'sellers', ['city'], unique=False)
    op.create_index('ix_sellers_created_at', 'sellers', ['created_at'], unique=False)
    op.create_index(op.f('ix_sellers_is_verified'), 'sellers', ['is_verified'], unique=False)
    op.create_index('ix_sellers_search', 'sellers', [sa.literal_column("CAST((coalesce(shop_name, '') || ' ') || coalesce(city, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index(op.f('ix_sellers_shop_name'), 'sellers', ['shop_name'], unique=False)
    op.create_table('products',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seller_id', sa.Uuid(), nullable=False),
    sa.Column('category_id', sa.Uuid(), nullable=True),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('slug', sa.String(length=200), nullable=False),
    sa.Column('description', sa.String(length=10000), nullable=False),
    sa.Column('price', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('old_price', sa.Numeric(precision=14, scale=3), nullable=True),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('stock', sa.Integer(), nullable=False),
    sa.Column('in_stock', sa.Boolean(), sa.Computed('stock > 0', persisted=True), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('is_listed', sa.Boolean(), nullable=False),
    sa.CheckConstraint('stock >= 0', name=op.f('ck_products_stock')),
    sa.ForeignKeyConstraint(['category_id'], ['categories.id'], name=op.f('fk_products_category_id'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['seller_id'], ['sellers.id'], name=op.f('fk_products_seller_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_products')),
    sa.UniqueConstraint('slug', name=op.f('uq_products_slug'))
    )
    op.create_index('ix_products_facets', 'products', ['category_id', 'seller_id', 'currency', 'in_stock', 'price'], unique=False, postgresql_include=['is_active', 'is_listed'])
    op.create_index('ix_products_created_at', 'products', ['created_at', 'id'], unique=False, postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.create_index('ix_products_in_stock', 'products', ['in_stock', 'created_at', 'id'], unique=False)
    op.create_index('ix_products_name', 'products', ['name', 'id'], unique=False, postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.create_index('ix_products_price', 'products', ['price', 'id'], unique=False, postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.create_index('ix_products_search', 'products', [sa.literal_column("CAST((coalesce(name, '') || ' ') || coalesce(description, '') AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index('ix_products_short_words', 'products', [sa.literal_column("CAST(textcat(' ', coalesce(name, '')) AS TEXT)").label('searched')], unique=False, postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.create_index('ix_products_seller_id', 'products', ['seller_id', 'created_at', 'id'], unique=False)
    op.create_table('sales_days',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seller_id', sa.Uuid(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=24, scale=3), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.ForeignKeyConstraint(['seller_id'], ['sellers.id'], name=op.f('fk_sales_days_seller_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sales_days')),
    sa.UniqueConstraint('seller_id', 'day', name=op.f('uq_sales_days_seller_id_day'))
    )
    op.create_index(op.f('ix_sales_days_day'), 'sales_days', ['day'], unique=False)
    op.create_table('product_months',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seller_id', sa.Uuid(), nullable=False),
    sa.Column('product_id', sa.Uuid(), nullable=False),
    sa.Column('month', sa.Date(), nullable=False),
    sa.Column('quantity', sa.BigInteger(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=24, scale=3), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.ForeignKeyConstraint(['product_id'], ['products.id'], name=op.f('fk_product_months_product_id'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['seller_id'], ['sellers.id'], name=op.f('fk_product_months_seller_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_product_months')),
    sa.UniqueConstraint('seller_id', 'product_id', 'month', name=op.f('uq_product_months_seller_id_product_id_month'))
    )
    op.create_index(op.f('ix_product_months_product_id'), 'product_months', ['product_id'], unique=False)
    op.create_table('cart_items',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('cart_id', sa.Uuid(), nullable=False),
    sa.Column('product_id', sa.Uuid(), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('seen_price', sa.Numeric(precision=14, scale=3), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.CheckConstraint('quantity > 0', name=op.f('ck_cart_items_quantity')),
    sa.ForeignKeyConstraint(['cart_id'], ['carts.id'], name=op.f('fk_cart_items_cart_id'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['product_id'], ['products.id'], name=op.f('fk_cart_items_product_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cart_items')),
    sa.UniqueConstraint('cart_id', 'product_id', name=op.f('uq_cart_items_cart_id_product_id'))
    )
    op.create_index(op.f('ix_cart_items_product_id'), 'cart_items', ['product_id'], unique=False)
    op.create_table('product_images',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('product_id', sa.Uuid(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('media_key', sa.String(length=200), nullable=False),
    sa.Column('mime_type', sa.String(length=200), nullable=False),
    sa.Column('file_size', sa.Integer(), nullable=False),
    sa.Column('width', sa.Integer(), nullable=False),
    sa.Column('height', sa.Integer(), nullable=False),
    sa.Column('is_ready', sa.Boolean(), nullable=False),
    sa.Column('has_variants', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['product_id'], ['products.id'], name=op.f('fk_product_images_product_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_product_images'))
    )
    op.create_index('ix_product_images_product_id', 'product_images', ['product_id', 'position', 'id'], unique=False)
    op.add_column('order_items', sa.Column('product_id', sa.Uuid(), nullable=True))
    op.create_index(op.f('ix_order_items_product_id'), 'order_items', ['product_id'], unique=False)
    op.create_foreign_key(op.f('fk_order_items_product_id'), 'order_items', 'products', ['product_id'], ['id'], ondelete='RESTRICT')
    op.add_column('orders', sa.Column('seller_id', sa.Uuid(), nullable=True))
    op.add_column('orders', sa.Column('checkout_id', sa.Uuid(), nullable=True))
    op.add_column('orders', sa.Column('token_hash', sa.String(length=200), nullable=True))
    op.add_column('orders', sa.Column('delivery_address', sa.String(length=10000), nullable=True))
    op.add_column('orders', sa.Column('tracking_number', sa.String(length=200), nullable=True))
    op.create_index(op.f('ix_orders_checkout_id'), 'orders', ['checkout_id'], unique=False)
    op.create_index('ix_orders_seller_id_created_at', 'orders', ['seller_id', 'created_at'], unique=False)
    op.create_index('ix_orders_unclaimed', 'orders', [sa.literal_column("lower(customer_info ->> 'email')")], unique=False, postgresql_where=sa.text('user_id IS NULL'))
    op.create_unique_constraint(op.f('uq_orders_token_hash'), 'orders', ['token_hash'])
    op.create_foreign_key(op.f('fk_orders_seller_id'), 'orders', 'sellers', ['seller_id'], ['id'], ondelete='RESTRICT')
    op.create_index(op.f('ix_status_changes_at'), 'status_changes', ['at'], unique=False)
    op.create_check_constraint(op.f('ck_order_items_one_thing'), 'order_items', 'num_nonnulls(service_id, product_id) = 1')
    op.create_check_constraint(op.f('ck_order_items_quantity'), 'order_items', 'quantity > 0')
    op.drop_constraint(op.f('ck_orders_status'), 'orders')
    op.create_check_constraint(op.f('ck_orders_status'), 'orders', f"status IN ({SERVICES}, {GOODS}, 'CANCELLED')")
    op.execute("ALTER TABLE products SET (fillfactor = 80)")  # room for a new stock beside the old one
    known = get_settings().currencies
    op.execute(sa.text(SHOPS).bindparams(currency="DZD" if "DZD" in known else known[0]))
    op.execute(RETURN_STOCK)
    op.execute(
        "CREATE CONSTRAINT TRIGGER return_stock AFTER UPDATE OF status ON orders DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.kind = 'GOODS' AND NEW.status = 'CANCELLED' AND OLD.status <> 'CANCELLED') "
        "EXECUTE FUNCTION return_stock()"
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM orders WHERE kind = 'GOODS')")).scalar():
        raise RuntimeError("there are orders of goods, which the tables before this migration cannot hold")
    op.execute("DROP TRIGGER return_stock ON orders")
    op.execute("DROP FUNCTION return_stock")
    op.drop_constraint(op.f('ck_orders_status'), 'orders')
    op.create_check_constraint(op.f('ck_orders_status'), 'orders', f"status IN ({SERVICES}, 'CANCELLED')")
    op.drop_constraint(op.f('ck_order_items_quantity'), 'order_items')
    op.drop_constraint(op.f('ck_order_items_one_thing'), 'order_items')
    op.drop_index(op.f('ix_status_changes_at'), table_name='status_changes')
    op.drop_constraint(op.f('fk_orders_seller_id'), 'orders', type_='foreignkey')
    op.drop_constraint(op.f('uq_orders_token_hash'), 'orders', type_='unique')
    op.drop_index('ix_orders_unclaimed', table_name='orders', postgresql_where=sa.text('user_id IS NULL'))
    op.drop_index('ix_orders_seller_id_created_at', table_name='orders')
    op.drop_index(op.f('ix_orders_checkout_id'), table_name='orders')
    op.drop_column('orders', 'tracking_number')
    op.drop_column('orders', 'delivery_address')
    op.drop_column('orders', 'token_hash')
    op.drop_column('orders', 'checkout_id')
    op.drop_column('orders', 'seller_id')
    op.drop_constraint(op.f('fk_order_items_product_id'), 'order_items', type_='foreignkey')
    op.drop_index(op.f('ix_order_items_product_id'), table_name='order_items')
    op.drop_column('order_items', 'product_id')
    op.drop_index('ix_product_images_product_id', table_name='product_images')
    op.drop_table('product_images')
    op.drop_index(op.f('ix_cart_items_product_id'), table_name='cart_items')
    op.drop_table('cart_items')
    op.drop_index(op.f('ix_product_months_product_id'), table_name='product_months')
    op.drop_table('product_months')
    op.drop_index(op.f('ix_sales_days_day'), table_name='sales_days')
    op.drop_table('sales_days')
    op.drop_index('ix_products_seller_id', table_name='products')
    op.drop_index('ix_products_short_words', table_name='products', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index('ix_products_search', table_name='products', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index('ix_products_price', table_name='products', postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.drop_index('ix_products_name', table_name='products', postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.drop_index('ix_products_in_stock', table_name='products')
    op.drop_index('ix_products_created_at', table_name='products', postgresql_include=['seller_id', 'category_id', 'in_stock', 'is_active', 'is_listed'])
    op.drop_index('ix_products_facets', table_name='products', postgresql_include=['is_active', 'is_listed'])
    op.drop_table('products')
    op.drop_index(op.f('ix_sellers_shop_name'), table_name='sellers')
    op.drop_index('ix_sellers_search', table_name='sellers', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_sellers_is_verified'), table_name='sellers')
    op.drop_index('ix_sellers_created_at', table_name='sellers')
    op.drop_index(op.f('ix_sellers_city'), table_name='sellers')
    op.drop_table('sellers')
    op.drop_table('carts')
    op.drop_index('ix_categories_search', table_name='categories', postgresql_using='gin', postgresql_ops={'searched': 'gin_trgm_ops'})
    op.drop_index(op.f('ix_categories_position'), table_name='categories')
    op.drop_index(op.f('ix_categories_parent_id'), table_name='categories')
    op.drop_index(op.f('ix_categories_name'), table_name='categories')
    op.drop_table('categories')
