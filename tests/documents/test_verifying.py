"""Verdicts: who may decide, once; what the customer is told; what a passport says; how complete an order is."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from app.flows.verification import OVER, REPLACED
from app.mrz import Passport, compose
from app.resources.documents import OTHERWISE, REASONS
from app.resources.orders import OrderStatus

BLURRED = "The picture is blurred or cut off"
HOLDER = Passport("X1234567", "BENALI", "ALICE", "DZA", "DZA", date(1990, 5, 4), "F", date(2031, 3, 14))


async def test_a_consultant_verifies_and_the_customer_is_told(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT", "PHOTO")
    document = await agency.document(alice, order_id=order["id"])
    answer = await agency.decide(carl, document, status="verified")
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["status"], data["decided_by"], data["rejection_reason"]) == ("VERIFIED", str(carl.user.id), None)
    assert (await alice.get(f"/documents/{document['id']}")).json()["data"]["status"] == "VERIFIED"
    (mail,) = await agency.mails("document_verified")
    assert (mail["email"], mail["category"], mail["order_number"]) == (
        "alice@example.com",
        "PASSPORT",
        order["order_number"],
    )
    assert mail["documents"] == {
        "required": 2,
        "verified": 1,
        "waiting": [],
        "missing": ["PHOTO"],
        "is_complete": False,
        "passport_expires_too_soon": None,
    }


async def test_a_rejection_says_why_and_what_to_do(agency, alice, carl):
    order = await agency.order(alice)
    document = await agency.document(alice, order_id=order["id"])
    reason = f"{BLURRED}: the number cannot be read"
    answer = await agency.decide(carl, document, status="REJECTED", rejectionReason=reason)
    assert answer.json()["data"]["rejection_reason"] == reason
    (mail,) = await agency.mails("document_rejected")
    assert (mail["reason"], mail["advice"], mail["send_again"]) == (reason, REASONS[BLURRED], True)
    shown = (await alice.get(f"/documents/{document['id']}")).json()["data"]
    assert (shown["status"], shown["rejection_reason"]) == ("REJECTED", reason)


async def test_the_customer_of_a_document_without_an_order_is_told_too(agency, alice, carl):
    await agency.decide(carl, await agency.document(alice), status="REJECTED", rejection_reason="Something else")
    await agency.decide(carl, await agency.document(alice), status="VERIFIED")
    await agency.work()
    (rejected,), (verified,) = await agency.mails("document_rejected"), await agency.mails("document_verified")
    assert (rejected["advice"], rejected["send_again"]) == (OTHERWISE, True)
    assert (verified["order_number"], verified["documents"]) == (None, None)
    written = await agency.rows("SELECT recipient, status FROM emails WHERE template LIKE 'document%'")
    assert written == [("alice@example.com", "KEPT")] * 2


async def test_only_staff_decide(agency, alice, bob, vera, nobody):
    document = await agency.document(alice)
    for person, status in ((nobody, 401), (alice, 403), (bob, 403), (vera, 403)):
        assert (await agency.decide(person, document, status="VERIFIED")).status_code == status
        assert (await person.get("/admin/documents")).status_code == status


@pytest.mark.parametrize("second", ["VERIFIED", "REJECTED"])
async def test_nobody_decides_twice(agency, alice, carl, sam, second):
    document = await agency.document(alice)
    await agency.decide(carl, document, status="VERIFIED")
    late = await agency.decide(sam, document, status=second, rejection_reason=BLURRED if second == "REJECTED" else None)
    assert (late.status_code, late.json()["code"], late.json()["allowed"]) == (409, "illegal_transition", [])
    assert len(await agency.rows("SELECT FROM emails WHERE template LIKE 'document%'")) == 1


async def test_of_ten_who_decide_at_once_one_does(agency, alice, carl, sam):
    document = await agency.document(alice)
    verdicts = [{"status": "VERIFIED"}, {"status": "REJECTED", "rejection_reason": BLURRED}] * 5
    people = [carl, sam] * 5
    answers = await asyncio.gather(
        *(agency.decide(who, document, **what) for who, what in zip(people, verdicts, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert len(await agency.rows("SELECT FROM emails WHERE template LIKE 'document%'")) == 1
    assert len(await agency.rows("SELECT FROM audit_entries WHERE action = 'moved' AND resource = 'documents'")) == 1


@pytest.mark.parametrize("status", ["PENDING", "VERIFIED"])
@pytest.mark.parametrize("is_ordered", [True, False])
async def test_a_file_that_was_sent_again_already_is_not_asked_for(agency, alice, carl, is_ordered, status):
    belongs = {"order_id": (await agency.order(alice, "PASSPORT"))["id"]} if is_ordered else {}
    blurred, better = await agency.document(alice, **belongs), await agency.document(alice, **belongs)
    if status == "VERIFIED":
        await agency.decide(carl, better, status="VERIFIED")
    await agency.decide(carl, blurred, status="REJECTED", rejection_reason=BLURRED)
    (mail,) = await agency.mails("document_rejected")
    assert (mail["reason"], mail["advice"], mail["send_again"]) == (BLURRED, REPLACED, False)


@pytest.mark.parametrize("is_ordered", [True, False])
async def test_no_other_document_stands_in_for_a_rejected_one(agency, alice, bob, carl, is_ordered):
    """Neither one that was rejected, nor of another category, order or customer, nor one still on its way."""
    belongs = {"order_id": (await agency.order(alice, "PASSPORT"))["id"]} if is_ordered else {}
    other = {} if is_ordered else {"order_id": (await agency.order(alice, "PASSPORT"))["id"]}
    document, failed, unready = [await agency.document(alice, **belongs) for _ in range(3)]
    await agency.rows("UPDATE documents SET is_ready = false WHERE id = :id", id=unready["id"])
    await agency.rows(
        "UPDATE documents SET status = 'REJECTED', rejection_reason = 'x' WHERE id = :id", id=failed["id"]
    )
    await agency.document(alice, category="PHOTO", **belongs)
    await agency.document(alice, **other)
    await agency.document(bob)
    await agency.decide(carl, document, status="REJECTED", rejection_reason=BLURRED)
    (mail,) = await agency.mails("document_rejected")
    assert (mail["advice"], mail["send_again"]) == (REASONS[BLURRED], True)


@pytest.mark.parametrize("is_ordered", [True, False])
async def test_of_two_files_rejected_at_once_one_is_asked_for(agency, alice, carl, sam, is_ordered):
    belongs = {"order_id": (await agency.order(alice, "PASSPORT"))["id"]} if is_ordered else {}
    for round in range(1, 6):
        files = [await agency.document(alice, **belongs) for _ in range(2)]
        pairs = zip((carl, sam), files, strict=True)
        await asyncio.gather(
            *(agency.decide(who, file, status="REJECTED", rejection_reason=BLURRED) for who, file in pairs)
        )
        asked = [mail["send_again"] for mail in await agency.mails("document_rejected")]
        assert (asked.count(True), asked.count(False)) == (round, round)


@pytest.mark.parametrize("steps", [["CANCELLED"], ["CONFIRMED", "IN_PROGRESS", "COMPLETED"]])
async def test_nothing_is_asked_for_an_order_that_is_over(agency, alice, carl, steps):
    order = await agency.order(alice, "PASSPORT")
    documents = [await agency.document(alice, order_id=order["id"]) for _ in range(2)]
    for status in steps:
        moved = {"status": status} | ({"reason": "cash"} if status == "CONFIRMED" else {})
        assert (await carl.patch(f"/admin/orders/{order['id']}", json=moved)).status_code == 200
    await agency.decide(carl, documents[0], status="REJECTED", rejection_reason=BLURRED)
    (mail,) = await agency.mails("document_rejected")
    assert (mail["advice"], mail["send_again"]) == (OVER[OrderStatus(steps[-1])], False)
    await agency.decide(carl, documents[1], status="VERIFIED", expires_on="2020-01-01")
    (mail,) = await agency.mails("document_verified")
    assert (mail["documents"], mail["shortfall"]) == (None, None)


@pytest.mark.parametrize("day", ["2027-13-45", "2027-02-31", "", "next summer", "infinity", "0000-01-01"])
async def test_an_odd_travel_date_of_an_old_row_harms_no_list(agency, alice, carl, day):
    order = await agency.order(alice, "PASSPORT", service_details={"travel_date": "2027-02-08"})
    document = await agency.document(alice, order_id=order["id"])
    await agency.decide(carl, document, status="VERIFIED", expires_on="2031-01-01")
    details = "jsonb_build_object('travel_date', CAST(:day AS text))"
    await agency.rows(f"UPDATE orders SET service_details = {details}", day=day)
    for path in (
        "/admin/orders",
        f"/admin/orders/{order['id']}",
        "/admin/documents",
        f"/admin/documents/{document['id']}",
    ):
        assert (await carl.get(path)).status_code == 200, path
    assert (await alice.get(f"/orders/{order['id']}")).status_code == 200


WRONG = {
    "no reason": ({"status": "REJECTED"}, 422, "/rejection_reason"),
    "a blank reason": ({"status": "REJECTED", "rejection_reason": "  \n"}, 422, "/rejection_reason"),
    "an invisible reason": ({"status": "REJECTED", "rejection_reason": "\u200b"}, 422, "/rejection_reason"),
    "an endless reason": ({"status": "REJECTED", "rejection_reason": "x" * 1001}, 422, "/rejection_reason"),
    "a reason with NUL": ({"status": "REJECTED", "rejection_reason": "a\0b"}, 422, "/rejection_reason"),
    "a reason to verify": ({"status": "VERIFIED", "rejection_reason": BLURRED}, 422, "/rejection_reason"),
    "an expiry to reject": (
        {"status": "REJECTED", "rejection_reason": "x", "expires_on": "2030-01-01"},
        422,
        "/expires_on",
    ),
    "no date": ({"status": "VERIFIED", "expires_on": "soon"}, 422, "/expires_on"),
    "wrong lines": ({"status": "VERIFIED", "mrz": "P<UTO"}, 422, "/mrz"),
    "no status": ({}, 422, "/status"),
    "an unknown status": ({"status": "LOST"}, 422, "/status"),
    "an unknown field": ({"status": "VERIFIED", "decided_by": "me"}, 422, "/decided_by"),
    "back to pending": ({"status": "PENDING"}, 409, None),
}


@pytest.mark.parametrize("case", WRONG)
async def test_odd_verdicts_are_refused(agency, alice, carl, case):
    document = await agency.document(alice)
    body, status, pointer = WRONG[case]
    answer = await carl.patch(f"/admin/documents/{document['id']}/verify", json=body)
    assert answer.status_code == status, answer.text
    if pointer:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert (await alice.get(f"/documents/{document['id']}")).json()["data"]["status"] == "PENDING"
    assert not await agency.rows("SELECT FROM emails WHERE template LIKE 'document%'")


async def test_what_is_not_there_cannot_be_decided(agency, alice, carl):
    document = await agency.document(alice)
    await agency.rows("UPDATE documents SET is_ready = false")
    for key in (document["id"], "019aab12-7c00-7000-8000-0000000000b1", "nonsense"):
        answer = await carl.patch(f"/admin/documents/{key}/verify", json={"status": "VERIFIED"})
        assert answer.status_code == 404


# -- passports


async def test_the_lines_of_a_passport_say_when_it_expires(agency, alice, carl):
    document = await agency.document(alice)
    answer = await agency.decide(carl, document, status="VERIFIED", mrz="\n".join(compose(HOLDER)).lower())
    assert answer.json()["data"]["expires_on"] == "2031-03-14"
    audited = await agency.rows("SELECT changes FROM audit_entries WHERE action = 'moved' AND resource = 'documents'")
    assert audited[0][0]["expires_on"] == [None, "2031-03-14"]
    assert "BENALI" not in str(audited)


async def test_a_wrong_check_digit_or_another_date_is_said(agency, alice, carl):
    document = await agency.document(alice)
    first, second = compose(HOLDER)
    typo = await agency.decide(carl, document, status="VERIFIED", mrz=first + second.replace("X1234567", "X1234568"))
    assert typo.json()["errors"][0]["pointer"] == "/mrz"
    assert "passport number" in typo.json()["detail"]
    other = await agency.decide(carl, document, status="VERIFIED", mrz=first + second, expires_on="2032-03-14")
    assert other.json()["errors"][0]["pointer"] == "/expires_on"
    photo = await agency.document(alice, category="PHOTO")
    assert (await agency.decide(carl, photo, status="VERIFIED", mrz=first + second)).status_code == 422


@pytest.mark.parametrize(
    ("travels", "expires", "too_soon"),
    [
        ("2027-02-08", "2027-08-07", True),
        ("2027-02-08", "2027-08-08", False),
        ("2027-02-08", "2031-01-01", False),
        ("2027-02-08", None, None),
        (None, (date.today() - timedelta(days=2)).isoformat(), True),
        (None, (date.today() + timedelta(days=2)).isoformat(), False),
    ],
)
async def test_a_passport_that_expires_too_soon_is_flagged(agency, alice, carl, travels, expires, too_soon):
    order = await agency.order(alice, "PASSPORT", service_details={"travel_date": travels} if travels else None)
    document = await agency.document(alice, order_id=order["id"])
    answer = await agency.decide(carl, document, status="VERIFIED", expires_on=expires)
    assert answer.json()["data"]["expires_too_soon"] is too_soon
    desk = (await carl.get(f"/admin/orders/{order['id']}")).json()["data"]["documents"]
    assert desk["passport_expires_too_soon"] is too_soon
    photo = await agency.document(alice, order_id=order["id"], category="PHOTO")
    answer = await agency.decide(carl, photo, status="VERIFIED", expires_on=expires)
    assert answer.json()["data"]["expires_too_soon"] is None


async def test_the_passport_that_lasts_longest_counts(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT", service_details={"travel_date": "2027-02-08"})

    async def verified(expires_on):
        await agency.decide(
            carl, await agency.document(alice, order_id=order["id"]), status="VERIFIED", expires_on=expires_on
        )
        shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]
        return shown["passport_expires_too_soon"]

    renewed = ((None, None), ("2020-01-01", True), (None, True), ("2027-08-07", True), ("2031-01-01", False))
    for expires_on, too_soon in (*renewed, (None, False), ("2027-01-01", False)):
        assert await verified(expires_on) is too_soon, expires_on


@pytest.mark.parametrize(
    ("travels", "expires", "shortfall"),
    [
        (300, -1, "expired"),
        (300, 0, "expiring"),
        (300, 310, "expiring"),
        (300, 600, None),
        (300, None, None),
        (-300, -1, "expired"),
        (None, -1, "expired"),
        (None, 0, None),
    ],
)
async def test_the_mail_warns_of_the_passport_that_was_verified(agency, alice, carl, travels, expires, shortfall):
    travel_date, expires_on = (
        None if days is None else (datetime.now(UTC).date() + timedelta(days=days)).isoformat()
        for days in (travels, expires)
    )
    order = await agency.order(alice, service_details={"travel_date": travel_date} if travel_date else None)
    for category, said in (("PASSPORT", shortfall), ("PHOTO", None)):
        document = await agency.document(alice, order_id=order["id"], category=category)
        await agency.decide(carl, document, status="VERIFIED", expires_on=expires_on)
        assert (await agency.mails("document_verified"))[-1]["shortfall"] == said


async def test_the_mail_does_not_warn_of_an_older_passport(agency, alice, carl):
    order = await agency.order(alice)
    for belongs in ({}, {"order_id": order["id"]}):
        for expires_on, shortfall in (("2020-01-01", "expired"), ("2061-01-01", None), (None, None)):
            document = await agency.document(alice, **belongs)
            await agency.decide(carl, document, status="VERIFIED", expires_on=expires_on)
            assert (await agency.mails("document_verified"))[-1]["shortfall"] == shortfall


async def test_lines_of_another_passport_than_the_order_names_are_refused(agency, alice, carl):
    for number, status in (("X7654321", 422), ("x-123 4567", 200)):
        order = await agency.order(alice, service_details={"passport_number": number})
        document = await agency.document(alice, order_id=order["id"])
        answer = await agency.decide(carl, document, status="VERIFIED", mrz="\n".join(compose(HOLDER)))
        assert answer.status_code == status, answer.text
        if status == 422:
            assert answer.json()["errors"][0]["code"] == "another_passport"
            assert (await agency.decide(carl, document, status="VERIFIED", expires_on="2031-03-14")).status_code == 200


# -- orders


async def test_an_order_says_how_complete_it_is(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT", "PHOTO", "BANK_STATEMENT")

    async def progress():
        shown = (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]
        (listed,) = (await carl.get("/admin/orders")).json()["data"]
        assert listed["documents"] == shown
        return shown["verified"], shown["missing"], shown["is_complete"]

    assert await progress() == (0, ["PASSPORT", "PHOTO", "BANK_STATEMENT"], False)
    waiting = await agency.document(alice, order_id=order["id"], category="PHOTO")
    assert await progress() == (0, ["PASSPORT", "BANK_STATEMENT"], False)
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]["waiting"] == ["PHOTO"]
    await agency.decide(carl, waiting, status="REJECTED", rejection_reason=BLURRED)
    assert await progress() == (0, ["PASSPORT", "PHOTO", "BANK_STATEMENT"], False)
    for number, category in enumerate(("PHOTO", "PASSPORT", "BANK_STATEMENT"), 1):
        rejected = await agency.document(alice, order_id=order["id"], category=category)
        await agency.decide(carl, rejected, status="REJECTED", rejection_reason=BLURRED)
        assert (await progress())[0] == number - 1
        document = await agency.document(alice, order_id=order["id"], category=category)
        await agency.decide(carl, document, status="VERIFIED")
        assert (await progress())[0] == number
    assert await progress() == (3, [], True)
    assert (await agency.mails("document_verified"))[-1]["documents"]["is_complete"] is True
    await alice.delete(f"/documents/{document['id']}")
    assert await progress() == (2, ["BANK_STATEMENT"], False)


async def test_an_order_keeps_the_list_of_its_day(agency, app, alice, carl):
    order = await agency.order(alice, "PASSPORT")
    await agency.rows("""UPDATE services SET required_documents = '["PHOTO"]'""")
    assert (await alice.get(f"/orders/{order['id']}")).json()["data"]["documents"]["missing"] == ["PASSPORT"]
    free = await agency.order(alice)
    shown = (await alice.get(f"/orders/{free['id']}")).json()["data"]["documents"]
    assert (shown["required"], shown["is_complete"]) == (0, True)


async def test_work_may_start_with_something_missing_and_the_answer_says_so(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT")
    await carl.patch(f"/admin/orders/{order['id']}", json={"status": "CONFIRMED", "reason": "cash"})
    started = await carl.patch(f"/admin/orders/{order['id']}", json={"status": "IN_PROGRESS"})
    assert started.status_code == 200
    assert started.json()["data"]["documents"]["missing"] == ["PASSPORT"]


async def test_the_timeline_tells_of_documents(agency, alice, carl):
    order = await agency.order(alice, "PASSPORT")
    for verdict in ({"status": "REJECTED", "rejection_reason": BLURRED}, {"status": "VERIFIED"}):
        document = await agency.document(alice, order_id=order["id"])
        await agency.decide(carl, document, **verdict)
    await agency.document(alice, order_id=order["id"], category="OTHER")

    def told(answer):
        return [(event["text"], event["by"]) for event in answer.json()["data"] if event["kind"] == "document"]

    assert told(await alice.get(f"/orders/{order['id']}/timeline")) == [
        ("Passport received", "You"),
        (f"Passport rejected: {BLURRED}", "Our team"),
        ("Passport received", "You"),
        ("Passport verified", "Our team"),
        ("Document received", "You"),
    ]
    assert ("Passport verified", "Carl Consultant") in told(await carl.get(f"/admin/orders/{order['id']}/timeline"))


async def test_staff_list_and_search_all_documents(agency, alice, bob, carl):
    await agency.document(alice, name="Reisepass.jpg")
    rejected = await agency.document(bob, name="scan.jpg", category="PHOTO")
    await agency.decide(carl, rejected, status="REJECTED", rejection_reason=BLURRED)
    assert (await carl.get("/admin/documents")).json()["meta"]["total"] == 2
    (waiting,) = (await carl.get("/admin/documents?status=PENDING&search=reisepass")).json()["data"]
    assert waiting["user_id"] == str(alice.user.id)
    assert "storage_key" not in waiting
    assert (await carl.get("/documents")).json()["meta"]["total"] == 0
