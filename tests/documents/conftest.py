"""An agency that takes documents, with a folder of its own to keep them in."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from sqlalchemy import text

from app import jobs
from app.clients.storage import PrivateFiles, bucket
from app.flows.reconciling import reconcile
from app.jobs import Tools
from app.settings import Settings
from tests import make
from tests.make import Person


def drawn(kind: str = "JPEG", size: tuple[int, int] = (320, 200), **options: Any) -> bytes:
    """A small picture."""
    file = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)


@dataclass
class Agency:
    """The running application and what a test does with it."""

    app: FastAPI
    tools: Tools

    async def order(self, customer: Person, *required: str, **values: Any) -> dict[str, Any]:
        """An order just placed, of a service that needs these documents."""
        service = await make.service(self.app, required_documents=list(required))
        return await make.order(customer, service.id, **values)

    async def send(
        self,
        person: httpx.AsyncClient,
        content: bytes | None = None,
        name: str = "passport.jpg",
        mime_type: str = "image/jpeg",
        key: str | None = None,
        **fields: str,
    ) -> httpx.Response:
        """Upload a file, a passport unless it is said otherwise."""
        return await person.post(
            "/documents/upload",
            files={"file": (name, drawn() if content is None else content, mime_type)},
            data={"category": "PASSPORT", **fields},
            headers={"Idempotency-Key": key} if key else {},
        )

    async def document(self, person: httpx.AsyncClient, **options: Any) -> dict[str, Any]:
        """A document that was taken, as the API shows it."""
        answer = await self.send(person, **options)
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def decide(self, person: httpx.AsyncClient, document: dict[str, Any], **verdict: Any) -> httpx.Response:
        return await person.patch(f"/admin/documents/{document['id']}/verify", json=verdict)

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.tools.database.transaction() as session:
            result = await session.execute(text(sql), values)
            return list(result.all()) if result.returns_rows else []

    async def work(self, later: bool = False) -> None:
        """Run every job that is due, and those they cause; those that wait for later too, when asked to."""
        if later:
            await self.rows("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
        due = "SELECT FROM procrastinate_jobs WHERE status = 'todo' AND coalesce(scheduled_at, now()) <= now()"
        for _ in range(100):
            if not await self.rows(due):
                return
            await jobs.work(self.tools, forever=False)
        raise AssertionError("there are jobs that no worker takes")

    async def sweep(self) -> None:
        """One round of the reconciler, and all the work that follows, whenever it is due."""
        await reconcile(self.tools)
        await self.work(later=True)

    def files(self) -> list[Path]:
        """Every file in the private folder."""
        folder = self.tools.settings.data_dir / "storage" / "private"
        return sorted(path for path in folder.rglob("*") if path.is_file())

    async def mails(self, template: str) -> list[dict[str, Any]]:
        """The contexts of these mails, oldest first."""
        return [
            row[0] for row in await self.rows("SELECT context FROM emails WHERE template = :t ORDER BY id", t=template)
        ]

    def with_files(self, files: Any) -> "Agency":
        """The same with another store for both the web's side and the jobs'."""
        self.app.state.files = files
        return replace(self, tools=replace(self.tools, files=files))


@pytest.fixture
async def agency(app: FastAPI, settings: Settings) -> AsyncIterator[Agency]:
    tools = jobs.tools_of(settings, app.state.database)
    yield Agency(app, tools)
    await tools.stripe.close()


def unreachable(name: str = "s3") -> PrivateFiles:
    """Files in a store where nobody answers."""
    return PrivateFiles(bucket(name, "http://127.0.0.1:1", "b", "private", "key", "secret", seconds=1))
