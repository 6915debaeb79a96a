"""Every mail: complete, escaped, readable, and refused when something is missing."""

import re
from html import escape
from itertools import pairwise
from typing import Any

import pytest

from app import letters
from app.errors import AppError
from app.letters import FOLDER, Letter, LetterError, letter, preview, sample, templates

EVERY = pytest.mark.parametrize("template", templates())
ORDERS = pytest.mark.parametrize("template", [each for each in templates() if "items" in sample(each)])
MEANT = {
    "accounts": {"welcome", "verify_email", "reset_password", "password_changed"},
    "sales": {"new_sale", "sale_cancelled"},
    "orders": {"order_received", "order_confirmed", "order_status_changed", "order_cancelled", "order_refunded"},
    "payments": {"payment_received", "payment_failed"},
    "documents": {"document_verified", "document_rejected"},
}
SCRIPT = "<script>alert('Tom & Co')</script>"
COMPLETE: dict[str, Any] = dict.fromkeys(("required", "verified"), 1) | {"waiting": [], "missing": []}
COMPLETE |= {"is_complete": True, "passport_expires_too_soon": None}
LOOSE: dict[str, Any] = {"order_number": None, "documents": None, "shortfall": None}
CATEGORIES = {"PASSPORT": "passport", "PHOTO": "photo", "BANK_STATEMENT": "bank statement", "OTHER": "document"}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((template, {}) for template in templates()),
    ("order_confirmed", {"payment": None}),
    ("order_confirmed", {"payment": None, "reason": "Paid at the office."}),
    ("payment_failed", {"reason": None}),
    ("order_cancelled", {"reason": None, "refund": None}),
    ("order_cancelled", {"refund_in_review": True}),
    ("order_refunded", {"whole": True, "reason": None}),
    ("order_refunded", {"stays_paid": True}),
    ("order_refunded", {"stays_paid": True, "whole": True, "refunded": "925.50"}),
    *(
        ("order_status_changed", {"status": status, "reason": None, "tracking_number": None})
        for status in ("IN_PROGRESS", "COMPLETED", "SHIPPED", "DELIVERED")
    ),
    *(
        ("document_verified", {"documents": documents, "shortfall": shortfall})
        for documents in (COMPLETE, COMPLETE | {"is_complete": False, "waiting": ["PHOTO"]}, None)
        for shortfall in (None, "expired", "expiring")
    ),
    *(("document_verified", LOOSE | {"category": category}) for category in CATEGORIES),
    *(
        ("document_rejected", {"category": category, "send_again": again, "order_number": number})
        for category in CATEGORIES
        for again in (True, False)
        for number in ("HT-2026-000001", None)
    ),
]


def made(template: str, **values: Any) -> Letter:
    return letter(template, {**sample(template), **values})


def words(html: str) -> str:
    """What a reader sees of it."""
    return re.sub(r"\s+", " ", re.sub(r"<(style|title).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_these_are_the_mails():
    assert set(templates()) == set().union(*MEANT.values())


@pytest.mark.parametrize(("template", "values"), VARIANTS)
def test_every_mail_is_complete(template, values):
    mail = made(template, **values)
    for body in (mail.subject, mail.text, words(mail.html)):
        assert not re.search(r"\{[{%]|[%}]\}|%\(|\bNone\b|undefined|null", body)
    assert "Hello Amina Benali," in mail.text
    assert "Hello Amina Benali," in words(mail.html)
    assert "reply to this mail" in mail.text
    assert "reply to this mail" in words(mail.html)


@pytest.mark.parametrize(("template", "values"), VARIANTS)
def test_both_bodies_say_the_same(template, values):
    mail = made(template, **values)
    said, seen = ({word.rstrip(":.") for word in body.split()} for body in (mail.text, words(mail.html)))
    assert {word for word in said - seen if "://" not in word} <= {"-"}


@pytest.mark.parametrize(("template", "values"), VARIANTS)
def test_text_is_tidy(template, values):
    lines = made(template, **values).text.split("\n")
    assert lines[-1] == ""
    assert lines[-2]
    assert all(len(line) <= 76 or "://" in line for line in lines)
    assert all(line == line.rstrip() for line in lines)
    assert not any(a == b == "" for a, b in pairwise(lines))
    assert not re.search(r"&\w+;|<\w", "".join(lines))


@pytest.mark.parametrize(("template", "name"), [(each, name) for each in templates() for name in sample(each)])
def test_a_missing_variable_is_named(template, name):
    context = sample(template)
    del context[name]
    with pytest.raises(LetterError, match=rf"^The mail {template} lacks {name}\.$"):
        letter(template, context)


@ORDERS
@pytest.mark.parametrize("name", ["title", "quantity", "line_total"])
def test_a_missing_variable_of_an_item_is_named(template, name):
    item = sample(template)["items"][0]
    del item[name]
    with pytest.raises(LetterError, match=rf"^The mail {template} lacks something: .*'{name}'\.$"):
        made(template, items=[item])


@pytest.mark.parametrize("name", ["amount", "currency", "card_brand", "card_last4", "paid_at", "reference"])
def test_a_missing_variable_of_a_payment_is_named(name):
    payment = sample("order_confirmed")["payment"]
    del payment[name]
    with pytest.raises(LetterError, match=rf"^The mail order_confirmed .*'{name}'"):
        made("order_confirmed", payment=payment)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("order_received", {"amount": "a lot"}),
        ("order_received", {"items": None}),
        ("order_confirmed", {"payment": {**sample("order_confirmed")["payment"], "paid_at": "yesterday"}}),
        ("order_status_changed", {"status": "LOST"}),
        ("document_verified", {"category": "VISA"}),
        ("document_rejected", {"category": "VISA"}),
        ("document_verified", {"shortfall": "lost"}),
    ],
)
def test_a_value_of_no_use_is_refused(template, values):
    with pytest.raises(LetterError, match=template):
        made(template, **values)


