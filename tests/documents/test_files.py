"""The files of documents: who may read them and how, thumbnails, and that what is deleted is erased."""

import re
from io import BytesIO

import pytest
from PIL import Image

from app.clients.storage import PrivateFiles, folder
from app.flows.document_files import as_attachment
from tests.documents.conftest import drawn, unreachable


async def test_owner_and_staff_read_it_and_nobody_else_does(agency, app, alice, bob, vera, carl, sam, nobody):
    document = await agency.document(alice)
    path = f"/documents/{document['id']}/file"
    for person in (alice, carl, sam):
        answer = await person.get(path)
        assert answer.status_code == 200
        assert len(answer.content) == document["file_size"]
        assert Image.open(BytesIO(answer.content)).size == (320, 200)
    for person, status in ((bob, 404), (vera, 404), (nobody, 401)):
        assert (await person.get(path)).status_code == status
    for key in ("nonsense", "019aab12-7c00-7000-8000-0000000000b1", "%00"):
        assert (await alice.get(f"/documents/{key}/file")).status_code == 404


async def test_it_is_saved_and_neither_shown_nor_kept_on_the_way(agency, alice):
    document = await agency.document(alice, name="رحلة (1).jpg")
    answer = await alice.get(document["file_url"].removeprefix("/api/v1"))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "sandbox" in answer.headers["content-security-policy"]
    saved_as = answer.headers["content-disposition"]
    assert saved_as.startswith("attachment; filename=\"____ (1).jpg\"; filename*=UTF-8''%D8%B1")


@pytest.mark.parametrize("name", ["a\r\nb", '"; x="', "\\", "%41.jpg", "é" * 120])
def test_a_name_cannot_leave_its_header(name):
    assert re.fullmatch(
        r"attachment; filename=\"[^\"\\%\r\n]*\"; filename\*=UTF-8''[A-Za-z0-9%._~-]*", as_attachment(name)
    )


async def test_each_opening_by_staff_is_written_down(agency, alice, carl, sam):
    document = await agency.document(alice)
    path = f"/documents/{document['id']}/file"
    await alice.get(path)
    await carl.get(path, headers={"X-Request-Id": "the-opening"})
    await sam.get(path)
    await sam.get("/documents/019aab12-7c00-7000-8000-0000000000b1/file")
    entries = (await sam.get("/admin/audit?action=opened&sort=at")).json()["data"]
    assert [(entry["actor_id"], entry["row_id"]) for entry in entries] == [
        (str(carl.user.id), document["id"]),
        (str(sam.user.id), document["id"]),
    ]
    assert entries[0]["request_id"] == "the-opening"
    assert entries[0]["resource"] == "documents"


RANGES = {
    "bytes=0-9": (206, 0, 10),
    "bytes=10-": (206, 10, None),
    "bytes=-5": (206, -5, None),
    "bytes=0-": (200, 0, None),
    "bytes=0-99999999": (200, 0, None),
    "bytes=-99999999": (200, 0, None),
    "bytes=5-2": (200, 0, None),
    "bytes=0-1,4-5": (200, 0, None),
    "bytes=": (200, 0, None),
    "bytes=-": (200, 0, None),
    "bytes=a-b": (200, 0, None),
    "lines=1-2": (200, 0, None),
    "bytes=" + "9" * 40 + "-": (200, 0, None),
    "bytes=99999999-": (416, 0, 0),
    "bytes=-0": (416, 0, 0),
}


@pytest.mark.parametrize("range", RANGES)
async def test_parts_of_it(agency, alice, range):
    document = await agency.document(alice)
    path = f"/documents/{document['id']}/file"
    whole = (await alice.get(path)).content
    status, start, stop = RANGES[range]
    answer = await alice.get(path, headers={"Range": range})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        assert answer.json()["code"] == "range_not_satisfiable"
        return
    assert answer.content == whole[start:stop]
    assert answer.headers["content-length"] == str(len(answer.content))
    if status == 206:
        first = start % len(whole)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(whole)}"


