"""ClamAV: is there a virus in this file? Asked of clamd by its INSTREAM command.

A file that could not be scanned counts as not clean: ScannerDown.
"""

import asyncio
import logging
import re
from typing import BinaryIO

from app.errors import Unavailable

log = logging.getLogger("souk.clamav")
SECONDS = 20.0
CHUNK = 64 * 1024


class ScannerDown(Unavailable):
    """Files cannot be checked for viruses right now, try again in a moment."""


class ClamAv:
    """A clamd at the path of its Unix socket or at `host:port`. It must take files as large as ours are."""

    def __init__(self, socket: str, seconds: float = SECONDS) -> None:
        self.socket, self.seconds = socket, seconds

    async def scan(self, file: BinaryIO) -> str | None:
        """The name of what was found in the whole file, None when it is clean."""
        try:
            async with asyncio.timeout(self.seconds):
                answer = await self.ask(file)
        except (OSError, EOFError, ValueError, OverflowError, asyncio.LimitOverrunError) as error:
            log.error("clamd does not scan: %s %s", type(error).__name__, error)
            raise ScannerDown from None
        if answer == "stream: OK":
            return None
        if found := re.fullmatch(r"stream: (.+) FOUND", answer):
            return found[1]
        log.error("clamd answered %.200r", answer)
        raise ScannerDown

    async def ask(self, file: BinaryIO) -> str:
        """Send every chunk with its length before it, an empty one to end, and read what clamd says."""
        reader, writer = await self.connected()
        try:
            writer.write(b"zINSTREAM\0")
            file.seek(0)
            while chunk := file.read(CHUNK):
                writer.write(len(chunk).to_bytes(4) + chunk)
                await writer.drain()
            writer.write(bytes(4))
            return (await reader.readuntil(b"\0"))[:-1].decode(errors="replace")
        finally:
            writer.close()

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.socket.rpartition(":")
        if self.socket.startswith("/"):
            return await asyncio.open_unix_connection(self.socket)
        return await asyncio.open_connection(host.strip("[]"), int(port))
