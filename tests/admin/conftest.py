"""Staff at their desks: browsers that signed in to the back office through its own page."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from tests.admin.desk import Desk
from tests.make import Person

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
