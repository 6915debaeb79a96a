"""The lines of a passport: every digit is checked, what staff type is understood, and nonsense is refused in words."""

import random
import string
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from app.errors import ValidationError
from app.mrz import Passport, compose, digit, read

FIRST = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
SECOND = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
ANNA = Passport("L898902C3", "ERIKSSON", "ANNA MARIA", "UTO", "UTO", date(1974, 8, 12), "F", date(2012, 4, 15))


def refused(text: str) -> tuple[str, str]:
    """Code and sentence."""
    with pytest.raises(ValidationError) as caught:
        read(text)
    (error,) = caught.value.extra["errors"]
    assert error["pointer"] == "/mrz"
    return error["code"], error["message"]


def second(**places: str) -> str:
    """ICAO's second line with these characters at `at0` and so on, and every check digit made right again."""
    line = SECOND
    for name, text in places.items():
        start = int(name.removeprefix("at"))
        line = line[:start] + text + line[start + len(text) :]
    for start, end in ((0, 9), (13, 19), (21, 27), (28, 42)):
        line = line[:end] + digit(line[start:end]) + line[end + 1 :]
    return line[:43] + digit(line[0:10] + line[13:20] + line[21:43])


def someone(chance: random.Random) -> Passport:
    def word(letters: str, most: int) -> str:
        return "".join(chance.choices(letters, k=chance.randint(1, most)))

    today = datetime.now(UTC).date()
    return Passport(
        number=word(string.ascii_uppercase + string.digits, 9),
        surname=" ".join(word(string.ascii_uppercase, 8) for _ in range(chance.randint(1, 2))),
        given_names=" ".join(word(string.ascii_uppercase, 8) for _ in range(chance.randint(0, 2))),
        nationality=word(string.ascii_uppercase, 3),
        issuer=word(string.ascii_uppercase, 3),
        born=today - timedelta(days=chance.randint(1, 36_500)),
        sex=chance.choice("MFX"),
        expires=date(2000, 1, 1) + timedelta(days=chance.randint(0, 36_524)),
    )


def test_the_specimen_of_icao_is_read():
    assert read(f"{FIRST}\n{SECOND}") == ANNA


@pytest.mark.parametrize(
    "text",
    [
        FIRST + SECOND,
        f"{FIRST}\r\n{SECOND}\r\n",
        f"\n  {FIRST}\n\n\t{SECOND}  \n",
        f"{FIRST}\n{SECOND}".lower(),
        " ".join(FIRST) + "\n" + " ".join(SECOND),
        f"{FIRST}\u00a0\u2028{SECOND}",
        f"{FIRST}\n{SECOND}".replace("<<", "«"),
        f"{FIRST[:30]}\n{FIRST[30:]}\n{SECOND}",
    ],
)
def test_what_staff_type_or_paste_is_understood(text):
    assert read(text) == ANNA


def test_every_other_digit_in_the_second_line_is_refused():
    for place, right in enumerate(SECOND):
        if right.isdigit():
            for other in set(string.digits) - {right}:
                code, _ = refused(f"{FIRST}\n{SECOND[:place]}{other}{SECOND[place + 1 :]}")
                assert code == "check_digit"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (9, "The check digit of the passport number is wrong: please compare characters 1 to 10 of the second line."),
        (19, "The check digit of the date of birth is wrong: please compare characters 14 to 20 of the second line."),
        (27, "The check digit of the date of expiry is wrong: please compare characters 22 to 28 of the second line."),
        (42, "The check digit of the personal number is wrong: please compare characters 29 to 43 of the second line."),
        (43, "The last check digit is wrong: please compare the whole second line."),
    ],
)
@pytest.mark.parametrize("other", ["7", "<", "X"])
def test_a_wrong_check_digit_is_named(place, words, other):
    assert refused(f"{FIRST}\n{SECOND[:place]}{other}{SECOND[place + 1 :]}") == ("check_digit", words)


@pytest.mark.parametrize("unused", ["<", "0"])
def test_without_a_personal_number_its_digit_may_be_left_out(unused):
    line = second(at28="<" * 14)
    assert read(f"{FIRST}\n{line[:42]}{unused}{line[43]}") == ANNA
    assert refused(f"{FIRST}\n{line[:42]}3{line[43]}")[0] == "check_digit"


