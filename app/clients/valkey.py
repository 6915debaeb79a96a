"""Valkey: counters that all processes share, for limits. When it is away, each process counts for itself."""

import asyncio
import contextlib
import time
from collections import defaultdict

from valkey.asyncio import Valkey
from valkey.exceptions import ValkeyError

AWAY = (ValkeyError, OSError, asyncio.TimeoutError)
SYNC_SECONDS = 0.5


class Counters:
    """Counts of things in fixed windows of time.

    `hit` counts in Valkey at once: for what is rare and must be exact. `tick` counts in this process and settles with
    Valkey twice a second: for every request. Both fall back to this process alone when Valkey is away.
    """

    def __init__(self, url: str) -> None:
        self.valkey = Valkey.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self.local: dict[str, int] = defaultdict(int)
        self.unsent: dict[str, tuple[int, int]] = {}
        self.retry_at = 0.0
        self.syncing: asyncio.Task[None] | None = None
        self.closed = False

    def open(self) -> None:
        self.syncing = asyncio.create_task(self.sync_forever())

    async def close(self) -> None:
        self.closed = True
        if self.syncing:
            self.syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.syncing
        await self.valkey.aclose()

    async def ping(self) -> bool:
        try:
            return bool(await self.valkey.ping())
        except AWAY:
            return False

    async def hit(self, name: str, window: int) -> int:
        """Count one; how many it are in this window now."""
        key = current(name, window)
        self.local[key] += 1
        if time.monotonic() >= self.retry_at:
            try:
                async with self.valkey.pipeline(transaction=False) as pipe:
                    counts = await pipe.incr(key).expire(key, window).execute()
                self.local[key] = max(self.local[key], int(counts[0]))
            except AWAY:
                self.retry_at = time.monotonic() + 1
        return self.local[key]

    async def seen(self, name: str, window: int) -> int:
        """How many there are in this window, without counting one."""
        key = current(name, window)
        if time.monotonic() >= self.retry_at:
            try:
                self.local[key] = max(self.local[key], int(await self.valkey.get(key) or 0))
            except AWAY:
                self.retry_at = time.monotonic() + 1
        return self.local[key]

    async def take_back(self, name: str, window: int) -> None:
        """Undo one `hit`."""
        key = current(name, window)
        self.local[key] -= 1
        with contextlib.suppress(*AWAY):
            async with self.valkey.pipeline(transaction=False) as pipe:
                await pipe.decr(key).expire(key, window).execute()

    def tick(self, name: str, window: int) -> int:
        """Count one in this process; how many there are, as far as it knows."""
        key = current(name, window)
        self.local[key] += 1
        count, _ = self.unsent.get(key, (0, window))
        self.unsent[key] = (count + 1, window)
        return self.local[key]

    async def sync_forever(self) -> None:
        while not self.closed:  # a time-out in the same moment may swallow the asking to end
            await asyncio.sleep(SYNC_SECONDS)
            with contextlib.suppress(*AWAY):
                await self.sync()
            if len(self.local) > 50_000:
                self.local.clear()

    async def sync(self) -> None:
        """Add what this process counted to the shared counts, and learn the sums."""
        batch, self.unsent = self.unsent, {}
        if not batch:
            return
        async with self.valkey.pipeline(transaction=False) as pipe:
            for key, (count, window) in batch.items():
                pipe.incrby(key, count).expire(key, window)
            sums = (await pipe.execute())[::2]
        for key, total in zip(batch, sums, strict=True):
            self.local[key] = max(self.local[key], int(total))


def current(name: str, window: int) -> str:
    return f"souk:count:{name}:{window}:{int(time.time() // window)}"


def seconds_left(window: int) -> int:
    """Until the present window ends."""
    return window - int(time.time() % window)