def test_an_unknown_mail_is_refused():
    for name in ("birthday", "fonts", "parts", "..", ""):
        with pytest.raises(LetterError, match="There is no mail called"):
            letter(name, {})
    assert issubclass(LetterError, AppError)


@EVERY
def test_html_escapes_and_text_does_not(template):
    mail = made(template, name=SCRIPT.replace("/", ""))
    assert "<script" not in mail.html
    assert "&lt;script&gt;alert('Tom &amp; Co')" in mail.html.replace("&#39;", "'")
    assert "Hello <script>alert('Tom & Co')" in mail.text


@ORDERS
def test_everything_of_an_order_is_escaped(template):
    given = sample(template)
    values: dict[str, Any] = {name: SCRIPT for name in ("order_number", "reason", "tracking_number") if name in given}
    html = made(template, **values, items=[{"title": SCRIPT, "quantity": 1, "line_total": "1.00"}]).html
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= len(values) + 1


@EVERY
def test_a_subject_stays_one_line(template):
    evil = "HT-1\r\nBcc: bob@example.com\x00\x0b\u2028\u202eabc"
    mail = letter(
        template, {**sample(template), **({"order_number": evil} if "order_number" in sample(template) else {})}, evil
    )
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", mail.subject)
    assert mail.subject == mail.subject.strip() != ""
    assert "Amina" not in mail.subject


def test_a_subject_keeps_what_is_readable():
    subject = made("order_received", order_number="HT-1\r\nBcc: bob@example.com").subject
    assert subject == "We have received your order HT-1 Bcc: bob@example.com"


@pytest.mark.parametrize("name", ["ماريا سعودي", "Wolfeschlegelsteinhausenbergerdorff" * 5, "Zoé " * 50, "李小龙 🎉"])
@EVERY
def test_names_of_all_kinds(template, name):
    mail = made(template, name=name)
    assert " ".join(name.split()) in words(mail.html)
    assert " ".join(name.split()) in " ".join(mail.text.split())


@pytest.mark.parametrize("name", ["Win at evil.com", "http://evil", "bob@example.com", "www.evil.example/x"])
@EVERY
def test_a_name_that_would_become_a_link_is_not_greeted(template, name):
    """Anybody can register a stranger's address."""
    mail = made(template, name=name)
    assert "evil" not in mail.html + mail.text
    assert "bob" not in mail.html + mail.text
    assert mail.text.startswith("Hello,\n")


@pytest.mark.parametrize("name", ["Dr. Amina Benali", "J. R. Smith", "O'Neil-Çelik", "Sammy Davis Jr."])
def test_an_ordinary_name_is_greeted(name):
    assert made("welcome", name=name).text.startswith(f"Hello {name},\n")


