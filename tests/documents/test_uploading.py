"""Handing in documents: what is kept, what is refused, and that a failure leaves nothing behind."""

import asyncio
from io import BytesIO

import pikepdf
import pytest
from PIL import Image

from app.clients.clamav import ClamAv
from app.flows.uploads import MOST, QuotaReached, check_quota, clean_name
from app.multipart import LARGEST, in_turn
from app.resources.documents import Document
from tests.documents.conftest import drawn, unreachable
from tests.doubles.clamav import EICAR, LocalClamAv
from tests.storage.conftest import full_disk


async def test_a_document_is_kept_and_shown_to_its_owner(agency, alice, bob, nobody):
    order = await agency.order(alice, "PASSPORT")
    document = await agency.document(alice, order_id=order["id"])
    shown = (await alice.get(f"/documents/{document['id']}")).json()["data"]
    assert shown == document
    assert set(document) == {
        *("id", "user_id", "order_id", "category", "status", "original_name", "file_size", "mime_type", "file_url"),
        *("rejection_reason", "expires_on", "created_at"),
    }
    assert (document["status"], document["category"], document["order_id"]) == ("PENDING", "PASSPORT", order["id"])
    assert document["file_url"] == f"/api/v1/documents/{document['id']}/file"
    assert (await alice.get("/documents?status=PENDING&category=PASSPORT")).json()["meta"]["total"] == 1
    assert (await alice.get(f"/documents?order_id={order['id']}&sort=created_at")).json()["meta"]["total"] == 1
    assert (await bob.get("/documents")).json()["data"] == []
    assert (await bob.get(f"/documents/{document['id']}")).status_code == 404
    assert (await nobody.get(f"/documents/{document['id']}")).status_code == 401


async def test_the_bytes_are_drawn_anew_without_what_the_camera_wrote(agency, alice):
    exif = Image.Exif()
    exif[0x010F] = "SpyPhone"
    await agency.document(alice, content=drawn(exif=exif) + b"<?php system($_GET['x']); ?>")
    (path,) = agency.files()
    assert b"SpyPhone" not in path.read_bytes()
    assert b"<?php" not in path.read_bytes()
    assert Image.open(path).size == (320, 200)


async def test_camel_case_and_any_case_are_fine(agency, alice):
    order = await agency.order(alice)
    answer = await alice.post(
        "/documents/upload",
        files={"file": ("a.png", drawn("PNG"), "text/plain")},
        data={"category": "bank_statement", "orderId": order["id"]},
    )
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    assert (data["category"], data["order_id"], data["mime_type"]) == ("BANK_STATEMENT", order["id"], "image/png")


NAMES = [
    ("../../etc/passwd", "passwd.jpg"),
    ("C:\\Users\\amina\\pass.JPEG", "pass.jpeg"),
    ("a\0.pdf", "a.pdf.jpg"),
    ("x" * 4000 + ".jpg", "x" * 120 + ".jpg"),
    ("gpj.\u202etxt.jpg", "gpj.txt.jpg"),
    ("جواز السفر.jpg", "جواز السفر.jpg"),
    ("", "document.jpg"),
    ("...", "document.jpg"),
    ("a\r\nSet-Cookie: x=1.jpg", "aSet-Cookie: x=1.jpg"),
    ("evil.exe", "evil.exe.jpg"),
]


@pytest.mark.parametrize(("name", "kept"), NAMES)
def test_names_are_cleaned(name, kept):
    assert clean_name(name, "image/jpeg") == kept


@pytest.mark.parametrize("name", [name for name, _ in NAMES if name.isprintable() and len(name) < 200 and name])
async def test_names_are_no_paths(agency, alice, name):
    document = await agency.document(alice, name=name)
    (path,) = agency.files()
    assert path.name == document["id"]
    assert (await alice.get(f"/documents/{document['id']}/file")).status_code == 200


