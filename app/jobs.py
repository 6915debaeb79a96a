"""Work that happens after the answer: tasks, and the worker that runs them from a queue in PostgreSQL (Procrastinate).

Nobody enqueues by hand. A trigger of the database does, in the transaction of the row that needs work
(`migrations/`): a mail that is QUEUED, an event that was RECEIVED, a refund that is PENDING, an order that was
CANCELLED, a document that came, a file whose document went. So the work exists if and only if its row does. A task
gets `Tools` and the row's id, may run twice, and raises to be run again later; `Later` when it knows how much later.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from warnings import catch_warnings

from app.clients.mail import Resend
from app.clients.storage import PrivateFiles, PublicMedia, private_files, public_media
from app.clients.stripe import Stripe
from app.db import SESSION_OPTIONS, Database
from app.settings import Settings, reveal

log = logging.getLogger("souk.jobs")
DELAYS = (5, 15, 60, 120, 300, 600, 1200, 2400, 3600, 7200, 14_400, 28_800)
"""Seconds to the next try: sixteen hours in all, less than Resend and Stripe remember an idempotency key."""
TRIES = len(DELAYS) + 1
AT_ONCE = 8
LONGEST = 600
"""Seconds that no task takes."""


@dataclass(frozen=True)
class Tools:
    """What a task works with."""

    settings: Settings
    database: Database
    stripe: Stripe
    post: Resend | None
    files: PrivateFiles
    media: PublicMedia


class Later(Exception):
    """Run this task again in so many seconds, however often it ran: when to give up is for its row to say."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


Task = Callable[..., Awaitable[None]]
TASKS: dict[str, Task] = {}
"""By name, which is also what the triggers say."""
TRIED_ONCE: set[str] = set()
EVERY: dict[str, Callable[[Settings], int]] = {}
"""Tasks that are run by the clock, with their seconds."""


def task(function: Task) -> Task:
    """Make `async def name(tools, id)` a task."""
    TASKS[getattr(function, "__name__")] = function  # noqa: B009
    return function


def tried_once(function: Task) -> Task:
    """The same, for work that is not tried again by itself: the reconciler finds the rows that still wait for it."""
    TRIED_ONCE.add(getattr(function, "__name__"))  # noqa: B009
    return task(function)


def every(seconds: Callable[[Settings], int]) -> Callable[[Task], Task]:
    """Run `async def name(tools)` by the clock: once in each span of seconds, however many workers there are."""

    def keep(function: Task) -> Task:
        EVERY[getattr(function, "__name__")] = seconds  # noqa: B009
        return task(function)

    return keep


def tools_of(settings: Settings, database: Database) -> Tools:
    """The clients that these settings ask for."""
    key = reveal(settings.resend_api_key)
    return Tools(
        settings,
        database,
        Stripe(reveal(settings.stripe_secret_key), settings.stripe_api_base),
        Resend(key, settings.resend_api_base, settings.from_email) if key else None,
        private_files(settings),
        public_media(settings),
    )


@asynccontextmanager
async def queue(tools: Tools) -> AsyncIterator[Any]:
    """Procrastinate's application with our tasks, open. Imported here: the web process has no need of it."""
    import procrastinate
    from procrastinate.retry import BaseRetryStrategy, RetryDecision

    class Patience(BaseRetryStrategy):
        def get_retry_decision(self, *, exception: BaseException, job: Any) -> RetryDecision | None:
            if isinstance(exception, Later):
                return RetryDecision(retry_in={"milliseconds": round(exception.seconds * 1000)})
            if job.attempts >= len(DELAYS):
                return None
            return RetryDecision(retry_in={"seconds": DELAYS[job.attempts]})

    def with_tools(function: Task) -> Task:
        async def run(id: str | None = None, timestamp: int | None = None) -> None:
            await (function(tools, UUID(id)) if id else function(tools))

        return run

    url = tools.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connector = procrastinate.PsycopgConnector(
        conninfo=url, min_size=1, max_size=4, kwargs={"options": SESSION_OPTIONS, "connect_timeout": 4}
    )
    app = procrastinate.App(connector=connector)
    for name, function in TASKS.items():
        app.task(name=name, retry=name not in (*EVERY, *TRIED_ONCE) and Patience())(with_tools(function))
    async with app.open_async():
        yield app


async def work(tools: Tools, *, forever: bool = True) -> None:
    """Run tasks as they come, until cancelled; with `forever=False` those that are due now."""
    async with queue(tools) as app:
        clock = asyncio.create_task(keep_time(app, tools.settings)) if forever else None
        try:
            await app.run_worker_async(
                wait=forever,
                concurrency=AT_ONCE,
                listen_notify=forever,
                install_signal_handlers=False,
                delete_jobs="always",
                fetch_job_polling_interval=2,
                shutdown_graceful_timeout=15,
                update_heartbeat_interval=5,
                stalled_worker_timeout=20,
            )
        finally:
            if clock:
                clock.cancel()
                with suppress(asyncio.CancelledError):
                    await clock


def goes_on() -> bool:
    """Whether the running task was not asked to end. A library below us may have swallowed the asking."""
    task = asyncio.current_task()
    return task is not None and not task.cancelling()


async def work_for_ever(tools: Tools) -> None:
    """A worker that comes back when the database was away."""
    while goes_on():
        try:
            return await work(tools)
        except Exception:
            log.exception("the worker stopped; it starts again in two seconds")
            await asyncio.sleep(2)


async def keep_time(app: Any, settings: Settings) -> None:
    """Enqueue what runs by the clock, and again what a dead worker left behind."""
    while goes_on():
        try:
            for name, seconds in EVERY.items():
                await once_in_span(app, name, seconds(settings))
            for job in await left_behind(app):
                await do_again(app, job)
        except Exception as error:
            log.warning("the clock missed a beat: %r", error)
        await asyncio.sleep(min(5, *(seconds(settings) for seconds in EVERY.values())))


async def left_behind(app: Any) -> list[Any]:
    """Jobs of dead workers, and those that take so long that their end can only have been lost."""
    of_the_dead = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=20)
    with catch_warnings(action="ignore"):  # heartbeats, which are recommended instead, do not tell
        too_long = await app.job_manager.get_stalled_jobs(nb_seconds=LONGEST)
    return list({job.id: job for job in (*of_the_dead, *too_long)}.values())


async def do_again(app: Any, job: Any) -> None:
    """Enqueue a dead worker's job again. One that the clock enqueues just goes: another may be waiting already, and
    only one of them may."""
    from procrastinate.jobs import Status

    if job.task_name in EVERY:
        await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)
    else:
        await app.job_manager.retry_job(job)


async def once_in_span(app: Any, name: str, seconds: int) -> None:
    """One job for each span of time; another worker that asks for the same span is refused, which is fine."""
    from procrastinate.exceptions import AlreadyEnqueued

    span = int(time.time()) // seconds * seconds
    job = app.tasks[name].configure(lock=name, queueing_lock=name, task_kwargs={"timestamp": span}).job
    with suppress(AlreadyEnqueued):
        await app.job_manager.defer_periodic_job(job=job, periodic_id=name, defer_timestamp=span)
