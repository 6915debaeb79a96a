"""Where files live: a folder of this machine, an S3 bucket such as Cloudflare's R2, or Cloudinary.

Documents are `PrivateFiles`, pictures for everybody are `PublicMedia`: two types, two folders, two bucket prefixes.
Whatever goes wrong outside is `StorageDown` or `FileGone`, within the deadline.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from app.errors import AppError, NotFound, Unavailable
from app.settings import Settings, reveal
from app.turns import turn

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import BackoffConfig, ObjectStore, S3Credential

log = logging.getLogger("souk.storage")
SECONDS = 15.0
"""For a call, and for every chunk of a download; storing a file may take twice as long."""
CONNECT = 4.0
CHUNK = 256 * 1024
PART = 5 * 1024 * 1024
"""Bytes read at a time: of a file here or a download, and of an upload to a bucket, which takes no smaller parts."""
AT_ONCE = 2
"""Files that one process stores at a time: the others wait, instead of adding up their memory."""
PATIENCE = 30.0
"""Seconds that they wait for a turn."""
KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}){0,9}", re.ASCII)


class StorageDown(Unavailable):
    """Files cannot be stored or fetched right now, try again in a moment."""


class FileGone(NotFound):
    """This file is not there any more."""


class BadKey(ValueError):
    """A key or an address that none of ours looks like: a mistake in the program."""


class Store(Protocol):
    """What every store can do. All of it raises StorageDown, and BadKey for what is no key."""

    @property
    def name(self) -> str: ...

    async def put(self, key: str, file: BinaryIO, mime_type: str) -> None:
        """Store the whole file, in place of what the key held before. Never half of it."""

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `stop`, in chunks; the range begins within the file and is not empty.

        Raises FileGone or StorageDown before the first chunk; later only StorageDown.
        """

    async def delete(self, key: str) -> None:
        """Delete it; fine when it is not there."""

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        """A download link that anybody may use for so long; None where the store has none."""


def check(key: str) -> str:
    """The key itself. Raises BadKey unless it is parts of safe ASCII characters with slashes between."""
    if not KEY.fullmatch(key):
        raise BadKey(f"{key[:50]!r} is no key of a file")
    return key


async def begun(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The chunks after the first, which is empty and comes once the file is open; raises what opening it raised."""
    await anext(chunks)
    return chunks


@asynccontextmanager
async def guarded(store: str, doing: str, seconds: float) -> AsyncIterator[None]:
    """Turn what a library raises within into FileGone or StorageDown, and end it after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except AppError:
        raise
    except Exception as error:
        missing = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)
        if missing and doing in ("open", "delete"):
            raise FileGone from None
        told = re.sub(r"\?\S+", "?…", " ".join(str(error).split()))  # there may be a signature in a query
        log.error("%s cannot %s: %s %s", store, doing, type(error).__name__, told[:300])
        raise StorageDown from None


@dataclass
class Objects:
    """A store by obstore, which is loaded and opened by its first call (5 MB)."""

    name: str
    make: Callable[[], "ObjectStore"]
    signs: bool
    """Whether it keeps content types and signs links."""
    seconds: float = SECONDS
    root: Path | None = None
    """The folder, if it is one."""

    @cached_property
    def store(self) -> "ObjectStore":
        return self.make()

    async def put(self, key: str, file: BinaryIO, mime_type: str) -> None:
        check(key)
        async with guarded(self.name, "put", 2 * self.seconds):
            import obstore

            file.seek(0)
            attributes, size = ({"Content-Type": mime_type}, PART) if self.signs else (None, CHUNK)
            await obstore.put_async(self.store, key, file, attributes=attributes, chunk_size=size, max_concurrency=1)

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        return await begun(self.chunks(check(key), start, stop))

    async def chunks(self, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        async with guarded(self.name, "open", self.seconds):
            import obstore

            options: GetOptions = {"range": {"offset": start} if stop is None else (start, stop)}
            found = await obstore.get_async(self.store, key, options=options if start or stop is not None else None)
            stream = aiter(found.stream(CHUNK))
        yield b""
        while True:
            async with guarded(self.name, "read", self.seconds):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        check(key)
        with suppress(FileGone):
            async with guarded(self.name, "delete", self.seconds):
                import obstore

                await obstore.delete_async(self.store, key)
        if self.root:
            async with guarded(self.name, "delete", self.seconds):
                await asyncio.to_thread(clear_beside, self.root / key)

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        check(key)
        if not self.signs:
            return None
        async with guarded(self.name, "sign", self.seconds):
            import obstore

            return await obstore.sign_async(self.store, "GET", key, lifetime)  # type: ignore[call-overload,no-any-return]


def clear_beside(path: Path) -> None:
    """Take away what a process that died while it stored left beside the file, as `name#1`."""
    for left in path.parent.glob(f"{path.name}#*"):
        left.unlink(missing_ok=True)


def folder(path: Path, mode: int = 0o700, name: str = "local", seconds: float = SECONDS) -> Objects:
    """Files below a local folder, which is made with this mode. No content types and no links."""

    def make() -> "ObjectStore":
        from obstore.store import LocalStore

        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        return LocalStore(path.resolve())

    return Objects(name, make, signs=False, seconds=seconds, root=path)


def bucket(
    name: str, endpoint: str, bucket: str, prefix: str, access_key: str, secret_key: str, seconds: float = SECONDS
) -> Objects:
    """Files below a prefix of an S3 bucket, addressed by path."""

    def make() -> "ObjectStore":
        from obstore.store import S3Store

        keys: S3Credential = {"access_key_id": access_key, "secret_access_key": secret_key, "expires_at": None}
        pause: BackoffConfig = {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=1)}
        return S3Store(
            bucket,
            prefix=prefix,
            # All said here, or AWS_… in the environment would count, a session token or a role too.
            credential_provider=lambda: keys,
            config={
                "endpoint": endpoint,
                "aws_endpoint_url_s3": endpoint,
                "region": "auto",
                "virtual_hosted_style_request": False,
                "skip_signature": False,
                "disable_bulk_delete": True,
            },
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=min(CONNECT, seconds)),
                # This one counts a slow reader's time too; ours ends every wait for the store.
                "timeout": timedelta(hours=6),
                "read_timeout": timedelta(seconds=2 * seconds),
            },
            retry_config={"max_retries": 2, "backoff": pause, "retry_timeout": timedelta(seconds=seconds)},
        )

    return Objects(name, make, signs=True, seconds=seconds)


