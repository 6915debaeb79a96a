"""The pay page of the local Stripe: what Stripe's own card form is to a shop, in plain HTML."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.doubles.stripe_account import StripeAccount
from app.doubles.stripe_objects import BY_NUMBER, Json, Refusal, major

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
TITLES = {
    "requires_action": "Authentication needed",
    "processing": "Processing",
    "succeeded": "Paid",
    "canceled": "Cancelled",
}
UNKNOWN_CARD = "No test card has this number. Copy one from the list."
Page = Callable[[StripeAccount, Json, dict[str, str]], Response]


def routes(stripe: StripeAccount) -> list[Route]:
    here = "/pay/{client_secret}"
    return [
        Route(here, endpoint(stripe, look), methods=["GET"]),
        Route(here, endpoint(stripe, pay), methods=["POST"]),
        Route(f"{here}/authentication", endpoint(stripe, look), methods=["GET"]),
        Route(f"{here}/authentication", endpoint(stripe, authenticate), methods=["POST"]),
    ]


def endpoint(stripe: StripeAccount, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The page for the intent whose secret is in the path, given the fields of the form."""

    async def serve(request: Request) -> Response:
        secret = request.path_params["client_secret"]
        intent = next((each for each in stripe.intents.values() if each["client_secret"] == secret), None)
        if intent is None:
            return HTMLResponse(TEMPLATES.get_template("pay.html").render(title="No such payment"), 404, HEADERS)
        form = parse_qs((await request.body()).decode(errors="replace"))
        return page(stripe, intent, {name: values[-1] for name, values in form.items()})

    return serve


def look(stripe: StripeAccount, intent: Json, form: dict[str, str]) -> Response:
    return show(intent)


def pay(stripe: StripeAccount, intent: Json, form: dict[str, str]) -> Response:
    """What a payment that is not open any more came to is shown again, so that two clicks do no harm."""
    if intent["status"] != "requires_payment_method":
        return show(intent, 303)
    number = form.get("card", "").replace(" ", "")
    if (method := BY_NUMBER.get(number)) is None:
        return show(intent, 422, "Unknown card", UNKNOWN_CARD, number)
    try:
        return show(stripe.confirm(intent["id"], method.id), 303)
    except Refusal as declined:
        return show(intent, 402, "Declined", str(declined), number)


def authenticate(stripe: StripeAccount, intent: Json, form: dict[str, str]) -> Response:
    """`outcome` is `complete`, or anything else to fail."""
    if intent["status"] != "requires_action":
        return show(intent, 303)
    after = stripe.authenticate(intent["id"], form.get("outcome") == "complete")
    if after["last_payment_error"]:
        return show(after, 402, "Authentication failed", after["last_payment_error"]["message"])
    return show(after, 303)


def show(intent: Json, status: int = 200, title: str = "", problem: str = "", typed: str = "") -> Response:
    """The page as the intent is now. A redirect has it as body too, for who does not follow."""
    price = f"{major(intent['amount'], intent['currency'])} {intent['currency'].upper()}"
    here = f"/pay/{intent['client_secret']}"
    content = TEMPLATES.get_template("pay.html").render(
        title=title or TITLES.get(intent["status"], f"Pay {price}"),
        intent=intent,
        here=here,
        price=price,
        problem=problem,
        typed=" ".join(typed[start : start + 4] for start in range(0, min(len(typed), 24), 4)),
        cards=BY_NUMBER.values(),
    )
    return HTMLResponse(content, status, HEADERS | ({"Location": here} if status == 303 else {}))
