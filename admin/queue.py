"""The documents that wait for a verdict, oldest first: where one stands among them, and which comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.kit.access import Actor
from app.kit.reading import visible
from app.resources.documents import Document, DocumentStatus, desk_documents


@dataclass(frozen=True)
class Place:
    """Where a document stands among those that wait; `number` is None when it does not wait any more."""

    number: int | None
    total: int
    before: UUID | None
    after: UUID | None


def waiting(reader: Actor) -> ColumnElement[bool]:
    pending = Document.c.status == DocumentStatus.PENDING
    return and_(pending, visible(desk_documents, reader, desk_documents.read))


async def place_of(session: AsyncSession, reader: Actor, values: Mapping[str, Any]) -> Place:
    order = tuple_(Document.c.created_at, Document.c.id)
    here = (datetime.fromisoformat(values["created_at"]), UUID(values["id"]))
    counts = select(func.count(), func.count().filter(order < here)).where(waiting(reader))
    total, earlier = (await session.execute(counts)).one()
    ids = select(Document.c.id).where(waiting(reader)).limit(1)
    before = await session.scalar(ids.where(order < here).order_by(Document.c.created_at.desc(), Document.c.id.desc()))
    after = await session.scalar(ids.where(order > here).order_by(Document.c.created_at, Document.c.id))
    return Place(earlier + 1 if values["status"] == DocumentStatus.PENDING else None, total, before, after)


async def oldest(session: AsyncSession, reader: Actor) -> UUID | None:
    ids = select(Document.c.id).where(waiting(reader)).order_by(Document.c.created_at, Document.c.id)
    found: UUID | None = await session.scalar(ids.limit(1))
    return found
