"""Pictures of products: in their order, by their seller alone, without what cameras wrote, erased with their rows."""

import asyncio
import re
import struct
from io import BytesIO
from uuid import uuid4

import pytest
from PIL import Image

from admin.door import headers_of_pages
from admin.media import origin, source
from app.clients.storage import PublicMedia, bucket, folder
from app.flows.product_images import MOST, Upload, expected
from app.inspection import Photo
from app.kit.table import new_id
from app.multipart import LARGEST
from app.resources.product_images import media_key
from app.settings import get_settings
from tests.admin.conftest import enter
from tests.documents.conftest import Agency, agency, drawn
from tests.documents.files import SECRETS, drawing, jpeg, pdf, png, png_of, tagged
from tests.storage.conftest import full_disk, held, of_s3, s3
from tests.walk import problem

__all__ = ["agency", "enter", "s3"]
WEBP, HERE = "image/webp", "http://127.0.0.1:8000"


def webp(image=None, **options):
    return bytes((drawing() if image is None else image).webpsave_buffer(**options))


def webp_of(side):
    """A lossless WebP that says to be so large."""
    body = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes(59)
    chunk = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk)) + chunk


KINDS = {"jpg": (jpeg, "image/jpeg"), "png": (png, "image/png"), "webp": (webp, WEBP)}


class Shop:
    """The running application, where its pictures lie, and one product of vera's."""

    def __init__(self, agency: Agency, media: PublicMedia, vera, product) -> None:
        agency.app.state.media = media
        self.agency, self.media, self.vera, self.product = agency, media, vera, product
        object.__setattr__(agency.tools, "media", media)

    @property
    def path(self):
        return f"/products/{self.product['id']}/images"

    async def send(self, person, content=None, name="oil.jpg", key=None, path=None):
        files = {"file": (name, jpeg() if content is None else content, "text/plain")}
        return await person.post(path or self.path, files=files, headers={"Idempotency-Key": key} if key else {})

    async def picture(self, content=None):
        """A picture that was taken, as the API shows it."""
        answer = await self.send(self.vera, content)
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def shown(self):
        return (await self.vera.get(f"/products/{self.product['id']}")).json()["data"]

    async def images(self):
        return (await self.shown())["images"]

    def keys(self):
        return held(self.media.store)


@pytest.fixture
def settings(settings, tmp_path):
    return settings.model_copy(update={"data_dir": tmp_path})


@pytest.fixture(params=["local", "s3"])
def media(request, tmp_path):
    in_bucket = request.param == "s3"
    store = of_s3(request.getfixturevalue("s3").endpoint) if in_bucket else folder(tmp_path / "storage/public", 0o755)
    return PublicMedia(store, f"{HERE}/media")


async def product_of(person, **values):
    answer = await person.post("/products", json={"name": "Olive oil", "price": "6500", "stock": 4, **values})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


@pytest.fixture
async def shop(agency, media, vera):
    return Shop(agency, media, vera, await product_of(vera))


@pytest.fixture
async def at_home(agency, vera, tmp_path):
    """The same on the local folder only."""
    media = PublicMedia(folder(tmp_path / "storage/public", 0o755), f"{HERE}/media")
    return Shop(agency, media, vera, await product_of(vera))


async def fetched(client, url):
    return await client.get(url.replace(HERE, "http://souk.test"))


@pytest.mark.parametrize("ending", KINDS)
async def test_a_picture_is_kept_and_shown_to_everybody(shop, nobody, ending):
    write, mime_type = KINDS[ending]
    assert (await shop.shown())["images"] == []
    picture = await shop.picture(write())
    url = picture["image_url"]
    assert picture == {"image_url": url, "medium_url": url, "small_url": url, "position": 0}
    seller, product = shop.product["seller_id"], shop.product["id"]
    assert re.fullmatch(rf"{HERE}/media/products/{seller}/{product}/[0-9a-f-]{{36}}\.{ending}", url)
    assert shop.keys() == [url.removeprefix(f"{HERE}/media/")]
    seen = (await nobody.get(f"/products/{product}")).json()["data"]
    assert (seen["images"], seen["thumbnail_url"]) == ([url], url)
    assert seen["pictures"] == [{"url": url, "medium_url": url, "small_url": url}]
    (listed,) = (await nobody.get("/products")).json()["data"]
    assert (listed["images"], listed["thumbnail_url"], "pictures" in listed) == ([url], url, False)
    answer = await fetched(nobody, url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, mime_type)
    assert Image.open(BytesIO(answer.content)).size == (120, 80)


