"""Documents at the desk: the page on which staff decide about one, its files, the queue, what orders say of them."""

import io
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fpdf import FPDF
from sqlalchemy import select, update

from admin.kinds import words
from app import mrz
from app.kit.audit import AuditEntry
from app.kit.table import new_id
from app.resources.documents import REASONS, Document
from app.resources.emails import Email
from app.resources.orders import Order
from app.seed import drawings
from tests import make
from tests.admin.conftest import Enter
from tests.admin.desk import EVIL, Desk
from tests.documents.conftest import unreachable
from tests.make import Person
from tests.storage.conftest import full_disk

PASSPORT = mrz.Passport(
    number="X3453767",
    surname="Benali",
    given_names="Alice",
    nationality="DZA",
    issuer="DZA",
    born=datetime(1988, 5, 12).date(),
    sex="F",
    expires=datetime(2041, 3, 14).date(),
)
BLURRED = next(iter(REASONS))
TRAVELS = {"travel_date": "2040-11-13", "passport_number": "X3453767", "nationality": "Algerian"}


@cache
def passport() -> bytes:
    return drawings.passport(PASSPORT, "Algeria", Random(7))


@cache
def pages(count: int) -> bytes:
    pdf = FPDF()
    for number in range(count):
        pdf.add_page()
        pdf.set_font("helvetica", size=40)
        pdf.cell(text=f"Page {number + 1}")
    return bytes(pdf.output())


async def order_of(app: FastAPI, customer: Person, *needs: str, **details: str) -> dict[str, Any]:
    service = await make.service(app, required_documents=list(needs))
    return await make.order(customer, service.id, **({"service_details": details} if details else {}))


async def document(
    app: FastAPI, owner: Person, order: dict[str, Any] | None = None, content: bytes = b"", **values: Any
) -> UUID:
    """A document that waits, with its bytes in the store."""
    id, content = new_id(), content or passport()
    address = app.state.files.address(f"documents/{owner.user.id}/{id}")
    await app.state.files.put(address, io.BytesIO(content), "image/jpeg")
    row = {
        "id": id,
        "user_id": owner.user.id,
        "order_id": UUID(order["id"]) if order else None,
        "category": "PASSPORT",
        "original_name": "passport.jpg",
        "file_size": len(content),
        "mime_type": "image/jpeg",
        "storage_key": address,
        "is_ready": True,
    }
    async with app.state.database.transaction() as session:
        session.add(Document(**row | values))
    return id


async def row_of(app: FastAPI, id: UUID) -> Document:
    async with app.state.database.transaction() as session:
        found: Document = await session.get_one(Document, id)
    return found


async def openings(app: FastAPI, id: UUID) -> list[UUID | None]:
    """Who opened it, in order."""
    wanted = select(AuditEntry.c.actor_id).where(AuditEntry.c.row_id == id, AuditEntry.c.action == "opened")
    async with app.state.database.transaction() as session:
        return list(await session.scalars(wanted.order_by(AuditEntry.c.at)))


def at(id: UUID) -> str:
    return f"/documents/details/{id}"


def sent_to(id: UUID) -> str:
    return f"/documents/verdict/{id}"


VERIFY = {"status": "VERIFIED"}
REJECT = {"status": "REJECTED", "reason": BLURRED}


# -- the page


