"""The database: one engine for writing, one pool for reading, statements prepared once.

Writes go through a SQLAlchemy session, one a request, committed before the answer (`Session`). Reads, and the few
writes that must be quick, run as a `Statement`: built by SQLAlchemy once, then sent as text on psycopg's own
connection, where it stays prepared. Reads are autocommit: a ROLLBACK would make psycopg forget its plans.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Annotated, Any

import psycopg
import psycopg_pool
from fastapi import Depends, Request
from psycopg import AsyncRawCursor
from psycopg.types.json import Json
from sqlalchemy import Executable, exc
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.errors import AlreadyExists, AppError, Conflict, InUse, Unavailable, ValidationError

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
SESSION_OPTIONS = (
    "-c timezone=UTC -c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000 "
    "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
)


class Statement:
    """A SQLAlchemy statement as SQL text with `$n` places, and the order in which they are filled.

    `run(connection, name=value …)` gives all rows as tuples. Values fixed in the statement are kept with it.
    """

    def __init__(self, query: Executable) -> None:
        compiled = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self.names: list[str] = list(compiled.positiontup or ())
        self.fixed = {name: plain(value) for name, value in compiled.params.items() if value is not None}

    async def run(self, connection: psycopg.AsyncConnection[Any], **values: Any) -> list[tuple[Any, ...]]:
        cursor = await self.send(connection, **values)
        return await cursor.fetchall() if cursor.pgresult and cursor.pgresult.nfields else []

    async def send(self, connection: psycopg.AsyncConnection[Any], **values: Any) -> AsyncRawCursor[Any]:
        known = {**self.fixed, **values}
        cursor = AsyncRawCursor(connection)
        await cursor.execute(self.sql, [known[name] for name in self.names], prepare=True, binary=True)
        return cursor


def plain(value: Any) -> Any:
    """A value as psycopg takes it: enum members by value, dicts and lists of JSONB columns as JSON."""
    if isinstance(value, Enum):
        return value.value
    return Json(value) if isinstance(value, dict | list) else value


def sqlalchemy_url(database_url: str) -> Any:
    """`postgres://`, `postgresql://` or `postgresql+psycopg://`, as SQLAlchemy wants it."""
    return make_url(database_url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")


class Database:
    """The engine and pool of one process. `open` before use, `close` at the end."""

    def __init__(self, url: str, size: int = 10) -> None:
        self.url = sqlalchemy_url(url)
        libpq = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.engine = create_async_engine(
            self.url, pool_size=size, max_overflow=0, connect_args={"options": SESSION_OPTIONS}
        )
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self.gate = asyncio.Semaphore(size)  # SQLAlchemy's async pool is not first come, first served; this is
        self.pool = psycopg_pool.AsyncConnectionPool(
            libpq,
            min_size=1,
            max_size=size,
            timeout=5,
            open=False,
            check=None,
            kwargs={"autocommit": True, "options": SESSION_OPTIONS, "connect_timeout": 4},
        )

    async def open(self) -> None:
        await self.pool.open()

    async def close(self) -> None:
        await self.pool.close()
        await self.engine.dispose()

    async def read(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a read, outside any transaction. When the connection had died, they are asked for once more."""
        try:
            return await self.run(statement, **values)
        except psycopg.OperationalError as error:
            if not lost(error):
                raise
        await self.pool.check()
        return await self.run(statement, **values)

    async def run(self, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of one statement that is a transaction by itself; never tried again."""
        connection = await self.pool.getconn()
        try:
            return await statement.run(connection, **values)
        finally:
            await self.pool.putconn(connection)

    async def run_together(self, *steps: tuple[Statement, dict[str, Any]]) -> list[tuple[Any, ...]]:
        """Statements that are a transaction by themselves, sent at once: all or none. The rows of the last one."""
        connection = await self.pool.getconn()
        try:
            async with connection.pipeline():
                for statement, values in steps:
                    cursor = await statement.send(connection, **values)
            return await cursor.fetchall()
        finally:
            await self.pool.putconn(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: committed when the block ends, rolled back when it raises."""
        try:
            async with self.gate, self.sessions() as session, session.begin():
                yield session
        except (psycopg.OperationalError, exc.DBAPIError) as error:
            if lost(getattr(error, "orig", error)):
                await self.engine.dispose()  # the other connections of the pool have died with it
            raise


def lost(error: BaseException | None) -> bool:
    """Whether the connection is gone, and not just the statement refused."""
    if isinstance(error, psycopg_pool.PoolTimeout) or not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or isinstance(error, psycopg.errors.AdminShutdown | psycopg.errors.CrashShutdown)


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.database.transaction() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session, scope="function")]
"""The unit of work of a request. Function scope: it commits before the answer leaves."""


async def run(source: "AsyncSession | Database", statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """Rows of a prepared statement: inside the session's transaction, or as a transaction by itself."""
    if isinstance(source, Database):
        return await source.run(statement, **values)
    connection = await (await source.connection()).get_raw_connection()
    return await statement.run(connection.driver_connection, **values)  # type: ignore[arg-type]


def as_app_error(error: BaseException) -> AppError | None:
    """What the caller is told when the database refused; None when it is not the database's word."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, psycopg.errors.IntegrityError):
        return broken_constraint(cause)
    if isinstance(cause, psycopg.DataError | UnicodeError):
        return ValidationError.of("", "out_of_range", "A value does not fit its column.")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | psycopg_pool.PoolTimeout):
        return Unavailable()
    return Unavailable() if isinstance(error, exc.TimeoutError) else None


def broken_constraint(error: psycopg.errors.IntegrityError) -> AppError:
    """Names follow NAMING, so the column can be told from the constraint: uq_services_slug."""
    name, table = error.diag.constraint_name or "", error.diag.table_name or ""
    column = name.split(f"_{table}_", 1)[-1] if table else name
    if isinstance(error, psycopg.errors.UniqueViolation):
        return AlreadyExists(
            f"This {column} is taken.", errors=[{"pointer": f"/{column}", "code": "taken", "message": "Taken."}]
        )
    if isinstance(error, psycopg.errors.ForeignKeyViolation) and "still referenced" in str(error):
        return InUse()
    if isinstance(error, psycopg.errors.RestrictViolation):
        return InUse()
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return ValidationError.of(f"/{column}", "unknown_reference", "There is no such row.")
    if isinstance(error, psycopg.errors.CheckViolation | psycopg.errors.NotNullViolation):
        return ValidationError.of(f"/{error.diag.column_name or column}", "not_allowed", "This value is not allowed.")
    return Conflict()