async def test_a_part_of_what_may_have_changed_is_all_of_it(agency, alice):
    document = await agency.document(alice)
    headers = {"Range": "bytes=0-9", "If-Range": '"anything"'}
    assert (await alice.get(f"/documents/{document['id']}/file", headers=headers)).status_code == 200


async def test_a_store_that_is_away_is_503_and_a_lost_file_404(agency, alice):
    document = await agency.document(alice)
    path = f"/documents/{document['id']}/file"
    agency.files()[0].unlink()
    lost = await alice.get(path)
    assert (lost.status_code, lost.json()["code"]) == (404, "file_gone")
    agency.app.state.files = unreachable()
    away = await alice.get(path)
    assert (away.status_code, away.json()["code"]) == (503, "storage_down")
    assert away.headers["retry-after"]


async def test_what_another_store_holds_is_still_read_after_a_move(agency, alice, tmp_path):
    """As when R2 is set up for a shop whose documents lie in the local folder."""
    old = await agency.document(alice)
    moved = PrivateFiles(folder(tmp_path / "new", name="s3"), *agency.tools.files.stores.values())
    agency = agency.with_files(moved)
    new = await agency.document(alice)
    for document in (old, new):
        assert (await alice.get(f"/documents/{document['id']}/file")).status_code == 200
    for document in (old, new):
        await alice.delete(f"/documents/{document['id']}")
    await agency.work()
    assert not agency.files()
    assert not [path for path in (tmp_path / "new").rglob("*") if path.is_file()]


# -- thumbnails


@pytest.mark.parametrize("kind", ["picture", "PDF"])
async def test_a_thumbnail_is_drawn_by_a_job(agency, alice, kind):
    content = drawn(size=(1200, 800)) if kind == "picture" else of_pages(2)
    document = await agency.document(alice, content=content)
    await agency.work()
    ((address,),) = await agency.rows("SELECT thumbnail_key FROM documents")
    assert address == f"local:documents/{alice.user.id}/{document['id']}-thumbnail"
    small = b"".join([chunk async for chunk in await agency.tools.files.open(address)])
    assert Image.open(BytesIO(small)).width == 160
    assert not await agency.rows("SELECT FROM procrastinate_jobs")


async def test_drawings_are_made_one_at_a_time_after_all_else(agency, alice, carl):
    """So that no mail waits for them, however long they take."""
    await agency.decide(carl, await agency.document(alice), status="VERIFIED")
    jobs = "SELECT task_name, lock FROM procrastinate_jobs WHERE status = 'todo' ORDER BY priority DESC"
    assert await agency.rows(jobs) == [("send_email", None), ("draw_thumbnail", "draw_thumbnail")]


def of_pages(count):
    pages = [Image.new("RGB", (600, 800), "white") for _ in range(count)]
    file = BytesIO()
    pages[0].save(file, "PDF", save_all=True, append_images=pages[1:])
    return file.getvalue()


async def test_a_thumbnail_waits_for_the_store_and_no_other_waits_for_it(agency, alice):
    await agency.document(alice)
    await agency.rows("UPDATE documents SET storage_key = replace(storage_key, 'local:', 's3:')")
    drawn = await agency.document(alice)
    away = agency.with_files(PrivateFiles(*unreachable().stores.values(), *agency.tools.files.stores.values()))
    await away.work()
    assert await agency.rows("SELECT id::text FROM documents WHERE thumbnail_key <> ''") == [(drawn["id"],)]
    assert not await agency.rows("SELECT FROM procrastinate_jobs")
    await agency.rows("UPDATE documents SET storage_key = replace(storage_key, 's3:', 'local:')")
    await away.sweep()
    assert len(agency.files()) == 4


async def test_a_thumbnail_lies_beside_its_document(agency, alice, tmp_path):
    """So that it is erased with it, wherever new documents go meanwhile."""
    document = await agency.document(alice)
    local = agency.tools.files.stores.values()
    await agency.with_files(PrivateFiles(folder(tmp_path / "new", name="s3"), *local)).work()
    assert len(agency.files()) == 2
    await alice.delete(f"/documents/{document['id']}")
    await agency.work()
    assert not agency.files()


