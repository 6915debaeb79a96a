"""One specimen of the demo: whose it is, what stands in a passport, and its files.

The libraries that draw are loaded when the first is drawn.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from random import Random

from app.clients.storage import PrivateFiles
from app.flows.document_files import THUMBNAIL, thumbnail_address
from app.flows.uploads import file_key
from app.mrz import Passport
from app.resources.documents import Document
from app.resources.services import DocumentCategory

AT_ONCE = 8
"""Files on their way into the store."""
# fmt: off
COUNTRIES = {
    "GB": ("GBR", "United Kingdom"), "CA": ("CAN", "Canada"), "AE": ("ARE", "United Arab Emirates"),
    "NG": ("NGA", "Nigeria"), "FR": ("FRA", "France"), "DZ": ("DZA", "Algeria"), "MA": ("MAR", "Morocco"),
}
"""ICAO's three letters and the name of the country."""
LATIN = {
    "محمد بن عيسى": "Mohamed|Ben Aissa", "فاطمة الزهراء بوعلام": "Fatima Zohra|Boualem",
    "عبد القادر مزيان": "Abdelkader|Meziane", "نادية حمداوي": "Nadia|Hamdaoui", "كريم بلقاسم": "Karim|Belkacem",
    "سعاد زروقي": "Souad|Zerrouki", "ياسين شريف": "Yacine|Cherif", "آمال قاسمي": "Amel|Kacemi",
    "رشيد منصوري": "Rachid|Mansouri", "خديجة بن يوسف": "Khadidja|Benyoucef", "يوسف العلوي": "Youssef|El Alaoui",
    "سناء الإدريسي": "Sanae|El Idrissi", "حمزة التازي": "Hamza|Tazi", "مريم بنجلون": "Meryem|Benjelloun",
    "سالم المزروعي": "Salem|Al Mazrouei", "عائشة الكتبي": "Aisha|Al Ketbi", "راشد الشامسي": "Rashid|Al Shamsi",
}
WOMEN = {
    "Eleanor", "Priya", "Charlotte", "Megan", "Hannah", "Rebecca", "Laura", "Emily", "Victoria", "Margaret", "Adaeze",
    "Folake", "Ngozi", "Amélie", "Hélène", "Chloé", "Anaïs", "Zoé", "Marie-Thérèse", "Inès", "Gaëlle", "Geneviève",
    "Mélanie", "Noémie", "Amina", "Fatima", "Nadia", "Souad", "Amel", "Khadidja", "Sanae", "Meryem", "Aisha",
}
# fmt: on


def passport_of(full_name: str, country: str, expires: date, number: str | None = None) -> Passport:
    """The same person each time. Without a number it is the one this person always has."""
    chance = Random(full_name)
    born = date(chance.randint(1956, 2002), chance.randint(1, 12), chance.randint(1, 28))
    known = f"X{chance.randint(1_000_000, 9_999_999)}"
    given_names, surname = names_of(full_name)
    sex = "F" if given_names.partition(" ")[0] in WOMEN else "M"
    issuer = COUNTRIES[country][0]
    return Passport(number or known, surname, given_names, issuer, issuer, born, sex, expires)


def passport(full_name: str) -> bytes:
    """An Algerian passport of this person, valid for eight years, as JPEG."""
    from app.seed import drawings

    today = date.today()
    person = passport_of(full_name, "DZ", date(today.year + 8, today.month, 1))
    return drawings.passport(person, COUNTRIES["DZ"][1], Random(full_name))


def names_of(full_name: str) -> tuple[str, str]:
    """Given names and surname; who has one name has it as surname."""
    given, _, surname = LATIN.get(full_name, full_name.replace(" ", "|", 1)).partition("|")
    return (given, surname) if surname else ("", given)


@dataclass
class Paper:
    """A document and what is drawn for it. `face` is what portraits begin with, `until` a statement's last day."""

    document: Document
    shows: DocumentCategory
    passport: Passport
    country: str
    face: str
    travels: date
    until: date
    flaw: str

    def draw(self) -> bytes:
        from app.seed import drawings

        name, chance = f"{self.passport.given_names} {self.passport.surname}", Random(f"{self.face} {self.travels}")
        if self.shows is DocumentCategory.BANK_STATEMENT:
            return drawings.statement(name, chance, self.until)
        if self.shows is DocumentCategory.OTHER:
            return drawings.other(name, chance, self.travels)
        if self.shows is DocumentCategory.PHOTO:
            picture = drawings.photo(Random(self.face), self.passport.sex)
        else:
            picture = drawings.passport(self.passport, self.country, Random(self.face))
        spoil = {"blurred": drawings.blurred, "cut_off": drawings.cut_off}.get(self.flaw)
        return spoil(picture) if spoil else picture

    async def store(self, files: PrivateFiles) -> None:
        """Draw it, put both files into the store, and note in the row where they are."""
        document, content = self.document, self.draw()
        small, document.pages = thumbnail(content)
        document.file_size = len(content)
        document.storage_key = files.address(file_key(document))
        document.thumbnail_key = thumbnail_address(document)
        await files.put(document.storage_key, BytesIO(content), document.mime_type)
        await files.put(document.thumbnail_key, BytesIO(small), "image/jpeg")


def thumbnail(content: bytes) -> tuple[bytes, int]:
    """A small JPEG of a picture or a first page, and how many pages there are. What we drew ourselves needs no box."""
    from PIL import Image
    from pypdfium2 import PdfDocument

    from app.seed import drawings

    if content.startswith(b"%PDF-"):
        pdf = PdfDocument(content)
        return drawings.jpeg(pdf[0].render(scale=THUMBNAIL / pdf[0].get_width()).to_pil()), len(pdf)
    picture = Image.open(BytesIO(content))
    picture.draft("RGB", (THUMBNAIL, THUMBNAIL * picture.height // picture.width))
    picture.thumbnail((THUMBNAIL, 4 * THUMBNAIL))
    return drawings.jpeg(picture), 1


async def store(papers: Iterable[Paper], files: PrivateFiles) -> None:
    """Draw and store them. Raises StorageDown, and then nobody asks for what is stored already."""
    left = iter(papers)

    async def work() -> None:
        for paper in left:
            await paper.store(files)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
