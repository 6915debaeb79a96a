"""What the local Stripe is made of: Stripe's objects as plain dicts, its refusals and its test cards.

Their shapes follow https://docs.stripe.com/api, the cards https://docs.stripe.com/testing, the digits of a currency
https://docs.stripe.com/currencies#zero-decimal.
"""

import secrets
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from babel.numbers import get_currency_symbol

API_VERSION = "2026-10-28.endive"
ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
ENDS_IN_00 = frozenset(("isk", "ugx"))
"""Counted in hundredths, of which there are none."""
NOT_TAKEN = frozenset(("iqd", "lyd"))
"""The other currencies with thousandths: Stripe does not know them."""
Json = dict[str, Any]
Outcome = Literal["succeeds", "declines", "asks", "waits"]


class Refusal(Exception):
    """An answer that is Stripe's error object; `kept` says whether a repeat with the same key gets it again."""

    def __init__(
        self, status: int, message: str, type: str = "invalid_request_error", *, kept: bool = False, **more: Any
    ) -> None:
        super().__init__(message)
        self.status, self.kept = status, kept
        self.error = {"type": type, "message": message} | {name: value for name, value in more.items() if value}


@dataclass(frozen=True)
class Method:
    """A test payment method, and what comes of paying with it."""

    id: str
    number: str
    brand: str
    outcome: Outcome
    note: str
    decline_code: str = ""
    complaint: str = ""

    @property
    def details(self) -> Json:
        """`payment_method_details` of a charge."""
        if not self.number:
            return {"type": self.brand}
        return {"type": "card", "card": {"brand": self.brand, "last4": self.number[-4:], "country": "US"}}


DECLINED = ("Is declined", "generic_decline", "Your card was declined.")
POOR = ("Is declined: insufficient funds", "insufficient_funds", "Your card has insufficient funds.")
METHODS = (
    Method("pm_card_visa", "4242424242424242", "visa", "succeeds", "Pays"),
    Method("pm_card_mastercard", "5555555555554444", "mastercard", "succeeds", "Pays"),
    Method("pm_card_chargeDeclined", "4000000000000002", "visa", "declines", *DECLINED),
    Method("pm_card_chargeDeclinedInsufficientFunds", "4000000000009995", "visa", "declines", *POOR),
    Method("pm_card_threeDSecure2Required", "4000002500003155", "visa", "asks", "Asks for 3-D Secure"),
    Method("pm_card_authenticationRequired", "4000002760003184", "visa", "asks", "Asks for 3-D Secure"),
    Method("pm_bank_processing", "", "us_bank_account", "waits", "Stays in processing until it is completed"),
)
BY_ID = {method.id: method for method in METHODS}
BY_NUMBER = {method.number: method for method in METHODS if method.number}


def digits(currency: str) -> int:
    """Digits after the point as Stripe counts them, which is not ISO 4217: two for ISK and UGX."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def major(amount: int, currency: str) -> str:
    """1250 of usd is "12.50", 5000 of isk "50"."""
    shown = 0 if currency in ENDS_IN_00 else digits(currency)
    return f"{Decimal(amount).scaleb(-digits(currency)):,.{shown}f}"


def with_symbol(amount: int, currency: str) -> str:
    """1250 of usd is "$12.50", as Stripe's messages say it."""
    return f"{get_currency_symbol(currency.upper(), 'en_US')}{major(amount, currency)}"


def new(kind: str, prefix: str, **fields: Any) -> Json:
    """The fields every object of Stripe's has, and its own."""
    made = {"id": f"{prefix}_{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "livemode": False}
    return made | fields


def new_intent(amount: int, currency: str, metadata: Json, params: Json) -> Json:
    intent = new(
        "payment_intent", "pi", amount=amount, amount_received=0, amount_capturable=0, currency=currency,
        status="requires_payment_method", metadata=metadata, description=params.get("description"), customer=None,
        receipt_email=params.get("receipt_email"), payment_method_types=["card"], payment_method=None,
        automatic_payment_methods={"enabled": True, "allow_redirects": "always"}, capture_method="automatic_async",
        latest_charge=None, last_payment_error=None, next_action=None, canceled_at=None, cancellation_reason=None,
    )  # fmt: skip
    return intent | {"client_secret": f"{intent['id']}_secret_{secrets.token_hex(12)}"}


def new_charge(intent: Json, method: Method, status: str) -> Json:
    """An attempt to take an intent's amount: `succeeded`, `pending` or `failed`."""
    failed = status == "failed"
    return new(
        "charge", "ch", amount=intent["amount"], amount_captured=0 if failed else intent["amount"], amount_refunded=0,
        captured=not failed, paid=status == "succeeded", refunded=False, status=status, currency=intent["currency"],
        payment_intent=intent["id"], metadata=dict(intent["metadata"]), description=intent["description"],
        receipt_email=intent["receipt_email"], receipt_url=None, balance_transaction=None, disputed=False,
        failure_code="card_declined" if failed else None, failure_message=method.complaint or None,
        payment_method=method.id, payment_method_details=method.details, customer=None,
    )  # fmt: skip


def new_refund(charge: Json, amount: int, metadata: Json, params: Json) -> Json:
    return new(
        "refund", "re", amount=amount, charge=charge["id"], payment_intent=charge["payment_intent"],
        currency=charge["currency"], metadata=metadata, reason=params.get("reason"),
        status="succeeded", balance_transaction=None, receipt_number=None,
    )  # fmt: skip


def new_event(type: str, about: Json) -> Json:
    """An event about a copy of an object as it is now; nobody has received it yet."""
    request = {"id": None, "idempotency_key": None}
    return new(
        "event", "evt", type=type, api_version=API_VERSION, data={"object": about}, request=request, pending_webhooks=1
    )
