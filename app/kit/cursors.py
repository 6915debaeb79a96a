"""Cursors: where a feed goes on. One holds the order of the feed and the sort values of the last row that was given.

Whoever makes one up gets no more than another place in a list that he may read anyway.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter
from pydantic import ValidationError as Invalid

from app.errors import ValidationError
from app.kit.resource import Resource
from app.kit.table import bare, no_nul

MAX_LENGTH = 4000
Text = Annotated[str, AfterValidator(no_nul)]


def cursor(sort: Sequence[str], values: str) -> str:
    """The cursor after a row, whose sort values come as a JSON array of texts."""
    return urlsafe_b64encode(f"[{json.dumps(','.join(sort))},{values[1:]}".encode()).decode().rstrip("=")


def place(resource: Resource, sort: Sequence[str], text: str) -> dict[str, Any]:
    """The parameters `after_0` … that a cursor stands for. Raises ValidationError."""
    order, *values = unpacked(text)
    if order != ",".join(sort):
        raise wrong("other_sort", "This cursor is of a feed in another order.")
    try:
        found = [
            adapter(resource, key.lstrip("-")).validate_python(part) for key, part in zip(sort, values, strict=True)
        ]
    except (Invalid, ValueError):
        raise wrong("malformed", "This is no cursor.") from None
    return {f"after_{place}": str(part) if isinstance(part, str) else part for place, part in enumerate(found)}


def unpacked(text: str) -> list[str]:
    """The texts in a cursor, at least one."""
    try:
        inside = json.loads(urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode("ascii")))
    except (NotBase64, ValueError, RecursionError):
        inside = None
    if len(text) > MAX_LENGTH or not isinstance(inside, list) or not inside:
        raise wrong("malformed", "This is no cursor.")
    if not all(isinstance(part, str) and is_unicode(part) for part in inside):
        raise wrong("malformed", "This is no cursor.")
    return inside


def is_unicode(text: str) -> bool:
    """Whether it has no lone surrogates, which JSON can spell and UTF-8 cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def wrong(code: str, sentence: str) -> ValidationError:
    return ValidationError.of("?cursor", code, sentence + " Begin with an empty one.")


@lru_cache
def adapter(resource: Resource, column: str) -> TypeAdapter[Any]:
    """Texts as they are stored: nothing is stripped that the order counts."""
    annotation = resource.annotation(column)
    return TypeAdapter(Text if bare(annotation) is str else annotation)
