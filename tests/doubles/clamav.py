"""clamd on a Unix socket: INSTREAM only, and the only virus it knows is EICAR's test file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class LocalClamAv:
    """`scanned` are the sizes of the streams it read to their end. `fault` is one of "", "hang", "close", "error",
    "garbage" and "endless"; streams over `limit` bytes are refused as clamd does."""

    def __init__(self, limit: int = 25_000_000) -> None:
        self.fault, self.limit = "", limit
        self.scanned: list[int] = []

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[str]:
        server = await asyncio.start_unix_server(self.answer, path)
        try:
            yield str(path)
        finally:
            server.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.fault == "hang":
                await reader.read()
            elif self.fault != "close":
                writer.write(await self.verdict(reader))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def verdict(self, reader: asyncio.StreamReader) -> bytes:
        if await reader.readuntil(b"\0") != b"zINSTREAM\0":
            return b"UNKNOWN COMMAND\0"
        stream = b""
        while size := int.from_bytes(await reader.readexactly(4)):
            stream += await reader.readexactly(size)
            if len(stream) > self.limit:
                return b"INSTREAM size limit exceeded. ERROR\0"
        self.scanned.append(len(stream))
        odd = {"error": b"stream: Can't allocate memory ERROR\0", "garbage": b"hello\0", "endless": b"x" * 200_000}
        found = b"stream: Eicar-Test-Signature FOUND\0" if EICAR in stream else b"stream: OK\0"
        return odd.get(self.fault, found)