async def test_raw_names_of_any_kind_are_taken(agency, alice):
    """As no HTTP library would send them: NUL, line ends and bytes that are no UTF-8 in the header of the part."""
    for name in (b"a\0.pdf", b"\xff\xfe.jpg", b"a\tb.jpg", b"n" * 4000, b"%00%0d%0a.jpg", b'quo\\"te.jpg'):
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
        body = head + drawn() + b'\r\n--b\r\nContent-Disposition: form-data; name="category"\r\n\r\nPHOTO\r\n--b--\r\n'
        answer = await alice.post(
            "/documents/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
        )
        assert answer.status_code == 201, (name, answer.text)
        saved = await alice.get(answer.json()["data"]["file_url"].removeprefix("/api/v1"))
        assert saved.status_code == 200


CATEGORY = b'--x\r\nContent-Disposition: form-data; name="category"\r\n\r\nPHOTO\r\n--x--\r\n'
REFUSED = {
    "no file": ({}, {"category": "PHOTO"}, 415, "unsupported_media_type"),
    "a file under another name": ({"document": ("a.jpg", b"x")}, {"category": "PHOTO"}, 422, "validation_error"),
    "the file as text": ({}, {"category": "PHOTO", "file": "hello"}, 415, "unsupported_media_type"),
    "two files": ([("file", ("a.jpg", b"x")), ("file", ("b.jpg", b"y"))], {"category": "PHOTO"}, 400, "bad_request"),
    "two thousand fields": ({"file": ("a.jpg", b"x")}, {f"f{n}": "x" for n in range(2000)}, 400, "bad_request"),
    "no category": ({"file": ("a.jpg", b"x")}, {}, 422, "validation_error"),
    "an unknown category": ({"file": ("a.jpg", b"x")}, {"category": "VISA"}, 422, "validation_error"),
    "a category twice": ({"file": ("a.jpg", b"x")}, {"category": ["PHOTO", "OTHER"]}, 422, "validation_error"),
    "an unknown field": (
        {"file": ("a.jpg", b"x")},
        {"category": "PHOTO", "status": "VERIFIED"},
        422,
        "validation_error",
    ),
    "somebody's id": ({"file": ("a.jpg", b"x")}, {"category": "PHOTO", "user_id": "1"}, 422, "validation_error"),
    "an order that is none": (
        {"file": ("a.jpg", b"x")},
        {"category": "PHOTO", "order_id": "7"},
        422,
        "validation_error",
    ),
    "an endless field": ({"file": ("a.jpg", b"x")}, {"category": "P" * 20_000}, 400, "bad_request"),
    "an empty file": ({"file": ("a.jpg", b"")}, {"category": "PHOTO"}, 422, "validation_error"),
    "another kind of file": ({"file": ("a.jpg", b"GIF89a")}, {"category": "PHOTO"}, 415, "unsupported_media_type"),
}


SAID = {
    "two files": "Send one file at a time.",
    "two thousand fields": "The form has more than 10 fields. It takes `file`, `category` and `order_id`.",
    "an endless field": "A field of the form is too long.",
}


