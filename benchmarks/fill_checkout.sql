-- What checkouts buy: 50 shops with 400 products each, of each more than is ever bought, and a cart for each of the
-- 2,000 customers. Run after fill.sql, in the same session: it uses its functions.

INSERT INTO users (id, created_at, updated_at, email, hashed_password, full_name, role, is_active, is_verified,
                   token_version)
SELECT pg_temp.id_at(moment), moment, moment, 'seller' || n || '@example.com', 'nobody signs in here',
       'Seller ' || n, 'SELLER', true, true, 0
FROM (SELECT n, now() - interval '390 days' + n * interval '3600.000173 s' AS moment
      FROM generate_series(1, 50) AS n) AS numbers;

INSERT INTO sellers (id, created_at, updated_at, user_id, shop_name, slug, description, currency, is_verified, is_open,
                     is_blocked)
SELECT pg_temp.id_at(created_at), created_at, created_at, id, full_name || ' and daughters', 'shop-' || id, '', 'DZD',
       true, true, false
FROM users WHERE role = 'SELLER' ORDER BY id;

INSERT INTO products (id, created_at, updated_at, seller_id, name, slug, description, price, currency, stock, is_active,
                      is_listed)
SELECT pg_temp.id_at(moment), moment, moment, shop.id,
       pg_temp.pick(n, 'Cedar', 'Brass', 'Olive', 'Linen', 'Walnut') || ' '
         || pg_temp.pick(n / 5, 'bowl', 'tray', 'lantern', 'stool', 'basket', 'mirror') || ', no. ' || n,
       'product-' || n, 'Made by hand in a small workshop near the coast and checked piece by piece before it leaves.',
       50 + n % 4950, 'DZD', 1000000000, true, true
FROM (SELECT n, now() - interval '380 days' + n * interval '1600.000191 s' AS moment
      FROM generate_series(0, 19999) AS n) AS numbers
JOIN (SELECT row_number() OVER (ORDER BY id) - 1 AS place, id FROM sellers) AS shop ON shop.place = n % 50
ORDER BY n;

INSERT INTO carts (id, created_at, updated_at, user_id)
SELECT pg_temp.id_at(created_at), created_at, created_at, id FROM users WHERE role = 'CUSTOMER' ORDER BY id;