async def test_the_page_shows_picture_facts_and_verdict(carls: Desk, alice: Person, app: FastAPI) -> None:
    order = await order_of(app, alice, "PASSPORT", "PHOTO", **TRAVELS)
    id = await document(app, alice, order)
    other = await document(app, alice, order, category="BANK_STATEMENT", original_name="bank.jpg")
    page = (await carls.get(at(id))).text
    for text in ("1 / 2", "<h1>Passport", ">Pending<", f"/admin/documents/picture/{id}", f"/admin/documents/file/{id}"):
        assert text in page
    for text in ("Alice Benali", "DZ", "+213 550 12 34 56", order["order_number"], "Canada Visitor Visa"):
        assert text in page
    for text in ("2040-11-13", "X3453767", "Algerian", "Received", "second", "passport.jpg", "kB", "JPEG"):
        assert text in page
    for reason in REASONS:
        assert f'value="{reason}"' in page
    assert 'data-must-last="2041-05-13"' in page
    assert f'href="/admin/documents/details/{other}"' in page
    assert "Bank statement" in page
    plain = " ".join(page.split())
    assert "Not handed in yet: Photo." in plain
    assert "To be verified: Passport." in plain
    assert '<bdi>bank.jpg</bdi> · <time datetime="' in page
    assert "Download</a>" in page
    assert "Download original" not in page
    assert "PASSPORT" not in page.replace('value="PASSPORT"', "")


async def test_a_document_without_an_order_is_checked_against_the_account(
    carls: Desk, alice: Person, app: FastAPI
) -> None:
    page = (await carls.get(at(await document(app, alice, category="PHOTO")))).text
    assert "Check against the account" in page
    assert "alice@example.com" in page
    assert "Same order" not in page
    assert 'name="expires_on"' not in page, "a photo does not expire"


async def test_the_arrows_lead_through_the_queue_and_pass_over_the_decided(
    carls: Desk, alice: Person, app: FastAPI
) -> None:
    first, decided, last = [await document(app, alice) for _ in range(3)]
    await carls.post(sent_to(decided), data=VERIFY)
    page = (await carls.get(at(first))).text
    assert "1 / 2" in page
    assert f'id="after" href="/admin/documents/details/{last}"' in page
    assert 'id="before"' not in page
    page = (await carls.get(at(decided))).text
    assert "· 2</div>" in page, "it is no longer one of them"
    assert f'id="before" href="/admin/documents/details/{first}"' in page
    assert f'id="after" href="/admin/documents/details/{last}"' in page
    assert (await carls.get("/documents/next")).headers["location"] == f"/admin{at(first)}"


async def test_what_is_still_being_uploaded_is_not_there(carls: Desk, alice: Person, app: FastAPI) -> None:
    hidden, shown = await document(app, alice, is_ready=False), await document(app, alice)
    assert (await carls.get(at(hidden))).status_code == 404
    assert (await carls.get(f"/documents/picture/{hidden}")).status_code == 404
    assert (await carls.post(sent_to(hidden), data=VERIFY)).status_code == 404
    assert "1 / 1" in (await carls.get(at(shown))).text


async def test_a_document_of_several_pages_is_turned_by_links(carls: Desk, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice, content=pages(3), mime_type="application/pdf", pages=3, original_name="bank.pdf")
    page = (await carls.get(f"{at(id)}?page=2")).text
    assert f"/admin/documents/picture/{id}?page=2" in page
    assert 'href="?page=1"' in page
    assert 'href="?page=3"' in page
    for strange, status in (("4", 404), ("0", 400), ("-1", 400), ("x", 400), ("9" * 30, 400), ("²", 400)):
        assert (await carls.get(at(id), params={"page": strange})).status_code == status, strange
        assert (await carls.get(f"/documents/picture/{id}", params={"page": strange})).status_code == status, strange


# -- the verdict


