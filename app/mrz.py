"""The machine-readable zone of a passport: two lines of 44 characters, as in ICAO Doc 9303 part 4 (TD3).

https://www.icao.int/publications/doc-series/doc-9303
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from slugify import slugify

from app.errors import ValidationError

WIDTH, NAMES, NUMBER = 44, 39, 9
"""Characters: of a line, of the names in the first, of the passport number in the second."""
VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}
CHECKED = (
    ("passport number", 0, 9),
    ("date of birth", 13, 19),
    ("date of expiry", 21, 27),
    ("personal number", 28, 42),
)
"""What has a check digit of its own right behind it in the second line, and from where to where."""
SEXES = {"M": "M", "F": "F", "<": "X"}


@dataclass(frozen=True)
class Passport:
    """What both lines say. Countries are ICAO's codes of up to three letters (`DZA`, `D`), `sex` is M, F or X, `born`
    is None when it is not known."""

    number: str
    surname: str
    given_names: str
    nationality: str
    issuer: str
    born: date | None
    sex: str
    expires: date


def read(text: str) -> Passport:
    """The passport of two lines as staff type or paste them. Raises ValidationError at `/mrz`, in words for staff."""
    first, second = lines(text)
    if first[0] != "P":
        raise wrong("not_a_passport", "This is not a passport: the first line of a passport begins with P.")
    if re.search("[0-9]", first):
        raise wrong("characters", "There are no digits in the first line: is an O typed as 0, or an I as 1?")
    check_digits(second)
    surname, _, given_names = first[5:].partition("<<")
    return Passport(
        number=needed("passport number", second[:9]),
        surname=needed("surname", surname),
        given_names=spaced(given_names),
        nationality=country("nationality", second[10:13]),
        issuer=country("issuing country", first[2:5]),
        born=birth(second[13:19]),
        sex=sex(second[20]),
        expires=day("date of expiry", second[21:27]),
    )


def compose(passport: Passport) -> tuple[str, str]:
    """Both lines. What is too long for its place is cut, as ICAO does with names; `read` gives back all else."""
    surname, given_names = fillers(passport.surname), fillers(passport.given_names)
    names = f"{surname[: NAMES - 3]}<<{given_names}" if given_names else surname
    first = f"P<{field(passport.issuer, 3)}{names}".ljust(WIDTH, "<")[:WIDTH]
    number, optional = field(passport.number, NUMBER), "<" * 14
    born, expires = f"{passport.born:%y%m%d}" if passport.born else "<" * 6, f"{passport.expires:%y%m%d}"
    letter = passport.sex if passport.sex in ("M", "F") else "<"
    second = f"{number}{digit(number)}{field(passport.nationality, 3)}{born}{digit(born)}{letter}"
    second += f"{expires}{digit(expires)}{optional}0"
    return first, second + digit(composite(second))


def wrong(code: str, sentence: str) -> ValidationError:
    return ValidationError.of("/mrz", code, sentence)


def lines(text: str) -> tuple[str, str]:
    """Both lines in capitals, without the spaces. Word processors make `«` of `<<`."""
    rows = ["".join(row.split()).replace("«", "<<") for row in text.splitlines()]
    rows = [row for row in rows if row]
    if strange := re.search("[^A-Za-z0-9<]", whole := "".join(rows)):
        shown = strange[0] if strange[0].isprintable() else "an invisible character"
        raise wrong("characters", f"Only the letters A to Z, digits and < may stand here, not {shown}.")
    if len(rows) == 2:
        for name, row in zip(("first", "second"), rows, strict=True):
            if len(row) != WIDTH:
                raise wrong("length", f"The {name} line must have {WIDTH} characters, this one has {len(row)}.")
    if len(whole) != 2 * WIDTH:
        raise wrong("length", f"Two lines of {WIDTH} characters are needed, these are {len(whole)} in all.")
    return whole[:WIDTH].upper(), whole[WIDTH:].upper()


def digit(text: str) -> str:
    """The check digit: weights 7, 3 and 1 in turn, modulo 10."""
    return str(sum(VALUES[character] * (7, 3, 1)[place % 3] for place, character in enumerate(text)) % 10)


def composite(second: str) -> str:
    """What the last digit of the second line checks: all but nationality and sex."""
    return second[0:10] + second[13:20] + second[21:43]


def check_digits(second: str) -> None:
    for name, start, end in CHECKED:
        unused = end == 42 and second[start : end + 1].strip("<") == ""
        if second[end] != digit(second[start:end]) and not unused:
            place = f"characters {start + 1} to {end + 1} of the second line"
            raise wrong("check_digit", f"The check digit of the {name} is wrong: please compare {place}.")
    if second[43] != digit(composite(second)):
        raise wrong("check_digit", "The last check digit is wrong: please compare the whole second line.")


def needed(name: str, text: str) -> str:
    if not spaced(text):
        raise wrong("missing", f"The {name} is missing.")
    return spaced(text)


def country(name: str, text: str) -> str:
    if not re.fullmatch("[A-Z]{1,3}<*", text):
        raise wrong("country", f"The {name} must be a code of letters such as DZA, not {text}.")
    return text.rstrip("<")


def sex(letter: str) -> str:
    if letter not in SEXES:
        raise wrong("sex", f"Character 21 of the second line must be M, F or <, not {letter}.")
    return SEXES[letter]


def day(name: str, text: str) -> date:
    """`310314` as 14 March 2031: expiry is always in this century."""
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        raise wrong("date", f"The {name} is not a day of the calendar: {text} (year, month, day).") from None


def birth(text: str) -> date | None:
    """In the past: `88` is 1988. The years 2000 and 1900 differ in their leap day, but 2000 is past already. None where
    it is not known, as ICAO allows."""
    if "<" in text:
        return None
    born = day("date of birth", text)
    return born if born < datetime.now(UTC).date() else born.replace(year=born.year - 100)


def spaced(text: str) -> str:
    return " ".join(text.replace("<", " ").split())


def fillers(text: str) -> str:
    """`Ngozi Eze-Okonkwo` as `NGOZI<EZE<OKONKWO`: letters of every script as A to Z, apostrophes left out."""
    latin = slugify(re.sub("['’ʼ]", "", text)).upper()
    return "<".join(re.findall("[A-Z]+", latin))


def field(text: str, width: int) -> str:
    return re.sub("[^A-Z0-9]", "<", text.upper())[:width].ljust(width, "<")
