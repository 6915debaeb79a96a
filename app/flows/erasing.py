"""Erasing the files of rows that are gone, which the database has written down (`resources/erasures.py`)."""

from uuid import UUID

from app import jobs
from app.jobs import Tools
from app.resources.erasures import MEDIA, Erasure


@jobs.task
async def erase_file(tools: Tools, id: UUID) -> None:
    """Erase a file whose row is gone. Tried until the store has done it."""
    async with tools.database.transaction() as session:
        erasure = await session.get(Erasure, id)
    if erasure is None:
        return
    await erased(tools, erasure.address)
    async with tools.database.transaction() as session:
        if done := await session.get(Erasure, id):
            await session.delete(done)


async def erased(tools: Tools, address: str) -> None:
    store, _, key = address.partition(":")
    await (tools.media.delete(key) if store == MEDIA else tools.files.delete(address))
