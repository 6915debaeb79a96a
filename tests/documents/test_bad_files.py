"""Bad files over HTTP: each gets a clear answer and leaves nothing, or is kept without what was bad of it."""

import zlib
from io import BytesIO

import pytest
from pikepdf import String
from PIL import ExifTags, Image

from tests.documents import files
from tests.documents.files import HIDDEN, SECRETS, archive, drawing, jpeg, noise, opening, pdf, png, png_of, tagged

OTHER_KINDS = {
    "html named .pdf": (b"<!DOCTYPE html><script>alert(1)</script>", "statement.pdf", "application/pdf"),
    "elf as png": (b"\x7fELF\x02\x01\x01" + bytes(57), "photo.png", "image/png"),
    "windows program as png": (b"MZ\x90\0" + bytes(60), "photo.png", "image/png"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "photo.svg", "image/svg+xml"),
    "zip as pdf": (archive("a.html"), "scans.pdf", "application/pdf"),
    "docx": (archive("word/document.xml"), "letter.docx", "application/octet-stream"),
    "gif as jpeg": (b"GIF89a\x01\0\x01\0\0\0\0;", "photo.jpg", "image/jpeg"),
}
SCRIPT_OF_OURS = files.with_object_stream(zlib.compress(b"5 0 <</S/JavaScript/JS(app.alert(1))>>"))
SCRIPT_OF_QPDF = pdf(opening("JavaScript", JS=String("app.alert(1)")), **HIDDEN)
UNSOUND = {
    "empty": (b"", "passport.jpg", "image/jpeg", "empty"),
    "truncated jpeg": (jpeg()[:-300], "passport.jpg", "image/jpeg", "damaged"),
    "truncated png": (png(noise(0.1))[:-9000], "passport.png", "image/png", "damaged"),
    "truncated pdf": (pdf()[:-60], "statement.pdf", "application/pdf", "broken_pdf"),
    "png of 50,000 × 50,000": (png_of(50_000, 50_000, b""), "passport.png", "image/png", "too_many_pixels"),
    "script in an object stream": (SCRIPT_OF_OURS, "statement.pdf", "application/pdf", "has_script"),
    "script in qpdf's object stream": (SCRIPT_OF_QPDF, "statement.pdf", "application/pdf", "has_script"),
}


async def refused(agency, answer, status, code):
    """The problem, of which nothing stayed."""
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await agency.rows("SELECT id FROM documents") == []
    assert await agency.rows("SELECT id FROM erasures") == []
    assert agency.files() == []
    return problem


@pytest.mark.parametrize("case", OTHER_KINDS)
async def test_another_kind_of_file_is_415_whatever_it_says_it_is(agency, alice, case):
    content, name, mime_type = OTHER_KINDS[case]
    answer = await agency.send(alice, content, name, mime_type)
    problem = await refused(agency, answer, 415, "unsupported_media_type")
    assert problem["detail"].startswith("Only PDF, JPEG and PNG files are accepted.")


@pytest.mark.parametrize("case", UNSOUND)
async def test_a_file_that_is_damaged_or_harmful_is_422(agency, alice, case):
    content, name, mime_type, reason = UNSOUND[case]
    answer = await agency.send(alice, content, name, mime_type)
    [error] = (await refused(agency, answer, 422, "validation_error"))["errors"]
    assert (error["pointer"], error["code"]) == ("/file", reason)


@pytest.mark.parametrize("content", [SCRIPT_OF_OURS, SCRIPT_OF_QPDF], ids=["ours", "qpdf's"])
def test_the_script_is_out_of_sight_of_who_only_searches_the_bytes(content):
    assert b"/ObjStm" in content
    assert b"JavaScript" not in content


async def test_nothing_stays_of_a_file_for_somebody_elses_order(agency, alice, bob):
    order = await agency.order(alice, "PASSPORT")
    await refused(agency, await agency.send(bob, order_id=order["id"]), 404, "not_found")


# -- what is taken


async def test_a_png_that_says_it_is_a_pdf_is_a_png(agency, alice):
    document = await agency.document(alice, content=png(), name="scan.pdf", mime_type="application/pdf")
    assert (document["mime_type"], document["original_name"]) == ("image/png", "scan.pdf.png")
    saved = await alice.get(f"/documents/{document['id']}/file")
    assert saved.headers["content-type"] == "image/png"
    [path] = agency.files()
    assert path.read_bytes() == saved.content
    assert saved.content.startswith(b"\x89PNG\r\n\x1a\n")


def facts(content):
    """What a JPEG tells about its camera, and where it was."""
    exif = Image.open(BytesIO(content)).getexif()
    return dict(exif), exif.get_ifd(ExifTags.IFD.GPSInfo)


async def test_neither_the_place_nor_the_php_of_a_photo_is_kept(agency, alice):
    sent = jpeg(tagged(drawing())) + b"<?php system($_GET[0]); ?>"
    assert facts(sent)[1] == {ExifTags.GPS.GPSLatitude: (36, 45, 14)}
    await agency.document(alice, content=sent)
    await agency.work()
    stored = [path.read_bytes() for path in agency.files()]
    assert [facts(content) for content in stored] == [({}, {})] * 2, "the document and its thumbnail"
    assert [secret for secret in SECRETS for content in stored if secret in content] == []


NAMES = {
    "a way out": (b"../../etc/passwd", "passwd.jpg"),
    "a way out of Windows": (rb"..\..\etc\pass.jpg", "pass.jpg"),
    "NUL": (b"a\0.pdf", "a.pdf.jpg"),
    "4,000 characters": (b"n" * 4000, "n" * 120 + ".jpg"),
    "right-to-left override": ("Alice\u202egpj.exe".encode(), "Alicegpj.exe.jpg"),
}


async def sent_raw(person, name: bytes):
    """As no HTTP library would: they escape names."""
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n' % (name, jpeg())
    body = file + b'--b\r\nContent-Disposition: form-data; name="category"\r\n\r\nPASSPORT\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return await person.post("/documents/upload", content=body, headers=headers)


@pytest.mark.parametrize("case", NAMES)
async def test_a_hostile_name_is_cleaned_and_is_no_path(agency, alice, case):
    name, kept = NAMES[case]
    answer = await sent_raw(alice, name)
    assert answer.status_code == 201, answer.text
    document = answer.json()["data"]
    assert document["original_name"] == kept
    everywhere = [path.name for path in agency.tools.settings.data_dir.rglob("*") if path.is_file()]
    assert everywhere == [document["id"]]


async def test_a_name_of_more_bytes_than_a_header_may_have_is_400(agency, alice):
    problem = await refused(agency, await sent_raw(alice, "م".encode() * 4000), 400, "bad_request")
    assert "the name of the file" in problem["detail"]
