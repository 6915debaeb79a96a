"""A wrong declaration fails at import, with a sentence that names the class, the option and the column."""

from typing import Any
from uuid import UUID

import pytest
from sqlmodel import Field, SQLModel

from app.kit.access import either, everyone, mine, only, signed_in
from app.kit.resource import RESOURCES, DeclarationError, Look, Resource
from app.kit.table import Currency, Json, Line, Price, Table, foreign_key


class Teapot(Table, table=True):
    name: Line = Field(index=True)
    maker_id: UUID = foreign_key("users.id")
    price: Price
    currency: Currency
    note: Line | None = None
    facts: Json
    api_key: Line


class Samovar(Table, table=True):
    name: Line
    price: Price


for table in (Teapot, Samovar):
    SQLModel.metadata.remove(table.__table__)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def registry():
    before = dict(RESOURCES)
    yield
    RESOURCES.clear()
    RESOURCES.update(before)


def declare(**options: Any) -> Resource:
    return Resource(**{"table": Teapot, "hidden": ("api_key",)} | options)


def test_a_right_declaration_is_registered_and_locked():
    teapots = declare(
        owner="maker_id",
        read=mine,
        writable=("name", "note"),
        filters=("name", "maker_id"),
        sort=("name",),
        search=("name", "facts.color"),
    )
    assert RESOURCES["teapots"] is teapots
    assert (teapots.create, teapots.update, teapots.delete) == ((), (), ())
    assert "api_key" not in teapots.columns
    assert teapots.columns[-2:] == ["created_at", "updated_at"]
    assert teapots.money == ["price"]


LOOK = {"group": "Kitchen", "icon": "cup"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("owner", "nose"),
            ("slug", "nose"),
            ("writable", ("nose",)),
            ("create_only", ("nose",)),
            ("hidden", ("api_key", "nose")),
        ),
        *(
            ("filters", ("nose",)),
            ("filters", ("nose__gte",)),
            ("search", ("nose",)),
            ("search", ("nose.color",)),
            ("sort", ("nose",)),
            ("order", "-nose"),
        ),
        ("admin.title", Look(**LOOK, title="nose", columns=("name",))),
        ("admin.columns", Look(**LOOK, title="name", columns=("name", "nose"))),
    ],
)
def test_a_column_that_does_not_exist(option, value):
    with pytest.raises(DeclarationError, match=rf"^Teapot at /teapots, {option}: Teapot has no column nose\.$"):
        declare(**{option.split(".")[0]: value})
    assert "teapots" not in RESOURCES


@pytest.mark.parametrize(
    ("option", "value"),
    [("filters", ("note",)), ("filters", ("note__in",)), ("sort", ("note",)), ("sort", ("name", "price"))],
)
def test_a_filter_or_sort_without_an_index(option, value):
    with pytest.raises(DeclarationError, match=rf"^Teapot at /teapots, {option}: (note|price) has no index\.$"):
        declare(**{option: value})


def test_an_operator_that_does_not_exist():
    with pytest.raises(
        DeclarationError, match=r"^Teapot at /teapots, filters: name__near ends in none of gte, lte, in\.$"
    ):
        declare(filters=("name__near",))


@pytest.mark.parametrize("rule", [mine, either(mine, signed_in), only(mine, name="x")])
@pytest.mark.parametrize("option", ["read", "create", "update", "delete"])
def test_mine_without_an_owner(option, rule):
    with pytest.raises(
        DeclarationError, match=rf"^Teapot at /teapots, {option}: it says mine, and there is no owner\.$"
    ):
        declare(**{option: rule})


def test_two_resources_on_one_path():
    declare()
    with pytest.raises(DeclarationError, match=r"^Teapot at /teapots, path: /teapots is taken by Teapot\.$"):
        declare()
    assert declare(path="admin/teapots").path == "admin/teapots"


def test_a_secret_that_is_not_hidden():
    with pytest.raises(
        DeclarationError, match=r"^Teapot at /teapots, hidden: api_key looks like a secret and is not hidden\.$"
    ):
        declare(hidden=())


def test_money_without_a_currency():
    with pytest.raises(
        DeclarationError, match=r"^Samovar at /samovars, table: price is money, and there is no currency column\.$"
    ):
        Resource(table=Samovar)


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "maker_id"])
@pytest.mark.parametrize("option", ["writable", "create_only"])
def test_what_is_never_writable(option, name):
    with pytest.raises(DeclarationError, match=rf"^Teapot at /teapots, {option}: {name} is never writable\.$"):
        declare(owner="maker_id", **{option: (name,)})


@pytest.mark.parametrize("option", ["writable", "create_only", "filters", "sort", "search"])
def test_a_secret_is_neither_written_nor_searched(option):
    with pytest.raises(DeclarationError, match=r"api_key"):
        declare(read=everyone, **{option: ("api_key",)})


def test_a_feed_cannot_go_on_from_an_empty_value():
    with pytest.raises(DeclarationError, match=r"^Teapot at /teapots, sort: note may be empty"):
        declare(sort=("name",), order="note")


def test_short_words_are_looked_for_in_a_column_there_is():
    with pytest.raises(DeclarationError, match=r"^Teapot at /teapots, short_words: Teapot has no column title\.$"):
        declare(search=("name",), short_words="title")
