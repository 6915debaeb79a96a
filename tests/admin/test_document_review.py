"""Verifying documents by keyboard in a real browser. Skipped, with the reason, where no Chromium is found."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.clients.storage import StorageDown
from app.resources.documents import REASONS, Document
from tests import make
from tests.admin.test_browser import browser, pytestmark, served, width
from tests.admin.test_documents import TRAVELS, document, openings, order_of, pages, row_of
from tests.make import Person

__all__ = ["browser", "pytestmark", "served"]
MANY = 30


@dataclass
class Review:
    """A consultant at the review page. `refused` is what a browser should never have to say."""

    page: Any
    url: str
    refused: list[str] = field(default_factory=list)

    async def open(self, id: UUID) -> None:
        await self.page.goto(f"{self.url}/admin/documents/details/{id}")
        await self.page.wait_for_selector(".stage.live:not(.waiting)")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def is_at(self, id: UUID) -> None:
        await self.page.wait_for_url(f"**/details/{id}")
        await self.page.wait_for_selector(".stage.live:not(.waiting)")

    async def look(self) -> str:
        """Where the picture is, how far it is turned and how large it is."""
        found: str = await self.page.eval_on_selector("#picture", "picture => picture.style.transform")
        return found


@pytest.fixture
async def review(browser: Any, served: str, carl: Person) -> AsyncIterator[Review]:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    made = Review(page, served)
    page.on("console", lambda message: made.refused.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: made.refused.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((served, "data:")) or made.refused.append(asked.url))
    await page.goto(f"{served}/admin/login")
    await page.fill("#username", carl.user.email)
    await page.fill("#password", make.PASSWORD)
    await page.click("text=Log in")
    await page.wait_for_selector("h1:has-text('Home')")
    yield made
    assert made.refused == []
    await page.close()


async def test_v_verifies_and_the_next_one_opens_by_itself(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    first, second = [await document(app, alice, order) for _ in range(2)]
    await review.open(first)
    await review.press("v")
    await review.is_at(second)
    assert "Verified. This is the next one." in await review.page.inner_text("[role=status].alert")
    await review.page.screenshot(path=tmp_path / "review-1280.png", full_page=True)
    assert (await row_of(app, first)).status == "VERIFIED"
    assert (await row_of(app, second)).status == "PENDING"
    assert len(await openings(app, second)) == 1


async def test_a_number_and_x_reject_and_x_alone_asks_for_the_reason(
    review: Review, alice: Person, app: FastAPI
) -> None:
    first, second = [await document(app, alice, category="PHOTO") for _ in range(2)]
    await review.open(first)
    await review.press("x")
    assert await review.page.is_visible("#needs-reason")
    assert await review.page.evaluate("document.activeElement.name") == "reason"
    assert (await row_of(app, first)).status == "PENDING"
    await review.press("3")
    assert not await review.page.is_visible("#needs-reason")
    await review.press("2", "x")
    await review.is_at(second)
    assert (await row_of(app, first)).rejection_reason == list(REASONS)[1]
    for number in range(1, 6):
        await review.press(str(number))
        assert await review.page.input_value("[name=reason]:checked") == list(REASONS)[number - 1]


async def test_what_is_typed_into_a_field_is_no_command(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice, await order_of(app, alice, **TRAVELS)) for _ in range(2)]
    await review.open(first)
    await review.page.focus("#more")
    await review.page.keyboard.type("vx1jk[]f+-0lr?")
    await review.page.click("#verify summary")
    await review.page.focus("#mrz")
    await review.page.keyboard.type("vxjk12345")
    await review.page.focus("#expires_on")
    await review.page.keyboard.type("vxjk")
    await review.page.evaluate("document.activeElement.blur()")
    for chord in ("Control+x", "Control+v", "Alt+j", "Meta+k"):
        await review.press(chord)
    assert review.page.url.endswith(str(first))
    assert await review.page.input_value("#more") == "vx1jk[]f+-0lr?"
    assert await review.page.query_selector("[name=reason]:checked") is None
    assert {(await row_of(app, each)).status for each in (first, second)} == {"PENDING"}
    await review.press("x")
    await review.is_at(second)
    assert (await row_of(app, first)).rejection_reason == "vx1jk[]f+-0lr?"


async def test_a_key_that_is_held_down_decides_once(review: Review, alice: Person, app: FastAPI) -> None:
    first, second, third = [await document(app, alice, category="PHOTO") for _ in range(3)]
    await review.open(first)
    await review.page.keyboard.down("v")
    for _ in range(5):
        await review.page.keyboard.down("v")  # a repeat, to the browser
    await review.is_at(second)
    await review.page.keyboard.down("v")
    await review.page.wait_for_timeout(300)
    assert {(await row_of(app, each)).status for each in (second, third)} == {"PENDING"}


async def test_j_and_k_go_through_the_queue(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice, category="PHOTO") for _ in range(2)]
    await review.open(first)
    await review.press("k", "j")
    await review.is_at(second)
    assert "2 / 2" in await review.page.inner_text(".crumb")
    await review.press("j", "k")
    await review.is_at(first)


async def test_the_picture_is_made_larger_turned_and_dragged(review: Review, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice)
    await review.open(id)
    fitting = await review.look()
    assert "rotate(0deg)" in fitting
    seen = {fitting}
    for key in ("+", "+", "r", "-"):
        await review.press(key)
        seen.add(await review.look())
    assert len(seen) == 5
    await review.press("l", "0")
    assert await review.look() == fitting
    await review.page.click("#right")
    assert "rotate(90deg)" in await review.look()
    await review.press("l")
    await review.page.click("#real")
    assert "scale(1)" in await review.look()
    assert await review.page.inner_text("#zoom") == "100 %"
    box = await review.page.locator("#stage").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await review.page.mouse.move(*middle)
    await review.page.mouse.wheel(0, -400)
    large = await review.look()
    await review.page.mouse.down()
    await review.page.mouse.move(middle[0] - 60, middle[1] - 40)
    await review.page.mouse.up()
    assert await review.look() not in (large, fitting)
    await review.press("f")
    await review.page.wait_for_function("document.fullscreenElement !== null")
    await review.press("f")
    await review.page.wait_for_function("document.fullscreenElement === null")
    assert len(await openings(app, id)) == 1, "looking closer is no new opening"


async def test_the_pages_of_a_pdf_are_turned_by_keys(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    pdf = {"content": pages(3), "mime_type": "application/pdf", "pages": 3, "category": "BANK_STATEMENT"}
    id = await document(app, alice, await order_of(app, alice, "BANK_STATEMENT"), **pdf, original_name="bank.pdf")
    await review.open(id)
    for key, number in (("]", "2"), ("ArrowRight", "3"), ("]", "3"), ("[", "2"), ("ArrowLeft", "1")):
        await review.press(key)
        await review.page.wait_for_selector(".stage.live:not(.waiting)")
        assert await review.page.inner_text("#page") == number
    await review.page.click("#page-after")
    await review.page.wait_for_selector(".stage.live:not(.waiting)")
    assert review.page.url.endswith("?page=2")
    assert (await review.page.get_attribute("#picture", "src")).endswith("?page=2")
    assert "page 2 of 3" in await review.page.get_attribute("#picture", "alt")
    await review.page.screenshot(path=tmp_path / "pages-1280.png", full_page=True)


async def test_a_passport_that_ends_too_soon_is_warned_of_while_it_is_typed(
    review: Review, alice: Person, app: FastAPI
) -> None:
    await review.open(await document(app, alice, await order_of(app, alice, **TRAVELS)))
    assert not await review.page.is_visible("#too-soon")
    await review.page.fill("#expires_on", "2041-05-12")
    assert "Less than six months after the journey." in await review.page.inner_text("#too-soon")
    await review.page.fill("#expires_on", "2041-05-13")
    assert not await review.page.is_visible("#too-soon")


async def test_without_the_store_there_is_a_sentence_and_a_button(
    review: Review, alice: Person, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, fetch = await document(app, alice), app.state.files.open

    async def down(*_: Any, **__: Any) -> None:
        raise StorageDown

    monkeypatch.setattr(app.state.files, "open", down)
    await review.page.goto(f"{review.url}/admin/documents/details/{id}")
    await review.page.wait_for_selector("text=The file cannot be fetched right now.")
    assert not await review.page.is_visible("#picture")
    await review.page.click("#again")
    await review.page.wait_for_selector("#gone", state="visible")
    monkeypatch.setattr(app.state.files, "open", fetch)
    await review.page.click("#again")
    await review.page.wait_for_selector("#tools", state="visible")
    assert await review.page.is_visible("#picture")
    review.refused[:] = [text for text in review.refused if "503" not in text]


async def test_a_telephone_shows_all_of_it_without_scrolling_sideways(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    name = "a-very-long-name-of-a-file-" * 5 + ".jpg"
    order = await order_of(app, alice, "PASSPORT", "PHOTO", **TRAVELS)
    id = await document(app, alice, order, original_name=name)
    await document(app, alice, order, category="PHOTO")
    await review.page.set_viewport_size({"width": 390, "height": 844})
    await review.open(id)
    assert await width(review.page) <= 390
    await review.page.screenshot(path=tmp_path / "review-390.png", full_page=True)
    for path in ("documents/list", f"orders/details/{order['id']}", "orders/list", ""):
        await review.page.goto(f"{review.url}/admin/{path}")
        assert await width(review.page) <= 390, path


async def test_without_scripts_the_page_decides_just_the_same(
    browser: Any, review: Review, alice: Person, app: FastAPI
) -> None:
    first, second = [await document(app, alice) for _ in range(2)]
    cookies = await review.page.context.cookies()
    context = await browser.new_context(java_script_enabled=False)
    await context.add_cookies(cookies)
    page = await context.new_page()
    await page.goto(f"{review.url}/admin/documents/details/{first}")
    assert not await page.is_visible("#tools")
    await page.check("[name=reason] >> nth=4")
    await page.click("text=Reject and tell the customer")
    await page.wait_for_url(f"**/details/{second}")
    assert (await row_of(app, first)).rejection_reason == list(REASONS)[4]
    await context.close()


async def test_thirty_verdicts_by_keyboard_take_less_than_a_minute(
    review: Review, alice: Person, app: FastAPI, record_property: Any
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    ids = [await document(app, alice, order) for _ in range(MANY)]
    await review.open(ids[0])
    began = time.monotonic()
    for place, following in enumerate([*ids[1:], None]):
        await review.press(*(("v",) if place % 3 else ("1", "x")))
        if following:
            await review.is_at(following)
    await review.page.wait_for_selector("text=There is nothing left to verify.")
    seconds = time.monotonic() - began
    record_property("seconds_for_thirty_verdicts", round(seconds, 1))
    print(f"{MANY} verdicts by keyboard in {seconds:.1f} s")
    async with app.state.database.transaction() as session:
        statuses = list(await session.scalars(select(Document.c.status)))
    assert (statuses.count("VERIFIED"), statuses.count("REJECTED")) == (20, 10)
    assert seconds < 60
