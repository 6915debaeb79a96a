"""What the local Stripe is sent: forms with `metadata[order_id]` and `expand[0]`, read and checked as Stripe does."""

import operator
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from app.doubles.stripe_objects import ENDS_IN_00, NOT_TAKEN, THREE_DECIMAL, Json, Refusal, with_symbol

SMALLEST, LARGEST = 50, 99_999_999
EXPANDABLE = frozenset(("charge", "latest_charge", "payment_intent"))
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def read(form: str, allowed: Iterable[str]) -> Json:
    """The fields as nested dicts, `expand` as a list of paths; refuses what the call does not know."""
    params: Json = {"expand": []}
    for name, value in parse_qsl(form, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+", name) or [name]
        if first == "expand":
            params["expand"].append(expandable(value))
        elif first not in allowed:
            raise Refusal(400, f"Received unknown parameter: {first}", code="parameter_unknown", param=first)
        else:
            put(params, [first, *rest], value)
    return params


def put(params: Json, path: list[str], value: str) -> None:
    """`["metadata", "order_id"]` to where it belongs; the last of equal names counts."""
    *folders, last = path
    for folder in folders:
        if not isinstance(params.get(folder), dict):
            params[folder] = {}
        params = params[folder]
    params[last] = value


def expandable(path: str) -> str:
    if path.rpartition(".")[2] not in EXPANDABLE:
        raise Refusal(400, f"This property cannot be expanded ({path}).", param="expand")
    return path


def required(params: Json, name: str) -> str:
    if not isinstance(params.get(name), str) or not params[name]:
        raise Refusal(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    return str(params[name])


def whole_number(params: Json, name: str) -> int:
    if not re.fullmatch(r"-?\d{1,15}", text := required(params, name), re.ASCII):
        raise Refusal(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    return int(text)


def check_amount(amount: int, currency: str) -> None:
    """Stripe's limits, with the smallest amount the same in every currency."""
    if not re.fullmatch("[a-z]{3}", currency) or currency in NOT_TAKEN:
        raise Refusal(400, f"Invalid currency: {currency}.", param="currency")
    if amount < SMALLEST:
        message = f"Amount must be at least {with_symbol(SMALLEST, currency)} {currency}"
        raise Refusal(400, message, code="amount_too_small", param="amount")
    if amount > LARGEST:
        message = f"Amount must be no more than {with_symbol(LARGEST, currency)} {currency}"
        raise Refusal(400, message, code="amount_too_large", param="amount")
    if currency in THREE_DECIMAL and amount % 10:
        raise Refusal(400, f"The last digit of an amount in {currency} must be 0.", param="amount")
    if currency in ENDS_IN_00 and amount % 100:
        raise Refusal(400, f"The last two digits of an amount in {currency} must be 0.", param="amount")


def refund_amount(charge: Json, params: Json) -> int:
    """How much of the charge to give back, never more than is left."""
    left, currency = charge["amount"] - charge["amount_refunded"], charge["currency"]
    amount = whole_number(params, "amount") if "amount" in params else left
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise Refusal(400, message, code="charge_already_refunded", kept=True)
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise Refusal(400, message, code="parameter_invalid_integer", param="amount")
    if amount > left:
        asked, rest = with_symbol(amount, currency), with_symbol(left, currency)
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({rest})"
        raise Refusal(400, message, param="amount", kept=True)
    return amount


def page_of(things: list[Json], sent: Json) -> Json:
    """A list as Stripe gives it: newest first, `limit` of those that match, after `starting_after`."""
    limit = whole_number(sent, "limit") if "limit" in sent else 10
    if not 1 <= limit <= 100:
        raise Refusal(400, "Invalid limit: it must be between 1 and 100.", param="limit")
    found = [thing for thing in reversed(things) if matches(thing, sent)]
    if after := sent.get("starting_after"):
        ids = [thing["id"] for thing in found]
        if after not in ids:
            raise Refusal(400, f"No such object: '{after}'", code="resource_missing", param="starting_after")
        found = found[ids.index(after) + 1 :]
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": ""}


def matches(thing: Json, sent: Json) -> bool:
    """Whether it is of the asked `type` or `types`, in the time `created`, and delivered or not."""
    types = [sent["type"]] if "type" in sent else [*nested(sent, "types").values()]
    if types and thing["type"] not in types:
        return False
    if "delivery_success" in sent and (sent["delivery_success"] == "true") != (not thing["pending_webhooks"]):
        return False
    bounds = nested(sent, "created")
    return all(
        compare(thing["created"], whole_number(bounds, name)) for name, compare in COMPARE.items() if name in bounds
    )


def nested(sent: Json, name: str) -> Json:
    """A field that is a hash, such as `metadata`; empty where it was not sent or is emptied."""
    value = sent.get(name) or {}
    if not isinstance(value, dict):
        raise Refusal(400, f"Invalid object: {name} must be a hash.", code="parameter_invalid_object", param=name)
    return value
