"""Trouble outside is for later, told in time, and never tells a secret."""

import asyncio
import logging
import time
from datetime import timedelta
from io import BytesIO

import pytest

from app.clients.cloudinary import Cloudinary
from app.clients.storage import StorageDown, folder, guarded
from tests.doubles.cloudinary import LocalCloudinary
from tests.doubles.s3 import Troubled, free_ports
from tests.doubles.serving import serving
from tests.storage.conftest import held, of_s3
from tests.storage.test_stores import KEY, LARGE, PDF, put, read

SECONDS = 0.4


def all_of(store):
    """Every call that goes outside."""
    return {
        "put": lambda: store.put(KEY, BytesIO(LARGE), PDF),
        "put small": lambda: store.put(KEY, BytesIO(b"x"), PDF),
        "open": lambda: store.open(KEY),
        "range": lambda: store.open(KEY, 1, 5),
        "delete": lambda: store.delete(KEY),
    }


def s3_at(url):
    return of_s3(url, seconds=SECONDS)


def cloudinary_at(url):
    return Cloudinary("souk", "1234", "shh", url, seconds=SECONDS)


CALLS = list(all_of(None))


TROUBLES = [
    *(
        (make, kind, call)
        for make in (s3_at, cloudinary_at)
        for kind in ("500", "403", "reset", "hang")
        for call in CALLS
    ),
    *((cloudinary_at, "garbage", call) for call in ("put", "put small", "delete")),
]
"""Not S3 with garbage: 200 is all that it says to most calls."""


@pytest.mark.parametrize(("make", "kind", "call"), TROUBLES)
async def test_trouble_is_for_later(make, kind, call):
    with serving(Troubled(kind)) as url:
        began = time.monotonic()
        with pytest.raises(StorageDown):
            await all_of(make(url))[call]()
        assert time.monotonic() - began < 2 * SECONDS + 0.8
        assert StorageDown.status == 503
        assert StorageDown().headers["Retry-After"]


