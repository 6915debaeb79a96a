"""What every store promises: what was put comes back, whole or in part, until it is deleted."""

import asyncio
import os
import stat
from datetime import timedelta
from io import BytesIO
from tempfile import SpooledTemporaryFile, TemporaryFile

import httpx
import pytest

from app.clients.storage import BadKey, FileGone, Objects, StorageDown
from tests.storage.conftest import full_disk, held, of_s3

KEY = "documents/alice/passport"
PDF = "application/pdf"
LARGE = os.urandom(10 * 1024 * 1024 + 1)


async def put(store, content, key=KEY):
    await store.put(key, BytesIO(content), PDF)


async def read(store, key=KEY, start=0, stop=None):
    return b"".join([chunk async for chunk in await store.open(key, start, stop)])


@pytest.mark.parametrize("content", [b"x", LARGE], ids=["1 byte", "10 MB"])
async def test_what_was_stored_comes_back(store, content):
    await put(store, content)
    assert await read(store) == content


@pytest.mark.parametrize("kind", ["local", "in_bucket"])
async def test_an_empty_file_comes_back(request, kind):
    store = request.getfixturevalue(kind)
    await put(store, b"")
    assert await read(store) == b""


async def test_cloudinary_takes_no_empty_file(in_cloud):
    with pytest.raises(StorageDown):
        await put(in_cloud, b"")


@pytest.mark.parametrize("content", [b"small", LARGE[: 3 * 1024 * 1024]])
@pytest.mark.parametrize("file", [lambda: SpooledTemporaryFile(max_size=2**20), TemporaryFile])  # noqa: SIM115
async def test_a_temporary_file_is_stored_from_its_beginning(store, file, content):
    with file() as opened:
        opened.write(content)
        await store.put(KEY, opened, PDF)
    assert await read(store) == content


async def test_a_download_comes_in_chunks(store):
    await put(store, LARGE)
    sizes = [len(chunk) async for chunk in await store.open(KEY)]
    assert len(sizes) > 10
    assert max(sizes) <= 1024 * 1024


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (0, 10), (3, 7), (9, 10), (3, None), (0, 99), (9, None), (5, 2**40)]
)
async def test_a_range_of_bytes(store, start, stop):
    await put(store, b"0123456789")
    assert await read(store, start=start, stop=stop) == b"0123456789"[start:stop]


async def test_a_range_of_a_large_file(store):
    await put(store, LARGE)
    start, stop = 5 * 1024 * 1024 - 7, 6 * 1024 * 1024 + 11
    assert await read(store, start=start, stop=stop) == LARGE[start:stop]
    assert await read(store, start=stop) == LARGE[stop:]


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 7), (3, None), (300_000, 800_001)])
async def test_a_server_without_ranges_is_cut(in_cloud, account, start, stop):
    account.ranges = False
    await put(in_cloud, LARGE[:1_000_000])
    assert await read(in_cloud, start=start, stop=stop) == LARGE[:1_000_000][start:stop]


async def test_a_range_past_the_end_is_not_answered_with_something_else(store):
    await put(store, b"0123456789")
    with pytest.raises(StorageDown):
        await store.open(KEY, 10, 12)


async def test_a_file_is_replaced(store):
    await put(store, LARGE)
    await put(store, b"new")
    assert await read(store) == b"new"


async def test_a_deleted_file_is_gone_and_can_be_deleted_again(store):
    await put(store, b"x")
    await store.delete(KEY)
    await store.delete(KEY)
    with pytest.raises(FileGone):
        await store.open(KEY)


async def test_a_file_that_never_was_is_gone_before_the_first_byte(store):
    with pytest.raises(FileGone):
        await store.open("documents/alice/nothing")
    with pytest.raises(FileGone):
        await store.open("documents/alice/nothing", 0, 5)


BAD = [
    "",
    "/etc/passwd",
    "../x",
    "a/../b",
    "a/./b",
    "a//b",
    "a/",
    "a b",
    "a\\b",
    "é",
    "a\n",
    "a\0",
    "s3:a",
    ".a",
    "a?b",
]


