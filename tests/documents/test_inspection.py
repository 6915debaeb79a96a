"""What customers upload is refused, cleaned or passed on as promised, and no file harms the shop."""

import asyncio
import contextlib
import io
import os
import re
import signal
import tempfile
import time
from pathlib import Path

import pikepdf
import pytest
import pyvips
from pikepdf import Array, Dictionary, Name, String

from app import decoders, inspection
from app.errors import NotFound, Unavailable, UnsupportedMediaType, ValidationError
from app.inspection import Inspected, decoded, inspect, picture
from tests.documents import files
from tests.documents.files import HIDDEN, SECRETS, action, annotation, form, jpeg, names, opening, pdf, png

JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"


def temporary(content: bytes = b""):
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return file


async def inspected(content: bytes, **limits: float) -> tuple[Inspected, bytes]:
    with temporary(content) as source, temporary() as target:
        return await inspect(source, target, **limits), target.read()


async def refusal(content: bytes, **limits: float) -> str:
    """The code of the refusal, whose sentence is meant for people and whose pointer is the file."""
    with pytest.raises(ValidationError) as caught:
        await inspected(content, **limits)
    [error] = caught.value.extra["errors"]
    assert error["pointer"] == "/file"
    assert error["message"] == inspection.SENTENCES[error["code"]]
    return error["code"]


async def drawn(content: bytes, width: int = 400, page: int = 0) -> tuple[int, pyvips.Image]:
    with temporary(content) as source, temporary() as target:
        return await picture(source, target, width, page), image(target.read())


def image(content: bytes) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(content, "")


def corners(picture: pyvips.Image) -> str:
    """The colour in each corner from the top left, clockwise: w(hite), r(ed), b(lue), g(rey or other)."""
    right, bottom = picture.width - 6, picture.height - 6
    found = ""
    for x, y in ((5, 5), (right, 5), (right, bottom), (5, bottom)):
        red, green, blue = picture.colourspace("srgb")(x, y)[:3]
        found += "w" if green > 200 else "r" if red > blue + 60 else "b" if blue > red + 60 else "g"
    return found


