-- The marketplace of the benchmark: 200 shops, 60 categories in a tree, 100,000 products with pictures. Run after
-- fill.sql, in the same session: it uses its functions.

INSERT INTO users (id, created_at, updated_at, email, hashed_password, full_name, role, is_active, is_verified,
                   token_version)
SELECT pg_temp.id_at(moment), moment, moment, 'seller' || n || '@example.com', 'nobody signs in here',
       'Seller ' || n, 'SELLER', true, true, 0
FROM (SELECT n, now() - interval '390 days' + n * interval '3600.000173 s' AS moment
      FROM generate_series(1, 200) AS n) AS numbers;

INSERT INTO sellers (id, created_at, updated_at, user_id, shop_name, slug, description, city, currency, is_verified,
                     is_open, is_blocked)
SELECT pg_temp.id_at(created_at), created_at, created_at, id, full_name || ' and daughters', 'shop-' || n, '',
       pg_temp.pick(n, 'Alger', 'Oran', 'Constantine', 'Tizi Ouzou', 'Annaba', 'Sétif'),
       CASE WHEN n % 10 = 0 THEN 'EUR' ELSE 'DZD' END, n % 3 = 0, n % 67 <> 0, false
FROM (SELECT row_number() OVER (ORDER BY id) AS n, * FROM users WHERE role = 'SELLER') AS people;

CREATE TEMP TABLE shelves AS
SELECT n, pg_temp.id_at(now() - interval '395 days' + n * interval '1 s') AS id,
       CASE WHEN n > 24 THEN 9 + n % 16 WHEN n > 8 THEN 1 + n % 8 END AS parent
FROM generate_series(1, 60) AS n;

INSERT INTO categories (id, created_at, updated_at, parent_id, name, slug, position)
SELECT shelf.id, now(), now(), above.id, 'Category ' || shelf.n, 'category-' || shelf.n, shelf.n
FROM shelves AS shelf LEFT JOIN shelves AS above ON above.n = shelf.parent ORDER BY shelf.n;

CREATE TEMP TABLE sorts AS
SELECT row_number() OVER () - 1 AS place, word FROM unnest(string_to_array(
  'Almond,Amber,Apricot,Argan,Barley,Basil,Beech,Berber,Brass,Bronze,Caramel,Cedar,Ceramic,Cinnamon,Clove,Copper,'
  'Coral,Cotton,Cumin,Date,Ebony,Enamel,Fennel,Fig,Garlic,Ginger,Glass,Honey,Jasmine,Lavender,Leather,Lemon,Linen,'
  'Marble,Merino,Mint,Nettle,Oak,Olive,Orange,Palm,Pepper,Pine,Pottery,Raffia,Rosemary,Saffron,Sesame,Silk,Silver,'
  'Steel,Straw,Sumac,Thyme,Turmeric,Velvet,Walnut,Willow,Wool,Zinc', ',')) AS word;
CREATE TEMP TABLE things AS
SELECT row_number() OVER () - 1 AS place, word FROM unnest(string_to_array(
  'apron,armchair,backpack,basket,bath towel,bedspread,belt,blanket,bookshelf,bottle,bowl,bracelet,bread knife,broom,'
  'bucket,candle,carafe,carpet,chair,charger,chopping board,clock,coat hanger,coffee pot,comb,cooker,couscous dish,'
  'curtain,cushion,desk lamp,door mat,dress,drill,earrings,fan,flour,frying pan,gandoura,garden hose,gloves,grater,'
  'hammer,handbag,hat,headphones,jam,jug,kettle,keyboard,ladder,lantern,mattress,mirror,mortar,mug,napkins,necklace,'
  'notebook,oil,oven glove,pan lid,paste,pillow,plate,pouf,power bank,radio,rice cooker,ring,rope,rug,salad bowl,'
  'sandals,saw,scarf,school bag,screwdriver,shampoo,shirt,shoe rack,slippers,soap,soup spoon,spice rack,stool,'
  'suitcase,syrup,table cloth,tajine,tea glass,tea tray,teapot,television,torch,tray,umbrella,vase,vinegar,wallet,'
  'wardrobe,water filter,whisk,window box,wooden spoon,wrench', ',')) AS word;