@pytest.mark.parametrize("key", [*BAD, "a%2e", "x" * 201, "/".join("abcdefghijk")])
async def test_a_bad_key_is_refused(store, key):
    for call in (put(store, b"x", key), store.open(key), store.delete(key), store.link(key, timedelta(minutes=1))):
        with pytest.raises(BadKey):
            await call


# -- links


async def test_a_link_works_until_it_expires(remote):
    await put(remote, b"hello")
    link = await remote.link(KEY, timedelta(seconds=3))
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(link)).content == b"hello"
        for _ in range(200):
            if (answer := await anybody.get(link)).status_code != 200:
                break
            await asyncio.sleep(0.05)
    assert answer.status_code in (401, 403)


async def test_a_link_opens_one_file_for_its_time_only(remote):
    await put(remote, b"hello")
    await put(remote, b"of bob", "documents/bob/passport")
    link = await remote.link(KEY, timedelta(seconds=60))
    wrong = {link.replace("alice", "bob"), link.replace("Expires=60", "Expires=6000"), link.partition("?")[0]}
    if "expires_at" in link:
        until = httpx.URL(link).params["expires_at"]
        wrong = {*wrong, link.replace(until, str(int(until) + 3600))} - {link}
    assert len(wrong - {link}) == 3
    async with httpx.AsyncClient() as anybody:
        for tampered in wrong - {link}:
            assert (await anybody.get(tampered)).status_code in (400, 401, 403), tampered
        assert (await anybody.get(link)).content == b"hello"


async def test_a_folder_has_no_links(local):
    await put(local, b"x")
    assert await local.link(KEY, timedelta(minutes=1)) is None


async def test_a_bucket_keeps_the_content_type(in_bucket):
    await put(in_bucket, b"x")
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(await in_bucket.link(KEY, timedelta(minutes=1)))
    assert answer.headers["content-type"] == PDF


async def test_a_bucket_is_closed_to_strangers(in_bucket):
    await put(in_bucket, b"x")
    link = await in_bucket.link(KEY, timedelta(minutes=1))
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(link.partition("?")[0])).status_code == 403


# -- the folder


async def test_only_its_owner_may_look_into_the_folder(local, tmp_path):
    path = tmp_path / "storage" / "private"
    path.mkdir(parents=True, mode=0o755)
    await put(local, b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


async def test_a_put_that_fails_leaves_what_was_there(store, account):
    class Torn(BytesIO):
        def read(self, size=-1):
            if self.tell() >= 6 * 1024 * 1024:
                raise OSError("disk error")
            return super().read(size)

    await put(store, b"before")
    with pytest.raises(StorageDown):
        await store.put(KEY, Torn(LARGE), PDF)
    assert await read(store) == b"before"
    assert (held(store) if isinstance(store, Objects) else [*account.files]) == [KEY]


async def test_a_full_disk_leaves_what_was_there(local, tmp_path):
    await put(local, b"before")
    for content in (LARGE, LARGE[: 3 * 2**20]):
        with full_disk(), pytest.raises(StorageDown):
            await put(local, content)
    assert await read(local) == b"before"
    assert [each for each in (tmp_path / "storage").rglob("*") if each.is_file()] == [
        tmp_path / "storage/private" / KEY
    ]


async def test_a_reader_sees_the_old_file_or_the_new_one(local, tmp_path):
    old, new = b"a" * 8 * 1024 * 1024, b"b" * 8 * 1024 * 1024
    await put(local, old)

    class Watched(BytesIO):
        seen = 0

        def read(self, size=-1):
            assert (tmp_path / "storage/private" / KEY).read_bytes() == old
            self.seen += 1
            return super().read(size)

    file = Watched(new)
    await local.put(KEY, file, PDF)
    assert file.seen > 1
    assert await read(local) == new


async def test_two_prefixes_of_a_bucket_do_not_meet(s3):
    private, public = of_s3(s3.endpoint, prefix="private"), of_s3(s3.endpoint, prefix="public")
    await put(private, b"passport")
    with pytest.raises(FileGone):
        await public.open(KEY)
    assert held(public) == []
    await private.delete(KEY)
