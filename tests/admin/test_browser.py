"""A consultant's day in a real browser."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tests import make
from tests.admin.conftest import watched, width
from tests.make import Person


async def test_a_consultant_confirms_an_order_with_a_reason(
    browser: Any, served: str, carl: Person, alice: Person, app: FastAPI, tmp_path: Path
) -> None:
    order = await make.order(alice, (await make.service(app)).id)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    refused = watched(page, served)
    await page.goto(f"{served}/admin/orders/list")
    await page.fill("#username", carl.user.email)
    await page.fill("#password", make.PASSWORD)
    await page.click("text=Log in")
    await page.click(f"text={order['order_number']}")
    await page.fill("#reason-CONFIRMED", "Bank transfer received")
    await page.click("button:has-text('Confirm')")
    await page.wait_for_selector("text=Order confirmed: Bank transfer received")
    assert await page.inner_text("h1 .badge") == "Confirmed"
    assert await width(page) <= 1280
    await page.screenshot(path=tmp_path / "order-1280.png", full_page=True)
    await page.set_viewport_size({"width": 390, "height": 844})
    for path in (f"orders/details/{order['id']}", f"orders/edit/{order['id']}", "orders/list", "services/list", ""):
        await page.goto(f"{served}/admin/{path}")
        assert await width(page) <= 390, path
    await page.screenshot(path=tmp_path / "home-390.png", full_page=True)
    await page.click("[aria-label=Menu].navbar-toggler")
    await page.wait_for_selector(".navbar-collapse.collapse.show")  # it has come to rest
    await page.click("text=Log out")
    await page.wait_for_selector("#username")
    assert refused == []
