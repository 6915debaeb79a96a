"""The documents of the demo: about two hundred, a queue for a day's work, and files that are what their rows say."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random

import psycopg
import pytest
from PIL import Image

from app import mrz, seed
from app.clients.storage import StorageDown, private_files
from app.db import Database
from app.flows.document_files import THUMBNAIL
from app.letters import letter
from app.resources.documents import EXPIRES_TOO_SOON, Document, DocumentStatus
from app.resources.emails import Email
from app.resources.orders import Order
from app.resources.services import DocumentCategory
from app.seed.people import CUSTOMERS
from app.seed.specimens import Paper, names_of, passport_of
from app.settings import Settings
from tests.test_drawings import printed

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
MISSING = """
    SELECT count(*) FROM orders, jsonb_array_elements_text(required_documents) AS wanted
    WHERE orders.status IN ('IN_PROGRESS', 'COMPLETED') AND NOT EXISTS (
        SELECT FROM documents WHERE order_id = orders.id AND category = wanted AND documents.status = 'VERIFIED'
    )
"""


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path)


@pytest.fixture(scope="module")
def agency() -> seed.Agency:
    """The demo before anything is drawn."""
    agency = seed.Agency(Random(20261122), NOW, "")
    agency.open()
    return agency


@pytest.fixture(scope="module")
def orders(agency: seed.Agency) -> dict:
    return {row.id: row for rows in agency.batches for row in rows if isinstance(row, Order)}


async def sow(settings: Settings) -> None:
    database = Database(settings.database_url or "")
    try:
        await seed.seed(database, settings)
    finally:
        await database.close()


def documents(agency: seed.Agency) -> list[Document]:
    return [paper.document for paper in agency.papers]


def good_passports(agency: seed.Agency) -> list[Paper]:
    return [
        paper for paper in agency.papers if paper.document.expires_on and paper.document.order_id and not paper.flaw
    ]


def test_there_is_a_working_days_queue(agency):
    found = Counter(document.status for document in documents(agency))
    assert 180 <= sum(found.values()) <= 220
    assert 60 <= found[DocumentStatus.PENDING] <= 120
    assert found[DocumentStatus.REJECTED] >= 10
    assert {document.category for document in documents(agency)} == set(DocumentCategory)
    waiting = [NOW - each.created_at for each in documents(agency) if each.status is DocumentStatus.PENDING]
    assert timedelta(days=2) < max(waiting) < timedelta(days=5)
    assert 5 <= [document.order_id for document in documents(agency)].count(None) <= 15


def test_what_was_decided_was_decided_by_staff_after_it_came(agency, orders):
    for document in documents(agency):
        since = orders[document.order_id].created_at if document.order_id else document.created_at
        assert since <= document.created_at < (document.decided_at or NOW) <= NOW
        assert (document.decided_by is None) == (document.status is DocumentStatus.PENDING)
        assert (document.rejection_reason is None) == (document.status is not DocumentStatus.REJECTED)
        passport = document.category is DocumentCategory.PASSPORT and document.status is DocumentStatus.VERIFIED
        assert (document.expires_on is None) != passport


def test_a_passport_that_was_verified_is_the_customers(agency, orders):
    for paper in good_passports(agency):
        order = orders[paper.document.order_id].values()
        if order["service_details"]:
            assert paper.passport.number == order["service_details"]["passport_number"]
        assert (paper.passport.given_names, paper.passport.surname) == names_of(order["customer_info"]["full_name"])


def test_everybody_has_a_name_in_latin_letters_and_a_country():
    for name, country, _ in CUSTOMERS:
        passport = passport_of(name, country, NOW.date())
        assert f"{passport.given_names}{passport.surname}".encode("latin-1")
        assert (bool(passport.given_names), len(passport.issuer)) == (True, 3)


def test_the_zone_of_a_passport_says_number_and_name(agency):
    for paper in good_passports(agency)[:3]:
        lines = printed(paper.draw())
        assert tuple(lines) == mrz.compose(paper.passport)
        assert mrz.read("\n".join(lines)).expires == paper.document.expires_on


def test_some_were_rejected_for_what_can_be_seen_and_sent_again(agency):
    rejected = {paper.flaw for paper in agency.papers if paper.document.status is DocumentStatus.REJECTED}
    assert rejected == {"blurred", "cut_off", "wrong", "stranger", "expired"}
    tries = Counter((each.order_id, each.category) for each in documents(agency) if each.order_id)
    assert max(tries.values()) == 2


def test_every_mail_about_a_document_can_be_written_and_says_what_its_order_says(agency, orders):
    mails = [row for rows in agency.batches for row in rows if isinstance(row, Email) and "document_" in row.template]
    assert {mail.template for mail in mails} == {"document_verified", "document_rejected"}
    for mail in mails:
        assert letter(mail.template, mail.context).subject
    verified = [mail.context for mail in mails if mail.template == "document_verified"]
    passports = [context for context in verified if context["category"] == "PASSPORT"]
    assert {context["shortfall"] for context in passports} == {None, "expiring"}
    for context in passports:
        assert context["documents"]["passport_expires_too_soon"] is (context["shortfall"] is not None)
    assert None in {context["documents"]["passport_expires_too_soon"] for context in verified}


async def test_every_file_is_in_the_store_and_nothing_is_left_to_draw(settings):
    await sow(settings)
    files = private_files(settings)
    with psycopg.connect(settings.database_url) as connection:
        rows = connection.execute("SELECT storage_key, thumbnail_key, mime_type, file_size, pages FROM documents")
        for address, small, mime_type, size, pages in rows.fetchall():
            content, picture = [b"".join([part async for part in await files.open(key)]) for key in (address, small)]
            assert len(content) == size
            assert content.startswith({"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff"}[mime_type])
            assert content.count(b"/Type /Page\n") == (pages if mime_type == "application/pdf" else 0)
            assert Image.open(BytesIO(picture)).width == THUMBNAIL
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM documents WHERE NOT is_ready").fetchone() == (0,)
        assert connection.execute(MISSING).fetchone() == (0,)
        assert connection.execute(f"SELECT count(*) FROM documents WHERE {EXPIRES_TOO_SOON}").fetchone()[0] >= 3
        assert connection.execute("SELECT count(*) FROM emails WHERE template LIKE 'document_%'").fetchone()[0] >= 10


async def test_where_files_cannot_be_stored_there_is_no_demo(settings, tmp_path):
    (tmp_path / "storage").touch()
    with pytest.raises(StorageDown):
        await sow(settings)
    with psycopg.connect(settings.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)
