-- The data of the benchmark: 2,000 customers, 2,000 services, 100,000 orders with items and history.

-- UUIDv7 of a moment, as the application makes them.
CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
          || '7' || substr(noise, 1, 3) || 'a' || substr(noise, 4, 15))::uuid
  FROM (SELECT md5(random()::text) AS noise)
$$;
CREATE FUNCTION pg_temp.pick(n bigint, VARIADIC choices text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT choices[1 + n % cardinality(choices)]
$$;

INSERT INTO users (id, created_at, updated_at, email, hashed_password, full_name, phone, country, role, is_active,
                   is_verified, token_version)
SELECT pg_temp.id_at(moment), moment, moment, 'customer' || n || '@example.com', 'nobody signs in here',
       pg_temp.pick(n, 'Amina Benali', 'Omar Haddad', 'Lina Cherif', 'Yusuf Demir', 'Sara Novak') || ' ' || n,
       '+213 550 ' || lpad(n::text, 6, '0'), pg_temp.pick(n, 'DZ', 'FR', 'TR', 'AE', 'CA'), 'CUSTOMER', true, true, 0
FROM (SELECT n, now() - interval '400 days' + n * interval '3601.000137 s' AS moment
      FROM generate_series(1, 2000) AS n) AS numbers;

INSERT INTO services (id, created_at, updated_at, type, title, slug, description, price, old_price, currency, images,
                      specs, features, region, required_documents, is_active)
SELECT pg_temp.id_at(moment), moment, moment, pg_temp.pick(n, 'MAIN', 'MICRO', 'DIGITAL'),
       country || ' ' || product || ' ' || n, lower(replace(country || '-' || product || '-' || n, ' ', '-')),
       'We prepare and file your ' || lower(product) || ' for ' || country || ': a consultant reads your documents,'
       || ' fills the forms with you, books the appointment and follows the file until there is an answer.',
       20 + n % 900, CASE WHEN n % 4 = 0 THEN 50 + n % 900 END, 'USD',
       jsonb_build_array('https://images.example.com/' || n || '.webp'),
       '{"processing_time": "4 to 8 weeks", "entries": "Multiple", "validity": "10 years"}',
       '["File review", "Appointment booking", "Translation of documents"]',
       pg_temp.pick(n / 3, 'North America', 'Europe', 'Middle East', 'Asia', 'Africa'),
       '["PASSPORT", "PHOTO", "BANK_STATEMENT"]', n % 20 <> 0
FROM (SELECT n, now() - interval '300 days' + n * interval '3000.000211 s' AS moment,
             pg_temp.pick(n, 'Canada', 'France', 'Türkiye', 'Japan', 'Brazil', 'Kenya', 'Italy', 'Portugal', 'Qatar',
                          'Norway', 'Vietnam') AS country,
             pg_temp.pick(n, 'Visitor Visa', 'Student Visa', 'Work Permit', 'Travel Insurance', 'Airport Pickup',
                          'Document Translation', 'eSIM') AS product
      FROM generate_series(1, 2000) AS n) AS numbers;

CREATE TEMP TABLE placed AS
SELECT n, pg_temp.id_at(moment) AS id, moment, person.id AS user_id, person.full_name, person.email, person.phone,
       person.country, service.id AS service_id, service.title, service.type, service.price, service.region,
       service.specs, service.features,
       pg_temp.pick(n / 7, 'PENDING', 'CONFIRMED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED') AS status
FROM (SELECT n, now() - interval '200 days' + n * interval '170.000173 s' AS moment
      FROM generate_series(1, 100000) AS n) AS numbers
JOIN (SELECT row_number() OVER (ORDER BY id) AS place, * FROM users) AS person ON person.place = 1 + n * 7919 % 2000
JOIN (SELECT row_number() OVER (ORDER BY id) AS place, * FROM services) AS service
  ON service.place = 1 + (n / 2000 + n * 31) % 2000;

INSERT INTO orders (id, created_at, updated_at, order_number, kind, status, total_amount, currency, payment_method,
                    payment_status, confirmed_without_payment, user_id, customer_info, service_details,
                    required_documents)
SELECT id, moment, moment, 'HT-2020-' || lpad(n::text, 6, '0'), 'SERVICE', status, price, 'USD', 'CARD',
       CASE WHEN status = 'PENDING' THEN 'PENDING' ELSE 'SUCCEEDED' END, false, user_id,
       jsonb_build_object('full_name', full_name, 'email', email, 'phone', phone, 'country', country),
       jsonb_build_object('destination', region, 'travel_date', '2027-02-08', 'passport_number', NULL,
                          'nationality', country, 'purpose_of_travel', 'Tourism', 'additional_notes', NULL),
       '["PASSPORT", "PHOTO", "BANK_STATEMENT"]'
FROM placed ORDER BY n;

INSERT INTO order_items (id, created_at, updated_at, order_id, service_id, title, quantity, unit_price, line_total,
                         currency, snapshot)
SELECT pg_temp.id_at(moment), moment, moment, id, service_id, title, 1, price, price, 'USD',
       jsonb_build_object('title', title, 'type', type, 'price', price::numeric(14, 2)::text, 'currency', 'USD',
                          'region', region, 'specs', specs, 'features', features)
FROM placed ORDER BY n;

INSERT INTO status_changes (id, created_at, updated_at, order_id, to_status, at, actor_id)
SELECT pg_temp.id_at(moment), moment, moment, id, 'PENDING', moment, user_id FROM placed ORDER BY n;

INSERT INTO number_series (id, created_at, updated_at, series, year, value)
VALUES (pg_temp.id_at(now()), now(), now(), 'HT', 2020, 100000);
