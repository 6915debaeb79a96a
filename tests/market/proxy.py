"""A faraway database: whatever goes to PostgreSQL or comes back arrives a while later, in the same order.

It runs in a thread of its own, so that a test that waits for a row does not stop it.
"""

import asyncio
import threading
from asyncio import Queue, StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial

from sqlalchemy.engine import URL, make_url

MOST = 1 << 16


@contextmanager
def far_away(database_url: str, seconds: float = 0.05) -> Iterator[str]:
    """The address of the same database with `seconds` on the way to it, and as many on the way back."""
    ready: Future[tuple[int, Callable[[], object]]] = Future()
    thread = threading.Thread(target=asyncio.run, args=[serve(make_url(database_url), seconds, ready)], daemon=True)
    thread.start()
    port, stop = ready.result(10)
    there = make_url(database_url).set(host="127.0.0.1", port=port).difference_update_query(["host"])
    try:
        yield there.render_as_string(hide_password=False)
    finally:
        stop()
        thread.join(10)


async def serve(database: URL, seconds: float, ready: "Future[tuple[int, Callable[[], object]]]") -> None:
    """Until it is stopped; `ready` gets the port, and what stops it from another thread."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    server = await asyncio.start_server(partial(pass_on, database, seconds), "127.0.0.1", 0)
    ready.set_result((server.sockets[0].getsockname()[1], partial(loop.call_soon_threadsafe, stopped.set)))
    await stopped.wait()
    server.close()


async def pass_on(database: URL, seconds: float, reader: StreamReader, writer: StreamWriter) -> None:
    """One connection, both ways, until either side ends it."""
    with suppress(OSError):
        answers, questions = await connect(database)
        await asyncio.gather(carry(reader, questions, seconds), carry(answers, writer, seconds))


async def connect(database: URL) -> tuple[StreamReader, StreamWriter]:
    folder = str(database.query.get("host", ""))
    if folder.startswith("/"):
        return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{database.port or 5432}")
    return await asyncio.open_connection(database.host or "127.0.0.1", database.port or 5432)


async def carry(source: StreamReader, target: StreamWriter, seconds: float) -> None:
    """One way. A connection that breaks ends like one that is closed: what was sent before still arrives."""
    on_the_way: Queue[tuple[float, bytes]] = Queue()
    delivering = asyncio.create_task(deliver(on_the_way, target))
    packet = b"?"
    while packet:
        try:
            packet = await source.read(MOST)
        except OSError:
            packet = b""
        on_the_way.put_nowait((asyncio.get_running_loop().time() + seconds, packet))
    await delivering


async def deliver(on_the_way: Queue[tuple[float, bytes]], target: StreamWriter) -> None:
    packet = b"?"
    with suppress(OSError):
        while packet:
            due, packet = await on_the_way.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            target.write(packet)
    target.close()
