"""The program in the box: the only code that decodes what a customer uploaded, and it shares no process with the shop.

`app.inspection` runs this file by its path; it imports nothing of ours. The file to read is fd 0 and the file to write
fd 1, both seekable and without a name. The last line of stderr is the verdict, a JSON object: `{"code": …}` of a
refusal, or what was written. No verdict means that a decoder crashed.
"""

import contextlib
import errno
import io
import json
import os
import re
import resource
import signal
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pikepdf import Pdf
    from pyvips import Image

MIB = 1024 * 1024
MEMORY, SCRATCH, CPU, WALL = 512 * MIB, 192 * MIB, 10, 30
"""Bytes of address space and of one file; seconds of work, and of life should our parent be gone."""
PIXELS, SIDE, LARGEST = 40_000_000, 30_000, 10 * MIB
STRICT = "error"
"""A picture cut short is refused. `warning` would refuse what phones write: libjpeg warns of many a Samsung."""
PAGES, OBJECTS, INFLATED = 300, 100_000, 64 * MIB
SMALL = 200
"""Pixels of the picture that shows whether a PDF can be drawn."""
LINES = 64
"""How much of a picture is in memory while it is turned."""
MAGIC = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/webp": b"RIFF",
}
WEBP = "image/webp"
DOCUMENTS, PICTURES = ("application/pdf", "image/jpeg", "image/png"), ("image/jpeg", "image/png", WEBP)
"""What is taken as a document, and as a picture for everybody."""
HEIC = re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)
ATTEMPTS: dict[str, tuple[dict[str, Any], ...]] = {
    "image/jpeg": ({"Q": 90}, {"Q": 75}),
    "image/png": ({}, {"filter": "all"}),
    WEBP: ({"Q": 90}, {"Q": 75}),
}
TURNS: dict[int, tuple[str, ...]] = {
    2: ("mirror",),
    3: ("d90", "d90"),
    4: ("d90", "d90", "mirror"),
    5: ("d90", "mirror"),
    6: ("d90",),
    7: ("d270", "mirror"),
    8: ("d270",),
}
"""What sets a picture upright, by the orientation in its EXIF."""
STRING = re.compile(rb"\((?:[^()\\]|\\.)*+\)", re.DOTALL)
FORBIDDEN = re.compile(
    rb"""(?:(?P<has_script>   /JS | /JavaScript)
          | (?P<has_attachment> /EF | /EmbeddedFiles? | /Collection
                              | (?:^|/S[ ]|/Subtype[ ])/(?:FileAttachment | GoToE))
          | (?P<has_media>    /RichMedia\w* | (?:^|/S[ ]|/Subtype[ ])/(?:Movie | Sound | 3D | Rendition | GoTo3DView))
          | (?P<has_action>   (?:^|/S[ ])/(?:Launch | SubmitForm | ImportData | GoToR | Thread) | /AA)
          | (?P<has_xfa>      /XFA)
        )(?=[ ]|$)""",
    re.VERBOSE,
)
"""Read from qpdf's canonical spelling, where names have no needless escapes and tokens stand one space apart. A name
alone is an object of its own, which another one may refer to."""
OUTSIDE = re.compile(rb"/URI (?:\(\s*(?:file:|\\\\)|<(?:66696c653a|5c5c))", re.IGNORECASE)
"""A link to a file of the reader's own machine or network."""
TRIFLE = re.compile("xref|cross-reference|file is damaged|number of objects|Resources is missing|expected endobj")
"""Warnings of qpdf about what many a program gets wrong and nothing is lost by."""
TROUBLE = {"pyvips": "damaged", "pikepdf": "broken_pdf", "pypdfium2": "broken_pdf"}
FULL = (errno.ENOSPC, errno.EDQUOT)
"""A disk without room, which is no fault of the file; libvips tells it in words."""
KEPT: list[Any] = []
"""What pyvips calls back and yet forgets."""


class Refused(Exception):
    """The code of a refusal; its sentence is in `app.inspection`."""


def main(task: str, *numbers: str) -> None:
    limit()
    try:
        verdict = TASKS[task](*map(int, numbers))
    except MemoryError:
        verdict = {"code": "too_complex"}
    except Exception as error:
        verdict = {"code": named(error)}
    sys.stderr.write(f"\n{json.dumps(verdict)}\n")