@pytest.mark.parametrize(
    "name",
    [
        "www.evil.com.pdf",
        "Your refund waits at www.evil.com now.pdf",
        "http:evil.pdf",
        "bob@evil.png",
        "evil.co",
        "evil.xn--p1ai.JPEG",
        "12.34.56.78.pdf",
    ],
)
@pytest.mark.parametrize("template", sorted(MEANT["documents"]))
def test_a_file_name_that_would_become_a_link_is_not_mentioned(template, name):
    """Whoever uploads a file chooses both its name and the address the mail goes to."""
    mail = made(template, file_name=name)
    assert not re.search(r"evil|refund|12\.34", mail.subject + mail.text + mail.html)
    assert "We have looked at your passport and " in mail.text
    assert "We have looked at your passport and " in words(mail.html)


@pytest.mark.parametrize(
    "name", ["passport.jpg", "Passport.PDF", "scan 2026.11.22.pdf", "12.30.jpeg", "جواز السفر.png", "<b> & Co.pdf"]
)
@pytest.mark.parametrize("template", sorted(MEANT["documents"]))
def test_an_ordinary_file_name_is_mentioned(template, name):
    mail = made(template, file_name=name)
    assert f"We have looked at your passport ({name}) and " in mail.text.replace("\n", " ")
    assert f"We have looked at your passport ({escape(name)}) and " in words(mail.html)


@EVERY
def test_styles_are_inlined_and_those_of_small_screens_kept(template):
    html = made(template).html
    assert '<h1 style="margin:' in html
    (kept,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert kept.strip().startswith("@media")
    assert kept.count("@media") == 1


@EVERY
def test_html_asks_nothing_of_the_network(template):
    context = sample(template)
    html = made(template).html
    known = [context[name] for name in ("link", "order_url") if name in context]
    assert set(re.findall(r"https?://[^\s\"'<>)]+", html)) <= set(known)
    assert set(re.findall(r'href="([^"]*)"', html)) == set(known)
    assert not re.search(r"<(img|link|script|iframe|base|form)\b|\bsrc=|url\(|@import", html)
    assert letters.inliner().inline('<link rel="stylesheet" href="http://127.0.0.1:9/x.css"><p>a</p>')


@pytest.mark.parametrize("template", ["order_confirmed", "payment_received"])
def test_a_payment_brings_its_receipt(template):
    (attachment,) = made(template).attachments
    assert (attachment.filename, attachment.content_type) == ("receipt-HT-2026-000001.pdf", "application/pdf")
    assert attachment.content.startswith(b"%PDF-")
    assert "Your receipt is attached." in made(template).text


def test_without_a_payment_there_is_no_receipt():
    mail = made("order_confirmed", payment=None)
    assert mail.attachments == ()
    assert "receipt" not in mail.text


def test_the_name_of_a_file_is_harmless():
    (attachment,) = made("order_confirmed", order_number='../a"\r\n b').attachments
    assert attachment.filename == "receipt--a-b.pdf"


def test_cards_may_be_unknown():
    payment = {**sample("order_confirmed")["payment"], "card_brand": None, "card_last4": None}
    assert "Paid with" not in made("order_confirmed", payment=payment).text


@pytest.mark.parametrize(
    ("template", "values", "sentence"),
    [
        ("payment_failed", {}, "Nothing was charged."),
        ("payment_failed", {}, "The reason we were given:\nYour card has insufficient funds."),
        (
            "order_refunded",
            {"whole": True, "refunded": "925.50"},
            "We have refunded your order HT-2026-000001 in full: 925.50 USD.",
        ),
        ("order_refunded", {"whole": True}, "With this, all of your payment has been refunded."),
        ("order_refunded", {"whole": False}, "We have refunded 425.50 USD of your order HT-2026-000001."),
        ("order_cancelled", {}, "We will refund 925.50 USD."),
        ("order_status_changed", {"status": "SHIPPED"}, "Tracking number: DZ 1234 5678 90"),
        ("payment_received", {}, "your payment of 925.50 USD for your order"),
        ("password_changed", {}, "All other devices are\nsigned out."),
        ("reset_password", {}, "The link works once, for one hour."),
        ("order_received", {"amount": "52650.00", "currency": "DZD"}, "Total: 52,650.00 DZD"),
    ],
)
def test_it_says(template, values, sentence):
    assert sentence in made(template, **values).text


GOES_ON = "back; your order stays paid and goes on. The money goes back the way it came."


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"whole": True, "refunded": "925.50"}, f"We have given the second payment of 925.50 USD {GOES_ON}"),
        ({"whole": False}, f"We have given 425.50 USD of the second payment {GOES_ON}"),
    ],
)
def test_a_second_payment_that_went_back_leaves_the_order_paid(values, said):
    mail = made("order_refunded", stays_paid=True, **values)
    assert mail.subject == "We have refunded your second payment"
    assert f"<h1 {mail.subject}" in re.sub(r'style="[^"]*">', "", mail.html)
    assert preheader(mail) == "Your order stays paid and goes on."
    for body in bodies(mail):
        assert f"You paid your order HT-2026-000001 twice. {said}" in body


