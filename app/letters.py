"""The letters that mails carry: a folder of `email_templates/` filled with a context.

`sample.json` declares what a template needs: a context without one of its keys is refused.
"""

import json
import re
import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import css_inline
from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError, select_autoescape
from markupsafe import Markup

from app.errors import AppError
from app.receipt import card, moment, money, receipt
from app.resources.order_letters import guest_token

FOLDER = Path(__file__).parent.parent / "email_templates"
RECEIPTS = ("order_confirmed", "payment_received")
COLUMNS = 76
LINK = re.compile(r"[/@\\]|[^\W\d]:\S|\w\.[^\W\d]\w|(\d+\.){3}\d")
ENDING = re.compile(r"\.(pdf|jpe?g|png)$", re.IGNORECASE)
DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of what follows them."""


class LetterError(AppError):
    """This mail cannot be written."""

    status = 500


@dataclass(frozen=True)
class Attachment:
    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()


def templates() -> list[str]:
    """The names of all mails."""
    return sorted(subject.parent.name for subject in FOLDER.glob("*/subject.txt"))


def sample(template: str) -> dict[str, Any]:
    """A context as it may come, for previews and tests."""
    if template not in templates():
        raise LetterError(f"There is no mail called {template}.")
    context: dict[str, Any] = json.loads((FOLDER / template / "sample.json").read_bytes())
    return context


def letter(template: str, context: Mapping[str, Any], shop: str = "Souk", *, attach: bool = True) -> Letter:
    """The mail in the name of `shop`. Raises LetterError when there is no such template or its context lacks something.

    `email` in the context is shown on a receipt; no template needs it. Without `attach` no receipt is drawn.
    """
    if missing := sample(template).keys() - context.keys():
        raise LetterError(f"The mail {template} lacks {', '.join(sorted(missing))}.")
    try:
        return written(template, {**context, **guests_link(context), "shop": shop}, shop, attach)
    except UndefinedError as error:
        raise LetterError(f"The mail {template} lacks something: {error.message}.") from error
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise LetterError(f"The mail {template} cannot use a value: {error!r}.") from error


def guests_link(context: Mapping[str, Any]) -> dict[str, str]:
    """Who ordered without an account opens the order by the token in the link; it is made now and kept nowhere."""
    if "guest_order" not in context:
        return {}
    return {"order_url": f"{context['order_url']}?token={guest_token(UUID(context['guest_order']))}"}


def written(template: str, context: Mapping[str, Any], shop: str, attach: bool) -> Letter:
    subject, text, html = (
        environment().get_template(f"{template}/{part}").render(context)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    attachments = attached(template, context, shop) if attach else ()
    return Letter(one_line(subject), paragraphs(text), inliner().inline(html), attachments)


def attached(template: str, context: Mapping[str, Any], shop: str) -> tuple[Attachment, ...]:
    names = attachment_names(template, context)
    return tuple(Attachment(name, "application/pdf", receipt(context, shop)) for name in names)


def attachment_names(template: str, context: Mapping[str, Any]) -> list[str]:
    """What is attached to the mail: the receipt of a payment."""
    if template not in RECEIPTS or context["payment"] is None:
        return []
    number = re.sub(r"[^A-Za-z0-9-]+", "-", context["order_number"])
    return [f"receipt-{number}.pdf"]


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Only HTML is escaped. Words go through gettext, which has no catalogs yet."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.filters |= {"money": money, "moment": moment, "card": card, "together": together}
    made.tests |= {"a_link": a_link, "bait": bait}
    made.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    return made


@lru_cache(maxsize=1)
def inliner() -> css_inline.CSSInliner:
    """Keeps `@media` for small screens; asks nothing of the network."""
    return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False, minify_css=True)


def together(value: str) -> Markup:
    """HTML that keeps an order's number on one line."""
    return Markup('<span style="white-space: nowrap">{}</span>').format(value)


def a_link(name: str) -> bool:
    """Whether mail programs could make this name a link. Anybody may register a stranger's address, so that our mail
    would carry theirs; such a name is not greeted. No domain ends in a number, so a date is no link."""
    return LINK.search(name) is not None


def bait(file_name: str) -> bool:
    """The same of the name of a file, but for its ending: `passport.pdf` is no link."""
    return a_link(ENDING.sub("", file_name))


def one_line(subject: str) -> str:
    """Without line breaks, which would begin another header, and other characters that nobody sees."""
    seen = (" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in subject)
    return " ".join("".join(each for each in seen if each not in DIRECTIONS).split())


def paragraphs(text: str) -> str:
    """Wrapped, with one empty line between paragraphs; links stay whole."""
    lines = "\n".join(wrapped(line) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def wrapped(line: str) -> str:
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(line, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def preview(folder: Path) -> list[Path]:
    """Write every letter with its sample into the folder, and an `index.html` that leads to them."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = {template: letter(template, sample(template)) for template in templates()}
    files = {template: files_of(template, each) for template, each in letters.items()}
    shown = [{"template": name, "subject": letters[name].subject, "files": list(files[name])} for name in letters]
    index = environment().get_template("preview.html").render(letters=shown).encode()
    contents = {name: content for each in files.values() for name, content in each.items()} | {"index.html": index}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def files_of(template: str, made: Letter) -> dict[str, bytes]:
    """The contents of a letter by the names of their files."""
    files = {f"{template}.html": made.html.encode(), f"{template}.txt": made.text.encode()}
    return files | {f"{template}.pdf": attachment.content for attachment in made.attachments}