def children() -> set[int]:
    """The processes that we started and that are still there; threads come and go meanwhile."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            found |= set(map(int, (task / "children").read_text().split()))
    return found


async def started(before: set[int]) -> int:
    while not (new := children() - before):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    return new.pop()


async def test_a_photo_is_drawn_anew():
    found, content = await inspected(jpeg())
    assert found == Inspected(JPEG, len(content), 1)
    assert corners(image(content)) == "wrbb"


@pytest.mark.parametrize(
    ("content", "kind", "seen"),
    [
        pytest.param(png(), PNG, "wrbb", id="png"),
        pytest.param(files.sixteen_bits(), PNG, "wrbb", id="16-bit png"),
        pytest.param(png(palette=True), PNG, "wrbb", id="palette"),
        pytest.param(png(interlace=True), PNG, "wrbb", id="interlaced"),
        pytest.param(files.transparent(), PNG, "wrww", id="alpha, on white"),
        pytest.param(png(files.drawing(bands=1)), PNG, "wggg", id="grey png"),
        pytest.param(png(files.drawing(bands=1) > 40, bitdepth=1), PNG, None, id="1-bit png"),
        pytest.param(files.animated(), PNG, "wrbb", id="animated png"),
        pytest.param(jpeg(interlace=True), JPEG, "wrbb", id="progressive"),
        pytest.param(jpeg(files.drawing(bands=1)), JPEG, "wggg", id="grey jpeg"),
        pytest.param(files.cmyk(), JPEG, "wrbb", id="cmyk"),
        pytest.param(jpeg(files.tagged(files.drawing())), JPEG, "wrbb", id="display p3"),
        pytest.param(jpeg() + bytes(300), JPEG, "wrbb", id="padded jpeg"),
        pytest.param(jpeg()[:-2] + bytes(9) + jpeg()[-2:], JPEG, "wrbb", id="bytes too many, as of a Samsung"),
    ],
)
async def test_every_kind_of_picture_stays_what_it_shows(content, kind, seen):
    found, written = await inspected(content)
    assert found == Inspected(kind, len(written), 1)
    assert (image(written).width, image(written).height) in ((120, 80), (40, 30))
    assert image(written).format == "uchar"
    assert seen is None or corners(image(written)) == seen


@pytest.mark.parametrize(
    ("orientation", "seen"), [(2, "rwbb"), (3, "bbwr"), (4, "bbrw"), (5, "wbbr"), (6, "bwrb"), (7, "brwb"), (8, "rbbw")]
)
async def test_a_picture_is_set_upright(orientation, seen):
    content = jpeg(files.tagged(files.drawing(160, 130), orientation))
    _, written = await inspected(content)
    upright, expected = image(written), image(content).autorot()
    assert (upright.width, upright.height) == (expected.width, expected.height)
    assert corners(upright) == corners(expected) == seen
    assert "orientation" not in upright.get_fields() or upright.get("orientation") == 1


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("write", [jpeg, png])
async def test_a_picture_tells_nothing_but_what_it_shows(write, orientation):
    content = write(files.tagged(files.drawing(), orientation)) + b"<?php system($_GET[0]);"
    assert sum(secret in content for secret in SECRETS) >= 3
    _, written = await inspected(content)
    assert [secret for secret in SECRETS if secret in written] == []


async def test_a_coarse_photo_does_not_become_much_larger():
    content = jpeg(files.noise(4), Q=30)
    found, _ = await inspected(content)
    assert found.size < 0.8 * len(jpeg(image(content), Q=90))


async def test_the_colours_of_a_profile_are_kept():
    """Its pure red, which is less in Display P3, is what sRGB calls so."""
    _, written = await inspected(jpeg(files.tagged(files.drawing())))
    assert abs(image(written)(100, 5)[0] - 200) < 6


async def test_content_and_not_a_name_tells_the_kind():
    assert (await inspected(png()))[0].mime_type == PNG
    assert (await inspected(pdf()))[0].mime_type == PDF


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<!DOCTYPE html><script>alert(1)</script>", id="html"),
        pytest.param(b"MZ\x90\0" + bytes(60), id="executable"),
        pytest.param(b"\x7fELF" + bytes(60), id="elf"),
        pytest.param(b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(files.archive("a.html"), id="zip"),
        pytest.param(files.archive("word/document.xml"), id="docx"),
        pytest.param(b"GIF89a" + bytes(60), id="gif"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8 " + bytes(60), id="webp"),
        pytest.param(b"II*\0" + bytes(60), id="tiff"),
        pytest.param(b"\n" + pdf(), id="pdf not at byte 0"),
        pytest.param(b"<script>" + jpeg(), id="script before a jpeg"),
    ],
)
async def test_other_kinds_are_not_taken(content):
    with pytest.raises(UnsupportedMediaType, match="Only PDF, JPEG and PNG"):
        await inspected(content)


async def test_an_iphone_photo_is_answered_with_advice():
    with pytest.raises(UnsupportedMediaType, match="Most Compatible"):
        await inspected(files.heic())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(jpeg()[:-300], "damaged", id="truncated jpeg"),
        pytest.param(png(files.noise(0.1))[:-9000], "damaged", id="truncated png"),
        pytest.param(jpeg()[:12], "damaged", id="a jpeg's head"),
        pytest.param(png()[:8], "damaged", id="a png's head"),
        pytest.param(b"\xff\xd8\xff" + b"<?php" * 100, "damaged", id="php as jpeg"),
        pytest.param(files.spoilt(png(files.noise(0.1))), "damaged", id="corrupt png"),
        pytest.param(files.png_of(50_000, 50_000, b""), "too_many_pixels", id="png of 50,000 × 50,000"),
        pytest.param(files.png_of(40_000, 10, b""), "too_many_pixels", id="a long thin png"),
        pytest.param(files.png_of(0, 0, b""), "damaged", id="png of nothing"),
    ],
)
async def test_a_picture_that_is_none_is_refused(content, code):
    assert await refusal(content) == code


@pytest.mark.parametrize("size", [8, 3000])
async def test_of_a_png_bomb_only_what_its_header_says_is_inflated(size):
    assert (await inspected(files.png_bomb(size, size), seconds=5))[0].size < 100_000


async def test_a_bomb_in_a_comment_is_left_out():
    assert (await inspected(files.png_text_bomb()))[0].size < 1000


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pdf(), id="blank"),
        pytest.param(pdf(pages=3, **HIDDEN), id="object streams"),
        pytest.param(files.filled_form(), id="a link"),
        pytest.param(pdf(form()), id="form fields"),
        pytest.param(pdf(opening("GoTo", D=Array([0, Name.Fit]))), id="opens at a place"),
        pytest.param(pdf(annotation(Subtype=Name.Link, A=action("URI", URI=String("https://a.b")))), id="uri"),
        pytest.param(pdf(annotation(Contents=String("/JS /JavaScript (and /EF) "))), id="only spoken of"),
        pytest.param(pdf(linearize=True), id="linearized"),
        pytest.param(pdf() + b"\r\n\0\0\n", id="blank end"),
    ],
)
async def test_a_pdf_is_passed_on_byte_for_byte(content):
    found, written = await inspected(content)
    assert written == content
    assert found == Inspected(PDF, len(content), len(pikepdf.open(io.BytesIO(content)).pages))


def in_action(**entries: object):
    return pdf(annotation(Subtype=Name.Link, **entries), **HIDDEN)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(pdf(lambda it: it.Root.__setattr__("OpenAction", files.script(it))), "has_script", id="opening"),
        pytest.param(pdf(opening("JavaScript", JS=String("x")), **HIDDEN), "has_script", id="in an object stream"),
        pytest.param(pdf(files.script_in_name_tree, **HIDDEN), "has_script", id="in a name tree"),
        pytest.param(pdf(names(JavaScript=Dictionary(Names=[]))), "has_script", id="an empty name tree"),
        pytest.param(pdf(files.script_in_depth), "has_script", id="two hundred deep"),
        pytest.param(in_action(AA=Dictionary(E=action("JavaScript", JS=String("x")))), "has_action", id="on entering"),
        pytest.param(in_action(A=action("JavaScript", JS=String("x"))), "has_script", id="in a link"),
        pytest.param(in_action(A=action("Rendition", JS=String("x"))), "has_script", id="in a rendition"),
        pytest.param(in_action(A=action("URI", Next=action("JavaScript"))), "has_script", id="after another action"),
        pytest.param(pdf(form(AA=Dictionary(K=action("JavaScript")))), "has_action", id="in a form"),
        pytest.param(
            in_action(A=action("GoToR", F=String(r"\\evil\x.pdf"))), "has_action", id="another machine's file"
        ),
        pytest.param(pdf(opening("URI", URI=String("https://a.b"))), "has_action", id="opens a site by itself"),
        pytest.param(pdf(opening("Named", N=Name.Print)), "has_action", id="prints by itself"),
        pytest.param(pdf(opening("GoTo", Next=action("URI"))), "has_action", id="opens a site after a page"),
        pytest.param(in_action(A=action("URI", URI=String("file://a/b.exe"))), "has_action", id="links to a file"),
        pytest.param(in_action(A=action("URI", URI=String(r"\\a\b"))), "has_action", id="links to a share"),
        pytest.param(pdf(files.elsewhere), "has_attachment", id="bytes of another file"),
        pytest.param(pdf(lambda it: it.Root.__setattr__("Collection", Dictionary())), "has_attachment", id="portfolio"),
        pytest.param(pdf(files.kind_by_reference("/JavaScript")), "has_script", id="its kind elsewhere"),
        pytest.param(files.drawn({4: b"<</S/J#61vaScript/J#53(x)>>"}), "has_script", id="escaped, referred to by none"),
        pytest.param(
            files.drawn({4: files.stream(b"", b"/A<</S/JavaScript/JS(x)>>")}), "has_script", id="beside a stream"
        ),
        pytest.param(pdf(opening("Launch", F=String("calc.exe"))), "has_action", id="launch"),
        pytest.param(pdf(files.kind_by_reference("/Launch")), "has_action", id="launch, its kind elsewhere"),
        pytest.param(pdf(opening("SubmitForm", F=String("https://a.b"))), "has_action", id="submit"),
        pytest.param(pdf(opening("ImportData", F=String("a"))), "has_action", id="import"),
        pytest.param(pdf(opening("GoToE")), "has_attachment", id="go to an embedded file"),
        pytest.param(pdf(files.attachment), "has_attachment", id="attachment"),
        pytest.param(pdf(files.attachment, **HIDDEN), "has_attachment", id="hidden attachment"),
        pytest.param(in_action(FS=Dictionary(EF=Dictionary())), "has_attachment", id="embedded file"),
        pytest.param(pdf(annotation(Subtype=Name.FileAttachment)), "has_attachment", id="attached to a page"),
        pytest.param(pdf(annotation(Subtype=Name.RichMedia)), "has_media", id="rich media"),
        pytest.param(pdf(annotation(Subtype=Name.Movie)), "has_media", id="movie"),
        pytest.param(pdf(annotation(Subtype=Name.Sound)), "has_media", id="sound"),
        pytest.param(pdf(annotation(Subtype=Name("/3D"))), "has_media", id="3d"),
        pytest.param(in_action(A=action("Movie")), "has_media", id="plays a movie"),
        pytest.param(in_action(A=action("Sound")), "has_media", id="plays a sound"),
        pytest.param(in_action(A=action("Rendition")), "has_media", id="plays a rendition"),
        pytest.param(pdf(form(XFA=String("<xdp/>"))), "has_xfa", id="xfa"),
        pytest.param(files.encrypted("user"), "has_password", id="password"),
        pytest.param(files.encrypted(""), "has_password", id="owner's password only"),
        pytest.param(pdf(pages=0), "no_pages", id="no pages"),
        pytest.param(pdf(pages=301, **HIDDEN), "too_many_pages", id="301 pages"),
        pytest.param(pdf()[:-60], "broken_pdf", id="truncated"),
        pytest.param(b"%PDF-1.7\n%%EOF\n", "broken_pdf", id="only a header"),
        pytest.param(b"%PDF-<script>alert(1)</script>", "broken_pdf", id="html with a pdf header"),
        pytest.param(pdf() + files.archive("a.html"), "broken_pdf", id="pdf and zip"),
        pytest.param(pdf() + b"<script>alert(1)</script>", "broken_pdf", id="script after the end"),
        pytest.param(files.drawn({4: b"<</S/URI/S/Other>>"}), "broken_pdf", id="a key said twice"),
        pytest.param(files.many_objects(), "too_complex", id="too many objects"),
        pytest.param(files.drawn({4: b"[" * 2000 + b"]" * 2000}), "broken_pdf", id="nested 2,000 deep"),
    ],
)
async def test_a_pdf_that_does_more_than_show_pages_is_refused(content, code):
    assert await refusal(content) == code


SLOPPY = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>
xref
0 4
0000000000 65535 f
trailer<</Size 9/Root 1 0 R>>
startxref
1490
%%EOF"""


