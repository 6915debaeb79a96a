"""What is wrong with a row, in sentences above its page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from admin.expiry import EXPIRED, shortfall

LACKING = {"missing": "Not handed in yet:", "waiting": "To be verified:"}
"""Lists among the documents of an order, and what is said of them."""
Values = Mapping[str, Any]
Belonging = Mapping[str, list[dict[str, Any]]]
"""The related rows that a page shows, by the path of their resource."""


@dataclass(frozen=True)
class Alarm:
    """What is wrong with a row: a sentence, and the column that says more, or the names of what it is about."""

    text: str
    column: str = ""
    names: tuple[str, ...] = ()


def to_review(payment: Values, rows: Belonging) -> Iterator[Alarm]:
    if payment["needs_review"]:
        yield Alarm("This payment needs review.", "review_reason")


def failed(row: Values, rows: Belonging) -> Iterator[Alarm]:
    if row["error"]:
        said = "This failed." if row["status"] == "FAILED" else "The last try failed; there will be another."
        yield Alarm(said, "error")


def not_verified(order: Values) -> Iterator[Alarm]:
    """Which documents an order waits for, and from whom."""
    for name, text in LACKING.items():
        if order["documents"][name]:
            yield Alarm(text, names=tuple(order["documents"][name]))


def lacking(order: Values, rows: Belonging) -> Iterator[Alarm]:
    """What is wrong with the documents of an order that is not over yet."""
    if order["status"] not in ("PENDING", "CONFIRMED", "IN_PROGRESS"):
        return
    yield from not_verified(order)
    if order["documents"]["passport_expires_too_soon"]:
        verified = [row for row in rows["admin/documents"] if row["status"] == "VERIFIED" and shortfall(row)]
        lasting = max(verified, key=itemgetter("expires_on"), default=None)
        if lasting and shortfall(lasting) == EXPIRED:
            yield Alarm("The passport has expired.")
        else:
            yield Alarm("The passport is valid for less than six months after the journey.")


def is_lacking(order: Values) -> bool:
    return any(order["documents"][name] for name in LACKING)


def not_for_sale(product: Values, rows: Belonging) -> Iterator[Alarm]:
    if not product["is_active"]:
        yield Alarm("This product is not active: nobody can buy it.")
    elif not product["stock"]:
        yield Alarm("This product is out of stock: nobody can buy it.")


def closed(shop: Values, rows: Belonging) -> Iterator[Alarm]:
    if not shop["is_open"]:
        yield Alarm("This shop is closed: nobody can buy its products.")
