"""The specimens of the demo: they open, are the same every time, and the zone of a passport is what is printed."""

from datetime import date
from io import BytesIO
from random import Random
from time import process_time

import pikepdf
import pytest
from PIL import Image, ImageChops

from app import mrz
from app.mrz import Passport
from app.seed import drawings
from app.seed.people import CUSTOMERS

KARIM = Passport("X3453767", "Belkacem", "Karim", "DZA", "DZA", date(1988, 5, 12), "M", date(2031, 3, 14))
CELLS = [drawings.monospaced(character) for character in mrz.VALUES]

EDGES = ((500, 30), (30, 350), (970, 350), (500, 670))
"""Pixels near the top, left, right and foot of a passport."""


def karim() -> bytes:
    return drawings.passport(KARIM, "Algeria", Random(1))


def opened(picture: bytes) -> Image.Image:
    image = Image.open(BytesIO(picture))
    image.load()
    assert image.format == "JPEG"
    return image


def printed(picture: bytes) -> list[str]:
    """The zone as a machine reads it: for each cell, the character whose shape is nearest."""
    grey, lines = opened(picture).convert("L"), []
    for top in drawings.ZONE:
        line = ""
        for place in range(mrz.WIDTH):
            left = round(drawings.MARGIN + place * drawings.CELL)
            cell = grey.crop((left, top, left + CELLS[0].width, top + CELLS[0].height))
            line += list(mrz.VALUES)[min(range(len(CELLS)), key=lambda each: distance(cell, CELLS[each]))]
        lines.append(line)
    return lines


def distance(cell: Image.Image, mask: Image.Image) -> int:
    return sum(
        place * count
        for place, count in enumerate(ImageChops.difference(ImageChops.invert(cell), mask).histogram())
        if place > 60
    )


def sharpness(picture: bytes) -> int:
    """How much the printed zone differs from itself one pixel on."""
    zone = opened(picture).convert("L").crop((40, 540, 960, 660))
    return max(ImageChops.difference(zone, ImageChops.offset(zone, 1, 0)).getextrema())


def text_of(pdf: pikepdf.Pdf) -> bytes:
    return b"".join(page.Contents.read_bytes() for page in pdf.pages)


DRAWN = {
    "passport": karim,
    "photo": lambda: drawings.photo(Random(1)),
    "blurred": lambda: drawings.blurred(karim()),
    "cut_off": lambda: drawings.cut_off(karim()),
    "statement": lambda: drawings.statement("Jérôme Lefèvre", Random(1)),
    "other": lambda: drawings.other("Jérôme Lefèvre", Random(1)),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_the_same_chance_draws_the_same_bytes(kind):
    first = DRAWN[kind]()
    drawings.paper.cache_clear()
    assert DRAWN[kind]() == first


@pytest.mark.parametrize(
    ("kind", "size", "most"),
    [
        ("passport", (1000, 700), 160_000),
        ("photo", (700, 900), 60_000),
        ("blurred", (1000, 700), 60_000),
        ("cut_off", (1000, 700), 140_000),
    ],
)
def test_pictures_open_and_are_not_heavy(kind, size, most):
    picture = DRAWN[kind]()
    assert opened(picture).size == size
    assert 10_000 < len(picture) < most


@pytest.mark.parametrize("name", ["Karim", "كريم بلقاسم", "Zoë Lefèvre-Núñez", "N" * 80])
def test_the_zone_that_is_printed_is_valid_and_says_who(name):
    person = Passport("X3453767", name, "Ana Wim", "DZA", "DZA", date(1988, 5, 12), "F", date(2031, 3, 14))
    lines = printed(drawings.passport(person, "United Arab Emirates", Random(2)))
    assert tuple(lines) == mrz.compose(person)
    read = mrz.read("\n".join(lines))
    assert (read.number, read.born, read.expires) == (person.number, person.born, person.expires)


def test_what_is_to_be_rejected_cannot_be_read():
    assert sharpness(drawings.blurred(karim())) * 3 < sharpness(karim())
    badly_laid = drawings.cut_off(karim())
    assert printed(badly_laid) != list(mrz.compose(KARIM))
    near = [sum(map(abs, map(int.__sub__, opened(badly_laid).getpixel(at), drawings.DESK))) for at in EDGES]
    assert [each < 20 for each in near] == [True, True, False, False]


def test_countries_have_papers_of_their_own():
    colours = {drawings.paper(country).getpixel((2, 2)) for country in ("Algeria", "Canada", "France", "Nigeria")}
    assert len(colours) == 4


def test_a_photo_shows_the_face_of_the_passport():
    left, top = drawings.MARGIN, 130
    face = opened(karim()).crop((left, top, left + drawings.FACE[0], top + drawings.FACE[1]))
    photo = opened(drawings.photo(Random(1), "M"))
    for across, down in ((0.5, 0.4), (0.5, 0.2), (0.05, 0.05), (0.5, 0.95)):
        one, two = (image.getpixel((int(image.width * across), int(image.height * down))) for image in (face, photo))
        assert all(abs(a - b) < 12 for a, b in zip(one, two, strict=True))


def test_statements_have_one_to_three_pages_and_every_page_says_specimen():
    pages = set()
    for seed in range(20):
        with pikepdf.open(BytesIO(drawings.statement("Jérôme Lefèvre", Random(seed)))) as pdf:
            pages.add(len(pdf.pages))
            for page in pdf.pages:
                assert b"(SPECIMEN)" in page.Contents.read_bytes()
    assert pages == {1, 2, 3}


def test_a_statement_ends_on_its_day():
    with pikepdf.open(BytesIO(drawings.statement("Ana", Random(3), date(2025, 3, 1)))) as pdf:
        assert b"30 NOV 2024 to 01 MAR 2025" in text_of(pdf)
        assert b"2026" not in text_of(pdf)
        assert str(pdf.docinfo["/CreationDate"]).startswith("D:20250301")


def test_a_booking_is_one_page():
    with pikepdf.open(BytesIO(drawings.other("Ana", Random(3), date(2027, 1, 9)))) as pdf:
        assert len(pdf.pages) == 1
        assert b"09 JAN 2027" in text_of(pdf)


def test_everybody_in_the_demo_can_have_papers():
    began = process_time()
    for place, (name, _, _) in enumerate(CUSTOMERS):
        given_names, _, surname = name.partition(" ")
        person = Passport(f"X{place:07}", surname, given_names, "UTO", "UTO", date(1990, 1, 1), "X", date(2030, 1, 1))
        assert mrz.read("".join(mrz.compose(person))).number == person.number
        drawings.passport(person, "Utopia", Random(place))
        drawings.statement(name, Random(place))
    assert process_time() - began < 10
