"""What customers of the demo send in, drawn on the spot: specimens of passports, photos, statements and bookings.

The same chance makes the same bytes. Everybody and everything in them is invented, and says SPECIMEN. This brings
Pillow and fpdf, which the web process need not carry: import it where you draw.
"""

import math
from collections.abc import Iterator
from colorsys import hls_to_rgb
from datetime import UTC, date, datetime, timedelta
from functools import cache
from io import BytesIO
from random import Random

from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from slugify import slugify

from app.mrz import Passport, compose
from app.receipt import FONTS

Colour = tuple[int, int, int]

PAGE, PORTRAIT, FACE = (1000, 700), (700, 900), (270, 350)
"""Pixels: of a passport, of a photo, of the face in a passport."""
MARGIN, CELL, ZONE = 40, 20.9, (550, 612)
"""Pixels: around the passport, of a character of the zone, from the top to its two lines."""
INK, PALE, RED, DESK = (24, 26, 30), (98, 104, 108), (190, 48, 44), (86, 74, 64)
WALLS: tuple[Colour, ...] = ((196, 204, 212), (214, 218, 222), (204, 212, 204), (220, 212, 202))
SKINS: tuple[Colour, ...] = (
    (238, 204, 178),
    (222, 178, 144),
    (198, 150, 114),
    (164, 116, 84),
    (128, 86, 60),
    (92, 62, 46),
)
HAIRS: tuple[Colour, ...] = ((32, 28, 28), (62, 44, 34), (104, 70, 44), (150, 110, 66), (148, 148, 150))
CLOTHES: tuple[Colour, ...] = ((58, 76, 112), (92, 48, 56), (52, 84, 74), (70, 70, 78), (126, 100, 70), (96, 84, 128))
STYLES = {"M": ("short", "short", "bald", "beard"), "F": ("long", "long", "bun", "scarf")}
EVERY_STYLE = ("short", "bald", "beard", "long", "bun", "scarf")
LINES, QUARTER, STEP = 28, 91, 6.2
"""Movements on a page, days in a statement, millimetres from line to line."""
COLUMNS = ((20, False), (46, False), (136, True), (160, True), (190, True))
"""Millimetres from the left, and whether texts end there."""
SPENDING = (
    ("Card payment Example Market", 12_00, 140_00),
    ("Card payment Sample Bakery", 3_00, 18_00),
    ("Card payment Example Pharmacy", 5_00, 60_00),
    ("Cash withdrawal Exampletown", 20_00, 200_00),
    ("Direct debit Sample Telecom", 15_00, 55_00),
    ("Direct debit Example Energy", 40_00, 160_00),
    ("Sample Railways tickets", 9_00, 95_00),
    ("Transfer to savings", 50_00, 250_00),
)
HOTELS = ("Hotel Specimen Palace", "Example Garden Hotel", "The Sample Riverside", "Pension Specimen")
ROOMS = (("Single room", 74_00), ("Double room", 109_00), ("Twin room", 104_00), ("Family room", 158_00))
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


# -- passports and photos


def passport(person: Passport, country: str, rng: Random) -> bytes:
    """A JPEG of the page with the photo. The zone at its foot is what `compose(person)` says."""
    page = paper(country).copy()
    page.paste(portrait(rng, FACE, person.sex), (MARGIN, 130))
    draw = ImageDraw.Draw(page)
    write(draw, (MARGIN, 34), "PASSPORT · PASSEPORT", 36, (62, 66, 66))
    write(draw, (MARGIN, 84), country.upper(), 20, PALE)
    draw.text((PAGE[0] - MARGIN, 34), "SPECIMEN", RED, font(38, "-Bold"), anchor="ra")
    fields(draw, person, country)
    for line, top in zip(compose(person), ZONE, strict=True):
        for place, character in enumerate(line):
            glyph = monospaced(character)
            draw.bitmap((round(MARGIN + place * CELL), top), glyph, INK)
    return jpeg(page)


def photo(rng: Random, sex: str = "X") -> bytes:
    """A JPEG of head and shoulders. The chance and sex that drew a passport draw the same face again."""
    picture = portrait(rng, PORTRAIT, sex)
    ImageDraw.Draw(picture).text((PORTRAIT[0] - 16, 14), "SPECIMEN", RED, font(24), anchor="ra")
    return jpeg(picture)


def blurred(picture: bytes) -> bytes:
    """The same JPEG as a shaking hand takes it: nothing small can be read."""
    image = Image.open(BytesIO(picture))
    return jpeg(image.reduce(4).filter(ImageFilter.GaussianBlur(2.1)).resize(image.size, Image.Resampling.BICUBIC))


