"""What a customer uploads, looked at and drawn by `app.decoders` in a process of its own.

A crash, a bomb or an endless loop in a decoder ends that process, not the shop; and its memory is given back.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

from app import decoders
from app.decoders import MAGIC
from app.errors import NotFound, Unavailable, UnsupportedMediaType, ValidationError
from app.turns import turn

log = logging.getLogger("souk.inspection")
PROGRAM = ("-P", decoders.__file__)
AT_ONCE = 1
"""Of each event loop and kind of work: uploads wait for each other instead of adding up their memory; staff who look at
documents do not wait for uploads."""
PATIENCE, SECONDS = 60.0, 25.0
"""How long to wait for a turn, and how long the work may take."""
ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG")
"""What the decoders may know of ours: no key, no password, no address of a database."""
OWN = {
    "VIPS_CONCURRENCY": "1",
    "VIPS_BLOCK_UNTRUSTED": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}
"""One thread, and memory that glibc gives back at once: half the peak of a large picture."""
TAIL = 4096
KINDS = {
    "unsupported": "Only PDF, JPEG and PNG files are accepted. Please save it as one of these and upload that.",
    "no_picture": "Only JPEG, PNG and WebP pictures are accepted. Please save it as one of these and upload that.",
    "heic": "This photo is in Apple's HEIC format. Please send it as a JPEG: on an iPhone, choose Settings, Camera, "
    "Formats, Most Compatible and take the photo again, or take a screenshot of it and upload that.",
}
OUR_TROUBLE = {
    "no_process": "no process could be started",
    "no_room": "no room on the disk",
    "ended": "its process was ended, maybe for want of memory",
}
"""What is not the file's fault, and said in our log."""
PRINT = 'Please open it, choose Print, then "Save as PDF", and upload the new file.'
SENTENCES = {
    "empty": "This file is empty. Please choose it again.",
    "damaged": "This file is damaged and cannot be opened. Please take the photo again or save the file once more.",
    "too_slow": "This file could not be read in time. Please upload a simpler copy, such as a photo or a scan of it.",
    "too_complex": "This file is too complex to read. Please upload a simpler copy, such as a photo or a scan of it.",
    "too_many_pixels": "This picture has more than 40 megapixels. Please upload a smaller one.",
    "too_large_anew": "This picture takes more than 10 MiB once converted. Please save it as a JPEG and upload that.",
    "broken_pdf": f"This PDF is broken. {PRINT}",
    "has_password": "This PDF is protected by a password, or against copying. Please save a copy without the "
    'protection; if you can open it, choose Print, then "Save as PDF", and upload the new file.',
    "no_pages": "This PDF has no pages. Please save it once more and upload the new file.",
    "too_many_pages": "This PDF has more than 300 pages. Please upload only the pages that are needed.",
    "has_script": f"This PDF contains a script, which may be harmful. {PRINT}",
    "has_attachment": f"This PDF has other files attached to it. {PRINT} Upload the attached files one by one.",
    "has_media": f"This PDF contains sound, video or 3D content. {PRINT}",
    "has_action": f"This PDF opens something else by itself, starts a program or sends data. {PRINT}",
    "has_xfa": f"This PDF is an interactive form that most programs cannot show. {PRINT}",
}


@dataclass(frozen=True)
class Inspected:
    """What was written: its kind, bytes and pages."""

    mime_type: str
    size: int
    pages: int


async def inspect(
    source: BinaryIO, target: BinaryIO, seconds: float = SECONDS, patience: float = PATIENCE
) -> Inspected:
    """Write to target what is safe to keep of source: a picture drawn anew, a PDF as it is, or mended. Both are real
    files, read and overwritten from their start. 415 for what we do not take, 422 for what is damaged or harmful, 503
    when it is not our turn within `patience` seconds."""
    verdict = await decoded(source, target, "inspect", seconds=seconds, patience=patience)
    return Inspected(verdict["mime_type"], size_of(target), verdict["pages"])


async def picture(
    source: BinaryIO,
    target: BinaryIO,
    width: int,
    page: int = 0,
    seconds: float = SECONDS,
    patience: float = PATIENCE,
) -> int:
    """Write a JPEG of an image, or of a page of a PDF, at most `width` pixels wide and four times as high. Returns the
    number of pages; 404 for a page that is not there."""
    verdict = await decoded(source, target, "picture", str(page), str(width), seconds=seconds, patience=patience)
    return int(verdict["pages"])


@dataclass(frozen=True)
class Photo:
    """A picture that was written: its kind, bytes and pixels."""

    mime_type: str
    size: int
    width: int
    height: int