@pytest.mark.parametrize(
    "content", [re.sub(rb"startxref\s+\d+", b"startxref\n9", pdf()), SLOPPY], ids=["lost table", "written by hand"]
)
async def test_trifles_of_a_pdf_are_mended(content):
    found, kept = await inspected(content)
    assert (found.mime_type, found.pages) == ("application/pdf", 1)
    assert kept != content
    again, same = await inspected(kept)
    assert (again, same) == (found, kept)


async def test_what_is_mended_is_looked_through():
    harmful = SLOPPY.replace(b"<</Type/Catalog", b"<</OpenAction<</S/JavaScript/JS(app.alert(1))>>/Type/Catalog")
    assert await refusal(harmful) == "has_script"


async def test_what_could_not_be_drawn_in_time_is_refused():
    """Of 900 bytes; every picture of it would take half a minute."""
    assert await refusal(pdf(files.slow_to_draw)) == "too_slow"


async def test_a_picture_that_grows_past_the_limit_is_refused():
    assert await refusal(files.palette(3100)) == "too_large_anew"


async def test_a_pdf_bomb_is_refused():
    assert await refusal(files.pdf_bomb(), seconds=10) == "broken_pdf"


async def test_the_object_stream_of_the_bomb_is_sound_when_it_is_small():
    content = files.with_object_stream(files.inflating(1, b"5 0 <</S/GoTo/D[3 0 R/Fit]>> "))
    assert (await inspected(content))[1] == content


