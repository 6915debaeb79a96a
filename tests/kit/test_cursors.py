"""Cursors and the place in a feed they stand for, without a database; and the SQL that begins there."""

import json
from base64 import urlsafe_b64encode
from decimal import Decimal

import pytest

from app.errors import ValidationError
from app.kit.access import Actor, answer
from app.kit.cursors import cursor, place
from app.kit.query import parse
from app.kit.reading import list_statement
from app.kit.table import new_id
from app.resources.categories import categories
from app.resources.products import products

ID = str(new_id())


def packed(*parts: object) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def sql_of(query: bytes) -> str:
    return list_statement(products, answer(products.read, Actor()), parse(products, query).shape).sql


def test_a_cursor_stands_for_the_values_it_was_made_of():
    made = cursor(("-price", "name", "id"), json.dumps(["9.500", " Été,\u00a05 l", ID]))
    found = place(products, ("-price", "name", "id"), made)
    assert (found["after_0"], found["after_1"], str(found["after_2"])) == (Decimal("9.500"), " Été,\u00a05 l", ID)


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e999999", "", "x", "9" * 3000, "1.23456", "\x00"])
def test_a_price_that_no_row_has_is_no_place(price):
    with pytest.raises(ValidationError):
        place(products, ("price", "id"), packed("price,id", price, ID))


@pytest.mark.parametrize("name", ["a\x00b", "\ud800"])
def test_a_text_that_no_row_has_is_no_place(name):
    with pytest.raises(ValidationError):
        place(products, ("name", "id"), packed("name,id", name, ID))


@pytest.mark.parametrize("position", ["-1", "1.5", "9" * 30, "x"])
def test_a_number_that_no_row_has_is_no_place(position):
    with pytest.raises(ValidationError):
        place(categories, ("position", "id"), packed("position,id", position, ID))


def test_a_feed_in_one_direction_compares_whole_rows():
    begun = packed("price,id", "5", ID).encode()
    assert "(products.price, products.id) > ($" in sql_of(b"sort=price&cursor=" + begun)
    assert "(products.price, products.id) < ($" in sql_of(
        b"sort=-price&cursor=" + packed("-price,-id", "5", ID).encode()
    )


def test_the_values_of_a_cursor_are_bound_and_do_not_change_the_statement():
    first, second = (packed("name,id", name, ID).encode() for name in ("'; DROP TABLE products", "b"))
    assert sql_of(b"sort=name&cursor=" + first) == sql_of(b"sort=name&cursor=" + second)
    assert "DROP" not in sql_of(b"sort=name&cursor=" + first)


def test_a_cursor_makes_a_feed_even_when_empty():
    assert "count(*) AS count_1" not in sql_of(b"cursor=")
    assert parse(products, b"cursor=").shape.feed
    assert not parse(products, b"").shape.feed