@pytest.mark.parametrize("case", REFUSED)
async def test_odd_forms_are_refused_cleanly(agency, alice, case):
    files, data, status, code = REFUSED[case]
    answer = await alice.post("/documents/upload", files=files or None, data=data)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"] == SAID.get(case, answer.json()["detail"])
    assert not agency.files()
    assert not await agency.rows("SELECT FROM documents")


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"category": "PASSPORT"}', 415),
        ("multipart/form-data", b"--x\r\n", 400),
        ("multipart/form-data; boundary=x", b"", 422),
        ("multipart/form-data; boundary=x", CATEGORY, 422),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=" + "x" * 3000, b"--x", 400),
        ("multipart/form-data; boundary=x; charset=utf-7", b"--x\r\nCont\xff: \0\r\n\r\n1\r\n--x--\r\n", 400),
        ("multipart/mixed; boundary=x", b"--x--", 415),
    ],
)
async def test_bodies_that_are_no_form_are_refused_cleanly(alice, content_type, body, status):
    answer = await alice.post("/documents/upload", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text


async def test_ten_mebibytes_are_fine_and_one_byte_more_is_not(agency, alice):
    whole = drawn("PNG")
    refused = await agency.send(alice, whole + bytes(LARGEST + 1 - len(whole)), "big.png")
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    assert (await agency.send(alice, whole + bytes(LARGEST - len(whole)), "big.png")).status_code != 413


async def test_nobody_uploads_without_signing_in_or_to_another_order(agency, alice, bob, nobody):
    order = await agency.order(alice)
    assert (await agency.send(nobody)).status_code == 401
    foreign = await agency.send(bob, order_id=order["id"])
    unknown = await agency.send(bob, order_id="019aab12-7c00-7000-8000-0000000000b1")
    assert foreign.status_code == unknown.status_code == 404
    await alice.post(f"/orders/{order['id']}/cancellation")
    closed = await agency.send(alice, order_id=order["id"])
    assert (closed.status_code, closed.json()["code"]) == (409, "order_cancelled")
    assert not agency.files()


async def test_the_room_of_a_customer_has_an_end_also_for_many_at_once(agency, alice, bob, app):
    app.state.settings = app.state.settings.model_copy(update={"document_quota_mb": 1})
    size = len(drawn("PNG", (400, 400)))
    room = 1024 * 1024 // (await agency.document(alice, content=drawn("PNG", (400, 400))))["file_size"]
    await agency.rows("UPDATE documents SET file_size = :size", size=1024 * 1024 - 2 * size)
    answers = await asyncio.gather(*(agency.send(alice, drawn("PNG", (400, 400))) for _ in range(6)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes.count(201) in (1, 2), (codes, room)
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"quota_reached"}
    assert (await agency.send(bob)).status_code == 201
    await agency.rows("UPDATE documents SET file_size = 1")
    owner = {"user": str(alice.user.id)}
    copies = "INSERT INTO documents SELECT gen_random_uuid(), created_at, updated_at, user_id"
    columns = "order_id, category, status, original_name, 1, mime_type, rejection_reason, expires_on, pages, decided_by"
    rest = "decided_at, 'local:documents/x/' || n, '', true"
    await agency.rows(
        f"{copies}, {columns}, {rest} FROM (SELECT * FROM documents WHERE user_id = :user LIMIT 1) d, "
        f"generate_series(1, {MOST}) n",
        **owner,
    )
    assert (await agency.send(alice)).json()["code"] == "quota_reached"


async def test_two_who_look_for_room_at_once_see_each_other(agency, alice):
    """Files are read one at a time, so over HTTP they hardly meet: here they do."""
    database, quota = agency.app.state.database, 1000
    mine = Document(
        user_id=alice.user.id, category="PHOTO", original_name="a", file_size=800, mime_type="", storage_key="local:a"
    )

    async def second():
        async with database.transaction() as session:
            await check_quota(session, alice.actor, 800, quota)

    async with database.transaction() as session:
        await check_quota(session, alice.actor, 800, quota)
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        session.add(mine)
    with pytest.raises(QuotaReached):
        await waiting


async def test_repeats_with_a_key_are_one_document(agency, alice):
    first = await agency.send(alice, key="upload-1")
    again = await agency.send(alice, key="upload-1")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(agency.files()) == len(await agency.rows("SELECT FROM documents")) == 1
    other = await agency.send(alice, drawn("PNG"), key="upload-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (await agency.send(alice, key="k" * 256)).status_code == 400


async def test_ten_repeats_at_once_are_one_document(agency, alice):
    answers = await asyncio.gather(*(agency.send(alice, key="upload-1") for _ in range(10)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert len(await agency.rows("SELECT FROM documents")) == 1
    await agency.work(later=True)
    assert len(agency.files()) == 2  # the document and its thumbnail


async def test_the_many_files_of_one_wait_for_each_other_and_for_nobody_else(alice, bob):
    async with in_turn(alice.actor):
        second = asyncio.create_task(acquired(alice))
        assert await acquired(bob)
        await asyncio.sleep(0.1)
        assert not second.done()
    assert await second


async def acquired(person):
    async with in_turn(person.actor):
        return True


# -- what fails on the way


async def test_without_a_store_nothing_is_left_behind(agency, alice):
    agency = agency.with_files(unreachable())
    answer = await agency.send(alice, key="upload-1")
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_down")
    assert answer.headers["retry-after"]
    assert not await agency.rows("SELECT FROM documents")
    assert (await agency.send(alice, key="upload-1")).status_code == 503  # the key is free for another try


class StoresThenFails:
    """A store that does the work and then loses its voice, as a reset connection does."""

    def __init__(self, files):
        self.files = files

    def __getattr__(self, name):
        return getattr(self.files, name)

    async def put(self, address, file, mime_type):
        await self.files.put(address, file, mime_type)
        raise ConnectionResetError("after the work")


async def test_a_store_that_fails_after_its_work_leaves_no_file(agency, alice):
    """The file may still be on its way when we give up, so it is erased ten minutes later."""
    agency = agency.with_files(StoresThenFails(agency.tools.files))
    assert (await agency.send(alice)).status_code == 503
    assert not await agency.rows("SELECT FROM documents")
    await agency.work()
    assert len(agency.files()) == 1
    await agency.work(later=True)
    assert not agency.files()
    assert not await agency.rows("SELECT FROM erasures")


async def test_a_full_disk_is_503_and_leaves_nothing(agency, alice, caplog):
    with full_disk():
        answer = await agency.send(alice, b"\xff\xd8\xff" + bytes(3 * 2**20))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
    assert "The disk failed" in caplog.text
    assert not await agency.rows("SELECT FROM documents")
    assert not agency.files()


@pytest.mark.parametrize("stored", [False, True])
async def test_what_a_killed_process_left_is_swept(agency, alice, stored):
    """Dead between row and bytes, or between bytes and ready: both are seen by nobody, and both go."""
    document = await agency.document(alice)
    if not stored:
        agency.files()[0].unlink()
    await agency.rows("UPDATE documents SET is_ready = false, thumbnail_key = NULL")
    assert (await alice.get(f"/documents/{document['id']}")).status_code == 404
    assert (await alice.get(f"/documents/{document['id']}/file")).status_code == 404
    assert (await alice.delete(f"/documents/{document['id']}")).status_code == 404
    assert (await alice.get("/documents")).json()["meta"]["total"] == 0
    await agency.sweep()
    assert len(await agency.rows("SELECT FROM documents")) == 1
    await agency.rows("UPDATE documents SET created_at = now() - interval '20 minutes'")
    await agency.sweep()
    assert not agency.files()
    assert not await agency.rows("SELECT FROM documents UNION SELECT FROM erasures")


async def test_an_upload_that_was_swept_meanwhile_is_503(agency, alice):
    class Slow(StoresThenFails):
        async def put(self, address, file, mime_type):
            await self.files.put(address, file, mime_type)
            await agency.rows("DELETE FROM documents")

    agency = agency.with_files(Slow(agency.tools.files))
    assert (await agency.send(alice)).status_code == 503
    await agency.work(later=True)
    assert not agency.files()


def infected():
    """A PDF that carries the test file of all virus scanners."""
    pdf, file = pikepdf.new(), BytesIO()
    pdf.add_blank_page()
    pdf.pages[0].Contents = pdf.make_stream(EICAR)
    pdf.save(file, compress_streams=False)
    return file.getvalue()


async def test_a_virus_is_refused_and_a_scanner_that_is_away_is_503(agency, alice, app, tmp_path):
    async with LocalClamAv().listening(tmp_path / "clamd.sock") as address:
        app.state.scanner = ClamAv(address)
        assert (await agency.send(alice)).status_code == 201
        refused = await agency.send(alice, infected())
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "virus")
    app.state.scanner = ClamAv(str(tmp_path / "nowhere.sock"))
    assert (await agency.send(alice)).status_code == 503
    assert len(agency.files()) == 1
