"""A file that comes as multipart/form-data: read into a temporary file without a name, with the fields beside it.

`app/edge.py` counts the bytes as they come; here the form is taken apart, and what is wrong with it said in words.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from uuid import UUID
from weakref import WeakValueDictionary

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import BadRequest, PayloadTooLarge, Unavailable, UnsupportedMediaType, ValidationError
from app.inspection import PATIENCE
from app.kit.access import Actor
from app.kit.schemas import Input, validated
from app.turns import turn

LARGEST = 10 * 1024 * 1024
"""Bytes of a file."""
LONGEST_FIELD, MOST_FIELDS = 10_000, 10
FORM_ERRORS = {
    "Too many files": "Send one file at a time.",
    "Too many fields": f"The form has more than {MOST_FIELDS} fields. It takes {{names}}.",
    "Part exceeded": "A field of the form is too long.",
}
"""By how the parser's own words begin."""
FORM_ERROR = "The form could not be read as multipart/form-data. If the name of the file is very long, shorten it."
KEPT_IN_MEMORY = 64 * 1024
"""Bytes of an upload that are not on the disk yet."""


class NoFields(Input):
    """Of a form with nothing but a file."""


@dataclass(frozen=True)
class Sent:
    """A file as it was sent, the name it was given, and the validated fields that came with it."""

    file: BinaryIO
    name: str
    fields: dict[str, Any]

    def digest(self) -> str:
        """What tells two files apart; the boundary of the form is another one in each repeat."""
        self.file.seek(0)
        return hashlib.file_digest(cast(Any, self.file), "sha256").hexdigest()


@asynccontextmanager
async def received(request: Request, too_large: str, fields: type[Input] = NoFields) -> AsyncIterator[Sent]:
    """The field `file` and the others of the form. Raises what is wrong with it; `too_large` is said of the file."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Send the file as multipart/form-data.")
    parser = MultiPartParser(
        request.headers, cast(Any, request.stream()), max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD
    )
    parser.spool_max_size = KEPT_IN_MEMORY
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise BadRequest(form_error(error.message, fields)) from None
    try:
        yield taken_apart(form.multi_items(), too_large, fields)
    finally:
        await form.close()


def form_error(said: str, fields: type[Input]) -> str:
    names = [f"`{name}`" for name in ("file", *fields.model_fields)]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    known = (sentence for start, sentence in FORM_ERRORS.items() if said.startswith(start))
    return next(known, FORM_ERROR).format(names=listed)


def taken_apart(parts: list[tuple[str, UploadFile | str]], too_large: str, fields: type[Input]) -> Sent:
    names = [name for name, _ in parts]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValidationError.of(f"/{twice[:100]}", "given_twice", "Give this field once.")
    values: dict[str, Any] = dict(parts)
    file = values.pop("file", None)
    given = validated(fields, {name: value or None for name, value in values.items()})
    if not isinstance(file, UploadFile):
        raise ValidationError.of("/file", "missing", "Choose a file.")
    if (file.size or 0) > LARGEST:
        raise PayloadTooLarge(too_large)
    cast(SpooledTemporaryFile[bytes], file.file).rollover()
    return Sent(file.file, file.filename or "", given)


GATES: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()


def in_turn(actor: Actor) -> AbstractAsyncContextManager[None]:
    """One file of each person is looked into at a time, so that nobody's many keep others from theirs."""
    busy = Unavailable("Your other files are still being read, try again in a moment.")
    return turn(GATES.setdefault(actor.id, asyncio.Lock()), PATIENCE, busy)