async def test_a_picture_tells_nothing_but_what_it_shows(at_home, nobody):
    for write in (jpeg, png, webp):
        content = write(tagged(drawing(), 6)) + (b"<?php system($_GET[0]);" if write is not webp else b"")
        assert any(secret in content for secret in SECRETS)
        kept = (await fetched(nobody, (await at_home.picture(content))["image_url"])).content
        assert [secret for secret in SECRETS if secret in kept] == []
        assert Image.open(BytesIO(kept)).size == (80, 120), "upright"


async def test_a_large_picture_is_kept_smaller(at_home, nobody):
    picture = await at_home.picture(drawn(size=(5000, 2500), quality=70))
    assert Image.open(BytesIO((await fetched(nobody, picture["image_url"])).content)).size == (2000, 1000)


async def test_pictures_stay_in_the_order_they_came(shop):
    first = [(await shop.picture())["image_url"] for _ in range(3)]
    assert await shop.images() == first
    answers = await asyncio.gather(*(shop.send(shop.vera) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [201] * 5
    together = [answer.json()["data"]["image_url"] for answer in answers]
    order = await shop.images()
    assert (order[:3], sorted(order[3:])) == (first, sorted(together))
    last = await shop.picture()
    assert (await shop.images(), last["position"]) == ([*order, last["image_url"]], 8)
    places = await shop.agency.rows("SELECT position FROM product_images ORDER BY position")
    assert [row[0] for row in places] == list(range(9))


async def test_ten_pictures_are_all_also_for_many_at_once(at_home):
    for _ in range(MOST - 1):
        await at_home.picture()
    answers = await asyncio.gather(*(at_home.send(at_home.vera) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    problem(await at_home.send(at_home.vera), 409, "too_many_pictures")
    assert len(await at_home.images()) == len(at_home.keys()) == MOST


async def test_two_who_take_a_place_at_once_get_two(at_home):
    """Files are read one at a time, so over HTTP they hardly meet: here they do."""
    database = at_home.agency.tools.database
    upload = Upload(at_home.vera.actor, at_home.product["id"], Photo("image/jpeg", 1, 1, 1), None)

    async def second():
        async with database.transaction() as session:
            return (await expected(session, upload)).position

    async with database.transaction() as session:
        first = (await expected(session, upload)).position
        await session.flush()
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
    assert (first, await waiting) == (0, 1)


# -- who may not


async def test_only_the_products_own_seller_adds_pictures(at_home, nobody, alice, omar, carl, sam):
    problem(await at_home.send(nobody), 401, "not_authenticated")
    for person in (alice, omar, carl, sam):
        problem(await at_home.send(person), 403, "forbidden")
    await at_home.vera.patch(f"/products/{at_home.product['id']}", json={"is_active": False})
    for person in (alice, omar):
        problem(await at_home.send(person), 404, "not_found")
    assert await at_home.agency.rows("SELECT FROM product_images") == at_home.keys() == []
    assert (await at_home.send(at_home.vera)).status_code == 201


async def test_only_its_seller_and_an_admin_delete_a_picture(at_home, nobody, alice, omar, carl, sam):
    await at_home.picture()
    await at_home.picture()
    problem(await nobody.delete(f"{at_home.path}/0"), 401, "not_authenticated")
    for person in (alice, omar, carl):
        problem(await person.delete(f"{at_home.path}/0"), 403, "forbidden")
        problem(await person.delete(f"{at_home.path}/7"), 403, "forbidden")
    assert (await sam.delete(f"{at_home.path}/0")).status_code == 204
    assert len(await at_home.images()) == 1
    await at_home.vera.patch(f"/products/{at_home.product['id']}", json={"is_active": False})
    problem(await omar.delete(f"{at_home.path}/0"), 404, "not_found")
    assert (await at_home.vera.delete(f"{at_home.path}/0")).status_code == 204


async def test_a_product_that_is_not_there_has_no_pictures(at_home):
    for key in (str(uuid4()), "nothing", "x" * 300, "%00", "..%2f.."):
        path = f"/products/{key}/images"
        problem(await at_home.send(at_home.vera, path=path), 404, "not_found")
        problem(await at_home.vera.delete(f"{path}/0"), 404, "not_found")


async def test_a_slug_names_the_product_too(at_home):
    path = f"/products/{at_home.product['slug']}/images"
    assert (await at_home.send(at_home.vera, path=path)).status_code == 201
    assert (await at_home.vera.delete(f"{path}/0")).status_code == 204


# -- what is refused

SVG = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
BAD_FILES = {
    "svg": (SVG, 415, "unsupported_media_type"),
    "gif": (b"GIF89a\x01\0\x01\0\0\0\0;", 415, "unsupported_media_type"),
    "pdf": (pdf(), 415, "unsupported_media_type"),
    "html": (b"<!DOCTYPE html><script>alert(1)</script>", 415, "unsupported_media_type"),
    "sound in webp's box": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), 415, "unsupported_media_type"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(40), 415, "unsupported_media_type"),
    "empty": (b"", 422, "empty"),
    "truncated jpeg": (jpeg()[:-300], 422, "damaged"),
    "truncated png": (png()[:-60], 422, "damaged"),
    "truncated webp": (webp()[:-40], 422, "damaged"),
    "a webp of nothing": (b"RIFF\x04\0\0\0WEBP", 422, "damaged"),
    "png of 50,000 × 50,000": (png_of(50_000, 50_000, b""), 422, "too_many_pixels"),
    "webp of 16,000 × 16,000": (webp_of(16_000), 422, "too_many_pixels"),
    "a byte too many": (png() + bytes(LARGEST + 1 - len(png())), 413, "payload_too_large"),
    "a megabyte too many": (png() + bytes(LARGEST + 2**20), 413, "payload_too_large"),
}


@pytest.mark.parametrize("case", BAD_FILES)
async def test_a_bad_file_is_refused_and_leaves_nothing(at_home, case):
    content, status, code = BAD_FILES[case]
    found = problem(await at_home.send(at_home.vera, content), status)
    errors = found.get("errors", [{"pointer": "/file", "code": found["code"]}])
    assert [(error["pointer"], error["code"]) for error in errors] == [("/file", code)]
    if case in ("svg", "gif", "pdf"):
        assert found["detail"].startswith("Only JPEG, PNG and WebP pictures are accepted.")
    assert await at_home.agency.rows("SELECT id FROM product_images UNION SELECT id FROM erasures") == []
    assert (at_home.keys(), await at_home.images()) == ([], [])


ODD_FORMS = {
    "another name": ({"files": {"image": ("a.jpg", b"x")}}, 422, "validation_error"),
    "two files": ({"files": [("file", ("a.jpg", b"x")), ("file", ("b.jpg", b"y"))]}, 400, "bad_request"),
    "a position": ({"files": {"file": ("a.jpg", b"x")}, "data": {"position": "0"}}, 422, "validation_error"),
    "text": ({"data": {"file": "hello"}}, 415, "unsupported_media_type"),
    "json": ({"json": {"file": "hello"}}, 415, "unsupported_media_type"),
    "nothing": ({}, 415, "unsupported_media_type"),
    "no boundary": ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad_request"),
}


@pytest.mark.parametrize("case", ODD_FORMS)
async def test_odd_forms_are_refused(at_home, case):
    sent, status, code = ODD_FORMS[case]
    problem(await at_home.vera.post(at_home.path, **sent), status, code)
    assert await at_home.agency.rows("SELECT FROM product_images") == []


async def test_a_form_with_too_many_fields_hears_what_there_is(at_home):
    sent = {"files": {"file": ("a.jpg", b"x")}, "data": {f"f{n}": "x" for n in range(20)}}
    found = problem(await at_home.vera.post(at_home.path, **sent), 400, "bad_request")
    assert found["detail"] == "The form has more than 10 fields. It takes `file`."


# -- repeats


async def test_repeats_with_a_key_are_one_picture(at_home):
    first = await at_home.send(at_home.vera, key="picture-1")
    answers = await asyncio.gather(*(at_home.send(at_home.vera, key="picture-1") for _ in range(4)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, first.text)}
    assert {answer.headers["idempotency-replayed"] for answer in answers} == {"true"}
    assert len(await at_home.images()) == len(at_home.keys()) == 1
    problem(await at_home.send(at_home.vera, png(), key="picture-1"), 422, "idempotency_key_reused")
    problem(await at_home.send(at_home.vera, key="k" * 256), 400, "idempotency_key_invalid")


async def test_repeats_at_once_are_one_picture(at_home):
    answers = await asyncio.gather(*(at_home.send(at_home.vera, key="picture-1") for _ in range(6)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    await at_home.agency.work(later=True)
    assert (len(await at_home.images()), len(at_home.keys())) == (1, 3)


# -- away


async def test_a_deleted_picture_closes_the_gap(shop):
    urls = [(await shop.picture())["image_url"] for _ in range(4)]
    await shop.agency.work()
    assert (await shop.vera.delete(f"{shop.path}/1")).status_code == 204
    assert await shop.images() == [urls[0], *urls[2:]]
    assert (await shop.vera.delete(f"{shop.path}/1")).status_code == 204
    assert await shop.images() == [urls[0], urls[3]]
    await shop.agency.work()
    assert len(shop.keys()) == 2 * 3, "each picture in three sizes"
    assert not await shop.agency.rows("SELECT FROM erasures")
    assert (await shop.picture())["position"] == 2


@pytest.mark.parametrize("n", ["1", "99", "-1", "x", "1.5", "9" * 40, "%00", "٠", "0x0", "+0", "%20"])
async def test_there_is_no_picture_at_an_odd_place(at_home, n):
    await at_home.picture()
    problem(await at_home.vera.delete(f"{at_home.path}/{n}"), 404, "not_found")
    assert len(await at_home.images()) == 1


async def test_two_who_delete_the_same_picture_at_once_delete_that_one_only(at_home):
    urls = [(await at_home.picture())["image_url"] for _ in range(3)]
    async with at_home.agency.tools.database.transaction() as session:
        held_up = await session.connection()
        await held_up.exec_driver_sql("SELECT FROM products FOR UPDATE")
        waiting = [asyncio.create_task(at_home.vera.delete(f"{at_home.path}/0")) for _ in range(2)]
        await asyncio.sleep(0.5)
    assert sorted([(await each).status_code for each in waiting]) == [204, 404]
    assert await at_home.images() == urls[1:]


async def test_who_saw_other_pictures_is_told_so(at_home):
    await at_home.picture()
    seen = (await at_home.vera.get(f"/products/{at_home.product['id']}")).headers["etag"]
    await at_home.picture()
    problem(await at_home.vera.delete(f"{at_home.path}/0", headers={"If-Match": seen}), 412, "stale")
    seen = (await at_home.vera.get(f"/products/{at_home.product['id']}")).headers["etag"]
    assert (await at_home.vera.delete(f"{at_home.path}/0", headers={"If-Match": seen})).status_code == 204


async def test_with_a_product_all_its_files_go(shop):
    await shop.picture()
    await shop.agency.work()
    await shop.picture()
    assert len(shop.keys()) == 4
    assert (await shop.vera.delete(f"/products/{shop.product['id']}")).status_code == 204
    await shop.agency.work(later=True)
    assert shop.keys() == []
    assert not await shop.agency.rows("SELECT id FROM product_images UNION SELECT id FROM erasures")


async def test_what_was_added_and_deleted_is_in_the_audit(at_home, sam):
    url = (await at_home.picture())["image_url"]
    await at_home.vera.delete(f"{at_home.path}/0")
    entries = (await sam.get("/admin/audit?resource=products&action=updated&sort=at")).json()["data"]
    key = url.removeprefix(f"{HERE}/media/")
    assert [entry["changes"] for entry in entries] == [{"images": [None, key]}, {"images": [key, None]}]
    assert {entry["actor_id"] for entry in entries} == {str(at_home.vera.user.id)}


# -- smaller ones


async def test_a_job_makes_smaller_ones(shop, nobody):
    url = (await shop.picture(drawn(size=(1500, 900))))["image_url"]
    await shop.agency.work()
    (picture,) = (await shop.shown())["pictures"]
    stem = url.removesuffix(".jpg")
    assert picture == {"url": url, "medium_url": f"{stem}-1000.webp", "small_url": f"{stem}-400.webp"}
    for name, size in {"medium_url": (1000, 600), "small_url": (400, 240)}.items():
        answer = await fetched(nobody, picture[name])
        assert (answer.status_code, answer.headers["content-type"]) == (200, WEBP)
        assert Image.open(BytesIO(answer.content)).size == size
    (listed,) = (await nobody.get("/products")).json()["data"]
    assert (listed["thumbnail_url"], listed["images"]) == (picture["small_url"], [url])


async def test_a_small_picture_is_not_blown_up(at_home, nobody):
    await at_home.picture()
    await at_home.agency.work()
    (picture,) = (await at_home.shown())["pictures"]
    assert Image.open(BytesIO((await fetched(nobody, picture["small_url"])).content)).size == (120, 80)


async def test_a_lost_job_is_found_by_the_sweep(at_home):
    await at_home.picture()
    await at_home.agency.rows("DELETE FROM procrastinate_jobs")
    await at_home.agency.work()
    assert len(at_home.keys()) == 1
    await at_home.agency.sweep()
    assert len(at_home.keys()) == 3


async def test_a_store_that_is_away_is_asked_again(at_home):
    await at_home.picture()
    object.__setattr__(at_home.agency.tools, "media", away())
    await at_home.agency.work()
    assert await at_home.agency.rows("SELECT FROM product_images WHERE NOT has_variants AND NOT has_failed")
    object.__setattr__(at_home.agency.tools, "media", at_home.media)
    await at_home.agency.sweep()
    assert len(at_home.keys()) == 3


async def test_a_picture_whose_file_is_lost_is_given_up(at_home):
    url = (await at_home.picture())["image_url"]
    (at_home.media.store.root / at_home.keys()[0]).unlink()
    await at_home.agency.work()
    assert await at_home.agency.rows("SELECT FROM product_images WHERE has_failed")
    await at_home.agency.sweep()
    assert not await at_home.agency.rows("SELECT FROM procrastinate_jobs WHERE task_name = 'draw_variants'")
    assert (await at_home.shown())["thumbnail_url"] == url


# -- what fails on the way


def away():
    """Media in a store where nobody answers."""
    return PublicMedia(bucket("s3", "http://127.0.0.1:1", "b", "public", "key", "secret", seconds=1), "/media")


async def test_without_a_store_nothing_is_left_behind(at_home):
    at_home.agency.app.state.media = away()
    problem(await at_home.send(at_home.vera, key="picture-1"), 503, "storage_down")
    assert await at_home.agency.rows("SELECT FROM product_images") == await at_home.images() == []
    problem(await at_home.send(at_home.vera, key="picture-1"), 503, "storage_down")


async def test_a_full_disk_is_503_and_leaves_nothing(at_home):
    with full_disk():
        problem(await at_home.send(at_home.vera, b"\xff\xd8\xff" + bytes(3 * 2**20)), 503, "unavailable")
    assert await at_home.agency.rows("SELECT FROM product_images") == at_home.keys() == []


class Meanwhile(PublicMedia):
    """Media that do something else after they stored a file."""

    async def put(self, key, file, mime_type):
        await super().put(key, file, mime_type)
        await self.then()


async def test_a_store_that_fails_after_its_work_leaves_no_file(at_home):
    async def fail():
        raise ConnectionResetError("after the work")

    at_home.agency.app.state.media = media = Meanwhile(at_home.media.store, "/media")
    media.then = fail
    problem(await at_home.send(at_home.vera), 503, "unavailable")
    assert (len(at_home.keys()), await at_home.images()) == (1, [])
    await at_home.agency.work(later=True)
    assert at_home.keys() == []


@pytest.mark.parametrize(("sql", "status"), [("product_images", 503), ("products", 404)])
async def test_an_upload_whose_row_went_meanwhile_leaves_no_file(at_home, sql, status):
    at_home.agency.app.state.media = media = Meanwhile(at_home.media.store, "/media")
    media.then = lambda: at_home.agency.rows(f"DELETE FROM {sql}")
    problem(await at_home.send(at_home.vera), status)
    await at_home.agency.work(later=True)
    assert at_home.keys() == []


@pytest.mark.parametrize("stored", [False, True])
async def test_what_a_killed_process_left_is_swept(shop, stored):
    await shop.picture()
    if not stored:
        await shop.media.delete(shop.keys()[0])
    await shop.agency.rows("UPDATE product_images SET is_ready = false")
    assert (await shop.images(), (await shop.shown())["pictures"]) == ([], [])
    problem(await shop.vera.delete(f"{shop.path}/0"), 404, "not_found")
    await shop.agency.sweep()
    assert len(await shop.agency.rows("SELECT FROM product_images")) == 1
    await shop.agency.rows("UPDATE product_images SET created_at = now() - interval '20 minutes'")
    await shop.agency.sweep()
    assert shop.keys() == []
    assert not await shop.agency.rows("SELECT id FROM product_images UNION SELECT id FROM erasures")


# -- the back office


async def test_an_admin_sees_the_pictures_and_removes_one(at_home, enter, sam):
    urls = [(await at_home.picture())["image_url"] for _ in range(3)]
    await at_home.agency.work()
    desk, page = await enter(sam), f"/products/details/{at_home.product['id']}"
    shown = re.findall(r'<a href="([^"]+)"><img src="([^"]+)"', (await desk.get(page)).text)
    here = [url.removeprefix(HERE) for url in urls]
    assert shown == [(url, url.replace(".jpg", "-400.webp")) for url in here]
    assert (await desk.get(f"http://souk.test{shown[0][1]}")).headers["content-type"] == WEBP
    removals = re.findall(r'action="([^"]+/removal)"', (await desk.get(page)).text)
    assert (await desk.post(f"http://souk.test{removals[1]}")).status_code == 303
    assert "The picture is removed." in (await desk.get(page)).text
    assert await at_home.images() == [urls[0], urls[2]]
    assert "There is no such picture." in (await desk.post(f"http://souk.test{removals[1]}")).text
    assert f'src="{shown[0][1]}"' in (await desk.get("/products/list")).text
    assert "multipart" not in (await desk.get(page)).text, "only the seller adds pictures"


async def test_a_seller_adds_a_picture_at_his_desk(at_home, enter, nobody):
    desk, product = await enter(at_home.vera), at_home.product["id"]
    page, form = f"/products/details/{product}", f"/products/pictures/{product}"
    assert 'enctype="multipart/form-data"' in (await desk.get(page)).text
    added = await desk.post(form, files={"file": ("oil.png", png(), "image/png")})
    assert (added.status_code, added.headers["location"]) == (303, f"/admin{page}")
    assert "The picture is added." in (await desk.get(page)).text
    (url,) = await at_home.images()
    refused = await desk.post(form, files={"file": ("oil.svg", SVG, "image/svg+xml")})
    assert (refused.status_code, "Only JPEG, PNG and WebP pictures are accepted." in refused.text) == (415, True)
    large = await desk.post(form, files={"file": ("oil.png", png() + bytes(LARGEST), "image/png")})
    assert (large.status_code, "10 MiB" in large.text) == (413, True)
    assert await at_home.images() == [url]


async def test_who_may_not_change_pictures_has_no_buttons_and_is_refused(at_home, enter, carl):
    await at_home.picture()
    desk, product = await enter(carl), at_home.product["id"]
    page = (await desk.get(f"/products/details/{product}")).text
    assert ("<img src=" in page, "/removal" in page, "multipart" in page) == (True, False, False)
    (row,) = await at_home.agency.rows("SELECT id FROM product_images")
    assert (await desk.post(f"/products/pictures/{product}/{row.id}/removal")).status_code == 403
    assert (await desk.post(f"/products/pictures/{product}", files={"file": ("a.png", png())})).status_code == 403
    assert (await desk.post(f"/products/pictures/{product}/nonsense/removal")).status_code == 404
    assert (await desk.post(f"/orders/pictures/{product}", files={"file": ("a.png", png())})).status_code == 404
    assert len(await at_home.images()) == 1


def test_pages_load_pictures_from_here_or_from_the_open_bucket(monkeypatch):
    url = "products/a/b/c.jpg"
    assert (source(f"{get_settings().media_url}/{url}"), origin.__wrapped__()) == (f"/media/{url}", "")
    opened = get_settings().model_copy(update={"r2_public_url": "https://pictures.souk.example/x"})
    monkeypatch.setattr("admin.media.get_settings", lambda: opened)
    assert source(f"{opened.media_url}/{url}") == f"https://pictures.souk.example/x/public/{url}"
    assert origin.__wrapped__() == "https://pictures.souk.example"
    assert "img-src 'self' data:;" in headers_of_pages()["Content-Security-Policy"]
    monkeypatch.setattr("admin.media.origin", origin.__wrapped__)
    assert "data: https://pictures.souk.example;" in headers_of_pages()["Content-Security-Policy"]


# -- the address of a picture


async def test_a_picture_is_kept_by_browsers_and_shown_to_other_sites(shop, nobody):
    url = (await shop.picture())["image_url"]
    answer = await fetched(nobody, url)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    address, tag = url.replace(HERE, "http://souk.test"), answer.headers["etag"]
    again = await nobody.get(address, headers={"If-None-Match": f'W/"x", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await nobody.get(address, headers={"If-None-Match": '"other"'})).content == answer.content
    head = await nobody.head(address)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", tag)
    assert (await nobody.post(address)).status_code == 405


def odd_keys(key):
    folder, _, name = key.rpartition("/")
    yield from (key + "/", key + "x", key + "%00", key + "/x.jpg", folder, folder + "/", "", "products", "%2e%2e/x.jpg")
    yield from (f"../public/{key}", f"..%2fprivate/{key}", f"%2e%2e/public/{key}", f"{folder}//{name}", key.upper())
    yield from (
        f"local:{key}",
        "//etc/passwd",
        "etc/passwd",
        "x" * 5000,
        "%ff%fe",
        "é.jpg",
        key[:-4],
    )
    yield from (
        key.replace(".jpg", ".svg"),
        key.replace(".jpg", ".jpg#1"),
        key.replace(".jpg", "-400.webp"),
        f"{key}%0a",
    )
    yield media_key(new_id(), new_id(), new_id(), "image/jpeg")


async def test_an_odd_key_is_nothing_and_no_trouble(shop, nobody):
    key = (await shop.picture())["image_url"].removeprefix(f"{HERE}/media/")
    await shop.agency.document(shop.vera)
    private = shop.agency.files()[0].relative_to(shop.agency.tools.settings.data_dir / "storage")
    for odd in (*odd_keys(key), f"../{private}", f"%2e%2e/{private}", str(private).removeprefix("private/")):
        answer = await nobody.get(f"http://souk.test/media/{odd.replace('#', '%23')}")
        assert answer.status_code == 404, (odd, answer.status_code, answer.text)
        assert answer.headers["cache-control"] == "no-store", odd


async def test_a_store_that_is_away_is_503(at_home, nobody):
    url = (await at_home.picture())["image_url"]
    at_home.agency.app.state.media = away()
    problem(await fetched(nobody, url), 503, "storage_down")