async def test_a_page_is_drawn_as_wide_as_asked():
    pages, shown = await drawn(pdf(pages=3), 400, 2)
    assert (pages, shown.width, shown.bands) == (3, 400, 3)
    assert 530 <= shown.height <= 536
    assert shown.min() == 255


async def test_a_picture_is_drawn_small_upright_and_without_its_secrets():
    with temporary(jpeg(files.tagged(files.drawing(1200, 800), 6))) as source, temporary() as target:
        assert await picture(source, target, 400) == 1
        content = target.read()
    assert (image(content).width, image(content).height) == (400, 600)
    assert [secret for secret in SECRETS if secret in content] == []


async def test_a_small_picture_is_not_enlarged_and_a_tall_one_bounded():
    assert (await drawn(png()))[1].width == 120
    assert (await drawn(png(files.drawing(100, 20_000))))[1].height == 1600
    assert (await drawn(files.drawn({3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 3 14000]>>"})))[1].height <= 1600


@pytest.mark.parametrize(("content", "page"), [(pdf(pages=2), 2), (jpeg(), 1)], ids=["pdf", "jpeg"])
async def test_a_page_that_is_not_there_is_not_found(content, page):
    with pytest.raises(NotFound):
        await drawn(content, 400, page)


async def test_the_files_can_be_read_again_from_where_they_were():
    content = jpeg(files.noise(0.3))
    with temporary(content) as source, temporary(b"longer than what will be written" * 9) as target:
        assert source.read(10) == content[:10]
        found = await inspect(source, target)
        assert source.read() == content[10:]
        assert len(target.read()) == found.size


def saying(program: str) -> tuple[str, ...]:
    """A decoder that is not ours."""
    return ("-c", program)


async def outcome(program: str, **limits: float) -> str:
    with temporary(jpeg()) as source, temporary() as target, pytest.raises(ValidationError) as caught:
        await decoded(source, target, "inspect", program=saying(program), **limits)
    return caught.value.extra["errors"][0]["code"]


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import os; os.kill(os.getpid(), 11)", "damaged"),
        ("import os; os.kill(os.getpid(), 24)", "too_slow"),
        ("1 / 0", "damaged"),
        ("pass", "damaged"),
        ("import sys; sys.stderr.write('[]')", "damaged"),
        ("""import sys; sys.stderr.write('{"code": "<script>"}')""", "damaged"),
        ("""import sys; sys.stderr.write('{"mime_type": "text/html", "pages": 1}')""", "damaged"),
        ("""import sys; sys.stderr.write('{"mime_type": "image/png", "pages": 1}'); print("<html>")""", "damaged"),
        ("import sys; [sys.stderr.write('x' * 100000) for _ in range(300)]", "damaged"),
        ("import time; time.sleep(60)", "too_slow"),
        ("import os, time; os.close(2); time.sleep(60)", "too_slow"),
        ("import os, time; os.fork() and os._exit(0); time.sleep(60)", "too_slow"),
    ],
)
async def test_a_decoder_that_fails_or_lies_is_a_refusal(program, code):
    before = time.monotonic()
    assert await outcome(program, seconds=1) == code
    assert time.monotonic() - before < 10
    assert await inspected(jpeg())


async def test_a_crash_is_logged(caplog):
    await outcome("1 / 0")
    assert "ZeroDivisionError" in caplog.text
    assert caplog.records[0].name == "souk.inspection"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_decoder_killed_from_outside_is_our_trouble(number, caplog):
    before = children()
    work = asyncio.create_task(inspected(jpeg(files.noise(8))))
    os.kill(await started(before), number)
    with pytest.raises(Unavailable):
        await work
    assert "its process was ended" in caplog.text


@pytest.mark.parametrize(
    "task",
    [
        "open('/dev/full', 'w').write('x' * 100_000)",
        "black(999, 999).jpegsave_target(Target.new_to_descriptor(os.open('/dev/full', 1)))",
    ],
)
async def test_a_full_disk_is_our_trouble(task, caplog):
    before = "import os; from pyvips import Image, Target; from app import decoders; black = Image.black;"
    program = f"{before} decoders.TASKS['inspect'] = lambda: {task}; decoders.main('inspect')"
    with temporary(jpeg()) as source, temporary() as target, pytest.raises(Unavailable):
        await decoded(source, target, "inspect", program=saying(program))
    assert "no room on the disk" in caplog.text


async def test_a_file_that_takes_too_long_is_refused():
    assert await refusal(jpeg(files.noise(8)), seconds=0.05) == "too_slow"


async def test_a_client_that_leaves_ends_the_work():
    before = children()
    work = asyncio.create_task(inspected(jpeg(files.noise(8))))
    child = await started(before)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert child not in children()
    assert await inspected(jpeg())


async def test_the_decoders_know_no_secret(monkeypatch):
    monkeypatch.setenv("JWT_SECRET", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    program = """import os, sys; sys.stderr.write(str(sorted(os.environ))); sys.exit(3)"""
    with temporary(jpeg()) as source, temporary() as target:
        returncode, said = await inspection.run(source, target, saying(program), 10)
    assert returncode == 3
    assert set(eval(said)) <= {*inspection.ENVIRONMENT, *inspection.OWN, "LC_CTYPE"}


async def test_the_decoders_hold_no_file_but_their_own():
    program = "import os, sys; sys.stderr.write(str(len(os.listdir('/proc/self/fd')))); sys.exit(3)"
    with temporary() as ours, temporary(jpeg()) as source, temporary() as target:
        os.set_inheritable(ours.fileno(), True)
        assert int((await inspection.run(source, target, saying(program), 10))[1]) == 4


@pytest.mark.parametrize(
    ("greed", "error"),
    [
        ("bytes(600 * 2**20)", "MemoryError"),
        ("import tempfile; tempfile.TemporaryFile().write(bytes(250 * 2**20))", "File too large"),
        ("files = [open('/dev/null') for _ in range(40)]", "Too many open files"),
        ("import resource; 1 / (resource.getrlimit(resource.RLIMIT_CPU)[0] - 10)", "ZeroDivisionError"),
        ("import signal; 1 / (signal.alarm(0) not in (29, 30))", "ZeroDivisionError"),
    ],
)
async def test_the_decoders_bind_themselves(greed, error):
    program = f"import runpy; box = runpy.run_path({decoders.__file__!r}); box['limit'](); {greed}"
    with temporary(jpeg()) as source, temporary() as target:
        assert error in (await inspection.run(source, target, saying(program), 10))[1].decode()


@pytest.mark.parametrize("kind", ["gif", "webp", "tiff", "jpeg", "png"])
async def test_libvips_opens_two_kinds(kind):
    content = bytes(files.drawing().write_to_buffer(f".{kind}"))
    program = f"import runpy; runpy.run_path({decoders.__file__!r})['vips']().Image.new_from_file('/dev/fd/0')"
    with temporary(content) as source, temporary() as target:
        returncode, said = await inspection.run(source, target, saying(program), 10)
    assert returncode == (0 if kind in ("jpeg", "png") else 1)
    assert returncode == 0 or b"not a known file format" in said


async def test_many_files_are_read_one_at_a_time():
    before, most = children(), 0
    work = asyncio.gather(*(inspected(jpeg()) for _ in range(20)))
    while not work.done():
        most = max(most, len(children() - before))
        await asyncio.sleep(0.002)
    assert most == 1
    assert len(await work) == 20


async def test_who_waits_too_long_is_asked_to_come_back():
    slow = asyncio.create_task(inspected(jpeg(files.noise(8))))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await inspected(jpeg(), patience=0.01)
    await slow
    assert await inspected(jpeg())


def test_every_event_loop_has_turns_of_its_own():
    async def two() -> int:
        return len(await asyncio.gather(inspected(jpeg()), inspected(png())))

    assert [asyncio.run(two()) for _ in range(2)] == [2, 2]


async def test_no_process_to_start_is_our_trouble(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(Unavailable):
        await inspected(jpeg())


@pytest.mark.parametrize("code", [*inspection.SENTENCES, *inspection.KINDS])
def test_every_refusal_tells_what_to_do(code):
    sentence = {**inspection.SENTENCES, **inspection.KINDS}[code]
    assert sentence.startswith(("This", "Only"))
    assert re.search(r"\. Please |upload", sentence)
    assert sentence.endswith(".")
