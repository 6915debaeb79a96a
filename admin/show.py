"""Values as people read them: words for enumerations, money with its digits, names for ids, never a Python repr."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from babel.dates import format_timedelta
from babel.numbers import format_compact_decimal
from markupsafe import Markup
from sqladmin.i18n import get_locale
from sqladmin.i18n import gettext as _

from admin import media
from admin.kinds import Kind, kind_of, label, pages_of, words
from admin.page import address
from admin.references import Names
from app.kit.access import Role
from app.kit.resource import Resource
from app.kit.table import bare, now
from app.receipt import card

NOTHING = Markup('<span class="text-secondary">—</span>')
LEFT_TO_RIGHT = re.compile(r"[\x21-\x7e]+|\+?[\d ()./-]+")
PICTURE = Markup('<img class="thumbnail" src="{}" alt="{}" loading="lazy" width="48" height="48">')
NO_PICTURE = Markup('<span class="thumbnail" role="img" aria-label="{}"><i class="ti ti-file-text"></i></span>')
MOST_ENTRIES = 3
TONES = {
    **dict.fromkeys(("PENDING", "QUEUED", "PROCESSING", "RECEIVED", "UNMATCHED"), "waiting"),
    **dict.fromkeys(("CONFIRMED",), "ready"),
    **dict.fromkeys(("IN_PROGRESS", "SHIPPED", "REFUNDED"), "busy"),
    **dict.fromkeys(("COMPLETED", "DELIVERED", "SUCCEEDED", "VERIFIED", "SENT", "PROCESSED", "ADMIN"), "good"),
    **dict.fromkeys(("CANCELLED", "FAILED", "REJECTED"), "bad"),
}


@dataclass(frozen=True)
class Row:
    """A row as the API shows it, with the names of what it refers to. `brief` shortens for lists."""

    resource: Resource
    values: Mapping[str, Any]
    names: Names
    brief: bool = False
    currency: str = ""

    def show(self, path: str) -> Markup:
        """The value at a column, or inside a JSON column: `customer_info.full_name`."""
        name, _dot, key = path.partition(".")
        value = self.values.get(name)
        if key:
            return any_value(value.get(key) if isinstance(value, Mapping) else None)
        if value is None or value == "":
            return NOTHING
        shown = SPECIAL.get((self.resource.path, name)) or SHOW.get(kind_of(self.resource, name))
        return shown(self, value) if shown else any_value(value)

    def is_special(self, name: str) -> bool:
        """Whether the column is shown in a way of its own."""
        return (self.resource.path, name) in SPECIAL

    def plain(self, path: str) -> Markup:
        """The value where it is part of a link itself: a name without its own link."""
        name = self.names.get(self.values.get(path) or "") if kind_of(self.resource, path) == "reference" else None
        return any_value(name.title) if name else self.show(path)

    def text(self, path: str) -> str:
        """The same without markup, for titles and files."""
        return str(self.show(path).striptags()) if self.show(path) != NOTHING else ""

    def keys(self, name: str) -> list[str]:
        """The keys that a JSON column has here, in the order of its model where it has one."""
        value, model = self.values[name], bare(self.resource.annotation(name))
        order = list(getattr(model, "model_fields", value))
        return [key for key in order if value.get(key) is not None]

    @property
    def title(self) -> str:
        look = self.resource.admin
        return (self.text(look.title) if look else "") or words(self.resource.noun)

    @property
    def heading(self) -> Markup:
        """The title as it is shown."""
        look = self.resource.admin
        return self.plain(look.title) if look else Markup.escape(self.title)

    @property
    def link(self) -> str:
        return address(self.resource.name, self.values["id"])


def any_value(value: Any) -> Markup:
    """A value of which only JSON is known."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return yes_or_no(value)
    if isinstance(value, Mapping):
        return Markup("<br>").join(entry(key, item) for key, item in value.items())
    if isinstance(value, list):
        return Markup(", ").join(map(any_value, value))
    return ltr(str(value)) if LEFT_TO_RIGHT.fullmatch(str(value)) else Markup("<bdi>{}</bdi>").format(value)


