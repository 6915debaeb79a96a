"""A passport from its upload to the mail that says it is verified, wherever files lie: what documents are there for.

Skipped, with the reason, where no Chromium is found.
"""

from pathlib import Path
from typing import Any

import obstore
import pytest
from fastapi import FastAPI

from app.settings import Settings
from tests.admin.test_document_review import Review, review
from tests.admin.test_documents import TRAVELS, order_of, passport
from tests.documents.conftest import Agency, agency
from tests.doubles.resend import LocalResend
from tests.doubles.s3 import S3
from tests.make import Person
from tests.payments.conftest import MAIL_KEY, resend
from tests.storage.conftest import held, s3

__all__ = ["agency", "resend", "review", "s3"]


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> str:
    """Where files lie."""
    return str(request.param)


@pytest.fixture
def settings(
    store: str, request: pytest.FixtureRequest, database_url: str, redis_url: str, tmp_path: Path, resend: LocalResend
) -> Settings:
    server: S3 | None = request.getfixturevalue("s3") if store == "s3" else None
    r2: dict[str, Any] = {
        "r2_endpoint": server and server.endpoint,
        "r2_access_key_id": server and server.access_key,
        "r2_secret_access_key": server and server.secret_key,
        "r2_bucket": server and "souk",
    }
    post: dict[str, Any] = {"resend_api_key": MAIL_KEY, "resend_api_base": resend.url}
    return Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, **r2, **post)


async def test_a_passport_is_uploaded_verified_by_keyboard_and_its_owner_told(
    agency: Agency, store: str, alice: Person, review: Review, resend: LocalResend, app: FastAPI, tmp_path: Path
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    document = await agency.document(alice, content=passport(), order_id=order["id"])
    assert (document["status"], document["category"], document["mime_type"]) == ("PENDING", "PASSPORT", "image/jpeg")
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]
    assert (shown["verified"], shown["waiting"], shown["is_complete"]) == (0, ["PASSPORT"], False)

    current, key = app.state.files.current, f"documents/{alice.user.id}/{document['id']}"
    assert (current.name, held(current)) == (store, [key])
    assert [path.name for path in agency.files()] == ([document["id"]] if store == "local" else [])
    stored = bytes(obstore.get(current.store, key).bytes())
    assert (len(stored), stored[:3]) == (document["file_size"], b"\xff\xd8\xff")
    assert (await alice.get(f"/documents/{document['id']}/file")).content == stored

    await review.open(document["id"])
    assert await review.page.eval_on_selector("#picture", "picture => picture.complete && picture.naturalWidth") > 600
    await review.page.screenshot(path=tmp_path / f"{store}-1280.png", full_page=True)
    await review.press("v")
    await review.page.wait_for_url(f"{review.url}/admin/documents/list**")
    assert "There is nothing left to verify." in await review.page.inner_text("[role=status].alert")

    assert (await alice.get(f"/documents/{document['id']}")).json()["data"]["status"] == "VERIFIED"
    shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]
    assert (shown["verified"], shown["waiting"], shown["missing"], shown["is_complete"]) == (1, [], [], True)
    events = (await alice.get(f"/orders/{order['id']}/timeline")).json()["data"]
    told = [(event["text"], event["by"]) for event in events if event["kind"] == "document"]
    assert told == [("Passport received", "You"), ("Passport verified", "Our team")]

    written = "SELECT recipient, order_id::text FROM emails WHERE template = 'document_verified'"
    assert await agency.rows(written) == [("alice@example.com", order["id"])]
    await agency.work()
    [letter] = [each for each in resend.mails if "verified" in each["subject"].lower()]
    assert letter["to"] == ["alice@example.com"]
    assert order["order_number"] in letter["text"]
