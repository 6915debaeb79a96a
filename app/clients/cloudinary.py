"""Cloudinary as a store of documents: raw files that only signed requests reach. The public id is the key.

Its library signs; the requests are our own, because the library holds whole files in memory and a thread while it
waits, and keeps its settings in globals.
"""

import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, BinaryIO

from app.clients.storage import CHUNK, CONNECT, SECONDS, FileGone, begun, check, guarded

if TYPE_CHECKING:
    import httpx

KIND, TYPE = "raw", "authenticated"
FETCH = timedelta(minutes=1)
"""How long the link works by which we fetch a file ourselves."""

logging.getLogger("httpx").setLevel(logging.WARNING)
"""At INFO it would log the address of every request, and ours are signed."""


class Cloudinary:
    """The private files of one Cloudinary account. An empty file is refused there, which is StorageDown here."""

    name = "cloudinary"

    def __init__(self, cloud_name: str, api_key: str, api_secret: str, api_base: str, seconds: float = SECONDS) -> None:
        self.cloud_name, self.api_key, self.api_secret = cloud_name, api_key, api_secret
        self.api_base, self.seconds = api_base.rstrip("/"), seconds

    async def put(self, key: str, file: BinaryIO, mime_type: str) -> None:
        check(key)
        async with guarded(self.name, "put", 2 * self.seconds):
            file.seek(0)
            params = self.signed({"public_id": key, "type": TYPE, "overwrite": "1", "invalidate": "1"})
            content = {"file": (key.rpartition("/")[2], file, mime_type)}
            answer = await self.call("POST", f"{KIND}/upload", data=params, files=content)
            if answer.get("public_id") != key:
                raise OSError(f"stored as {answer.get('public_id')!r}")

    async def open(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        return await begun(self.chunks(check(key), start, stop))

    async def chunks(self, key: str, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        headers = {"Accept-Encoding": "identity"}
        if start or stop is not None:
            headers["Range"] = f"bytes={start}-{'' if stop is None else stop - 1}"
        async with AsyncExitStack() as stack:
            async with guarded(self.name, "open", self.seconds):
                client = await stack.enter_async_context(self.client())
                url = self.signed_link(key, FETCH)
                answer = await stack.enter_async_context(client.stream("GET", url, headers=headers))
                if answer.status_code == 404:
                    raise FileGone
                expect_success(answer)
            yield b""
            # Asked for a part, a server may send the whole.
            position = start if answer.status_code == 206 else 0
            chunks = answer.aiter_bytes(CHUNK)
            while stop is None or position < stop:
                async with guarded(self.name, "read", self.seconds):
                    chunk = await anext(chunks, b"")
                if not chunk:
                    return
                if wanted := chunk[max(start - position, 0) : None if stop is None else stop - position]:
                    yield wanted
                position += len(chunk)

    async def delete(self, key: str) -> None:
        check(key)
        async with guarded(self.name, "delete", self.seconds):
            params = self.signed({"public_id": key, "type": TYPE, "invalidate": "1"})
            answer = await self.call("POST", f"{KIND}/destroy", data=params)
            if answer.get("result") not in ("ok", "not found"):
                raise OSError(f"deleting answered {answer.get('result')!r}")

    async def link(self, key: str, lifetime: timedelta) -> str | None:
        check(key)
        async with guarded(self.name, "sign", self.seconds):
            return self.signed_link(key, lifetime)

    # -- requests

    @cached_property
    def tls(self) -> ssl.SSLContext:
        import httpx

        return httpx.create_ssl_context()

    def client(self) -> "httpx.AsyncClient":
        import httpx

        limits = httpx.Timeout(2 * self.seconds, connect=min(CONNECT, self.seconds))
        return httpx.AsyncClient(verify=self.tls, timeout=limits, follow_redirects=True)

    async def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        async with self.client() as client:
            answer = await client.request(method, f"{self.api_base}/v1_1/{self.cloud_name}/{path}", **options)
        expect_success(answer)
        found = answer.json()
        if not isinstance(found, dict):
            raise OSError("answered no JSON object")
        return found

    @property
    def account(self) -> dict[str, Any]:
        """What the library would otherwise take from its globals."""
        return {
            "cloud_name": self.cloud_name,
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "upload_prefix": self.api_base,
            "signature_algorithm": "sha1",
            "signature_version": 2,
        }

    def signed(self, params: dict[str, str]) -> dict[str, str]:
        from cloudinary.utils import sign_request

        signed: dict[str, str] = sign_request({**params, "timestamp": str(int(time.time()))}, self.account)
        return signed

    def signed_link(self, key: str, lifetime: timedelta) -> str:
        from cloudinary.utils import private_download_url

        until = ceil(time.time() + lifetime.total_seconds())
        return str(private_download_url(key, "", resource_type=KIND, type=TYPE, expires_at=until, **self.account))


def expect_success(answer: "httpx.Response") -> None:
    if not answer.is_success:
        raise OSError(f"answered {answer.status_code} {answer.headers.get('x-cld-error', '')}")