def ltr(text: str) -> Markup:
    """E-mails, numbers and codes read from the left in every language."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(text)


def entry(key: Any, value: Any) -> Markup:
    return Markup('<span class="text-secondary">{}</span> {}').format(_(words(str(key))), any_value(value))


def yes_or_no(value: bool) -> Markup:
    return badge(_("Yes") if value else _("No"), "good" if value else "plain")


def badge(text: str, tone: str) -> Markup:
    return Markup('<span class="badge tone-{}">{}</span>').format(tone, text)


def status(value: str) -> Markup:
    return badge(_(words(value)), TONES.get(value, "plain"))


def moment(value: str) -> Markup:
    """`2026-11-22T09:30:00.000000Z` as `2026-11-22 09:30 UTC`."""
    return Markup('<time datetime="{}" dir="ltr">{} {} UTC</time>').format(value, value[:10], value[11:16])


def money(row: Row, value: str) -> Markup:
    currency = row.values.get("currency") or row.currency
    return ltr(f"{Decimal(value):,} {currency}".strip())


def compact(value: Decimal) -> str:
    """`12K`, for the marks of a scale."""
    return format_compact_decimal(value, locale=get_locale(), fraction_digits=1)


def reference(row: Row, value: str) -> Markup:
    """The name of what is referred to, as a link where the reader may open it."""
    name = row.names.get(value)
    if name is None:
        return Markup('<span class="text-secondary">{}</span>').format(_("(hidden)"))
    if name.page is None:
        return any_value(name.title)
    return Markup('<a href="{}">{}</a>').format(address(name.page, value), any_value(name.title))


def note(row: Row, value: str) -> Markup:
    short = value[:120] + "…" if row.brief and len(value) > 120 else value
    return Markup('<bdi class="note">{}</bdi>').format(short)


def choices(value: list[str]) -> Markup:
    return Markup(" ").join(map(status, value)) if value else NOTHING


def lines(value: list[str]) -> Markup:
    items = Markup("").join(Markup("<li><bdi>{}</bdi></li>").format(item) for item in value)
    return Markup('<ul class="mb-0 ps-3">{}</ul>').format(items) if value else NOTHING


def changed(row: Row, value: Mapping[str, Any]) -> Markup:
    """The changes of an audit entry: each field with its old and its new value."""
    shown = list(value.items())[: MOST_ENTRIES if row.brief else None]
    made = [
        Markup('<span class="text-secondary">{}</span> {} → {}').format(
            _(label(name)), *(changed_value(row, each) for each in pair)
        )
        for name, pair in shown
    ]
    return Markup("<br>").join([*made, Markup("…")] if len(shown) < len(value) else made) or NOTHING


def changed_value(row: Row, value: Any) -> Markup:
    return reference(row, value) if isinstance(value, str) and value in row.names else any_value(value)


def progress(row: Row, value: Mapping[str, Any]) -> Markup:
    """How many of the documents that an order needs are verified; nothing when it needs none."""
    said = _("%(verified)s of %(required)s verified") % value
    return badge(said, "good" if value["is_complete"] else "waiting") if value["required"] else NOTHING


def thumbnail(row: Row, value: bool) -> Markup:
    """The small picture of a document, or a sheet of paper where there is none."""
    what, picture = row.text("category"), address(row.resource.name, row.values["id"], "thumbnail")
    return PICTURE.format(picture, what) if value else NO_PICTURE.format(what)


def product_picture(row: Row, value: str) -> Markup:
    return PICTURE.format(media.source(value), row.text("name"))


def size(value: int) -> str:
    """Bytes as people say them: `102.8 kB`."""
    if value < 1000:
        return _("%(n)s bytes") % {"n": value}
    return f"{value / 1000:.1f} kB" if value < 1_000_000 else f"{value / 1_000_000:.1f} MB"


def ago(value: str) -> Markup:
    """`1 day ago`; the moment itself shows when it is pointed at."""
    since = format_timedelta(datetime.fromisoformat(value) - now(), add_direction=True, locale=get_locale())
    exact = f"{value[:10]} {value[11:16]} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(value, exact, since)


def payment_card(row: Row, value: str) -> Markup:
    """`Visa ending in 4242`"""
    return ltr(card(row.values))


def stock(row: Row, value: int) -> Markup:
    return ltr(f"{value:,}") if value else badge(_("Out of stock"), "bad")


def refunded(row: Row, value: str) -> Markup:
    return money(row, value) if Decimal(value) else NOTHING


def payment_status(row: Row, value: str) -> Markup:
    """An order that staff confirmed waits for no payment."""
    by_hand = row.values.get("confirmed_without_payment") and value == "PENDING"
    return badge(_("Not by card"), "plain") if by_hand else status(value)


def review(row: Row, value: bool) -> Markup:
    return badge(_("Needs review"), "bad") if value else NOTHING


def formatted(row: Row, value: Any) -> Markup:
    """JSON as it came, on many lines."""
    return Markup('<pre class="json" dir="ltr" tabindex="0">{}</pre>').format(
        json.dumps(value, indent=2, ensure_ascii=False)
    )


def changed_row(row: Row, value: str) -> Markup:
    """The row that an audit entry is about, as a link to its page."""
    table = row.values.get("resource")
    page = next((place.name for place in pages_of(Role.ADMIN) if place.table.sql_table.name == table), None)
    return Markup('<a href="{}">{}</a>').format(address(page, value), _("Open")) if page else NOTHING


Shown = Callable[[Row, Any], Markup]
SHOW: Mapping[Kind, Shown] = {
    "reference": reference,
    "choice": lambda row, value: status(value),
    "choices": lambda row, value: choices(value),
    "bool": lambda row, value: yes_or_no(value),
    "money": money,
    "moment": lambda row, value: moment(value),
    "note": note,
    "lines": lambda row, value: lines(value),
}
SPECIAL: Mapping[tuple[str, str], Shown] = {
    ("products", "stock"): stock,
    ("seller/products", "stock"): stock,
    ("admin/audit", "changes"): changed,
    ("admin/audit", "row_id"): changed_row,
    ("admin/documents", "category"): lambda row, value: Markup.escape(_(words(value))),
    ("admin/documents", "file_size"): lambda row, value: ltr(size(value)),
    ("admin/documents", "has_thumbnail"): thumbnail,
    **dict.fromkeys((("products", "thumbnail_url"), ("seller/products", "thumbnail_url")), product_picture),
    ("admin/orders", "documents"): progress,
    ("admin/orders", "payment_status"): payment_status,
    ("admin/payments", "card_brand"): payment_card,
    ("admin/payments", "refunded_amount"): refunded,
    ("admin/payments", "needs_review"): review,
    ("admin/emails", "template"): lambda row, value: Markup.escape(_(words(value))),
    ("admin/stripe-events", "payload"): formatted,
}
"""Columns that need words of their own, by the path of their resource."""
