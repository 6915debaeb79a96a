"""A load generator: keep-alive HTTP/1.1 connections that send the next request when an answer is complete.

It parses only the status and Content-Length, so that on its own core it is never what is measured.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from math import inf
from typing import cast
from urllib.parse import urlsplit


class WrongAnswer(Exception):
    """The server answered what the benchmark does not expect."""


def start(main: Callable[[], None]) -> None:
    """Run it, and end with a sentence where something is wrong."""
    try:
        main()
    except WrongAnswer as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    """One request as bytes; every connection sends it again and again."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "accept: application/json"]
    lines += [f"authorization: Bearer {token}"] if token else []
    lines += ["content-type: application/json", f"content-length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Run:
    """One burst of load: what is sent, what is expected, and the seconds each answer took."""

    requests: Iterator[bytes]
    status: bytes
    deadline: float
    took: list[float] = field(default_factory=list)
    wrong: bytes = b""


class Connection(asyncio.Protocol):
    """Sends a request, waits for the whole answer, sends the next until the deadline."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = bytearray()
        self.needed = 0
        self.sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        following = next(self.run.requests, None)
        if following is None:
            return self.transport.close()
        self.sent_at = time.perf_counter()
        self.transport.write(following)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.needed:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.needed = end + 4 + content_length(bytes(self.buffer[:end]).lower())
        if len(self.buffer) >= self.needed:
            self.complete()

    def complete(self) -> None:
        moment = time.perf_counter()
        self.run.took.append(moment - self.sent_at)
        if self.buffer[9:12] != self.run.status:
            self.run.wrong = bytes(self.buffer[:2000])
        self.buffer.clear()
        self.needed = 0
        if moment < self.run.deadline and not self.run.wrong:
            return self.send()
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def content_length(head: bytes) -> int:
    _, _, rest = head.partition(b"\r\ncontent-length:")
    if not rest:
        raise WrongAnswer(f"an answer without Content-Length: {head!r}")
    return int(rest.partition(b"\r\n")[0])


@dataclass(frozen=True)
class Result:
    """Answers a second, and the seconds that each answer took."""

    rps: float
    took: list[float]


async def burst(url: str, requests: Sequence[bytes], status: int, seconds: float, connections: int) -> Result:
    """Load for so many seconds. Raises WrongAnswer on another status, or when connections hang or break early."""
    run = Run(cycle(requests), str(status).encode(), time.perf_counter() + seconds)
    result = await loaded(url, run, connections, seconds + 20)
    if len(result.took) / result.rps < seconds * 0.9:
        raise WrongAnswer(f"{url} answered by closing the connection")
    return result


async def each_once(url: str, requests: Sequence[bytes], status: int, connections: int) -> Result:
    """Load of each request once. Raises WrongAnswer as `burst` does."""
    result = await loaded(url, Run(iter(requests), str(status).encode(), inf), connections, 300)
    if len(result.took) != len(requests):
        raise WrongAnswer(f"{url} answered {len(result.took)} of {len(requests)} requests")
    return result


async def loaded(url: str, run: Run, connections: int, longest: float) -> Result:
    """What the connections measured until the last is done."""
    loop, address, started = asyncio.get_running_loop(), urlsplit(url), time.perf_counter()
    connect = partial(loop.create_connection, lambda: Connection(run), address.hostname, address.port)
    opened = [await connect() for _ in range(connections)]
    try:
        async with asyncio.timeout(longest):
            await asyncio.gather(*(protocol.done for _, protocol in opened))
    except TimeoutError:
        raise WrongAnswer(f"{url} did not answer within {longest:g} seconds") from None
    finally:
        for transport, _ in opened:
            transport.abort()
    took = time.perf_counter() - started
    if run.wrong:
        raise WrongAnswer(f"{url} answered {run.wrong.decode(errors='replace')}")
    return Result(len(run.took) / took, run.took)
