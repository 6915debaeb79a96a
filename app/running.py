"""The parts of a running shop: web server, worker and, in development, the local Stripe; how they start and stop."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator

import uvicorn

import app.flows  # noqa: F401  (declares the tasks)
from app import jobs
from app.db import Database
from app.doubles.stripe import LocalStripe
from app.settings import LOCAL_STRIPE_KEY, LOCAL_STRIPE_SECRET, STRIPE, Settings, get_settings


class Stop(Exception):
    """What the user is told in one sentence before a non-zero exit."""


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on, taken before anything else: a port in use is found out at once."""
    try:
        return bound(settings.host, settings.port)
    except OSError as error:
        raise Stop(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. Set PORT to another one."
        ) from None


def bound(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def run(settings: Settings, listener: socket.socket | None, *, worker: bool) -> None:
    """Serve on the listener, work off the queue, or both, until a signal asks to stop; then finish what is begun."""
    signal.signal(signal.SIGTERM, leave)
    config = web_config()
    server = uvicorn.Server(config) if listener else None

    async def main() -> None:
        async with working(settings) if worker else contextlib.nullcontext():
            await (server.serve([listener]) if server and listener else asked_to_stop())

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(main())


async def asked_to_stop() -> None:
    """Until SIGTERM or Ctrl-C. Nothing is raised where it arrives: a task that runs would swallow it or be torn."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()


def leave(number: int, frame: object) -> None:
    """On SIGTERM: leave as Ctrl-C does, through every `finally`."""
    raise SystemExit(0)


def web_config() -> uvicorn.Config:
    return uvicorn.Config(
        "app.main:create_app",
        factory=True,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
        limit_concurrency=2000,
    )


@contextlib.asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker beside what happens in the block; at its end it finishes the tasks it has begun."""
    assert settings.database_url
    database = Database(settings.database_url, settings.database_pool)
    await database.open()
    tools = jobs.tools_of(settings, database)
    worker = asyncio.create_task(jobs.work_for_ever(tools))
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.wait([worker])
        await tools.stripe.close()
        await database.close()


def with_local_stripe(settings: Settings) -> tuple[Settings, LocalStripe | None]:
    """The settings, and a local Stripe where there is no key: on the next port, or any that is free."""
    if settings.production or settings.stripe_secret_key or settings.stripe_api_base != STRIPE:
        return settings, None
    try:
        listener = bound("127.0.0.1", settings.port + 1)
    except (OSError, OverflowError):
        listener = bound("127.0.0.1", 0)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
    webhook = f"http://{host}:{settings.port}/api/v1/payments/webhook"
    stripe = LocalStripe(LOCAL_STRIPE_KEY, LOCAL_STRIPE_SECRET, webhook, keep=settings.data_dir / "stripe.json")
    os.environ |= {
        "STRIPE_SECRET_KEY": LOCAL_STRIPE_KEY,
        "STRIPE_WEBHOOK_SECRET": LOCAL_STRIPE_SECRET,
        "STRIPE_API_BASE": f"http://127.0.0.1:{listener.getsockname()[1]}",
    }
    get_settings.cache_clear()
    server = uvicorn.Server(uvicorn.Config(stripe.app, log_level="error", access_log=False, ws="none"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    return get_settings(), stripe
