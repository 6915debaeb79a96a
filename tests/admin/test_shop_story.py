"""A seller's day in a real browser: she puts a product on the shelf, ships what was ordered, and meets nobody else."""

from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from tests import make
from tests.admin.conftest import watched, width
from tests.make import Person

OMARS = "Omars dates"


async def log_in(page: Any, person: Person) -> None:
    await page.fill("#username", person.user.email)
    await page.fill("#password", make.PASSWORD)
    await page.click("text=Log in")


async def test_vera_adds_a_product_and_ships_an_order(
    browser: Any, served: str, vera: Person, omar: Person, app: FastAPI, nobody: httpx.AsyncClient, tmp_path: Path
) -> None:
    foreign = await make.goods_order(nobody, (await make.product(app, omar, name=OMARS)).id)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    refused = watched(page, served)
    await page.goto(f"{served}/admin/")
    await log_in(page, vera)
    await page.click(".navbar >> text=Products")
    await page.click("text=New")
    for name, text in {"name": "Honey of the Atlas", "price": "2400", "stock": "3"}.items():
        await page.fill(f"#{name}", text)
    await page.click("button:has-text('Save')")
    await page.wait_for_selector("h1:has-text('Honey of the Atlas')")
    await page.screenshot(path=tmp_path / "product-1280.png", full_page=True)

    key = page.url.rsplit("/", 1)[-1]
    order = await make.goods_order(nobody, key, quantity=2)
    await page.click(".navbar >> text=Orders")
    assert await page.inner_text("tbody a.title") == order["order_number"]
    assert foreign["order_number"] not in await page.content()
    await page.click(f"text={order['order_number']}")
    await page.click("button:has-text('Confirm order')")
    await page.fill("#tracking_number-SHIPPED", "DZ123456789")
    await page.screenshot(path=tmp_path / "order-1280.png", full_page=True)
    await page.click("button:has-text('Ship order')")
    await page.wait_for_selector(".history >> text=Shipped")
    assert await page.inner_text("h1 .badge") == "Shipped"
    assert "DZ123456789" in await page.inner_text(".facts >> nth=-1")
    followed = await nobody.get(f"/orders/{order['id']}", headers={"X-Order-Token": order["access_token"]})
    assert (followed.json()["data"]["status"], followed.json()["data"]["tracking_number"]) == ("SHIPPED", "DZ123456789")

    for wide in (1280, 390):
        await page.set_viewport_size({"width": wide, "height": 844})
        for path in ("", "products/list", f"products/details/{key}", "products/create", "orders/list", "shop/list"):
            await page.goto(f"{served}/admin/{path}")
            assert await width(page) <= wide, path
            assert OMARS not in await page.content()
            await page.screenshot(path=tmp_path / f"{path.replace('/', '-') or 'home'}-{wide}.png", full_page=True)
    await page.goto(f"{served}/admin/")
    assert "4,800.00" in await page.inner_text(".figures")
    assert refused == []
    for path in ("users/list", f"orders/details/{foreign['id']}"):
        assert (await page.goto(f"{served}/admin/{path}")).status == 404


async def test_who_is_no_seller_any_more_is_shown_the_door(
    browser: Any, served: str, vera: Person, sam: Person
) -> None:
    page = await browser.new_page()
    await page.goto(f"{served}/admin/")
    await log_in(page, vera)
    await page.wait_for_selector("text=Best sellers")
    assert (await sam.patch(f"/admin/users/{vera.user.id}", json={"role": "CUSTOMER"})).status_code == 200
    await page.click(".navbar >> text=Orders")
    await page.wait_for_selector("#username")
    await log_in(page, vera)
    await page.wait_for_selector("text=This account may not enter the back office.")
