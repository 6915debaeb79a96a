"""The receipt: a page that says who paid what, in the letters of many languages, and the same bytes every time."""

import hashlib
import re
import zlib
from typing import Any

import pytest

from app.letters import sample
from app.receipt import BOX, FONTS, card, moment, money, receipt

CHECKSUMS = {
    "DejaVuSans.ttf": "9663f184843b6324cb3bd48961ef86dc45d9b91360a828e34376f0a40c43f851",
    "DejaVuSans-Bold.ttf": "47261f5d9ce387483a613552f97e37a5545433b0d31003e6ca0c99cee16ab041",
}
STREAM = re.compile(rb"stream\n(.*?)\nendstream", re.DOTALL)
WRITTEN = re.compile(rb"/F(\d) [\d.]+ Tf|\(((?:\\.|[^\\)])*)\) Tj", re.DOTALL)
ESCAPES = {rb"\r": b"\r", rb"\n": b"\n"}


def facts(**values: Any) -> dict[str, Any]:
    return {**sample("order_confirmed"), "email": "amina@example.com", **values}


def named(name: str) -> bytes:
    return receipt(facts(name=name), "Souk")


def paid(**values: Any) -> dict[str, Any]:
    return {**sample("order_confirmed")["payment"], **values}


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\n", pdf))


def text_of(pdf: bytes) -> str:
    """What a reader copies: the glyphs of each page, by the table of characters that comes with each font."""
    streams = STREAM.findall(pdf)
    tables = [
        {int(glyph, 16): chr(int(character, 16)) for glyph, character in re.findall(rb"<(\w{4})> <(\w{4})>", each)}
        for each in streams
        if b"begincmap" in each
    ]
    return "".join(tables[font - 1].get(glyph, "") for font, glyph in glyphs_of(streams[0]))


def glyphs_of(stream: bytes) -> list[tuple[int, int]]:
    """Font and glyph of every letter, as written."""
    found, font = [], 1
    for switch, text in WRITTEN.findall(zlib.decompress(stream)):
        font = int(switch or font)
        plain = re.sub(rb"\\(.)", lambda escape: ESCAPES.get(escape[0], escape[1]), text, flags=re.DOTALL)
        found += [(font, int.from_bytes(plain[at : at + 2])) for at in range(0, len(plain), 2)]
    return found


def glyphs_for(name: str) -> int:
    """How many glyphs the page has."""
    return len(set(glyphs_of(STREAM.findall(named(name))[0])))


def test_it_says_who_paid_what():
    pdf = receipt(facts(), "Souk")
    assert pdf.startswith(b"%PDF-")
    assert pages(pdf) == 1
    assert text_of(pdf) == (
        "ReceiptSoukOrderHT-2026-000001Date14 January 2026, 09:30 UTCBilled toAmina Benaliamina@example.com"
        "900.00 USD2 ×Canada Visitor Visa25.50 USD1 ×Courier delivery925.50 USDTotal paid"
        "Paid withVisa ending in 4242Payment referencepi_3SouK0000000000000000001"
    )


def test_the_address_may_be_unknown():
    assert "Amina Benali900.00" in text_of(receipt(sample("order_confirmed"), "Souk"))


def test_the_same_facts_make_the_same_bytes(run):
    made = "from app.letters import *; import hashlib; pdf = letter('order_confirmed', sample('order_confirmed'))"
    digests = {run(f"{made}.attachments[0].content; print(hashlib.sha256(pdf).hexdigest())") for _ in range(2)}
    assert digests == {hashlib.sha256(receipt(sample("order_confirmed"), "Souk")).hexdigest()}
    assert b"/CreationDate (D:20260114093000Z)" in receipt(facts(), "Souk")


def test_french_names_come_out_right():
    assert "Zoé Lefèvre-Œuvré" in text_of(named("Zoé Lefèvre-Œuvré"))


def test_arabic_letters_are_joined():
    """Three times the same letter looks different at the beginning, in the middle and at the end."""
    assert glyphs_for("ببب") == glyphs_for("") + 3


def test_arabic_runs_from_right_to_left():
    assert "دم" in text_of(named("مد"))


def test_what_the_font_lacks_becomes_a_box():
    assert f"Li {BOX}{BOX} {BOX}" in text_of(named("Li 小龙 🎉"))


@pytest.mark.parametrize(
    "name", ["👨‍👩‍👧", "ก", "\u202eabc", "a\x07b", "a\ud800b", "a\u200db", "x" * 200, " ", "(\\)", ""]
)
def test_no_name_stops_it(name):
    pdf = receipt(facts(name=name, email=name), name)
    assert pdf.startswith(b"%PDF-")
    assert pages(pdf) == 1


def test_many_items_take_more_pages():
    items = [{"title": "Visa " * 40, "quantity": 1, "line_total": "1.00"}] * 30
    assert pages(receipt(facts(items=items), "Souk")) > 1


@pytest.mark.parametrize(
    ("brand", "digits", "words"),
    [
        ("visa", "4242", "Visa ending in 4242"),
        ("amex", "0005", "American Express ending in 0005"),
        ("cartes_bancaires", "1001", "Cartes Bancaires ending in 1001"),
        (None, "4242", "Card ending in 4242"),
        ("Visa", None, "Visa"),
        (None, None, ""),
    ],
)
def test_cards_in_words(brand, digits, words):
    payment = paid(card_brand=brand, card_last4=digits)
    assert card(payment) == words
    assert ("Paid with" + words in text_of(receipt(facts(payment=payment), "Souk"))) == bool(words)


def test_amounts_and_moments_in_words():
    assert [money("52650.00", "DZD"), money("1200", "JPY"), money("0.500", "KWD")] == [
        "52,650.00 DZD",
        "1,200 JPY",
        "0.500 KWD",
    ]
    assert moment("2026-01-14T10:30:00+01:00") == moment("2026-01-14T09:30:00.123Z") == "14 January 2026, 09:30 UTC"


def test_the_fonts_are_the_ones_we_chose():
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FONTS.glob("*.ttf")} == CHECKSUMS
    assert "Bitstream Vera" in (FONTS / "LICENSE").read_text()


def test_the_library_is_not_loaded_before_the_first_receipt(run):
    assert run("import sys, app.letters; print({'fpdf', 'fontTools', 'PIL'} & set(sys.modules))") == "set()"
