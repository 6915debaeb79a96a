"""Documents and pictures: which store holds them, what the settings change, and that the two never meet."""

import asyncio
import subprocess
import sys
from datetime import timedelta
from io import BytesIO

import pytest

from app.clients.storage import AT_ONCE, BadKey, FileGone, PrivateFiles, StorageDown, private_files, public_media
from app.settings import Settings
from tests.doubles.s3 import S3
from tests.storage.test_stores import KEY, PDF, read

R2 = {"r2_access_key_id": S3.access_key, "r2_secret_access_key": S3.secret_key, "r2_bucket": "souk"}
CLOUDINARY = {"cloudinary_cloud_name": "souk", "cloudinary_api_key": "1234", "cloudinary_api_secret": "shh"}


@pytest.fixture
def settings(tmp_path, s3, cloudinary_url):
    """By the names of the stores that are set up."""

    def made(*names, **more):
        r2 = {**R2, "r2_endpoint": s3.endpoint} if "s3" in names else {}
        private = {"r2_private_bucket": "souk-private"} if "s3-private" in names else {}
        cloud = {**CLOUDINARY, "cloudinary_api_base": cloudinary_url} if "cloudinary" in names else {}
        return Settings(_env_file=None, data_dir=tmp_path, **{**r2, **private, **cloud, **more})

    return made


async def stored(files, content=b"passport"):
    address = files.address(KEY)
    await files.put(address, BytesIO(content), PDF)
    return address


@pytest.mark.parametrize(
    ("names", "address"),
    [
        ((), f"local:{KEY}"),
        (("s3",), f"s3:{KEY}"),
        (("s3", "s3-private"), f"s3-private:{KEY}"),
        (("s3", "cloudinary"), f"cloudinary:{KEY}"),
        (("cloudinary",), f"cloudinary:{KEY}"),
    ],
)
async def test_the_settings_say_where_documents_go(settings, names, address):
    files = private_files(settings(*names))
    assert await stored(files) == address
    assert await read(files, address) == b"passport"
    assert await read(files, address, 4, 8) == b"port"
    assert (await files.link(address, timedelta(minutes=1)) is None) == (names == ())
    await files.delete(address)
    await files.delete(address)


async def test_documents_are_found_after_the_settings_change(settings):
    steps = [(), ("s3",), ("s3", "s3-private"), ("s3", "s3-private", "cloudinary")]
    addresses = [await stored(private_files(settings(*names)), str(names).encode()) for names in steps]
    files = private_files(settings(*steps[-1]))
    for names, address in zip(steps, addresses, strict=True):
        assert await read(files, address) == str(names).encode()
    for address in addresses:
        await files.delete(address)
        with pytest.raises(FileGone):
            await files.open(address)


async def test_a_store_that_is_not_set_up_any_more_is_for_later(settings):
    address = await stored(private_files(settings("s3")))
    files = private_files(settings())
    for call in (files.open(address), files.delete(address), files.link(address, timedelta(minutes=1))):
        with pytest.raises(StorageDown):
            await call
    await private_files(settings("s3")).delete(address)


async def test_documents_and_pictures_never_meet(settings, tmp_path):
    for names in ((), ("s3",)):
        files, media = private_files(settings(*names)), public_media(settings(*names))
        address = await stored(files)
        await media.put("products/1.jpg", BytesIO(b"picture"), "image/jpeg")
        for call in (media.open(address), media.delete(address), media.put(address, BytesIO(), PDF)):
            with pytest.raises(BadKey):
                await call
        with pytest.raises(BadKey):
            media.url(address)
        for call in (files.open("products/1.jpg"), files.delete("products/1.jpg")):
            with pytest.raises(BadKey):
                await call
        with pytest.raises(FileGone):
            await files.open(address.replace(KEY, "products/1.jpg"))
        assert await read(media, "products/1.jpg") == b"picture"
        await media.delete("products/1.jpg")
        await files.delete(address)
    assert (tmp_path / "storage/private").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "storage/public").is_dir()


@pytest.mark.parametrize("address", ["", KEY, "local", "local:", "local:../x", "local:/etc/passwd", "local:local:x"])
async def test_what_is_no_address_is_refused(settings, address):
    files = private_files(settings())
    for call in (files.open(address), files.delete(address), files.link(address, timedelta(minutes=1))):
        with pytest.raises(BadKey):
            await call


def test_the_url_of_a_picture(settings):
    assert public_media(settings()).url("products/1.jpg") == "http://127.0.0.1:8000/media/products/1.jpg"
    assert public_media(settings("s3")).url("products/1.jpg") == "http://127.0.0.1:8000/media/products/1.jpg"
    media = public_media(settings("s3", "s3-private", r2_public_url="https://pictures.souk.example/"))
    assert media.url("products/1.jpg") == "https://pictures.souk.example/public/products/1.jpg"


def test_no_library_is_loaded_before_it_is_needed():
    code = (
        "import sys; from app.settings import Settings; from app.clients.storage import private_files as private;"
        f"private(Settings(_env_file=None, r2_account_id='x', **{ {**R2, **CLOUDINARY} }));"
        "print(sorted({'obstore', 'cloudinary', 'urllib3', 'httpx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_who_waits_too_long_for_a_turn_is_told(tmp_path):
    class Endless:
        name = "endless"

        async def put(self, key, file, mime_type):
            await asyncio.Event().wait()

    files = PrivateFiles(Endless())
    files.patience = 0.2
    first = [asyncio.create_task(stored(files)) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    assert files.gate.locked()
    with pytest.raises(StorageDown):
        await stored(files)
    for each in first:
        each.cancel()
    await asyncio.gather(*first, return_exceptions=True)
    assert not files.gate.locked()