async def test_a_verified_document_leads_to_the_next_one(
    carls: Desk, carl: Person, alice: Person, app: FastAPI
) -> None:
    earlier, id, later = [await document(app, alice) for _ in range(3)]
    answer = await carls.post(sent_to(id), data=VERIFY | {"expires_on": "2041-03-14"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin{at(later)}")
    page = (await carls.get(at(later))).text
    assert "Verified: Passport of Alice Benali. This is the next one." in page
    assert f'href="/admin{at(id)}">Look again</a>' in page
    assert "Look again" not in (await carls.get(at(later))).text, "it is said once"
    answer = await carls.post(sent_to(later), data=VERIFY)
    assert answer.headers["location"] == f"/admin{at(earlier)}", "after the last comes the first"
    answer = await carls.post(sent_to(earlier), data=VERIFY)
    page = await carls.get(answer.headers["location"].removeprefix("/admin"))
    assert "There is nothing left to verify." in page.text
    row = await row_of(app, id)
    assert (row.status, row.decided_by, str(row.expires_on)) == ("VERIFIED", carl.user.id, "2041-03-14")
    page = (await carls.get(at(id))).text
    for text in (">Verified<", "Decided by", "Carl Consultant", "2041-03-14"):
        assert text in page
    assert "/documents/verdict/" not in page


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"reason": BLURRED}, BLURRED),
        ({"reason": BLURRED, "more": " Page two,\r\nplease "}, f"{BLURRED}. Page two,\nplease"),
        ({"more": "This is a cat"}, "This is a cat"),
    ],
)
async def test_a_rejection_says_why(
    carls: Desk, alice: Person, app: FastAPI, given: dict[str, str], reason: str
) -> None:
    id = await document(app, alice, await order_of(app, alice, "PASSPORT"))
    answer = await carls.post(sent_to(id), data={"status": "REJECTED", **given})
    assert answer.status_code == 303
    assert "Rejected, and the customer is told." in (await carls.get("/documents/list")).text
    row = await row_of(app, id)
    assert (row.status, row.rejection_reason) == ("REJECTED", reason)
    async with app.state.database.transaction() as session:
        mails = list(await session.scalars(select(Email).where(Email.c.template == "document_rejected")))
    assert [mail.context["reason"] for mail in mails] == [reason]
    assert BLURRED in (await carls.get(at(id))).text or "more" in given


async def test_the_lines_of_the_passport_give_its_end(carls: Desk, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice)
    answer = await carls.post(sent_to(id), data=VERIFY | {"mrz": "\r\n".join(mrz.compose(PASSPORT)).lower()})
    assert answer.status_code == 303
    assert (await row_of(app, id)).expires_on == PASSPORT.expires


WRONG_LINES = "\n".join(mrz.compose(PASSPORT)).replace("X3453767", "X3453768")


@pytest.mark.parametrize(
    ("given", "message", "kept"),
    [
        (VERIFY | {"mrz": WRONG_LINES}, 'id="wrong-mrz">The check digit of the passport number is wrong', "X3453768"),
        (VERIFY | {"mrz": "<b>" + "x" * 300}, "at most 200 characters", "&lt;b&gt;xxx"),
        (VERIFY | {"expires_on": "2041-02-30"}, "date", 'value="2041-02-30"'),
        ({"status": "REJECTED"}, 'id="wrong-rejection_reason">Choose a reason, or write one.', ">Pending<"),
        (REJECT | {"reason": "Because <i>"}, "Choose one of the reasons.", ">Pending<"),
        (REJECT | {"more": "<b>" + "y" * 1000}, "At most 1000 characters, these are 1038.", "&lt;b&gt;yyy"),
        ({"status": "PENDING"}, "From PENDING it can go to", ">Pending<"),
        ({"status": "EATEN"}, "VERIFIED", ">Pending<"),
        ({}, "", ">Pending<"),
        (VERIFY | {"expires_on": "\0"}, "", ">Pending<"),
        (REJECT | {"more": "\0"}, "", ">Pending<"),
        (VERIFY | {"mrz": "\0\ud800".encode("utf-8", "surrogatepass")}, "", ""),
    ],
)
async def test_what_cannot_be_done_is_said_and_what_was_typed_stays(
    carls: Desk, alice: Person, app: FastAPI, given: dict[str, Any], message: str, kept: str
) -> None:
    id = await document(app, alice)
    answer = await carls.post(sent_to(id), data=given)
    assert answer.status_code in (400, 409, 422), answer.text
    assert message in answer.text
    assert kept in answer.text
    for field, text in (("expires_on", "Expires on"), ("mrz", "Machine-readable lines"), ("more", "Reason")):
        id_of = "rejection_reason" if field == "more" else field
        is_named = f'<a class="alert-link" href="#{field}">{text}</a>' in answer.text
        assert is_named == (f'id="wrong-{id_of}"' in answer.text.partition('class="review"')[2])
    assert 'role="alert"' in answer.text.partition('class="review"')[0]
    if given.get("reason") == BLURRED:
        assert f'value="{BLURRED}" checked' in answer.text
    assert (await row_of(app, id)).status == "PENDING"


