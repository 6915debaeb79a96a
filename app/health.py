"""Is it alive, and can it work: `/health` for the process, `/health/ready` for everything it stands on."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy import text

from app import migrate
from app.clients.valkey import Counters
from app.db import Database, Statement

router = APIRouter()
VERSION = Statement(text("SELECT version_num FROM alembic_version"))
LATE = Statement(
    text(
        "SELECT EXISTS (SELECT FROM procrastinate_jobs AS job "
        "JOIN procrastinate_events AS event ON event.job_id = job.id "
        "WHERE job.status = 'todo' AND event.type = 'deferred' "
        "AND greatest(event.at, job.scheduled_at) < now() - interval '5 minutes')"
    )
)
"""Whether work has been waiting for more than five minutes: no worker runs, or not enough of them."""
SECONDS = 4


@router.get("/health", include_in_schema=False)
async def health() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/health/ready", include_in_schema=False)
async def ready(request: Request) -> JSONResponse:
    """200, or 503 within five seconds, with each part named."""
    database: Database = request.app.state.database
    valkey: Counters = request.app.state.valkey
    version, late, cache = await asyncio.gather(
        in_time(database.read(VERSION)), in_time(database.read(LATE)), in_time(valkey.ping())
    )
    parts = {
        "database": bool(version),
        "migrations": bool(version) and version[0][0] == migrate.newest(),
        "valkey": bool(cache),
        "queue": late == [(False,)],
    }
    shown = {name: "ok" if good else "unavailable" for name, good in parts.items()}
    good = all(parts.values())
    return JSONResponse({"status": "ok" if good else "unavailable", "parts": shown}, 200 if good else 503)


async def in_time(question: Awaitable[Any]) -> Any:
    """The answer, or None when there is none in time."""
    try:
        return await asyncio.wait_for(question, SECONDS)
    except Exception:  # whatever the reason: the part is not ready
        return None