async def test_what_cannot_be_drawn_has_no_thumbnail_and_is_not_tried_again(agency, alice):
    await agency.document(alice)
    agency.files()[0].write_bytes(b"not a picture any more")
    await agency.work()
    assert (await agency.rows("SELECT thumbnail_key FROM documents")) == [("",)]
    await agency.sweep()
    assert len(agency.files()) == 1


async def test_a_lost_job_is_found_again(agency, alice):
    document = await agency.document(alice)
    await agency.rows("DELETE FROM procrastinate_jobs")
    await agency.sweep()
    assert len(agency.files()) == 2
    await alice.delete(f"/documents/{document['id']}")
    await agency.rows("DELETE FROM procrastinate_jobs")
    await agency.sweep()
    assert not agency.files()


async def test_a_document_deleted_while_it_is_drawn_leaves_no_thumbnail(agency, alice):
    document = await agency.document(alice)

    class Deleting:
        """A store in whose put the owner deletes the document."""

        def __getattr__(self, name):
            return getattr(files, name)

        async def put(self, *args):
            assert (await alice.delete(f"/documents/{document['id']}")).status_code == 204
            return await files.put(*args)

    files = agency.tools.files
    await agency.with_files(Deleting()).work()
    await agency.with_files(files).work(later=True)
    assert not agency.files()


# -- erasing


async def test_what_its_owner_deletes_is_erased(agency, alice, bob, carl, sam):
    document = await agency.document(alice)
    await agency.work()
    assert len(agency.files()) == 2
    path = f"/documents/{document['id']}"
    assert (await bob.delete(path)).status_code == 404
    assert (await carl.delete(path)).status_code == 404
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.get(path)).status_code == 404
    assert (await alice.get(f"{path}/file")).status_code == 404
    assert (await alice.delete(path)).status_code == 404
    await agency.work()
    assert not agency.files()
    assert not await agency.rows("SELECT FROM erasures")
    (entry,) = (await sam.get("/admin/audit?action=deleted")).json()["data"]
    assert entry["row_id"] == document["id"]
    assert "local:documents" not in str(entry)


async def test_what_dead_processes_left_of_a_file_goes_with_it(agency, alice):
    """Half a file of a `put` that was killed, and a thumbnail that nobody noted."""
    document = await agency.document(alice)
    (path,) = agency.files()
    path.with_name(f"{path.name}#1").write_bytes(b"half a passport")
    path.with_name(f"{path.name}-thumbnail").write_bytes(b"a small one")
    path.with_name(f"{path.name}-thumbnail#1").write_bytes(b"half a small one")
    await alice.delete(f"/documents/{document['id']}")
    await agency.work(later=True)
    assert not agency.files()


async def test_what_an_order_is_worked_on_with_stays(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT")
    document = await agency.document(alice, order_id=order["id"])
    waiting = await agency.document(alice, order_id=order["id"])
    await agency.decide(carl, document, status="VERIFIED")
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "cash"})
    for status in ("IN_PROGRESS", "COMPLETED"):
        refused = await alice.delete(f"/documents/{document['id']}")
        assert (refused.status_code, refused.json()["code"]) == (409, "document_in_use")
        await carl.patch(f"/admin/orders/{order['id']}", json={"status": status})
    for each in (document, waiting):
        assert (await alice.delete(f"/documents/{each['id']}")).status_code == 204


async def test_erasing_waits_for_the_store(agency, alice):
    document = await agency.document(alice)
    await agency.work()
    files = agency.tools.files
    await alice.delete(f"/documents/{document['id']}")
    away = agency.with_files(unreachable())
    await away.work()
    assert len(agency.files()) == len(await agency.rows("SELECT FROM erasures")) == 2
    await agency.with_files(files).work(later=True)
    assert not agency.files()
    assert not await agency.rows("SELECT FROM erasures")