def test_a_thousand_passports_come_back_as_they_were_written():
    chance = random.Random(9303)
    for _ in range(1000):
        passport = someone(chance)
        lines = compose(passport)
        assert [len(line) for line in lines] == [44, 44]
        assert read("\n".join(lines)) == passport


@pytest.mark.parametrize(
    ("surname", "given_names", "names"),
    [
        ("Lefèvre", "Jérôme", "LEFEVRE<<JEROME"),
        ("O’Brien-Núñez", "Zoë", "OBRIEN<NUNEZ<<ZOE"),
        ("بلقاسم", "كريم", "BLQSM<<KRYM"),
        ("Straße 3", "Ærø", "STRASSE<<AERO"),
        ("Arkfreith", "", "ARKFREITH"),
        ("", "Arkfreith", "<<ARKFREITH"),
        ("N" * 60, "Anna", "N" * 36 + "<<A"),
    ],
)
def test_names_are_written_in_the_letters_a_to_z(surname, given_names, names):
    first, _ = compose(Passport("X1", surname, given_names, "D", "D", date(1980, 2, 29), "X", date(2031, 3, 14)))
    assert first == f"P<D<<{names}".ljust(44, "<")


@pytest.mark.parametrize(
    "nonsense", ["²", "٣", "😀", "\0", "é", "ß", "ı", "ſ", "\u212a", ";", "\ud800", "\u200b", "０"]
)
def test_other_characters_are_refused(nonsense):
    code, words = refused(f"{FIRST}\n{SECOND[:43]}{nonsense}")
    assert code == "characters"
    assert words.isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Two lines of 44 characters are needed, these are 0 in all."),
        (" \r\n\t", "Two lines of 44 characters are needed, these are 0 in all."),
        ("P", "Two lines of 44 characters are needed, these are 1 in all."),
        ("P<" * 2000, "Two lines of 44 characters are needed, these are 4000 in all."),
        (f"{FIRST[:-1]}\n{SECOND}", "The first line must have 44 characters, this one has 43."),
        (f"{FIRST}\n{SECOND}1", "The second line must have 44 characters, this one has 45."),
        (f"{FIRST}<\n{SECOND[1:]}", "The first line must have 44 characters, this one has 45."),
    ],
)
def test_a_wrong_length_is_counted(text, words):
    assert refused(text) == ("length", words)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"I{FIRST[1:]}\n{SECOND}", "not_a_passport"),
        (f"{SECOND}\n{FIRST}", "not_a_passport"),
        ("<" * 88, "not_a_passport"),
        (f"{FIRST[:5]}0{FIRST[6:]}\n{SECOND}", "characters"),
        (f"{FIRST[:5].ljust(44, '<')}\n{SECOND}", "missing"),
        (f"{FIRST}\n{second(at0='<' * 9)}", "missing"),
        (f"P<<<<{FIRST[5:]}\n{SECOND}", "country"),
        (f"{FIRST}\n{second(at10='U1O')}", "country"),
        (f"{FIRST}\n{second(at10='<UT')}", "country"),
        (f"{FIRST}\n{second(at20='X')}", "sex"),
        (f"{FIRST}\n{second(at20='1')}", "sex"),
        (f"{FIRST}\n{second(at13='741301')}", "date"),
        (f"{FIRST}\n{second(at13='750229')}", "date"),
        (f"{FIRST}\n{second(at21='120400')}", "date"),
        (f"{FIRST}\n{second(at21='3O0101')}", "date"),
    ],
)
def test_what_no_passport_says_is_refused(text, code):
    assert refused(text)[0] == code


def test_birth_is_in_the_past_and_expiry_in_this_century():
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    passport = read(f"{FIRST}\n{second(at13=f'{tomorrow:%y%m%d}', at21='991231')}")
    assert (passport.born.year, passport.expires) == (tomorrow.year - 100, date(2099, 12, 31))
    assert read(f"{FIRST}\n{second(at13='000229')}").born == date(2000, 2, 29)


def test_a_date_of_birth_may_be_unknown():
    unknown = read("\n".join(compose(replace(read(f"{FIRST}\n{SECOND}"), born=None))))
    assert unknown.born is None
    assert unknown.expires == read(f"{FIRST}\n{SECOND}").expires