def named(error: Exception) -> str:
    """The code of what a library does not take. Any other error is a fault of ours, and a crash."""
    if isinstance(error, Refused):
        return str(error)
    if type(error).__name__ == "PasswordError":
        return "has_password"
    if "memory" in str(error).lower():
        return "too_complex"
    if getattr(error, "errno", None) in FULL or any(os.strerror(each) in str(error) for each in FULL):
        return "no_room"
    library = type(error).__module__.partition(".")[0]
    if library not in TROUBLE:
        raise error
    return TROUBLE[library]


def limit() -> None:
    """Little to take, little time, the last in line for a processor and the first to go when memory runs out."""
    signal.alarm(WALL)
    for name, most in {"AS": MEMORY, "FSIZE": SCRATCH, "CPU": CPU, "NOFILE": 32, "CORE": 0}.items():
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit of address space
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most + (name == "CPU")))
    os.nice(5)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def inspect() -> dict[str, Any]:
    """Copy fd 0 to fd 1 where it is harmless: a picture drawn anew, a PDF as it is, or mended."""
    kind = content_type(DOCUMENTS, "unsupported")
    if kind == "application/pdf":
        return {"mime_type": kind, "pages": pdf_checked()}
    drawn_anew(kind, lambda: upright(opened(kind)))
    return {"mime_type": kind, "pages": 1}


def photo(side: int) -> dict[str, Any]:
    """A picture for everybody drawn anew in its own format, with its width and height."""
    kind = content_type(PICTURES, "no_picture")
    image = drawn_anew(kind, lambda: fitted(kind, side))
    return {"mime_type": kind, "pages": 1, "width": image.width, "height": image.height}


def variant(side: int) -> dict[str, Any]:
    """The same smaller, as WebP."""
    image = fitted(content_type(PICTURES, "no_picture"), side)
    save(image, WEBP, Q=80)
    return {"mime_type": WEBP, "pages": 1, "width": image.width, "height": image.height}


def picture(page: int, width: int) -> dict[str, Any]:
    """A JPEG of an image, or of a page (from 0) of a PDF, at most so many pixels wide."""
    kind = content_type(DOCUMENTS, "unsupported")
    pages, image = pdf_page(page, width) if kind == "application/pdf" else thumbnail(kind, page, width)
    save(image, "image/jpeg", Q=80)
    return {"mime_type": "image/jpeg", "pages": pages}


def content_type(taken: tuple[str, ...], otherwise: str) -> str:
    """Which of these kinds fd 0 is, by how it begins. Refused with the code `otherwise` when it is another one."""
    head = os.pread(0, 16, 0)
    for kind in taken:
        if head.startswith(MAGIC[kind]) and (kind != WEBP or head[8:12] == b"WEBP"):
            return kind
    raise Refused("heic" if HEIC.match(head) else otherwise if head else "empty")


def vips(*more: str) -> Any:
    """pyvips, with no loader but those we name, and nothing kept for later."""
    import pyvips

    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoad", True)
    for loader in ("Jpeg", "Png", *more):
        pyvips.operation_block_set(f"VipsForeignLoad{loader}", False)
    pyvips.cache_set_max(0)
    return pyvips


def opened(kind: str, **options: Any) -> "Image":
    """The picture, of which only the header has been read: pixels come as they are asked for, from top to bottom."""
    pyvips = vips("Webp") if kind == WEBP else vips()
    load = getattr(pyvips.Image, f"{kind.removeprefix('image/')}load_source")
    image = load(source(), access="sequential", fail_on=STRICT, **options)
    check_pixels(image.width, image.height)
    return cast("Image", image)


def check_pixels(width: int, height: int) -> None:
    if width * height > PIXELS or max(width, height) > SIDE:
        raise Refused("too_many_pixels")


def source() -> Any:
    from pyvips import Source

    os.lseek(0, 0, os.SEEK_SET)
    return Source.new_from_descriptor(0)


def drawn_anew(kind: str, draw: Callable[[], "Image"]) -> "Image":
    """The pixels alone, so that neither a place nor a script hides in the file. A second, smaller attempt where the
    first is too large, or far larger than what came; what is too large then is refused."""
    enough = min(LARGEST, 2 * os.fstat(0).st_size + 65536)
    for options in ATTEMPTS[kind]:
        image = draw()
        save(image, kind, **options)
        if os.fstat(1).st_size <= enough:
            break
    if os.fstat(1).st_size > LARGEST:
        raise Refused("too_large_anew")
    return image


def fitted(kind: str, side: int) -> "Image":
    """The picture upright and on white, at most so many pixels wide and high. Read by its own loader: that of
    `thumbnail_source` takes pictures cut short."""
    options = {"scale": webp_scale(side)} if kind == WEBP else {}
    return plain(opened(kind, **options).thumbnail_image(side, height=side, size="down"))