def cut_off(picture: bytes) -> bytes:
    """The same JPEG laid badly on the scanner: askew, with the right side and the foot missing."""
    image = Image.open(BytesIO(picture))
    width, height = image.size
    turn, left, top = math.radians(-4), -width * 0.12, -height * 0.22
    across = (math.cos(turn), math.sin(turn), left, -math.sin(turn), math.cos(turn), top)
    return jpeg(image.transform(image.size, Image.Transform.AFFINE, across, Image.Resampling.BILINEAR, fillcolor=DESK))


def jpeg(image: Image.Image) -> bytes:
    kept = BytesIO()
    image.save(kept, "JPEG", quality=82)
    return kept.getvalue()


@cache
def font(size: int, style: str = "") -> ImageFont.FreeTypeFont:
    """The letters of our receipts: Pillow's own have no accents, and every machine draws the same."""
    return ImageFont.truetype(FONTS / f"DejaVuSans{style}.ttf", size)


def write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
    draw.text(place, text, colour, font(size))


@cache
def monospaced(character: str) -> Image.Image:
    """A mask of one character of the zone, as wide as every other: wide letters are narrowed."""
    shape = font(140)
    left, _, right, _ = shape.getbbox(character)
    drawn = Image.new("L", (round(right - left) + 8, 160))
    ImageDraw.Draw(drawn).text((4 - left, 0), character, 255, shape, stroke_width=3)
    narrow = min(17, max(6, round(drawn.width / 5)))
    mask = Image.new("L", (21, 34))
    mask.paste(drawn.resize((narrow, 34), Image.Resampling.LANCZOS), ((21 - narrow) // 2, 0))
    return mask


@cache
def paper(country: str) -> Image.Image:
    """The page before anything is written: fine waves and a rosette that differ from country to country."""
    chance = Random(country)
    ground = tint(sum(map(ord, country)) * 0.618)
    line = shade(ground, -16)
    image = Image.new("RGB", (PAGE[0] * 2, PAGE[1] * 2), ground)
    draw = ImageDraw.Draw(image)
    bend, length, lean = chance.uniform(14, 34), chance.uniform(90, 220), chance.uniform(-0.5, 0.5)
    for start in range(-800, PAGE[0] * 2 + 800, 26):
        points = [(start + lean * y + bend * math.sin(y / length), y) for y in range(0, PAGE[1] * 2 + 40, 40)]
        draw.line(points, line, 2)
    rosette(draw, chance.randint(5, 13), shade(ground, -26))
    return image.reduce(2)


def rosette(draw: ImageDraw.ImageDraw, petals: int, colour: Colour) -> None:
    """Curves woven around a point at the right, as engravers make them."""
    for ring in range(10):
        points = []
        for step in range(361):
            turn = math.radians(step)
            reach = 250 - ring * 12 + 70 * math.sin(petals * turn + ring * 0.35)
            points.append((1600 + reach * math.cos(turn), 620 + reach * math.sin(turn)))
        draw.line(points, colour, 2)


def tint(hue: float) -> Colour:
    """Pale, and for whole parts of the golden ratio far from its neighbours."""
    red, green, blue = (round(part * 255) for part in hls_to_rgb(hue % 1, 0.89, 0.28))
    return red, green, blue


def shade(colour: Colour, by: int) -> Colour:
    red, green, blue = (max(0, min(255, part + by)) for part in colour)
    return red, green, blue


def fields(draw: ImageDraw.ImageDraw, person: Passport, country: str) -> None:
    """Captions with values: names over the whole width, the rest in two columns."""
    left, right, half, whole = 345, 690, 330, 615
    rows = (
        (left, 130, 100, "Type / Type", "P"),
        (left + 115, 130, 200, "Code / Code", person.issuer),
        (right, 130, 270, "Passport No. / Passeport n°", person.number),
        (left, 196, whole, "Surname / Nom", latin(person.surname).upper()),
        (left, 262, whole, "Given names / Prénoms", latin(person.given_names).upper()),
        (left, 328, half, "Nationality / Nationalité", country),
        (right, 328, 270, "Sex / Sexe", person.sex),
        (left, 394, half, "Date of birth / Date de naissance", written(person.born) if person.born else ""),
        (right, 394, 270, "Date of expiry / Date d'expiration", written(person.expires)),
    )
    for across, down, room, caption, value in rows:
        write(draw, (across, down), caption, 15, PALE)
        size = min(26, int(26 * room / max(1, font(26).getlength(value))))
        write(draw, (across, down + 20), value, max(8, size))
    write(draw, (left, 465), "Specimen, drawn for demonstration. Not a travel document.", 15, RED)


def written(day: date) -> str:
    """`14 MAR 2031`, in every locale."""
    return f"{day.day:02} {MONTHS[day.month - 1]} {day.year}"


def latin(text: str) -> str:
    """As it is where western letters suffice, else transliterated."""
    try:
        return text.encode("latin-1").decode("latin-1")
    except UnicodeEncodeError:
        return slugify(text).replace("-", " ").title()


def portrait(rng: Random, size: tuple[int, int], sex: str) -> Image.Image:
    """Somebody without a face, drawn at twice the size for soft edges."""
    wall, skin, hair, clothes = (rng.choice(colours) for colours in (WALLS, SKINS, HAIRS, CLOTHES))
    style, girth = rng.choice(STYLES.get(sex, EVERY_STYLE)), rng.uniform(0.185, 0.21)
    if style == "scarf":
        hair = shade(rng.choice(CLOTHES), 40)
    unit = size[0] * 2
    image = Image.new("RGB", (unit, size[1] * 2), wall)
    draw = ImageDraw.Draw(image)
    neck = hair if style == "scarf" else shade(skin, -22)
    behind(draw, unit, style, girth, hair)
    draw.ellipse(box(unit, 1.36, 0.43, 0.42), clothes)
    draw.rounded_rectangle(box(unit, 0.84, 0.09, 0.16), unit * 0.09, neck)
    if style in ("short", "bald", "beard"):
        draw.ellipse(box(unit, 0.57, girth + 0.022, 0.05), shade(skin, -12))
    head = (0.535, 0.27) if style == "bald" else (0.565, 0.24)
    draw.ellipse(box(unit, head[0], girth, head[1]), skin)
    if style == "beard":
        draw.chord(box(unit, 0.57, girth + 0.004, 0.255), 5, 175, hair)
        draw.ellipse(box(unit, 0.57, girth * 0.68, 0.13), skin)
    return image.reduce(2)


def box(unit: float, middle: float, across: float, down: float) -> tuple[float, float, float, float]:
    """Around a place on the middle line, in parts of the width: how low it is, and how far it reaches."""
    return (0.5 - across) * unit, (middle - down) * unit, (0.5 + across) * unit, (middle + down) * unit


def behind(draw: ImageDraw.ImageDraw, unit: float, style: str, girth: float, hair: Colour) -> None:
    """Hair or a scarf, before the face covers most of it."""
    if style == "bald":
        return
    if style == "bun":
        draw.ellipse(box(unit, 0.21, 0.09, 0.08), hair)
    if style == "long":
        draw.rounded_rectangle(box(unit, 0.72, girth + 0.045, 0.3), unit * 0.12, hair)
    if style == "scarf":
        draw.ellipse(box(unit, 0.62, girth + 0.04, 0.32), hair)
        draw.ellipse(box(unit, 0.93, girth + 0.07, 0.13), hair)
    wide = {"long": 0.045, "scarf": 0.04}.get(style, 0.01)
    draw.ellipse(box(unit, 0.505, girth + wide, 0.27), hair)


# -- papers


def statement(name: str, rng: Random, until: date = date(2026, 10, 31)) -> bytes:
    """A PDF of one to three pages: somebody's account at a bank that does not exist, for three months up to a day."""
    lines = sorted(movements(rng, until, rng.randint(8, 78)))
    balance, currency = rng.randint(4_000_00, 9_000_00), rng.choice(("EUR", "GBP", "CAD", "USD"))
    facts = (
        ("Account holder", name),
        ("Account number", f"SPEC 0000 {rng.randint(0, 9999):04} {rng.randint(0, 9999):04}"),
        ("Period", f"{written(until - timedelta(days=QUARTER))} to {written(until)}"),
        ("Currency", currency),
    )
    pdf = document("Statement of account", until)
    for start in range(0, len(lines), LINES):
        sheet(pdf, "Specimen Bank", "Statement of account")
        pairs(pdf, facts)
        balance = table(pdf, lines[start : start + LINES], balance)
        footer(pdf, f"Page {pdf.page_no()} of {-(-len(lines) // LINES)}")
    return bytes(pdf.output())


def other(name: str, rng: Random, arrival: date = date(2026, 12, 14)) -> bytes:
    """A PDF of one page: the booking of a room in a hotel that does not exist."""
    hotel, (room, price), nights = rng.choice(HOTELS), rng.choice(ROOMS), rng.randint(2, 12)
    facts = (
        ("Guest", name),
        ("Booking number", f"SPEC-{rng.randint(0, 999_999):06}"),
        ("Arrival", f"{written(arrival)}, from 15:00"),
        ("Departure", f"{written(arrival + timedelta(days=nights))}, until 11:00"),
        ("Room", f"{room}, {rng.choice(('breakfast included', 'room only', 'half board'))}"),
        ("Guests", rng.choice(("1 adult", "2 adults", "2 adults, 1 child"))),
        ("Price per night", f"{money(price)} EUR"),
        ("Total", f"{money(price * nights)} EUR for {nights} nights"),
    )
    pdf = document("Booking confirmation", arrival - timedelta(days=40))
    sheet(pdf, hotel, "Booking confirmation")
    pairs(pdf, facts)
    footer(pdf, "Free cancellation until two days before arrival.")
    return bytes(pdf.output())


def movements(rng: Random, until: date, count: int) -> Iterator[tuple[date, str, int]]:
    """Day, text and cents: a salary and a rent each month, and what somebody spends in between."""
    salary, rent = rng.randint(2_400_00, 4_200_00), rng.randint(600_00, 1_100_00)
    for month in range(3):
        yield until - timedelta(days=30 * month + 3), "Salary Example Works Ltd", salary
        yield until - timedelta(days=30 * month + 27), "Standing order rent", -rent
    for _ in range(count):
        text, least, most = rng.choice(SPENDING)
        yield until - timedelta(days=rng.randint(0, QUARTER - 1)), text, -rng.randint(least, most)


def document(title: str, day: date) -> FPDF:
    """An empty PDF. Its fonts are those that every reader has: no font inside makes it small, and quick to draw."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(datetime(day.year, day.month, day.day, 9, tzinfo=UTC))
    pdf.set_title(f"{title} (specimen)")
    pdf.set_margin(20)
    pdf.set_auto_page_break(False)
    return pdf


def sheet(pdf: FPDF, house: str, title: str) -> None:
    """A page with its heading over the watermark."""
    pdf.add_page()
    pdf.set_font("helvetica", "B", 92)
    pdf.set_text_color(243, 226, 225)
    with pdf.rotation(52, 105, 148):
        pdf.text(22, 160, "SPECIMEN")
    put(pdf, 20, 28, house, "B", 20)
    put(pdf, 190, 28, title, "", 14, right=True)
    put(pdf, 20, 34, "1 Example Street, Exampletown", "", 9, PALE)
    pdf.set_draw_color(*PALE)
    pdf.line(20, 40, 190, 40)
    pdf.set_draw_color(226, 228, 231)


def put(
    pdf: FPDF,
    across: float,
    down: float,
    text: str,
    style: str = "",
    size: float = 9.5,
    colour: Colour = INK,
    right: bool = False,
) -> None:
    """Text that begins at this place of the page in millimetres, or ends there. Cells take far longer."""
    pdf.set_font("helvetica", style, size)
    pdf.set_text_color(*colour)
    text = latin(text)
    pdf.text(across - pdf.get_string_width(text) if right else across, down, text)


def pairs(pdf: FPDF, facts: tuple[tuple[str, str], ...]) -> None:
    for place, (label, value) in enumerate(facts):
        put(pdf, 20, 50 + place * STEP, label, colour=PALE)
        put(pdf, 65, 50 + place * STEP, value)


def table(pdf: FPDF, lines: list[tuple[date, str, int]], balance: int) -> int:
    """The lines of one page between what was there and what is left, in cents."""
    row(pdf, 0, ("Date", "Text", "Out", "In", "Balance"), "B")
    row(pdf, 1, ("", "Balance brought forward", "", "", money(balance)))
    for place, (day, text, cents) in enumerate(lines, 2):
        balance += cents
        out, into = ("", money(cents)) if cents > 0 else (money(-cents), "")
        row(pdf, place, (written(day), text, out, into, money(balance)))
    row(pdf, len(lines) + 2, ("", "Balance carried forward", "", "", money(balance)), "B")
    return balance


def row(pdf: FPDF, place: int, texts: tuple[str, str, str, str, str], style: str = "") -> None:
    down = 82 + place * STEP
    for (across, right), text in zip(COLUMNS, texts, strict=True):
        if text:
            put(pdf, across, down, text, style, right=right)
    pdf.line(20, down + 1.8, 190, down + 1.8)


def money(cents: int) -> str:
    """`123456` as `1,234.56`."""
    return f"{cents / 100:,.2f}"


def footer(pdf: FPDF, text: str) -> None:
    put(pdf, 20, 280, "Specimen, drawn for demonstration. Nothing here is real.", size=8, colour=RED)
    put(pdf, 190, 280, text, size=8, colour=PALE, right=True)