def test_any_other_refund_does_not_say_that_the_order_goes_on():
    for whole in (True, False):
        mail = made("order_refunded", stays_paid=False, whole=whole)
        assert mail.subject == "Your refund for order HT-2026-000001"
        assert "<h1 Your money is on its way back" in re.sub(r'style="[^"]*">', "", mail.html)
        assert not any(re.search("twice|second payment|goes on", body) for body in bodies(mail))


@pytest.mark.parametrize("refund", ["925.50", None])
def test_money_in_review_is_not_promised(refund):
    mail = made("order_cancelled", refund=refund, refund_in_review=True)
    for body in bodies(mail):
        assert "Our team is looking at your payment and will write to you about the money." in body
        assert "We will refund" not in body


@pytest.mark.parametrize("refund", ["925.50", None])
def test_without_a_review_nobody_looks_at_a_payment(refund):
    for body in bodies(made("order_cancelled", refund=refund)):
        assert "looking at your payment" not in body
        assert ("We will refund 925.50 USD." in body) is (refund is not None)


AGAIN = "Please send us your passport again"
NOT_AGAIN = "We could not use a passport you sent us"


@pytest.mark.parametrize(
    ("again", "number", "subject", "button", "end"),
    [
        (True, "HT-1", AGAIN, "Send a new file", "We will go on with your order HT-1 as soon as we have it."),
        (True, None, AGAIN, "Send a new file", ""),
        (False, "HT-1", NOT_AGAIN, "See my order", "The file was for your order HT-1."),
        (False, None, NOT_AGAIN, "See my documents", ""),
    ],
)
def test_a_rejection_asks_for_a_new_file_only_where_one_is_needed(again, number, subject, button, end):
    mail = made("document_rejected", send_again=again, order_number=number, advice="What to do.", reason="Blurred.")
    assert mail.subject == subject
    assert f"<h1 {subject}" in re.sub(r'style="[^"]*">', "", mail.html)
    assert preheader(mail) == ("Blurred." if again else "What to do.")
    for body in bodies(mail):
        assert " ".join(f"Blurred. What to do. {end} {button}".split()) in body


NEEDED = {"documents": COMPLETE | {"required": 3, "is_complete": False, "missing": ["PHOTO", "BANK_STATEMENT"]}}
CHECKED = {"documents": COMPLETE | {"required": 3, "is_complete": False, "waiting": ["PHOTO"]}}
DONE = {"documents": COMPLETE}
EXPIRED = "This passport has expired."
EXPIRING = "This passport is valid for less than six months after your journey."
RENEW = "Please renew it, or contact us before you do anything else."
REFUSED = "Many countries will not let you in with it. Please renew it, or contact us first."
STILL = "We still need: photo, bank statement."
PROGRESS = "Documents verified for your order HT-2026-000001: 1 of 3."
ALL = "All the documents we need for your order HT-2026-000001 are verified."


@pytest.mark.parametrize(
    ("documents", "shortfall", "before", "said"),
    [
        (DONE, None, "There is nothing you need to do.", f"{ALL} There is nothing more to send."),
        (DONE, "expired", EXPIRED, f"{EXPIRED} {RENEW} {ALL}"),
        (DONE, "expiring", EXPIRING, f"{EXPIRING} {REFUSED} {ALL}"),
        (NEEDED, None, STILL, f"{PROGRESS} {STILL}"),
        (NEEDED, "expired", f"{EXPIRED} {STILL}", f"{EXPIRED} {RENEW} {PROGRESS} {STILL}"),
        (NEEDED, "expiring", f"{EXPIRING} {STILL}", f"{EXPIRING} {REFUSED} {PROGRESS} {STILL}"),
        (CHECKED, None, "There is nothing you need to do.", f"{PROGRESS} We are still checking: photo."),
        ({"documents": None}, None, "There is nothing you need to do.", ""),
        (LOOSE, "expired", EXPIRED, f"{EXPIRED} {RENEW}"),
    ],
)
def test_a_verified_document_is_told_with_what_is_left_to_do(documents, shortfall, before, said):
    mail = made("document_verified", **{**documents, "shortfall": shortfall})
    assert preheader(mail) == before
    for body in bodies(mail):
        assert f"We have looked at your passport (passport.jpg) and verified it. {said}".strip() + " See my" in body


