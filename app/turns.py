"""Taking turns, where many at once would cost too much: who waits too long is told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.errors import AppError


@asynccontextmanager
async def turn(gate: asyncio.Semaphore | asyncio.Lock, patience: float, otherwise: AppError) -> AsyncIterator[None]:
    """Hold the gate while the block lasts. Raises `otherwise` when it is not free within so many seconds."""
    try:
        async with asyncio.timeout(patience):
            await gate.acquire()
    except TimeoutError:
        raise otherwise from None
    try:
        yield
    finally:
        gate.release()