async def test_who_comes_second_reads_what_was_decided_and_loses_no_word(
    carls: Desk, sams: Desk, alice: Person, app: FastAPI
) -> None:
    id = await document(app, alice)
    assert (await carls.post(sent_to(id), data=VERIFY)).status_code == 303
    answer = await sams.post(sent_to(id), data=REJECT | {"more": "My <long> words"})
    assert answer.status_code == 409
    for text in ("Somebody has decided about this document already:", "Carl Consultant", ">Verified<", BLURRED):
        assert text in answer.text
    assert "My &lt;long&gt; words" in answer.text
    assert (await row_of(app, id)).status == "VERIFIED"


async def test_only_staff_decide_and_only_from_pages_of_ours(
    carls: Desk, visitor: Desk, vera: Person, alice: Person, app: FastAPI
) -> None:
    id = await document(app, alice)
    paths = (at(id), f"/documents/picture/{id}", f"/documents/file/{id}", f"/documents/thumbnail/{id}")
    assert (await visitor.sign_in(alice.user.email)).status_code == 403
    for path in paths:
        answer = await visitor.get(path)
        assert (answer.status_code, "/admin/login" in answer.headers["location"]) == (303, True), path
    assert (await visitor.post(sent_to(id), data=VERIFY)).status_code == 303
    assert (await visitor.sign_in(vera.user.email)).status_code == 303
    assert [(await visitor.get(path)).status_code for path in paths] == [404] * 4
    assert (await visitor.post(sent_to(id), data=VERIFY)).status_code == 404
    assert (await carls.post(sent_to(id), data=VERIFY, headers=EVIL)).status_code == 403
    assert (await carls.post(f"/documents/step/{id}", data=VERIFY)).status_code == 404
    assert (await row_of(app, id)).status == "PENDING"
    assert await openings(app, id) == []


SHORT = "valid for less than six months after the journey."


@pytest.mark.parametrize(
    ("expires_on", "travels", "said"),
    [
        ("2041-05-12", TRAVELS, SHORT),
        ("2020-05-12", TRAVELS, "has expired."),
        ("2020-05-12", {}, "has expired."),
        ("2041-05-13", TRAVELS, ""),
        ("2041-05-12", {}, ""),
        ("", TRAVELS, ""),
    ],
)
async def test_a_passport_that_ends_too_soon_is_told_of(
    carls: Desk, alice: Person, app: FastAPI, expires_on: str, travels: dict[str, str], said: str
) -> None:
    order = await order_of(app, alice, "PASSPORT", **travels)
    id, following = await document(app, alice, order), await document(app, alice, category="PHOTO")
    for each, path in ((id, at(following)), (following, "/documents/list")):
        given = VERIFY | ({"expires_on": expires_on} if each == id else {})
        answer = await carls.post(sent_to(each), data=given)
        page = (await carls.get(answer.headers["location"].removeprefix("/admin"))).text
        assert path in answer.headers["location"]
        is_said = each == id and bool(said)
        assert (f"Verified: Passport of Alice Benali. This passport {'is ' * (said == SHORT)}{said}" in page) == is_said
    page, of_order = (await carls.get(at(id))).text, (await carls.get(f"/orders/details/{order['id']}")).text
    for each in (SHORT, "has expired."):
        assert (f"This passport {'is ' * (each == SHORT)}{each}" in page) == (each == said)
        assert (f"The passport {'is ' * (each == SHORT)}{each}" in of_order) == (each == said)