CREATE TEMP TABLE sayings AS
SELECT row_number() OVER () - 1 AS place, word AS saying FROM unnest(string_to_array(
  'Made by hand in a small workshop near the coast and checked piece by piece before it leaves.|'
  'Light enough for every day and strong enough to be given on to your children.|'
  'Washes well at forty degrees, dries quickly and keeps its colour for years.|'
  'Every order is packed the same evening and travels in recycled cardboard.|'
  'The family has worked with this material for three generations and repairs what it sells.|'
  'Please measure your room first: a drawing with all sizes is among the pictures.|'
  'Goes with the other pieces of the series, which you find in our shop.|'
  'Comes with a leaflet in Arabic, French and English and two spare parts.|'
  'Keep it dry, out of the sun, and rub it with a soft cloth once a month.|'
  'The seal stays tight for a long time; a new one costs very little.|'
  'Our customers use it at home, in the office and on journeys through the desert.|'
  'A present that arrives in time when you order it until Thursday noon.|'
  'Tested for a thousand hours, with a guarantee of two years on all moving parts.|'
  'What is left over can be frozen and used within three months.|'
  'Grown without chemicals between two rivers, harvested in the cool of the morning.|'
  'The handle stays cool, the base is even, and it fits most cupboards.|'
  'Colours differ a little from one piece to the next, as the dye is natural.|'
  'Choose the smaller one for two persons and the larger one for a whole table of guests.|'
  'It needs no battery and no instructions, and it makes almost no noise.|'
  'We advise you gladly by telephone before you buy a larger quantity.', '|')) AS word;

-- Which sort and which thing is scattered by the number's hash, as in a catalogue that grew over a year.
CREATE TEMP TABLE goods AS
SELECT n, now() - interval '380 days' + n * interval '320.000191 s' AS moment, one, two, three, four
FROM generate_series(1, 100000) AS n,
     LATERAL (SELECT abs(hashint4(n)) AS one, abs(hashint4(n + 200000)) AS two, abs(hashint4(n + 400000)) AS three,
                     abs(hashint4(n + 600000)) AS four) AS hashes;

INSERT INTO products (id, created_at, updated_at, seller_id, category_id, name, slug, description, price, old_price,
                      currency, stock, is_active, is_listed)
SELECT pg_temp.id_at(moment), moment, moment, shop.id, CASE WHEN goods.n % 50 <> 0 THEN shelf.id END,
       sort.word || ' ' || thing.word || ', ' || 1 + goods.four % 90
         || pg_temp.pick(goods.three, ' cm', ' g', ' pieces', ' litres', ' watt'),
       'product-' || goods.n,
       first.saying || CASE WHEN goods.two % 20 = 7 THEN ' With a frame of bamboo.' ELSE '' END
         || CASE WHEN goods.two % 4000 = 11 THEN ' Smells of quince.' ELSE '' END || ' ' || second.saying || ' '
         || third.saying || ' ' || fourth.saying,
       50 + goods.four % 49950, CASE WHEN goods.n % 5 = 0 THEN 60 + goods.four % 49950 + 900 END, shop.currency,
       CASE WHEN goods.three % 10 = 0 THEN 0 ELSE 1 + goods.three % 200 END, goods.n % 25 <> 0, shop.is_open
FROM goods
JOIN (SELECT row_number() OVER (ORDER BY id) - 1 AS place, * FROM sellers) AS shop ON shop.place = goods.one % 200
JOIN shelves AS shelf ON shelf.n = 1 + (goods.one % 200 * 7 + goods.two % 6) % 60
JOIN sorts AS sort ON sort.place = goods.two / 7 % 60
JOIN things AS thing ON thing.place = goods.three / 11 % 105
JOIN sayings AS first ON first.place = goods.two / 3 % 20
JOIN sayings AS second ON second.place = goods.three / 5 % 20
JOIN sayings AS third ON third.place = goods.four / 13 % 20
JOIN sayings AS fourth ON fourth.place = goods.one / 211 % 20
ORDER BY goods.n;

INSERT INTO product_images (id, created_at, updated_at, product_id, position, media_key, mime_type, file_size, width,
                            height, is_ready, has_variants, has_failed)
SELECT pg_temp.id_at(product.created_at), product.created_at, product.created_at, product.id, place,
       'products/' || product.seller_id || '/' || product.id || '/' || place || '.jpg', 'image/jpeg', 180000, 1600,
       1200, true, true, false
FROM products AS product, generate_series(0, 1) AS place ORDER BY product.id, place;