def webp_scale(side: int) -> float:
    """What part of its size a WebP is decoded at: all of its pixels are in memory at once, from the moment its header
    is read. So that is read here first (RFC 9649)."""
    head = os.pread(0, 30, 0)
    extended, lossless, lossy = number(head[24:27]), number(head[21:25]), number(head[26:28])
    width, height = {
        b"VP8X": (extended + 1, number(head[27:30]) + 1),
        b"VP8L": ((lossless & 0x3FFF) + 1, (lossless >> 14 & 0x3FFF) + 1),
    }.get(head[12:16], (lossy & 0x3FFF, number(head[28:30]) & 0x3FFF))
    check_pixels(width, height)
    return min(1.0, side / max(width, height, 1))


def number(content: bytes) -> int:
    return int.from_bytes(content, "little")


def upright(image: "Image") -> "Image":
    orientation = image.get("orientation") if image.get_typeof("orientation") else 1
    image = plain(image)
    for turn in TURNS.get(orientation, ()):
        image = image.fliphor() if turn == "mirror" else turned(image, turn)
    return image


def plain(image: "Image") -> "Image":
    """Eight bits of grey or sRGB on white, whatever it was."""
    if image.get_typeof("icc-profile-data"):
        fallback = "cmyk" if image.interpretation == "cmyk" else "srgb"
        image = image.icc_transform("srgb", embedded=True, input_profile=fallback)
    image = image.colourspace("b-w" if image.interpretation in ("b-w", "grey16") else "srgb")
    if image.hasalpha():
        image = image.flatten(background=255)
    return image.cast("uchar")


def turned(image: "Image", angle: str) -> "Image":
    """A quarter turn in little memory: strips are turned one by one into a file, which is then read across them."""
    from pyvips import Image, Region

    scratch = tempfile.TemporaryFile()  # noqa: SIM115  (open for as long as the picture is)
    region, strips = Region.new(image), []
    for top in range(0, image.height, LINES):
        lines = min(LINES, image.height - top)
        pixels = region.fetch(0, top, image.width, lines)
        strip = Image.new_from_memory(pixels, image.width, lines, image.bands, "uchar")
        strips.append((scratch.tell(), lines * image.bands))
        scratch.write(strip.rot(angle).write_to_memory())
    scratch.flush()
    if angle == "d90":
        strips.reverse()
    return streamed(across(scratch, strips, image.width), image.height, image.width, image.bands)


def across(scratch: IO[bytes], strips: list[tuple[int, int]], height: int) -> Iterator[bytes]:
    """Row by row, from the place of each strip and the bytes of one of its rows."""
    for top in range(0, height, LINES):
        pieces = [(os.pread(scratch.fileno(), LINES * size, start + top * size), size) for start, size in strips]
        for row in range(min(LINES, height - top)):
            yield b"".join(piece[row * size : (row + 1) * size] for piece, size in pieces)


def streamed(rows: Iterator[bytes], width: int, height: int, bands: int) -> "Image":
    """A picture whose rows are made when they are asked for."""
    from pyvips import Image, SourceCustom

    pieces, rest = png(rows, width, height, bands), b""

    def read(size: int) -> bytes:
        nonlocal rest
        rest = rest or next(pieces, b"")
        piece, rest = rest[:size], rest[size:]
        return piece

    source = SourceCustom()
    source.on_read(read)
    KEPT.append(source)
    return cast("Image", Image.pngload_source(source, access="sequential"))


def png(rows: Iterator[bytes], width: int, height: int, bands: int) -> Iterator[bytes]:
    """Rows of eight bits as an uncompressed PNG, the simplest of the formats that libvips reads as a stream."""
    deflate = zlib.compressobj(0)
    yield MAGIC["image/png"] + chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2 if bands == 3 else 0, 0, 0, 0))
    for row in rows:
        yield chunk(b"IDAT", deflate.compress(b"\0" + row))
    yield chunk(b"IDAT", deflate.flush()) + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def save(image: "Image", kind: str, **options: Any) -> None:
    from pyvips import Target

    os.lseek(1, 0, os.SEEK_SET)
    os.ftruncate(1, 0)
    write = getattr(image, f"{kind.removeprefix('image/')}save_target")
    write(Target.new_to_descriptor(1), keep="none", **options)


def thumbnail(kind: str, page: int, width: int) -> tuple[int, "Image"]:
    opened(kind)
    if page:
        raise Refused("no_such_page")
    from pyvips import Image

    small = Image.thumbnail_source(source(), width, height=4 * width, size="down", fail_on=STRICT)
    return 1, plain(small)