@pytest.mark.parametrize("make", [s3_at, cloudinary_at])
async def test_an_answer_that_only_drips_is_for_later(make):
    with serving(Troubled("drip")) as url:
        began = time.monotonic()
        with pytest.raises(StorageDown):
            await read(make(url))
        assert time.monotonic() - began < SECONDS + 0.5


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("make", [s3_at, cloudinary_at])
async def test_nobody_there_is_for_later(make, call):
    store = make(f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(StorageDown):
        await all_of(store)[call]()


@pytest.mark.parametrize("call", CALLS)
async def test_wrong_keys_are_for_later(s3, cloudinary_url, account, in_cloud, call):
    await put(in_cloud, b"passport")
    for store in (
        of_s3(s3.endpoint, secret_key="wrong"),
        of_s3(s3.endpoint, access_key="wrong"),
        Cloudinary("souk", "1234", "wrong", cloudinary_url),
        Cloudinary("souk", "4321", "shh", cloudinary_url),
        Cloudinary("other", "1234", "shh", cloudinary_url),
    ):
        with pytest.raises(StorageDown):
            await all_of(store)[call]()
    assert account.files == {KEY: b"passport"}


@pytest.mark.parametrize("call", ["open", "range", "delete"])
async def test_a_bucket_that_is_not_there_is_no_missing_file(s3, call):
    with pytest.raises(StorageDown):
        await all_of(of_s3(s3.endpoint, bucket="nowhere"))[call]()


@pytest.mark.parametrize("kind", ["420", "500", "403", "garbage", "null", "other", "reset"])
async def test_cloudinary_stumbles_once(in_cloud, account, kind):
    account.fault(kind)
    with pytest.raises(StorageDown):
        await put(in_cloud, b"x")
    account.fault(kind)
    with pytest.raises(StorageDown):
        await in_cloud.delete(KEY)
    await put(in_cloud, b"x")
    assert await read(in_cloud) == b"x"


@pytest.mark.parametrize("kind", ["short", "stall"])
async def test_a_download_that_breaks_off_is_no_whole_file(in_cloud, account, kind):
    await put(in_cloud, LARGE)
    account.fault(kind)
    chunks, size = await in_cloud.open(KEY), 0
    with pytest.raises(StorageDown):  # noqa: PT012
        async for chunk in chunks:
            size += len(chunk)
    assert 0 < size < len(LARGE)


async def test_a_slow_reader_gets_the_whole_file(remote, s3, cloudinary_url):
    """The deadline is the store's, not the reader's."""
    impatient = {
        "s3": of_s3(s3.endpoint, seconds=0.5, prefix="slow"),
        "cloudinary": Cloudinary("souk", "1234", "shh", cloudinary_url, seconds=0.5),
    }[remote.name]
    await put(of_s3(s3.endpoint, prefix="slow") if remote.name == "s3" else remote, LARGE)
    content = b""
    async for chunk in await impatient.open(KEY):
        if not content:
            await asyncio.sleep(1.3)
        content += chunk
    assert content == LARGE


async def test_a_download_may_be_left_at_any_time(store):
    await put(store, LARGE)
    await (await store.open(KEY)).aclose()
    chunks = await store.open(KEY)
    await anext(chunks)
    await chunks.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


async def test_the_server_goes_away_and_comes_back(s3, in_bucket):
    await put(in_bucket, b"passport")
    in_bucket.seconds = SECONDS
    with s3.frozen():
        began = time.monotonic()
        with pytest.raises(StorageDown):
            await in_bucket.open(KEY)
        assert time.monotonic() - began < SECONDS + 0.5
    s3.kill()
    with pytest.raises(StorageDown):
        await in_bucket.open(KEY)
    s3.start()
    in_bucket.seconds = 5
    assert await read(in_bucket) == b"passport"


async def test_a_full_or_locked_disk_is_for_later(tmp_path):
    (tmp_path / "file").write_text("where the folder should be")
    store = folder(tmp_path / "file" / "private")
    for name, call in all_of(store).items():
        with pytest.raises(StorageDown):
            await call()
        assert name
    (tmp_path / "storage").mkdir()
    full = folder(tmp_path / "storage")
    await put(full, b"x", "documents/alice")
    with pytest.raises(StorageDown):
        await put(full, b"x", "documents/alice/passport")


async def test_the_log_says_why_and_keeps_signatures_to_itself(in_cloud, account, s3, caplog):
    caplog.set_level(logging.INFO)
    await put(in_cloud, b"x")
    await read(in_cloud)
    link = await in_cloud.link(KEY, timedelta(minutes=1))
    account.fault("500")
    with pytest.raises(StorageDown) as caught:
        await in_cloud.open(KEY)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    with pytest.raises(StorageDown):
        await of_s3(s3.endpoint, secret_key="very secret").open(KEY)
    account.fault("500")
    with pytest.raises(StorageDown):
        await in_cloud.delete(KEY)
    told = [each.getMessage() for each in caplog.records if each.name == "souk.storage"]
    assert "cloudinary cannot open: OSError answered 500" in told[0]
    assert "s3 cannot open: PermissionDeniedError" in told[1]
    assert "cloudinary cannot delete: OSError answered 500" in told[2]
    assert link.startswith("http")
    assert not any(word in caplog.text for word in ("signature=", "very secret", "shh"))


async def test_what_looks_like_a_query_is_not_logged(caplog):
    with pytest.raises(StorageDown):
        async with guarded("s3", "open", 1):
            raise OSError("GET https://files.souk.example/passport?X-Amz-Signature=abc failed")
    assert "https://files.souk.example/passport?… failed" in caplog.text
    assert "abc" not in caplog.text


async def test_the_environment_of_a_bucket_does_not_count(s3, in_bucket, monkeypatch):
    for name in ("SESSION_TOKEN", "ACCESS_KEY_ID", "ENDPOINT_URL_S3", "REGION", "SKIP_SIGNATURE", "ROLE_ARN"):
        monkeypatch.setenv(f"AWS_{name}", "true")
    await put(in_bucket, b"x")
    assert await read(in_bucket) == b"x"
    assert held(in_bucket) == [KEY]


async def test_accounts_of_cloudinary_do_not_mix(cloudinary_url, account, monkeypatch):
    monkeypatch.setenv("CLOUDINARY_URL", "cloudinary://wrong:wrong@wrong")
    other = LocalCloudinary("other", "9", "hush")
    with serving(other) as elsewhere:
        doors = [Cloudinary("souk", "1234", "shh", cloudinary_url), Cloudinary("other", "9", "hush", elsewhere)] * 5
        await asyncio.gather(*(put(each, b"x", f"documents/{number}") for number, each in enumerate(doors)))
    assert sorted(account.files) == [f"documents/{number}" for number in range(0, 10, 2)]
    assert sorted(other.files) == [f"documents/{number}" for number in range(1, 10, 2)]