async def photo(source: BinaryIO, target: BinaryIO, side: int) -> Photo:
    """Write to target what is safe to show of a JPEG, PNG or WebP picture: drawn anew in its own format, upright and
    on white, at most `side` pixels wide and high. Raises as `inspect` does."""
    return photo_of(await decoded(source, target, "photo", str(side)), target)


async def variant(source: BinaryIO, target: BinaryIO, side: int) -> Photo:
    """The same, as a WebP."""
    return photo_of(await decoded(source, target, "variant", str(side)), target)


def photo_of(verdict: dict[str, Any], target: BinaryIO) -> Photo:
    return Photo(verdict["mime_type"], size_of(target), verdict["width"], verdict["height"])


@contextlib.contextmanager
def on_disk() -> Iterator[None]:
    """Turn what the disk refuses within, such as room for a file, into Unavailable, and log it."""
    try:
        yield
    except OSError as error:
        log.exception("The disk failed")
        raise Unavailable() from error


def size_of(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


async def decoded(
    source: BinaryIO,
    target: BinaryIO,
    *task: str,
    program: Sequence[str] = PROGRAM,
    seconds: float = SECONDS,
    patience: float = PATIENCE,
) -> dict[str, Any]:
    """The verdict on source by a process of its own; a refusal is raised."""
    busy = Unavailable("Many files are being read right now, try again in a moment.")
    async with turn(gate(task[0]), patience, busy):
        with from_the_start(source, target):
            returncode, words = await run(source, target, (*program, *task), seconds)
    verdict = understood(returncode, words)
    if "code" in verdict:
        raise refusal(verdict["code"])
    if not os.pread(target.fileno(), 8, 0).startswith(MAGIC[verdict["mime_type"]]):
        raise refusal("damaged")
    return verdict


gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()


def gate(kind: str) -> asyncio.Semaphore:
    """Where those wait who have this kind of work done."""
    of_loop = gates.setdefault(asyncio.get_running_loop(), {})
    return of_loop.setdefault(kind, asyncio.Semaphore(AT_ONCE))


@contextlib.contextmanager
def from_the_start(*files: BinaryIO) -> Iterator[None]:
    """The child shares our place in a file. Ours is put back, as Python's buffer counts on it."""
    for file in files:
        file.flush()
    places = [os.lseek(file.fileno(), 0, os.SEEK_CUR) for file in files]
    for file in files:
        os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        yield
    finally:
        for file, place in zip(files, places, strict=True):
            os.lseek(file.fileno(), place, os.SEEK_SET)


async def run(source: BinaryIO, target: BinaryIO, words: Sequence[str], seconds: float) -> tuple[int, bytes]:
    """How the process ended, and the end of what it said. It never outlives us: not a cancelled wait, not its time."""
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | OWN
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdin=source, stdout=target, stderr=PIPE, env=environment, start_new_session=True
        )
    except OSError as error:
        raise refusal("no_process") from error
    try:
        async with asyncio.timeout(seconds):
            said = await tail(process)
            return await process.wait(), said
    except TimeoutError:
        raise refusal("too_slow") from None
    finally:
        await killed(process)


async def tail(process: Process) -> bytes:
    said = b""
    while process.stderr and (piece := await process.stderr.read(TAIL)):
        said = (said + piece)[-TAIL:]
    return said


async def killed(process: Process) -> None:
    """No process after this, nor another one that it started; waited for even when we are cancelled again."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def understood(returncode: int, said: bytes) -> dict[str, Any]:
    """The verdict in the last line; a process that crashed or spoke otherwise read a damaged file."""
    if returncode in (-signal.SIGKILL, -signal.SIGTERM):
        return {"code": "ended"}
    if returncode in (-signal.SIGXCPU, -signal.SIGALRM):
        return {"code": "too_slow"}
    if returncode == -signal.SIGABRT:  # how C++ runs out of memory
        return {"code": "too_complex"}
    try:
        verdict = json.loads(said.splitlines()[-1]) if returncode == 0 else None
    except (ValueError, IndexError):
        verdict = None
    if isinstance(verdict, dict) and ("code" in verdict or is_result(verdict)):
        return verdict
    log.warning("The decoders ended with %s: %r", returncode, said[-1000:])
    return {"code": "damaged"}


def is_result(verdict: dict[str, Any]) -> bool:
    return verdict.get("mime_type") in MAGIC and isinstance(verdict.get("pages"), int)


def refusal(code: object) -> Exception:
    if code in OUR_TROUBLE:
        log.error("A file could not be read: %s", OUR_TROUBLE[str(code)])
        return Unavailable("Files cannot be read right now, try again in a moment.")
    if code == "no_such_page":
        return NotFound("This file has no such page.")
    if code in KINDS:
        return UnsupportedMediaType(KINDS[str(code)])
    known = str(code) if code in SENTENCES else "damaged"
    return ValidationError.of("/file", known, SENTENCES[known])
