"""A browser at the back office, and what it reads from a page."""

from html.parser import HTMLParser
from typing import Any

import httpx
from fastapi import FastAPI

from tests.make import PASSWORD

ORIGIN = "http://souk.test"
EVIL = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}


class Desk(httpx.AsyncClient):
    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=f"{ORIGIN}/admin",
            headers={"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"},
        )

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/login", data={"username": email, "password": password})

    async def form(self, path: str) -> dict[str, Any]:
        """What a browser would send if the form were opened and saved at once."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return fields_of(answer.text)


class FormReader(HTMLParser):
    """Collects the fields of the page's last POST form, the way browsers fill them."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self.area: str | None = None
        self.select: tuple[str, list[tuple[str, bool]]] | None = None

    def put(self, name: str, value: str) -> None:
        self.fields.setdefault(name, []).append(value.replace("\r\n", "\n").replace("\n", "\r\n"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.fields = {}
        elif tag == "input" and "name" in given and (given.get("type") != "checkbox" or "checked" in given):
            self.put(given["name"], given.get("value", ""))
        elif tag == "textarea":
            self.area, self.text = given["name"], ""
        elif tag == "select":
            self.select = (given["name"], [])
        elif tag == "option" and self.select:
            self.select[1].append((given["value"], "selected" in given))

    def handle_data(self, data: str) -> None:
        if self.area:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            self.put(self.area, self.text.removeprefix("\n"))
            self.area = None
        elif tag == "select" and self.select:
            name, options = self.select
            chosen = [value for value, is_selected in options if is_selected] or [options[0][0]]
            self.put(name, chosen[-1])
            self.select = None


def fields_of(page: str) -> dict[str, Any]:
    reader = FormReader()
    reader.feed(page)
    return reader.fields
