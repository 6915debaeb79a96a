"""The shapes of Stripe's things, as far as we read them. What has another shape is `Unreadable`, never half read."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Unreadable(ValueError):
    """What Stripe says is not of the shape that we know. Names the fields, never what is in them."""


class Told(BaseModel):
    """The fields that we read of something of Stripe's; the others are passed over."""

    model_config = ConfigDict(strict=True, frozen=True)


Name = Annotated[str, Field(min_length=1, max_length=200)]
Minor = Annotated[int, Field(ge=0)]
Metadata = dict[str, Any]


class Card(Told):
    brand: Name | None = None
    last4: Name | None = None


class Method(Told):
    card: Card | None = None


class ChargeFacts(Told):
    id: Name
    amount_refunded: Minor | None = None
    payment_method_details: Method | None = None


class Charge(ChargeFacts):
    status: Name
    amount: Minor
    currency: Name
    captured: bool | None = None
    amount_captured: Minor | None = None
    payment_intent: Name | None = None
    metadata: Metadata | None = None


class Decline(Told):
    message: str | None = None


class Intent(Told):
    id: Name
    status: Name
    amount: Minor
    currency: Name
    amount_received: Minor | None = None
    latest_charge: ChargeFacts | Name | None = None
    last_payment_error: Decline | None = None
    metadata: Metadata | None = None
    client_secret: str | None = None


class Refund(Told):
    id: Name
    status: Name | None
    charge: Charge | Name | None = None
    failure_reason: str | None = None


class Listed(Told):
    id: Name


class Page(Told):
    data: list[dict[str, Any]]
    has_more: bool | None = None


Seen = TypeVar("Seen", bound=Told)


def seen(kind: type[Seen], thing: Mapping[str, Any]) -> Seen:
    """Raises Unreadable."""
    try:
        return kind.model_validate(thing)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False))
        raise Unreadable(f"{kind.__name__}: {'; '.join(wrong)}") from None
