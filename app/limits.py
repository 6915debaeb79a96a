"""Limits of what may be tried: passwords, registrations, mails. They count in Valkey, for all processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request

from app import auth
from app.clients.valkey import Counters, seconds_left
from app.errors import InvalidCredentials, NotFound, RateLimited, ValidationError
from app.kit.audit import REQUEST

FIVE_MINUTES, HOUR = 300, 3600
WRONG_BY_ACCOUNT, WRONG_BY_ADDRESS, REGISTRATIONS, MAILS, WRONG_TOKENS = 10, 50, 50, 5, 10


async def throttle(request: Request, name: str, most: int, window: int) -> None:
    """Count one; RateLimited when there were too many in this window."""
    counters: Counters | None = request.app.state.counters
    if counters and await counters.hit(name, window) > most:
        raise RateLimited(headers={"Retry-After": str(seconds_left(window))})


@asynccontextmanager
async def looking_up(counters: Counters | None, ip: str) -> AsyncIterator[None]:
    """Around a request with the token of a guest's order: what was not found is counted, too much of it must wait.

    Only then, so that many guests behind one address do not count for each other; a few parallel guesses more do no
    harm to tokens of 256 bits.
    """
    name = f"guest:{ip}"
    if counters and await counters.seen(name, FIVE_MINUTES) >= WRONG_TOKENS:
        raise RateLimited("Too many wrong look-ups.", headers={"Retry-After": str(seconds_left(FIVE_MINUTES))})
    try:
        yield
    except NotFound:
        if counters:
            await counters.hit(name, FIVE_MINUTES)
        raise


@asynccontextmanager
async def guessing(request: Request, email: str) -> AsyncIterator[None]:
    """Around the check of a password: wrong ones are counted, too many make even the right one wait.

    Each is counted before the check and taken back unless it was wrong: parallel guesses cannot overtake the count.
    """
    ip, counters = REQUEST.get().ip, request.app.state.counters
    limits = {f"login:{email.lower()}:{ip}": WRONG_BY_ACCOUNT, f"login:{ip}": WRONG_BY_ADDRESS}
    counted, wrong = [], False
    async with auth.hashing:
        try:
            for name, most in limits.items() if counters else ():
                counted.append(name)
                if await counters.hit(name, FIVE_MINUTES) > most:
                    wait = {"Retry-After": str(seconds_left(FIVE_MINUTES))}
                    raise RateLimited("Too many wrong passwords.", headers=wait)
            yield
        except (InvalidCredentials, ValidationError):
            wrong = True
            raise
        finally:
            for name in () if wrong else counted:
                await counters.take_back(name, FIVE_MINUTES)
