"""Verifying documents by keyboard in a real browser. Skipped, with the reason, where no Chromium is found."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.resources.documents import REASONS, Document
from tests.admin.conftest import watched, width
from tests.admin.desk import Desk
from tests.admin.test_documents import TRAVELS, document, openings, order_of, pages, row_of
from tests.documents.conftest import unreachable
from tests.make import Person

MANY = 30


@dataclass
class Review:
    """A consultant at the review page. `refused` is what a browser should never have to say."""

    page: Any
    url: str
    refused: list[str]

    async def open(self, id: UUID) -> None:
        await self.page.goto(f"{self.url}/admin/documents/details/{id}")
        await self.page.wait_for_selector(".stage.live:not(.waiting)")

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def is_at(self, id: UUID, query: str = "") -> None:
        await self.page.wait_for_url(f"{self.url}/admin/documents/details/{id}{query}")
        await self.page.wait_for_selector(".stage.live:not(.waiting)")

    async def focused(self) -> str:
        """The field that is written in; empty when there is none."""
        found: str = await self.page.evaluate("document.activeElement.id")
        return found

    async def send(self, event: dict[str, Any], to: str = "body") -> None:
        """A key as some other keyboard tells it."""
        await self.page.eval_on_selector(
            to,
            "(field, event) => field.dispatchEvent(new KeyboardEvent('keydown', event))",
            {"bubbles": True, "cancelable": True, **event},
        )

    async def look(self) -> str:
        """Where the picture is, how far it is turned and how large it is."""
        found: str = await self.page.eval_on_selector("#picture", "picture => picture.style.transform")
        return found


@pytest.fixture
async def review(browser: Any, served: str, carls: Desk) -> AsyncIterator[Review]:
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    made = Review(page, served, watched(page, served))
    cookies = [{"name": each.name, "value": each.value, "url": served} for each in carls.cookies.jar]
    await page.context.add_cookies(cookies)
    yield made
    assert made.refused == []


async def test_v_verifies_and_the_next_one_opens_by_itself(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    first, second = [await document(app, alice, order) for _ in range(2)]
    await review.open(first)
    await review.press("v")
    await review.is_at(second)
    notice = await review.page.inner_text("[role=status].alert")
    assert notice == "Verified: Passport of Alice Benali. This is the next one. Look again"
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


async def test_v_does_not_lose_a_reason_that_was_given(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice, category="PHOTO") for _ in range(2)]
    await review.open(first)
    await review.press("3", "v")
    assert await review.page.is_visible("#has-reason")
    assert (await row_of(app, first)).status == "PENDING"
    await review.press("3")
    assert not await review.page.is_visible("#has-reason")
    await review.press("v")
    await review.is_at(second)
    await review.page.fill("#more", "Something else")
    await review.press("Escape", "v")
    assert await review.page.is_visible("#has-reason")
    assert (await row_of(app, second)).status == "PENDING"


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
    await review.press("Escape")
    for letter in ("v", "x", "j", "k", "e", "m", "1"):
        for held in ("Control", "Alt", "Meta", "Control+Alt", "Control+Shift"):
            await review.press(f"{held}+{letter}")
    assert await review.focused() == ""
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
    await review.page.fill("#expires_on", "2020-05-13")
    assert "This day is past." in await review.page.inner_text("#too-soon")


async def test_e_and_m_lead_to_the_fields_and_escape_out_of_them(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice) for _ in range(2)]
    await review.open(first)
    for key, goal in (("e", "expires_on"), ("m", "mrz")):
        await review.press(key)
        assert await review.focused() == goal
        await review.press("Escape")
        assert await review.focused() == ""
    assert await review.page.input_value("#mrz") == "", "the key itself is not typed"
    assert await review.page.is_visible("#mrz")
    await review.page.focus("#more")
    await review.press("Escape", "j")
    await review.is_at(second)
    await review.press("?")
    said = await review.page.inner_text("#keys")
    for text in ("E\nExpires on", "M\nMachine-readable lines", "Ctrl Enter\n", "Esc\nLeave the field"):
        assert text in said


async def test_keys_for_what_a_document_has_not_do_nothing(review: Review, alice: Person, app: FastAPI) -> None:
    await review.open(await document(app, alice, category="PHOTO"))
    await review.press("e", "m", "[", "]")
    assert await review.focused() == ""
    assert "Expires on" not in await review.page.inner_text("#keys")


@pytest.mark.parametrize("chord", ["Control+Enter", "Meta+Enter"])
async def test_a_chord_sends_the_form_one_writes_in(review: Review, alice: Person, app: FastAPI, chord: str) -> None:
    ids = [await document(app, alice) for _ in range(4)]
    await review.open(ids[0])
    await review.page.fill("#more", "This is a cat")
    await review.press("Enter", "Shift+Enter", "Alt+Enter", chord)
    await review.is_at(ids[1])
    assert (await row_of(app, ids[0])).rejection_reason == "This is a cat"
    await review.page.fill("#expires_on", "2041-05-12")
    await review.press(chord)
    await review.is_at(ids[2])
    assert str((await row_of(app, ids[1])).expires_on) == "2041-05-12"
    await review.press("m", chord)
    await review.is_at(ids[3])
    await review.page.focus("#more")
    await review.press(chord)
    assert await review.page.is_visible("#needs-reason")
    rows = [await row_of(app, id) for id in ids]
    assert [row.status for row in rows] == ["REJECTED", "VERIFIED", "VERIFIED", "PENDING"]


STRANGE: dict[str, dict[str, Any]] = {
    "a word put together from keys": {"key": "v", "code": "KeyV", "isComposing": True},
    "the same in older browsers": {"key": "Process", "code": "KeyV", "keyCode": 229},
    "a sign of AltGr": {"key": "“", "code": "KeyV", "modifierAltGraph": True},
    "a letter with AltGr": {"key": "v", "code": "KeyV", "modifierAltGraph": True, "ctrlKey": True, "altKey": True},
    "Q, where others have X": {"key": "q", "code": "KeyX"},
    "a number key without its lock": {"key": "End", "code": "Numpad1"},
    "a name of every object": {"key": "toString", "code": ""},
}


async def test_only_plain_keys_are_commands(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice) for _ in range(2)]
    await review.open(first)
    for name, event in STRANGE.items():
        await review.send(event)
        assert await review.page.query_selector("[name=reason]:checked") is None, name
    await review.page.focus("#more")
    for key in ("Escape", "Enter"):
        await review.send({"key": key, "isComposing": True, "ctrlKey": key == "Enter"}, "#more")
    assert await review.focused() == "more", "it ends the word, not the writing"
    assert not await review.page.is_visible("#needs-reason")
    await review.press("Escape")
    await review.send({"key": "é", "code": "Digit2"})
    assert await review.page.input_value("[name=reason]:checked") == list(REASONS)[1], "the 2 of a French keyboard"
    await review.page.wait_for_timeout(200)
    assert (await row_of(app, first)).status == "PENDING"
    await review.send({"key": "é", "code": "Digit2"})
    await review.send({"key": "ر", "code": "KeyV"})
    await review.is_at(second)
    assert (await row_of(app, first)).status == "VERIFIED"


async def test_what_could_not_be_seen_is_not_verified(review: Review, alice: Person, app: FastAPI) -> None:
    first, second = [await document(app, alice) for _ in range(2)]
    held, hold = [], True

    async def wait(route: Any) -> None:
        held.append(route) if hold else await route.continue_()

    await review.page.route("**/documents/picture/*", wait)
    await review.page.goto(f"{review.url}/admin/documents/details/{first}", wait_until="domcontentloaded")
    for tried in ("v", "button", "field"):
        if tried == "field":
            await review.page.fill("#expires_on", "2041-05-12")
            await review.press("Control+Enter", "Enter", "Escape")
        await (review.press("v") if tried == "v" else review.page.click("#verify button", force=True))
        await review.page.wait_for_selector("#not-seen:has-text('Verify works once the picture is there.')")
    await review.page.wait_for_timeout(200)
    assert (await row_of(app, first)).status == "PENDING"
    hold = False
    for route in held:
        await route.continue_()
    await review.is_at(first)
    assert not await review.page.is_visible("#not-seen")
    hold = True
    await review.press("v")
    await review.page.wait_for_url(f"**/details/{second}", wait_until="domcontentloaded")
    assert (await row_of(app, first)).status == "VERIFIED"
    await held[-1].abort()
    await review.page.wait_for_selector("#gone", state="visible")
    await review.press("v")
    await review.page.wait_for_selector("#not-seen", state="visible")
    await review.press("1", "x")
    await review.page.wait_for_selector("text=There is nothing left to verify.")
    assert (await row_of(app, second)).status == "REJECTED"
    review.refused[:] = [text for text in review.refused if "ERR_FAILED" not in text]


async def test_a_page_that_is_being_turned_is_not_verified(review: Review, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice, content=pages(2), mime_type="application/pdf", pages=2)
    await review.open(id)
    held: list[Any] = []

    async def hold(route: Any) -> None:
        held.append(route)

    await review.page.route("**/documents/picture/*", hold)
    await review.press("]", "v")
    await review.page.wait_for_selector("#not-seen", state="visible")
    await held[0].continue_()
    await review.is_at(id, "?page=2")
    assert (await row_of(app, id)).status == "PENDING"


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
async def test_an_error_is_in_sight_and_leads_to_its_field(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path, size: tuple[int, int]
) -> None:
    id = await document(app, alice, await order_of(app, alice, **TRAVELS))
    await review.page.set_viewport_size({"width": size[0], "height": size[1]})
    await review.open(id)
    await review.press("m")
    await review.page.keyboard.type("P<WRONG")
    await review.press("Control+Enter")
    await review.page.wait_for_selector("#said")
    box = await review.page.locator("#said").bounding_box()
    assert box["y"] + box["height"] < size[1]
    assert await review.page.evaluate("scrollY") == 0
    await review.page.screenshot(path=tmp_path / f"error-{size[0]}.png")
    await review.page.click("#said >> text=Machine-readable lines")
    assert await review.focused() == "mrz"
    assert await review.page.input_value("#mrz") == "P<WRONG"
    await review.page.wait_for_selector(".stage.live:not(.waiting)")
    await review.page.goto(review.page.url)
    assert review.page.url.endswith(f"/documents/details/{id}"), "the address of a verdict is no dead end"
    review.refused[:] = [text for text in review.refused if "422" not in text]


async def test_the_lines_of_a_passport_fit_into_their_field(
    review: Review, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    await review.open(await document(app, alice))
    await review.press("m")
    await review.page.fill(
        "#mrz", "\n".join(["P<DZABENALI<<ALICE<<<<<<<<<<<<<<<<<<<<<<<<<<", "X3453767<7DZA8805121F4103149" + "<" * 16])
    )
    assert await review.page.eval_on_selector("#mrz", "field => field.scrollWidth - field.clientWidth") <= 0
    await review.page.screenshot(path=tmp_path / "mrz-1280.png", full_page=True)
    await review.page.set_viewport_size({"width": 390, "height": 844})
    tall = await review.page.eval_on_selector("#mrz", "field => field.scrollHeight - field.clientHeight")
    assert (tall, await width(review.page) <= 390) == (0, True), "it scrolls instead of wrapping"
    await review.page.screenshot(path=tmp_path / "mrz-390.png", full_page=True)


async def test_without_the_store_there_is_a_sentence_and_a_button(
    review: Review, alice: Person, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await document(app, alice)
    monkeypatch.setitem(app.state.files.stores, "local", unreachable("local").current)
    await review.page.goto(f"{review.url}/admin/documents/details/{id}")
    await review.page.wait_for_selector("text=The file cannot be fetched right now.")
    assert not await review.page.is_visible("#picture")
    await review.page.click("#again")
    await review.page.wait_for_selector("#gone", state="visible")
    monkeypatch.undo()
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