def bodies(mail: Letter) -> list[str]:
    """Text and HTML in one line each."""
    return [re.sub(r"\s+([.:])", r"\1", " ".join(body.split())) for body in (mail.text, words(mail.html))]


def preheader(mail: Letter) -> str:
    """What a list of mails shows after the subject."""
    (hidden,) = re.findall(r'<div class="preheader"[^>]*>(.*?)</div>', mail.html, re.DOTALL)
    return " ".join(hidden.split())


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_has_the_same_name_everywhere(category):
    documents = NEEDED["documents"] | {"missing": [category], "waiting": [category]}
    verified = made("document_verified", category=category, documents=documents)
    rejected = made("document_rejected", category=category)
    name = CATEGORIES[category]
    assert (verified.subject, rejected.subject) == (f"Your {name} is verified", f"Please send us your {name} again")
    for mail in (verified, rejected):
        assert f"<h1 {mail.subject}" in re.sub(r'style="[^"]*">', "", mail.html)
    for body in (verified.text, words(verified.html)):
        assert f"We still need: {name}." in body
        assert f"We are still checking: {name}." in body


def test_notes_keep_their_lines():
    mail = made("order_cancelled", reason="One.\nTwo & three.")
    assert "The reason:\nOne.\nTwo & three.\n" in mail.text
    assert re.search(r"white-space:pre-line[^>]*>One\.\nTwo &amp; three\.<", mail.html)


def test_the_shop_signs():
    mail = letter("welcome", {**sample("welcome"), "shop": "Evil"}, "Holyone & Sons")
    assert mail.subject == "Welcome to Holyone & Sons"
    assert mail.text.endswith("\nYour team at Holyone & Sons\n")
    assert "Your team at Holyone &amp; Sons" in mail.html


def test_every_word_goes_through_gettext():
    """A catalog that knows nothing but capitals leaves no word behind."""
    environment = letters.environment.__wrapped__()
    environment.install_gettext_callables(shouted, shouted, newstyle=True)
    for template in templates():
        context = {**sample(template), "shop": "SOUK", "name": "AMINA"}
        for part in ("subject.txt", "body.txt", "body.html"):
            seen = words(environment.get_template(f"{template}/{part}").render(context))
            for value in known(context):
                seen = seen.replace(value, "")
            assert not re.search(r"[a-z]", seen), (template, part)


def shouted(message: str, *_: object) -> str:
    """In capitals, but for the names of its values."""
    return re.sub(r"%\(\w+\)s|[a-z]+", lambda word: word[0] if word[0][0] == "%" else word[0].upper(), message)


def known(context: dict[str, Any]) -> list[str]:
    """Values of the context, and what the receipt's own words make of them."""
    values = [value for value in context.values() if isinstance(value, str)]
    values += [item["title"] for item in context.get("items", [])]
    return [*values, "Visa ending in 4242", "14 January 2026", (context.get("payment") or {}).get("reference", "")]


def test_a_preview_of_everything(tmp_path):
    written = preview(tmp_path / "mails")
    names = {path.name for path in written}
    assert names == {path.name for path in (tmp_path / "mails").iterdir()}
    assert {f"{each}{end}" for each in templates() for end in (".html", ".txt")} <= names
    assert {"index.html", "order_confirmed.pdf", "payment_received.pdf"} <= names
    index = (tmp_path / "mails" / "index.html").read_text()
    assert all(f'href="{name}"' in index for name in names - {"index.html"})


def test_the_folder_says_what_each_mail_needs():
    """Its README has a line for every mail, with the variables of its sample."""
    text = (FOLDER / "README.md").read_text()
    rows = {
        row[0]: set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)
    }
    common = set(
        re.findall(r"`(\w+)`", re.search(r"^Every mail of an order has (.*?)\.$", text, re.MULTILINE | re.DOTALL)[1])
    )
    for template in templates():
        needed = sample(template).keys() - {"name"}
        assert rows[template] == needed - (common if "order_number" in needed else set()), template
    assert rows.keys() == set(templates())
