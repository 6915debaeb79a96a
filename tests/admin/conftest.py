"""Staff at their desks: browsers that signed in to the back office through its own page."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from tests.admin.desk import Desk
from tests.make import Person

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
Enter = Callable[[Person], Awaitable[Desk]]


@pytest.fixture
async def visitor(app: FastAPI) -> AsyncIterator[Desk]:
    """A browser that is not signed in."""
    async with Desk(app) as desk:
        yield desk


@pytest.fixture
async def enter(app: FastAPI) -> AsyncIterator[Enter]:
    """Sign somebody in: `desk = await enter(sam)`."""
    desks: list[httpx.AsyncClient] = []

    async def sign_in(person: Person) -> Desk:
        desk = Desk(app)
        desks.append(desk)
        answer = await desk.sign_in(person.user.email)
        assert answer.status_code == 303, answer.text
        return desk

    yield sign_in
    for desk in desks:
        await desk.aclose()


@pytest.fixture
async def sams(enter: Enter, sam: Person) -> Desk:
    return await enter(sam)


@pytest.fixture
async def carls(enter: Enter, carl: Person) -> Desk:
    return await enter(carl)


# -- a real browser


@pytest.fixture
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a real socket; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Any]:
    """The browser of all tests. Skips them, with the reason, where there is none."""
    if not CHROMIUM:
        pytest.skip("no Chromium found: install it or set CHROMIUM to its path")
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with api.async_playwright() as play:
        opened = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


@pytest.fixture
async def browser(chromium: Any) -> AsyncIterator[Any]:
    """Each of its pages knows of no other's cookies."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


async def width(page: Any) -> int:
    found: int = await page.evaluate("document.documentElement.scrollWidth")
    return found


def watched(page: Any, served: str) -> list[str]:
    """What the browser will have to say against the page: errors, and requests to elsewhere."""
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith((served, "data:")) or refused.append(asked.url))
    return refused
