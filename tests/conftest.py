"""The stage and the cast: a real PostgreSQL and Valkey, a fresh database a test, and the people who act in it.

`alice` and `bob` are customers, `vera` and `omar` sell, `carl` is a consultant, `sam` is an admin, `nobody` is not
signed in; each is an HTTP client with a `user`.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from valkey import Valkey

IN_MEMORY = Path("/dev/shm")
ROOMY = IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > 4 * 1024**3
HOME = (IN_MEMORY if ROOMY else Path(tempfile.gettempdir())) / f"souk-tests-{os.getuid()}"
"""Where the servers of the tests keep their data: a fresh database takes a tenth of the time in memory."""
os.environ.setdefault("JWT_SECRET", "the secret of the tests, long enough for HS256")
os.environ |= {"ENVIRONMENT": "test", "DATA_DIR": str(HOME), "RATE_LIMITS": "off"}
for name in tuple(os.environ):
    if name in ("ADMIN_EMAIL", "ADMIN_PASSWORD", "FRONTEND_URL", "CURRENCIES", "JWT_EXPIRATION", "CLAMAV_SOCKET") or (
        name.startswith(("R2_", "CLOUDINARY_"))
    ):
        del os.environ[name]

from app import local, migrate  # noqa: E402
from app.kit.access import Role  # noqa: E402
from app.main import create_app  # noqa: E402
from app.settings import Settings  # noqa: E402
from tests import make  # noqa: E402
from tests.make import Person  # noqa: E402

MIGRATIONS = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(migrate.FOLDER.rglob("*.py")))).hexdigest()[
    :12
]
TEMPLATE = f"template_{MIGRATIONS}"


@pytest.fixture(scope="session")
def services() -> local.Services:
    HOME.mkdir(mode=0o700, exist_ok=True)
    return local.start(HOME, durable=False)


def at(database_url: str, name: str) -> str:
    """The same server, another database."""
    head, _, query = database_url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}?{query}"


@pytest.fixture(scope="session")
def template(services: local.Services) -> str:
    """A migrated database to copy; made once for each state of the migrations."""
    assert services.database_url
    with (
        open(HOME / "template.lock", "w") as lock,
        psycopg.connect(services.database_url, autocommit=True) as connection,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
            connection.execute(f'CREATE DATABASE "{TEMPLATE}_new"')
            migrate.upgrade(at(services.database_url, f"{TEMPLATE}_new"))
            connection.execute(f'ALTER DATABASE "{TEMPLATE}_new" RENAME TO "{TEMPLATE}"')
    return TEMPLATE


def drop(connection: psycopg.Connection[Any], name: str) -> None:
    """Tried again while PostgreSQL's own vacuum is in there, which nobody may end."""
    for patience in (0.1, 0.5, 2, None):
        try:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            return
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
            if patience is None:
                raise
        time.sleep(patience)


@pytest.fixture
def database_url(services: local.Services, template: str, worker_id: str) -> Iterator[str]:
    """A fresh migrated database."""
    assert services.database_url
    name = f"test_{worker_id}_{os.getpid()}"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        drop(connection, name)
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield at(services.database_url, name)
        drop(connection, name)


@pytest.fixture
def redis_url(services: local.Services, worker_id: str) -> str:
    """An empty Valkey database."""
    assert services.redis_url
    number = 1 + int(worker_id.removeprefix("gw")) % 15 if worker_id.startswith("gw") else 0
    url = services.redis_url.replace("db=0", f"db={number}")
    with Valkey.from_url(url) as valkey:
        valkey.flushdb()
    return url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def limited_app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The same with rate limits."""
    application = create_app(settings.model_copy(update={"rate_limits": "on"}))
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def database(app: FastAPI) -> Any:
    return app.state.database


@pytest.fixture
async def session(database: Any) -> AsyncIterator[Any]:
    """For arranging rows; commit what the app shall see."""
    async with database.sessions() as opened:
        yield opened


@pytest.fixture
async def nobody(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with make.client(app) as client:
        yield client


client = nobody


async def person(app: FastAPI, **values: Any) -> Person:
    return await make.person(app, **values)


@pytest.fixture
async def alice(app: FastAPI) -> Person:
    return await person(app, full_name="Alice Benali")


@pytest.fixture
async def bob(app: FastAPI) -> Person:
    return await person(app, full_name="Bob Martin")


@pytest.fixture
async def vera(app: FastAPI) -> Person:
    return await person(app, full_name="Vera Souk", role=Role.SELLER)


@pytest.fixture
async def omar(app: FastAPI) -> Person:
    return await person(app, full_name="Omar Bazar", role=Role.SELLER)


@pytest.fixture
async def carl(app: FastAPI) -> Person:
    return await person(app, full_name="Carl Consultant", role=Role.CONSULTANT)


@pytest.fixture
async def sam(app: FastAPI) -> Person:
    return await person(app, full_name="Sam Admin", role=Role.ADMIN)