async def test_of_two_passports_the_order_tells_of_the_one_that_lasts_longer(
    carls: Desk, alice: Person, app: FastAPI
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    for expires_on, said in (("2020-05-12", "has expired."), ("2041-05-12", "is " + SHORT), ("2051-05-12", None)):
        id = await document(app, alice, order)
        await carls.post(sent_to(id), data=VERIFY | {"expires_on": expires_on})
        page = (await carls.get(f"/orders/details/{order['id']}")).text
        assert [each for each in ("has expired.", "is " + SHORT) if f"The passport {each}" in page] == [said] * bool(
            said
        )


async def test_a_short_passport_that_was_the_last_is_told_of_too(carls: Desk, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice)
    answer = await carls.post(sent_to(id), data=VERIFY | {"expires_on": "2020-05-12"})
    page = (await carls.get(answer.headers["location"].removeprefix("/admin"))).text
    assert "Verified, though that passport has expired. There is nothing left to verify." in page


async def test_the_address_of_a_verdict_leads_back_to_the_page(
    carls: Desk, visitor: Desk, alice: Person, app: FastAPI
) -> None:
    id = await document(app, alice)
    answer = await carls.get(sent_to(id))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin{at(id)}")
    assert (await row_of(app, id)).status == "PENDING"
    for strange in ("x", "a%3Fb", "%5C%5Cevil.example"):
        goal = (await carls.get(f"/documents/verdict/{strange}")).headers["location"]
        assert goal.startswith("/admin/documents/details/")
        assert (await carls.get(goal.removeprefix("/admin"))).status_code == 404
    assert "/admin/login" in (await visitor.get(sent_to(id))).headers["location"]


async def test_the_notice_names_only_documents_that_staff_may_see(carls: Desk, alice: Person, app: FastAPI) -> None:
    hidden, id = await document(app, alice, is_ready=False), await document(app, alice)
    for strange in (hidden, "x", new_id(), "%00"):
        carls.cookies.set("souk_notice", f"verified.next_document.{strange}", path="/admin")
        page = await carls.get(at(id))
        assert (page.status_code, "Verified. This is the next one." in page.text) == (200, True), strange
        assert "Look again" not in page.text


@pytest.mark.parametrize("key", ["x", "00000000-0000-0000-0000-000000000000", "%00", "1'"])
async def test_an_address_of_nothing_is_a_clean_page(carls: Desk, key: str) -> None:
    for page in ("details", "picture", "file", "thumbnail"):
        answer = await carls.get(f"/documents/{page}/{key}")
        assert (answer.status_code, "<h1" in answer.text) == (404, True), page
    assert (await carls.post(f"/documents/verdict/{key}", data=VERIFY)).status_code == 404
    assert (await carls.get(f"/orders/picture/{key}")).status_code == 404


# -- the files


async def test_looking_at_a_document_is_written_down_once(
    carls: Desk, carl: Person, alice: Person, app: FastAPI
) -> None:
    id = await document(app, alice)
    await carls.get(at(id))
    assert await openings(app, id) == []
    answer = await carls.get(f"/documents/picture/{id}")
    assert (answer.status_code, answer.headers["content-type"], answer.content[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert await openings(app, id) == [carl.user.id]


async def test_each_page_of_a_pdf_comes_as_a_picture(carls: Desk, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice, content=pages(2), mime_type="application/pdf", pages=2)
    drawn = [await carls.get(f"/documents/picture/{id}?page={page}") for page in (1, 2)]
    assert [answer.headers["content-type"] for answer in drawn] == ["image/jpeg"] * 2
    assert drawn[0].content != drawn[1].content


async def test_the_file_is_saved_and_never_shown(carls: Desk, carl: Person, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice, original_name="جواز.jpg")
    answer = await carls.get(f"/documents/file/{id}")
    assert answer.content == passport()
    assert answer.headers["content-disposition"].startswith('attachment; filename="____.jpg"')
    assert answer.headers["cache-control"] == "private, no-store"
    assert "sandbox" in answer.headers["content-security-policy"]
    part = await carls.get(f"/documents/file/{id}", headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, passport()[2:6])
    assert (await carls.get(f"/documents/file/{id}", headers={"Range": "bytes=99999999-"})).status_code == 416
    assert await openings(app, id) == [carl.user.id] * 3


async def test_a_thumbnail_is_shown_where_there_is_one_and_not_written_down(
    carls: Desk, alice: Person, app: FastAPI
) -> None:
    bare = await document(app, alice)
    small = app.state.files.address(f"documents/{alice.user.id}/{bare}-thumbnail")
    await app.state.files.put(small, io.BytesIO(b"small"), "image/jpeg")
    id = await document(app, alice, thumbnail_key=small)
    none = await document(app, alice, thumbnail_key="")
    answer = await carls.get(f"/documents/thumbnail/{id}")
    assert (answer.content, answer.headers["content-type"]) == (b"small", "image/jpeg")
    assert "private" in answer.headers["cache-control"]
    for each in (bare, none):
        assert (await carls.get(f"/documents/thumbnail/{each}")).status_code == 404
    assert await openings(app, id) == []
    page = (await carls.get("/documents/list")).text
    assert f'src="/admin/documents/thumbnail/{id}" alt="Passport" loading="lazy"' in page
    assert f"thumbnail/{bare}" not in page
    assert page.count('aria-label="Passport"') == 2


async def test_without_the_store_the_page_is_there_and_its_file_comes_later(
    carls: Desk, alice: Person, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await document(app, alice, thumbnail_key="local:documents/x/y")
    monkeypatch.setitem(app.state.files.stores, "local", unreachable("local").current)
    page = await carls.get(at(id))
    assert page.status_code == 200
    assert "The file cannot be fetched right now." in page.text
    for part in ("picture", "file", "thumbnail"):
        answer = await carls.get(f"/documents/{part}/{id}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), part
    assert (await carls.post(sent_to(id), data=VERIFY)).status_code == 303


async def test_a_full_disk_is_for_later(carls: Desk, alice: Person, app: FastAPI) -> None:
    id = await document(app, alice, content=passport() + bytes(2 * 2**20))
    with full_disk():
        answer = await carls.get(f"/documents/picture/{id}")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


async def test_a_file_that_is_gone_or_broken_is_no_error_of_ours(carls: Desk, alice: Person, app: FastAPI) -> None:
    gone = await document(app, alice, storage_key="local:documents/not/there")
    assert (await carls.get(f"/documents/picture/{gone}")).status_code == 404
    assert (await carls.get(f"/documents/file/{gone}")).status_code == 404
    broken = await document(app, alice, content=b"\xff\xd8 no picture")
    assert (await carls.get(f"/documents/picture/{broken}")).status_code == 415


# -- lists, home and orders


async def test_the_menu_and_the_first_page_lead_to_the_queue(sams: Desk, alice: Person, app: FastAPI) -> None:
    order = await order_of(app, alice, "PASSPORT")
    newer = await document(app, alice, order)
    older = await document(app, alice, order, created_at=datetime.now(UTC) - timedelta(days=1))
    home = (await sams.get("/")).text
    assert "Documents to verify" in home
    assert 'class="nav-count">2<' in home
    assert 'href="/admin/documents/next"' in home
    link = "/documents/list?status=PENDING&sortBy=created_at&sort=asc"
    assert f"/admin{link}".replace("&", "&amp;") in home
    page = (await sams.get(link)).text
    assert page.index(str(older)) < page.index(str(newer))
    for text in ("Preview", "Category", "Customer", "Order", "File name", "Received", order["order_number"]):
        assert text in page
    assert 'class="title" href="/admin/documents/details/' in page
    assert (
        page.count(f'<a href="/admin/documents/details/{older}" tabindex="-1" aria-hidden="true"><span class="th') == 1
    )
    assert ">Passport</a>" in page


async def test_an_order_says_which_documents_it_lacks(carls: Desk, alice: Person, app: FastAPI) -> None:
    order = await order_of(app, alice, "PASSPORT", "PHOTO", "BANK_STATEMENT", **TRAVELS)
    await make.order(alice, (await make.service(app)).id)
    id = await document(app, alice, order)
    await carls.post(sent_to(id), data=VERIFY | {"expires_on": "2041-01-01"})
    page = (await carls.get(f"/orders/details/{order['id']}")).text
    assert "Not handed in yet:</strong> Photo, Bank statement." in page
    assert "To be verified:" not in page
    assert "The passport is valid for less than six months after the journey." in page
    assert f'class="title" href="/admin/documents/details/{id}">Passport</a>' in page
    page = (await carls.get("/orders/list")).text
    assert page.count('tone-waiting">1 of 3 verified') == 1
    assert "0 of 0" not in page
    for category in ("PHOTO", "BANK_STATEMENT"):
        each = await document(app, alice, order, category=category)
        assert (
            f"To be verified:</strong> {words(category)}." in (await carls.get(f"/orders/details/{order['id']}")).text
        )
        await carls.post(sent_to(each), data=VERIFY)
    assert "Not handed in yet" not in (await carls.get(f"/orders/details/{order['id']}")).text
    assert 'tone-good">3 of 3 verified' in (await carls.get("/orders/list")).text
    async with app.state.database.transaction() as session:
        await session.execute(update(Order).where(Order.c.id == UUID(order["id"])).values(status="COMPLETED"))
    assert "The passport is" not in (await carls.get(f"/orders/details/{order['id']}")).text


@pytest.mark.parametrize("day", ["2027-13-45", "2027-02-31", "next summer", "infinity", ""])
async def test_an_odd_travel_date_of_an_old_row_is_shown_and_harms_no_page(
    carls: Desk, alice: Person, app: FastAPI, day: str
) -> None:
    order = await order_of(app, alice, "PASSPORT", **TRAVELS)
    id = await document(app, alice, order)
    async with app.state.database.transaction() as session:
        await session.execute(update(Order).values(service_details={"travel_date": day}))
    for path in (at(id), f"/orders/details/{order['id']}", "/orders/list", "/documents/list", "/"):
        assert (await carls.get(path)).status_code == 200, path


async def test_work_may_start_without_documents_and_is_warned_of(carls: Desk, alice: Person, app: FastAPI) -> None:
    order = await order_of(app, alice, "PHOTO")
    path = f"/orders/details/{order['id']}"
    steps = f"/orders/step/{order['id']}"
    assert "Not all documents are verified yet." not in (await carls.get(path)).text, "it is not the next step"
    await carls.post(steps, data={"status": "CONFIRMED", "reason": "Paid at the desk"})
    await document(app, alice, order, category="PHOTO")
    page = (await carls.get(path)).text
    assert "Not all documents are verified yet." in page, "what waits for us is not verified either"
    assert "Mind that" not in page
    assert (await carls.post(steps, data={"status": "IN_PROGRESS"})).status_code == 303
    assert "Done. Mind that not all documents are verified yet." in (await carls.get(path)).text


async def test_with_all_documents_work_starts_without_a_word(carls: Desk, alice: Person, app: FastAPI) -> None:
    order = await order_of(app, alice, "PHOTO")
    steps = f"/orders/step/{order['id']}"
    await carls.post(sent_to(await document(app, alice, order, category="PHOTO")), data=VERIFY)
    await carls.post(steps, data={"status": "CONFIRMED", "reason": "Paid at the desk"})
    await carls.post(steps, data={"status": "IN_PROGRESS"})
    page = (await carls.get(f"/orders/details/{order['id']}")).text
    assert 'role="status">Done.</div>' in page
    assert "Not handed in yet" not in page
    assert "To be verified" not in page


async def test_only_admins_read_who_opened_a_document(
    enter: Enter, sams: Desk, carls: Desk, alice: Person, app: FastAPI
) -> None:
    id = await document(app, alice)
    await carls.get(f"/documents/picture/{id}")
    assert "opened" in (await sams.get(at(id))).text
    assert "opened" not in (await carls.get(at(id))).text