class PrivateFiles:
    """Documents. New ones go to the current store; those of the others are still found.

    An address is `store:key`, as `s3:documents/…`, to be kept in the row of the document.
    """

    def __init__(self, current: Store, *others: Store) -> None:
        self.current = current
        self.stores = {each.name: each for each in (*others, current)}
        self.gate, self.patience = asyncio.Semaphore(AT_ONCE), PATIENCE

    def address(self, key: str) -> str:
        """Where a new file of this key goes: to be written down before it is stored."""
        return f"{self.current.name}:{check(key)}"

    async def put(self, address: str, file: BinaryIO, mime_type: str) -> None:
        store, key = self.at(address)
        async with turn(self.gate, self.patience, StorageDown()):
            await store.put(key, file, mime_type)

    async def open(self, address: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        store, key = self.at(address)
        return await store.open(key, start, stop)

    async def delete(self, address: str) -> None:
        store, key = self.at(address)
        await store.delete(key)

    async def link(self, address: str, lifetime: timedelta) -> str | None:
        store, key = self.at(address)
        return await store.link(key, lifetime)

    def at(self, address: str) -> tuple[Store, str]:
        """Store and key. Raises StorageDown when the settings do not name the store any more."""
        name, colon, key = address.partition(":")
        if not colon:
            raise BadKey(f"{address[:50]!r} is no address of a private file")
        if name not in self.stores:
            log.error("%s is not set up any more, and files are still there", name[:20])
            raise StorageDown
        return self.stores[name], check(key)


class PublicMedia:
    """Files for everybody, such as pictures of products. A private file's address is none of its keys."""

    def __init__(self, store: Store, base_url: str) -> None:
        self.store, self.base_url = store, base_url
        self.gate, self.patience = asyncio.Semaphore(AT_ONCE), PATIENCE

    async def put(self, key: str, file: BinaryIO, mime_type: str) -> None:
        async with turn(self.gate, self.patience, StorageDown()):
            await self.store.put(key, file, mime_type)

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        return await self.store.open(key, start, stop)

    async def delete(self, key: str) -> None:
        await self.store.delete(key)

    def url(self, key: str) -> str:
        """Where browsers fetch it."""
        return f"{self.base_url}/{check(key)}"


def private_files(settings: Settings, seconds: float = SECONDS) -> PrivateFiles:
    """Documents as the settings say: in Cloudinary, else in a bucket, else in a local folder."""
    path = settings.data_dir / "storage" / "private"
    local = folder(path, seconds=seconds)
    stores = [*clouds(settings, seconds), *buckets(settings, seconds)]
    if not stores or path.is_dir():
        stores.append(local)
    return PrivateFiles(*stores)


def public_media(settings: Settings, seconds: float = SECONDS) -> PublicMedia:
    """Pictures as the settings say: in the bucket, else in a local folder."""
    if settings.r2_bucket:
        return PublicMedia(r2(settings, "s3", settings.r2_bucket, "public", seconds), settings.media_url)
    return PublicMedia(folder(settings.data_dir / "storage" / "public", 0o755, seconds=seconds), settings.media_url)


def clouds(settings: Settings, seconds: float) -> list[Store]:
    if not settings.cloudinary_cloud_name:
        return []
    from app.clients.cloudinary import Cloudinary

    key, secret = settings.cloudinary_api_key or "", reveal(settings.cloudinary_api_secret)
    return [Cloudinary(settings.cloudinary_cloud_name, key, secret, settings.cloudinary_api_base, seconds)]


def buckets(settings: Settings, seconds: float) -> list[Store]:
    """The bucket of documents first, then the shared one, where they may have been before."""
    names = {"s3-private": settings.r2_private_bucket, "s3": settings.r2_bucket}
    return [r2(settings, name, bucket, "private", seconds) for name, bucket in names.items() if bucket]


def r2(settings: Settings, name: str, of: str, prefix: str, seconds: float) -> Objects:
    access_key, secret_key = reveal(settings.r2_access_key_id), reveal(settings.r2_secret_access_key)
    return bucket(name, settings.r2_url, of, prefix, access_key, secret_key, seconds)
