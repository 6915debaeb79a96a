"""The receipt of a payment: one A4 page as PDF. The same facts make the same bytes, so that it may be made again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from gettext import gettext as _
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.fonts import TTFFont

FONTS = Path(__file__).parent.parent / "email_templates" / "fonts"
BRANDS = {"amex": "American Express", "diners": "Diners Club", "jcb": "JCB", "unionpay": "UnionPay"}
INK, GREY, LINE = (31, 41, 55), (82, 96, 112), (220, 225, 231)
MARGIN, WIDTH, QUANTITY, AMOUNT, ROOM = 20, 170, 16, 45, 40
"""Millimetres: around the page, of what is written, of the columns of an item, of the tallest item."""
BOX = "\u25a1"


def receipt(facts: Mapping[str, Any], shop: str) -> bytes:
    """The PDF. `facts` is the context of the mail `order_confirmed` with its payment; `email` may be there too."""
    payment = facts["payment"]
    pdf = blank(utc(payment["paid_at"]))
    pdf.set_title(readable(pdf, f"{_('Receipt')} {facts['order_number']}"))
    pdf.set_author(readable(pdf, shop))
    heading(pdf, shop)
    details(pdf, facts, payment)
    items(pdf, facts)
    paid(pdf, payment)
    return bytes(pdf.output())


def money(amount: str, currency: str) -> str:
    """`52650.00`, `DZD` as `52,650.00 DZD`."""
    return f"{Decimal(str(amount)):,f} {currency}"


def utc(value: str) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def moment(value: str) -> str:
    """`2026-01-14T09:30:00Z` as `14 January 2026, 09:30 UTC`."""
    return f"{utc(value).day} {utc(value):%B %Y, %H:%M} UTC"


def card(payment: Mapping[str, Any]) -> str:
    """`Visa ending in 4242`; empty where nothing is known."""
    brand, digits = payment["card_brand"], payment["card_last4"]
    name = BRANDS.get(brand.lower(), brand.replace("_", " ").title()) if brand else _("Card")
    if digits:
        return _("%(name)s ending in %(digits)s") % {"name": name, "digits": digits}
    return name if brand else ""


def blank(created: datetime) -> "FPDF":
    """An empty page with our fonts. fpdf brings fontTools and pillow, 50 MB that a web process need not carry."""
    from fpdf import FPDF

    pdf = FPDF(format="A4")
    pdf.set_creation_date(created)
    pdf.set_lang("en")
    pdf.set_margin(MARGIN)
    pdf.add_font("DejaVu", "", FONTS / "DejaVuSans.ttf")
    pdf.add_font("DejaVu", "B", FONTS / "DejaVuSans-Bold.ttf")
    pdf.set_text_shaping(True)
    pdf.add_page()
    pdf.set_draw_color(*LINE)
    return pdf


def write(pdf: "FPDF", text: str, style: str = "", size: float = 10, grey: bool = False, **place: Any) -> None:
    """Text in a cell as wide as `w`, in as many lines as it needs."""
    pdf.set_font("DejaVu", style, size)
    pdf.set_text_color(*(GREY if grey else INK))
    pdf.multi_cell(h=size * 0.55, text=readable(pdf, text, style), **{"w": WIDTH, "align": "L", **place})


def readable(pdf: "FPDF", text: str, style: str = "") -> str:
    """With a box for what the font does not have, such as Chinese; fpdf would leave it out."""
    known = cast("TTFFont", pdf.fonts[f"dejavu{style}"]).cmap
    return "".join(BOX if ord(character) not in known else character for character in text)


def heading(pdf: "FPDF", shop: str) -> None:
    pdf.set_x(MARGIN + WIDTH - AMOUNT)
    write(pdf, _("Receipt"), size=18, grey=True, w=AMOUNT, align="R", new_x="LMARGIN", new_y="TOP")
    write(pdf, shop, "B", 18, w=WIDTH - AMOUNT - 5, new_x="LMARGIN", new_y="NEXT")
    rule(pdf, 8)


def rule(pdf: "FPDF", space: float) -> None:
    """A thin line with so many millimetres around it."""
    pdf.ln(space / 2)
    pdf.line(MARGIN, pdf.get_y(), MARGIN + WIDTH, pdf.get_y())
    pdf.ln(space / 2)


def details(pdf: "FPDF", facts: Mapping[str, Any], payment: Mapping[str, Any]) -> None:
    pdf.ln(4)
    row(pdf, _("Order"), facts["order_number"])
    row(pdf, _("Date"), moment(payment["paid_at"]))
    row(pdf, _("Billed to"), facts["name"])
    if facts.get("email"):
        row(pdf, "", facts["email"])
    pdf.ln(8)


def row(pdf: "FPDF", label: str, value: str) -> None:
    write(pdf, label, grey=True, w=AMOUNT, new_x="RIGHT", new_y="TOP")
    write(pdf, value, w=WIDTH - AMOUNT, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(2)


def items(pdf: "FPDF", facts: Mapping[str, Any]) -> None:
    """What was bought. The amount is written first, so that a title of several lines stays beside it."""
    rule(pdf, 6)
    for item in facts["items"]:
        if pdf.will_page_break(ROOM):
            pdf.add_page()
        amount_right(pdf, money(item["line_total"], facts["currency"]))
        write(pdf, f"{item['quantity']} ×", w=QUANTITY, new_x="RIGHT", new_y="TOP")
        write(pdf, item["title"], w=WIDTH - QUANTITY - AMOUNT - 5, new_x="LMARGIN", new_y="NEXT")
        rule(pdf, 6)


def amount_right(pdf: "FPDF", amount: str, style: str = "", size: float = 10) -> None:
    pdf.set_x(MARGIN + WIDTH - AMOUNT)
    write(pdf, amount, style, size, w=AMOUNT, align="R", new_x="LMARGIN", new_y="TOP")


def paid(pdf: "FPDF", payment: Mapping[str, Any]) -> None:
    if pdf.will_page_break(ROOM):
        pdf.add_page()
    pdf.ln(2)
    amount_right(pdf, money(payment["amount"], payment["currency"]), "B", 12)
    write(pdf, _("Total paid"), "B", 12, w=WIDTH - AMOUNT - 5, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(10)
    if card(payment):
        row(pdf, _("Paid with"), card(payment))
    row(pdf, _("Payment reference"), payment["reference"])
