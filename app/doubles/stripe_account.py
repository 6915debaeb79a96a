"""One Stripe account without its HTTP: payment intents, charges and refunds, and the events about them."""

import copy
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.doubles.stripe_objects import (
    BY_ID,
    Json,
    Method,
    Refusal,
    new_charge,
    new_event,
    new_intent,
    new_refund,
)
from app.doubles.stripe_params import check_amount, nested, refund_amount, required, whole_number

PARTS = ("intents", "charges", "refunds", "events", "answers")
REASONS = (None, "duplicate", "fraudulent", "requested_by_customer")
UNAUTHENTICATED = "The provided payment method has failed authentication. Try again or use another payment method."


class StripeAccount:
    """What Stripe knows of one shop. Every method may be called from any thread.

    `answers` are those kept under an idempotency key. `keep` is a JSON file that holds all of it, read at the start and
    replaced as a whole after every change.
    """

    def __init__(self, keep: Path | None) -> None:
        kept: Json = json.loads(keep.read_text()) if keep and keep.exists() else {}
        self.intents: dict[str, Json] = kept.get("intents", {})
        self.charges: dict[str, Json] = kept.get("charges", {})
        self.refunds: dict[str, Json] = kept.get("refunds", {})
        self.events: list[Json] = kept.get("events", [])
        self.answers: dict[str, Json] = kept.get("answers", {})
        self.keep, self.lock, self._depth = keep, threading.RLock(), 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Nobody else reads or writes in here; what was changed is written down at the outermost end."""
        with self.lock:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self.keep and not self._depth:
                    self._write(self.keep)

    def _write(self, keep: Path) -> None:
        new = keep.with_name(f"{keep.name}.new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            json.dump({part: getattr(self, part) for part in PARTS}, file)
        new.replace(keep)

    def find(self, kind: str, id: str) -> Json:
        """The object itself, not a copy; a refusal where there is none."""
        events = {event["id"]: event for event in self.events} if kind == "event" else {}
        shelf = {"payment_intent": self.intents, "charge": self.charges, "refund": self.refunds, "event": events}[kind]
        if id not in shelf:
            param = "intent" if kind == "payment_intent" else "id"
            raise Refusal(404, f"No such {kind}: '{id}'", code="resource_missing", param=param)
        return shelf[id]

    def learn(self, past: Iterable[Sequence[Json]]) -> None:
        """Payments from before this account: each an intent, then its charge and refund if there are some. Those that
        are known stay as they are; nobody hears of it."""
        shelves = {"payment_intent": self.intents, "charge": self.charges, "refund": self.refunds}
        new = [each for each in past if self.intents.get(each[0]["id"], {}).get("metadata") != each[0]["metadata"]]
        if new:
            with self.changing():
                for thing in (thing for each in new for thing in each):
                    shelves[thing["object"]][thing["id"]] = thing

    def create_intent(self, params: Json) -> Json:
        amount, currency = whole_number(params, "amount"), required(params, "currency").lower()
        check_amount(amount, currency)
        with self.changing():
            intent = new_intent(amount, currency, nested(params, "metadata"), params)
            self.intents[intent["id"]] = intent
            self._tell("payment_intent.created", intent)
            return intent

    def confirm(self, id: str, method_id: str) -> Json:
        """The customer pays with a test method; a refusal of status 402 where it is declined."""
        with self.changing():
            intent = self._open(id, "confirm", "requires_payment_method")
            if (method := BY_ID.get(method_id)) is None:
                raise Refusal(
                    400, f"No such PaymentMethod: '{method_id}'", code="resource_missing", param="payment_method"
                )
            outcomes = {"succeeds": self._take, "declines": self._decline, "asks": self._ask, "waits": self._wait}
            intent.update(payment_method=method.id, last_payment_error=None)
            outcomes[method.outcome](intent, method)
            return intent

    def authenticate(self, id: str, ok: bool) -> Json:
        """The customer passes or fails 3-D Secure."""
        with self.changing():
            intent = self._open(id, "authenticate", "requires_action")
            intent["next_action"] = None
            if ok:
                self._take(intent, BY_ID[intent["payment_method"]])
            else:
                error = {"code": "payment_intent_authentication_failure", "message": UNAUTHENTICATED}
                self._fail(intent, error)
            return intent

    def settle(self, id: str, ok: bool) -> Json:
        """The bank says how a payment in `processing` ended."""
        with self.changing():
            intent = self._open(id, "settle", "processing")
            charge = self.charges[intent["latest_charge"]]
            if ok:
                charge.update(status="succeeded", paid=True)
                self._received(intent, charge)
            else:
                complaint = "The customer's bank account could not be debited."
                charge.update(status="failed", captured=False, amount_captured=0, failure_message=complaint)
                self._tell("charge.failed", charge)
                error = {"code": "payment_method_provider_decline", "message": complaint, "charge": charge["id"]}
                self._fail(intent, error)
            return intent

    def cancel(self, id: str, reason: str | None) -> Json:
        with self.changing():
            intent = self._open(id, "cancel", "requires_payment_method", "requires_action")
            intent.update(status="canceled", canceled_at=int(time.time()), cancellation_reason=reason, next_action=None)
            self._tell("payment_intent.canceled", intent)
            return intent

    def refund(self, params: Json) -> Json:
        """Give back all that is left, or `amount` of it."""
        if params.get("reason") not in REASONS:
            raise Refusal(400, f"Invalid reason: must be one of {', '.join(filter(None, REASONS))}", param="reason")
        with self.changing():
            charge = self._refundable(params)
            amount = refund_amount(charge, params)
            refund = new_refund(charge, amount, nested(params, "metadata"), params)
            self.refunds[refund["id"]] = refund
            charge["amount_refunded"] += amount
            charge["refunded"] = charge["amount_refunded"] == charge["amount"]
            for type, about in (("refund.created", refund), ("charge.refunded", charge), ("refund.updated", refund)):
                self._tell(type, about)
            return refund

    def _refundable(self, params: Json) -> Json:
        if "charge" in params:
            charge = self.find("charge", params["charge"])
            if charge["status"] != "succeeded":
                raise Refusal(400, f"Charge {charge['id']} has not succeeded and cannot be refunded.", param="charge")
            return charge
        intent = self.find("payment_intent", required(params, "payment_intent"))
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise Refusal(400, message, param="payment_intent", kept=True)
        return self.charges[intent["latest_charge"]]

    def _open(self, id: str, verb: str, *statuses: str) -> Json:
        intent = self.find("payment_intent", id)
        if intent["status"] not in statuses:
            message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
            about = copy.deepcopy(intent)
            raise Refusal(400, message, code="payment_intent_unexpected_state", payment_intent=about, kept=True)
        return intent

    def _charge(self, intent: Json, method: Method, status: str) -> Json:
        charge = new_charge(intent, method, status)
        self.charges[charge["id"]] = charge
        intent["latest_charge"] = charge["id"]
        return charge

    def _take(self, intent: Json, method: Method) -> None:
        self._received(intent, self._charge(intent, method, "succeeded"))

    def _received(self, intent: Json, charge: Json) -> None:
        intent.update(status="succeeded", amount_received=intent["amount"])
        self._tell("charge.succeeded", charge)
        self._tell("payment_intent.succeeded", intent)

    def _decline(self, intent: Json, method: Method) -> None:
        charge = self._charge(intent, method, "failed")
        self._tell("charge.failed", charge)
        error = {"code": "card_declined", "decline_code": method.decline_code, "charge": charge["id"]}
        self._fail(intent, error | {"message": method.complaint})
        error["payment_intent"] = copy.deepcopy(intent)
        raise Refusal(402, method.complaint, "card_error", kept=True, **error)

    def _ask(self, intent: Json, _: Method) -> None:
        intent.update(status="requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
        self._tell("payment_intent.requires_action", intent)

    def _wait(self, intent: Json, method: Method) -> None:
        charge = self._charge(intent, method, "pending")
        intent["status"] = "processing"
        self._tell("charge.pending", charge)
        self._tell("payment_intent.processing", intent)

    def _fail(self, intent: Json, error: Json) -> None:
        error = {"type": "card_error"} | error
        intent.update(status="requires_payment_method", payment_method=None, last_payment_error=error)
        self._tell("payment_intent.payment_failed", intent)

    def _tell(self, type: str, about: Json) -> None:
        event = new_event(type, copy.deepcopy(about))
        self.events.append(event)
        self.send(event)

    def send(self, event: Json) -> None:
        """Have the shop hear of it; an account without HTTP only keeps it."""
