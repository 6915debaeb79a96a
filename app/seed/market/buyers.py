"""Who buys in the demo's marketplace: guests and customers, where to, and what is said when an order is cancelled."""

from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from slugify import slugify

from app.resources.users import User

GIVEN = (
    *("Amina", "Rym", "Lynda", "Samira", "Kahina", "Imane", "Wassila", "Dalila", "Hanane", "Lamia", "Nesrine", "Zahra"),
    *("Karim", "Mourad", "Sid Ali", "Farid", "Bilal", "Hocine", "Anis", "Walid", "Toufik", "Nassim", "Ghiles", "Adel"),
)
FAMILY = (
    *("Benali", "Haddad", "Boudiaf", "Cherif", "Saïdi", "Mokrani", "Ferhat", "Belaïd", "Ziani", "Hamidi", "Slimani"),
    *("Bouzid", "Rahmani", "Aït Ahmed", "Touati", "Kaci", "Larbi", "Messaoudi", "Brahimi", "Djebbar", "Ouali"),
)
STREETS = (
    *(
        "rue Didouche Mourad",
        "rue Larbi Ben M'hidi",
        "boulevard Mohamed V",
        "rue Hassiba Ben Bouali",
        "cité 200 logements",
    ),
    *("rue des Frères Bouadou", "avenue de l'ALN", "rue Abane Ramdane", "cité El Moustakbal", "rue du 1er Novembre"),
    *("lotissement Les Oliviers", "rue Krim Belkacem", "boulevard de la Soummam", "cité des Jasmins"),
)
TOWNS = (
    *(
        "16000 Alger",
        "16035 Hydra",
        "16111 Bab Ezzouar",
        "31000 Oran",
        "25000 Constantine",
        "23000 Annaba",
        "09000 Blida",
    ),
    *(
        "19000 Sétif",
        "15000 Tizi Ouzou",
        "06000 Béjaïa",
        "05000 Batna",
        "13000 Tlemcen",
        "07000 Biskra",
        "30000 Ouargla",
    ),
    *(
        "27000 Mostaganem",
        "34000 Bordj Bou Arreridj",
        "35000 Boumerdès",
        "47000 Ghardaïa",
        "21000 Skikda",
        "14000 Tiaret",
    ),
)
SELLERS_REASONS = (
    "The last one was damaged in our store.",
    "Nobody answered the telephone for three days.",
    "We cannot deliver to this town at present.",
    "The delivery came back: the address does not exist.",
)
AT_HOME = ("DZ", "FR")
"""Countries of the customers who order goods."""
SIGNED_IN, WITH_EMAIL = 0.4, 0.45
"""Which part of the orders customers make, and which part of the guests leave an e-mail."""


class Buyer(NamedTuple):
    """Somebody at the checkout; `user_id` is None for a guest."""

    user_id: UUID | None
    customer_info: dict[str, Any]
    delivery_address: str


def buyer(chance: Random, customers: list[User]) -> Buyer:
    """A guest, or one of these customers."""
    if chance.random() >= SIGNED_IN:
        return guest(chance)
    customer = chance.choice(customers)
    info = {"full_name": customer.full_name, "phone": customer.phone, "email": customer.email, "country": None}
    return Buyer(customer.id, info, address(Random(customer.email)))


def guest(chance: Random) -> Buyer:
    given, family = chance.choice(GIVEN), chance.choice(FAMILY)
    name = f"{slugify(given)}.{slugify(family)}".replace("-", "")
    email = f"{name}@example.com" if chance.random() < WITH_EMAIL else None
    info = {"full_name": f"{given} {family}", "phone": phone(chance), "email": email, "country": None}
    return Buyer(None, info, address(chance))


def phone(chance: Random) -> str:
    """With the prefix +213 53, which no operator holds."""
    digits = f"{chance.randint(0, 9_999_999):07}"
    return f"+213 53{digits[0]} {digits[1:3]} {digits[3:5]} {digits[5:]}"


def address(chance: Random) -> str:
    return f"{chance.randint(1, 140)} {chance.choice(STREETS)}, {chance.choice(TOWNS)}"


def tracking_number(chance: Random) -> str:
    """Of a registered parcel, with the check digit of the Universal Postal Union's S10."""
    digits = f"{chance.randint(0, 99_999_999):08}"
    left = 11 - sum(int(digit) * weight for digit, weight in zip(digits, (8, 6, 4, 2, 3, 5, 9, 7), strict=True)) % 11
    return f"RR{digits}{ {10: 0, 11: 5}.get(left, left) }DZ"