def pdf_page(page: int, width: int) -> tuple[int, "Image"]:
    """How many pages there are, and one of them on white paper with its forms filled in."""
    from pypdfium2 import PdfDocument

    image = vips().Image
    document = PdfDocument(whole())
    if page >= len(document):
        raise Refused("no_such_page")
    document.init_forms()
    sheet = document[page]
    scale = min(width / sheet.get_width(), 4 * width / sheet.get_height())
    bitmap = sheet.render(scale=scale, prefer_bgrx=True, rev_byteorder=True)
    pixels = image.new_from_memory(bitmap.buffer, bitmap.width, bitmap.height, 4, "uchar")
    return len(document), pixels[:3].copy(interpretation="srgb").copy_memory()


def whole() -> bytes:
    return os.pread(0, os.fstat(0).st_size, 0)


def pdf_checked() -> int:
    """Copy a PDF in which there is nothing but pages, and count them. What qpdf has to guess at another reader may
    guess differently, so that something hides there: a file that makes it warn is broken. Only trifles are mended,
    such as a wrong table of what is where; what we keep is then what qpdf has read."""
    import pikepdf

    pikepdf.settings.set_qpdf_limits(
        flate_max_memory=INFLATED, run_length_max_memory=INFLATED, png_max_memory=INFLATED, tiff_max_memory=INFLATED
    )
    content = whole()
    if not content.rstrip(b"\0\t\n\f\r ").endswith(b"%%EOF"):
        raise Refused("broken_pdf")
    try:
        pages = pages_in(content)
    except (pikepdf.PdfError, Refused) as error:
        if named(error) != "broken_pdf":
            raise
        content = mended(content)
        pages = pages_in(content)
    opens_for_reader(content)
    with open(1, "wb", closefd=False) as target:
        target.truncate(0)
        target.write(content)
    return pages


def pages_in(content: bytes) -> int:
    import pikepdf

    with pikepdf.open(io.BytesIO(content), attempt_recovery=False, suppress_warnings=True) as document:
        if document.is_encrypted:
            raise Refused("has_password")
        look_through(document)
        pages = len(document.pages)
    if not 0 < pages <= PAGES:
        raise Refused("too_many_pages" if pages else "no_pages")
    return pages


def mended(content: bytes) -> bytes:
    """The same as qpdf writes it, if nothing but trifles is wrong with it."""
    import pikepdf

    written = io.BytesIO()
    with pikepdf.open(io.BytesIO(content), suppress_warnings=True) as document:
        document.save(written)
        if not all(TRIFLE.search(str(warning)) for warning in document.get_warnings()):
            raise Refused("broken_pdf")
    return written.getvalue()


def look_through(document: "Pdf") -> None:
    """Every object, also those that no page refers to."""
    if int(document.trailer.get("/Size", 0)) > OBJECTS or len(document.objects) > OBJECTS:
        raise Refused("too_complex")
    reaches_out = False
    for found in chain([document.trailer], document.objects):
        written = spelled(found)
        if match := FORBIDDEN.search(STRING.sub(b"", written)):
            raise Refused(str(match.lastgroup))
        if has_bytes_elsewhere(found):
            raise Refused("has_attachment")
        reaches_out |= opens_something(found) or bool(OUTSIDE.search(written))
    if reaches_out:
        raise Refused("has_action")
    if document.get_warnings():
        raise Refused("broken_pdf")


def opens_something(found: Any) -> bool:
    """Whether a catalogue has more opened than one of its own pages."""
    from pikepdf import Dictionary

    action = found.get("/OpenAction") if isinstance(found, Dictionary) else None
    return isinstance(action, Dictionary) and (action.get("/S") != "/GoTo" or "/Next" in action)


def has_bytes_elsewhere(found: Any) -> bool:
    """Whether a stream is read from another file."""
    from pikepdf import Stream

    return isinstance(found, Stream) and "/F" in found.stream_dict


def spelled(found: Any) -> bytes:
    """An object as qpdf writes it, with what lies directly in it; of a stream its dictionary."""
    from pikepdf import Object, Stream

    if isinstance(found, Stream):
        return found.stream_dict.unparse()
    return found.unparse(resolved=True) if isinstance(found, Object) else b""


def opens_for_reader(content: bytes) -> None:
    """Draw the first page small, as staff will want to see it: what takes too long then takes too long now."""
    from pypdfium2 import PdfDocument

    page = PdfDocument(content)[0]
    page.render(scale=SMALL / max(page.get_size()))


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect,
    "picture": picture,
    "photo": photo,
    "variant": variant,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
