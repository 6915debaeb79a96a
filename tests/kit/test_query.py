"""The grammar of lists, parsed without a database."""

import pytest

from app.errors import ValidationError
from app.kit import query
from app.kit.resource import RESOURCES

SERVICES = RESOURCES["services"]


def parse(text: str) -> query.Query:
    return query.parse(SERVICES, text.encode())


def test_a_whole_request():
    found = parse("type=main&price__gte=10&sort=-price,title&search=canada+visa&page=3&limit=50")
    assert found.shape == query.Shape((("price", "gte"), ("type", "")), ("-price", "title", "id"), 2)
    assert (found.values["filter__type__"], str(found.values["filter__price__gte"]), found.values["word_1"]) == (
        "MAIN",
        "10",
        "%visa%",
    )
    assert found.parameters()["offset"] == 100


def test_the_key_ends_every_order_in_the_direction_of_the_last():
    assert parse("").shape.sort == ("-created_at", "-id")
    assert parse("sort=price").shape.sort == ("price", "id")
    assert parse("sort=title,-price").shape.sort == ("title", "-price", "-id")


def test_values_do_not_change_the_shape():
    assert parse("type=MAIN&search=a&page=1").shape == parse("page=9&search=b&type=micro").shape
    assert parse("search=a").shape != parse("search=a+b").shape


def test_a_pattern_finds_the_word_as_it_is():
    assert [query.like(word) for word in ("50%", "a_b", "\\", "it's")] == ["%50\\%%", "%a\\_b%", "%\\\\%", "%it's%"]


def test_raw_utf8_is_read_as_such():
    assert parse("search=über").values["word_0"] == parse("search=%C3%BCber").values["word_0"] == "%über%"


def test_more_than_six_words_are_refused():
    assert parse("search=one+two+three+four+five+six").shape.words == 6
    with pytest.raises(ValidationError, match="At most 6 words"):
        parse("search=one+two+three+four+five+six+seven")


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        *(
            ("nonsense=1", "?nonsense", "unknown_parameter"),
            ("page=0", "?page", "out_of_range"),
            ("limit=101", "?limit", "out_of_range"),
        ),
        *(
            ("page=1&page=1", "?page", "repeated"),
            ("type=1&type=2", "?type", "repeated"),
            ("sort=price,price", "?sort", "repeated"),
        ),
        *(
            ("sort=price,-price", "?sort", "repeated"),
            ("sort=slug", "?sort", "unknown_sort"),
            ("type=%00", "?type", "not_text"),
        ),
        *(
            ("type=SOUL", "?type", "enum"),
            ("price__gte=x", "?price__gte", "decimal_parsing"),
            ("search=" + "x" * 201, "?search", "string_too_long"),
        ),
        *(("price__in=1", "?price__in", "unknown_parameter"), ("is_active=true", "?is_active", "unknown_parameter")),
    ],
)
def test_what_is_refused(text, pointer, code):
    with pytest.raises(ValidationError) as refused:
        parse(text)
    assert (refused.value.extra["errors"][0]["pointer"], refused.value.extra["errors"][0]["code"]) == (pointer, code)


@pytest.mark.parametrize("text", ["price__gte=1&price__gte=2", "isActive=1", "%70rice__gte=x", "createdAt=1"])
def test_spellings_do_not_get_round_the_rules(text):
    with pytest.raises(ValidationError):
        parse(text)


def test_one_filter_in_two_spellings_is_repeated():
    orders = RESOURCES["orders"]
    with pytest.raises(ValidationError, match="given twice"):
        query.parse(orders, b"created_at__gte=2026-01-01T00:00:00Z&createdAt__gte=2027-01-01T00:00:00Z")
