"""Money and mail at the desk: refunds, Stripe's events and the outbox, as staff see them and act on them."""

import asyncio
import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.kit.table import new_id
from app.resources.emails import Email, EmailStatus, mail
from app.resources.payments import Payment
from app.resources.refunds import Refund
from app.resources.stripe_events import EventStatus, StripeEvent
from tests import make
from tests.admin.conftest import watched, width
from tests.admin.desk import EVIL, Desk
from tests.make import Person
from tests.payments.conftest import Shop, resend, settings, shop, stripe

__all__ = ["resend", "settings", "shop", "stripe"]


async def rows_of(shop: Shop, table: Any) -> list[Any]:
    async with shop.app.state.database.transaction() as session:
        return list(await session.scalars(select(table).order_by(table.c.id)))


async def change(shop: Shop, table: Any, key: Any, **values: Any) -> None:
    async with shop.app.state.database.transaction() as session:
        await session.execute(update(table).where(table.c.id == key).values(**values))


async def paid(shop: Shop, customer: Person, price: str = "450.00") -> Payment:
    order = await shop.paid(customer, price)
    return next(each for each in await rows_of(shop, Payment) if each.order_id == UUID(order["id"]))


async def refund_form(desk: Desk, payment: Payment) -> dict[str, str]:
    """The fields of the page's form, as a browser would send them."""
    page = (await desk.get(f"/payments/details/{payment.id}")).text
    part = page[page.index(f'action="/admin/payments/refund/{payment.id}"') :]
    found = re.findall(r'name="(id|amount)"[^>]*value="([^"]*)"', part)
    assert [name for name, _ in found] == ["id", "amount"]
    return dict(found) | {"reason": ""}


async def mailed(shop: Shop, template: str, **context: Any) -> Email:
    row = mail("alice@example.com", template, **context)
    async with shop.app.state.database.transaction() as session:
        session.add(row)
    return row


# -- reviews


async def test_an_admin_closes_a_review_with_a_note(sams: Desk, carls: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    await change(shop, Payment, payment.id, needs_review=True, review_reason="Was it paid twice?")
    assert 'name="note"' not in (await carls.get(f"/payments/details/{payment.id}")).text
    assert 'name="note"' in (await sams.get(f"/payments/details/{payment.id}")).text
    answer = await sams.post(f"/payments/review/{payment.id}", data={"note": " "})
    assert (answer.status_code, "at least 1 character" in answer.text) == (422, True)
    answer = await carls.post(f"/payments/review/{payment.id}", data={"note": "Both are meant"})
    assert answer.status_code == 403
    answer = await sams.post(f"/payments/review/{payment.id}", data={"note": "Both are meant"})
    assert answer.status_code == 303
    page = (await sams.get(f"/payments/details/{payment.id}")).text
    assert "Both are meant" in page
    assert 'name="note"' not in page
    answer = await sams.post(f"/payments/review/{payment.id}", data={"note": "Once more"})
    assert answer.status_code == 409


# -- payments and refunds


async def test_an_admin_refunds_a_part_and_then_the_rest(sams: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    form = await refund_form(sams, payment)
    assert form["amount"] == "450.00"
    answer = await sams.post(f"/payments/refund/{payment.id}", data=form | {"amount": "100", "reason": "One was late"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/payments/details/{payment.id}")
    page = (await sams.get(f"/payments/details/{payment.id}")).text
    assert "Refunded. The customer is told by e-mail." in page
    assert "One was late" in page
    assert "Sam Admin" in page
    rest = await refund_form(sams, payment)
    assert rest["amount"] == "350.00"
    assert (await sams.post(f"/payments/refund/{payment.id}", data=rest | {"amount": ""})).status_code == 303
    (payment,) = await rows_of(shop, Payment)
    assert (payment.status, str(payment.refunded_amount)) == ("REFUNDED", "450.000")
    assert shop.stripe.sum_refunded() == 45000
    page = (await sams.get(f"/payments/details/{payment.id}")).text
    assert f"/refund/{payment.id}" not in page


async def test_a_form_sent_twenty_times_refunds_once(sams: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    form = await refund_form(sams, payment) | {"amount": "100.00"}
    answers = await asyncio.gather(*(sams.post(f"/payments/refund/{payment.id}", data=form) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {303}
    assert (await sams.post(f"/payments/refund/{payment.id}", data=form)).status_code == 303
    assert shop.stripe.sum_refunded() == 10000
    assert len(await rows_of(shop, Refund)) == 1


@pytest.mark.parametrize(
    ("amount", "message", "status"),
    [
        ("450.01", "450.00 USD can be refunded.", 409),
        ("0", "greater than 0", 422),
        ("-5", "greater than", 422),
        ("1.234", "USD has 2 digits after the point.", 422),
        ("ten <b>", "valid decimal", 422),
        ("9" * 40, "digit", 422),
    ],
)
async def test_what_cannot_be_refunded_is_said_and_what_was_typed_stays(
    sams: Desk, alice: Person, shop: Shop, amount: str, message: str, status: int
) -> None:
    payment = await paid(shop, alice)
    form = await refund_form(sams, payment) | {"amount": amount, "reason": "My <long> reason"}
    answer = await sams.post(f"/payments/refund/{payment.id}", data=form)
    assert answer.status_code == status
    assert message in answer.text
    assert "My &lt;long&gt; reason</textarea>" in answer.text
    assert f'value="{amount.replace("<b>", "&lt;b&gt;")}"' in answer.text
    assert await rows_of(shop, Refund) == []


async def test_what_stripe_refuses_is_said_and_the_payment_is_before_staff(
    sams: Desk, alice: Person, shop: Shop
) -> None:
    payment = await paid(shop, alice)
    shop.stripe.refund({"payment_intent": payment.stripe_payment_intent_id, "amount": "44000"})
    form = await refund_form(sams, payment) | {"reason": "Kept"}
    answer = await sams.post(f"/payments/refund/{payment.id}", data=form)
    assert answer.status_code == 409
    assert "Kept</textarea>" in answer.text
    assert "This payment needs review." in answer.text
    assert "A refund of 450.00 USD failed at Stripe." in answer.text
    again = await sams.post(f"/payments/refund/{payment.id}", data=form)
    assert again.status_code == 409, "the same form asks for the same refund"
    assert len(await rows_of(shop, Refund)) == 1


async def test_without_stripe_the_refund_is_written_down_and_done_later(sams: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    shop.stripe.fault("POST /v1/refunds", "503", times=50)
    answer = await sams.post(f"/payments/refund/{payment.id}", data=await refund_form(sams, payment))
    assert answer.status_code == 303
    page = (await sams.get(f"/payments/details/{payment.id}")).text
    assert "The refund is written down and will be done." in page
    assert "alert-info" in page
    assert shop.stripe.sum_refunded() == 0
    shop.stripe.release()
    await shop.work()
    assert shop.stripe.sum_refunded() == 45000


async def test_consultants_see_payments_and_give_no_money_back(
    carls: Desk, sams: Desk, alice: Person, shop: Shop
) -> None:
    payment = await paid(shop, alice)
    form = await refund_form(sams, payment)
    await sams.post(f"/payments/refund/{payment.id}", data=form | {"amount": "1", "reason": "A secret reason"})
    page = (await carls.get(f"/payments/details/{payment.id}")).text
    assert "Visa ending in 4242" in page
    assert "/refund/" not in page
    assert "A secret reason" not in page
    answer = await carls.post(f"/payments/refund/{payment.id}", data=form | {"id": str(new_id())})
    assert answer.status_code == 403
    assert len(await rows_of(shop, Refund)) == 1


async def test_odd_refunds_are_clean_pages(sams: Desk, visitor: Desk, alice: Person, shop: Shop) -> None:
    payment, other = await paid(shop, alice), await paid(shop, alice)
    form = await refund_form(sams, payment)
    path = f"/payments/refund/{payment.id}"
    assert (await sams.post(path, data=form, headers=EVIL)).status_code == 403
    assert (await visitor.post(path, data=form)).status_code == 303
    assert (await sams.get(path)).status_code == 405
    assert (await sams.post(f"/payments/refund/{new_id()}", data=form)).status_code == 404
    assert (await sams.post(f"/orders/refund/{payment.order_id}", data=form)).status_code == 404
    assert await rows_of(shop, Refund) == []
    assert (await sams.post(path, data=form)).status_code == 303
    assert (await sams.post(path, data=form)).status_code == 303
    assert shop.stripe.sum_refunded() == 45000
    assert (await sams.post(f"/payments/refund/{other.id}", data=form)).status_code == 303
    assert shop.stripe.sum_refunded() == 90000


async def test_what_needs_review_is_found_and_says_why(carls: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    await paid(shop, alice, "80.00")
    assert "Payments to review" not in (await carls.get("/")).text
    await change(shop, Payment, payment.id, needs_review=True, review_reason="Stripe captured 1 USD.")
    assert 'href="/admin/payments/list?needs_review=true"' in (await carls.get("/")).text
    page = (await carls.get("/payments/list")).text
    assert re.search(r'class=" warns"[^>]*>Needs review <span>1<', page)
    queue = (await carls.get("/payments/list?needs_review=true")).text
    assert "1 in all" in queue
    assert f'href="/admin/payments/details/{payment.id}"' in queue
    detail = (await carls.get(f"/payments/details/{payment.id}")).text
    assert "This payment needs review.</strong>" in detail
    assert detail.count("Stripe captured 1 USD.") == 1


async def test_a_payment_is_called_by_its_order_and_leads_to_it(carls: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    page = (await carls.get(f"/payments/details/{payment.id}")).text
    assert re.search(r"<h1><bdi[^>]*>HT-20\d\d-000001</bdi>", page)
    assert f'href="/admin/orders/details/{payment.order_id}"' in page
    events = (await carls.get(f"/stripe-events/list?payment_id={payment.id}")).text
    assert re.search(rf'href="/admin/payments/details/{payment.id}"><bdi[^>]*>HT-20', events)
    assert f'type="hidden" name="payment_id" value="{payment.id}"' in events


async def test_an_order_shows_its_payments_and_mails(carls: Desk, alice: Person, shop: Shop) -> None:
    payment = await paid(shop, alice)
    page = (await carls.get(f"/orders/details/{payment.order_id}")).text
    assert f"/admin/payments/details/{payment.id}" in page
    assert "Visa ending in 4242" in page
    for email in await rows_of(shop, Email):
        assert f"/admin/emails/details/{email.id}" in page
    assert "Order confirmed: Paid by Visa ending in 4242" in page
    unpaid = await make.order(alice, (await make.service(shop.app)).id)
    assert "/admin/payments/details/" not in (await carls.get(f"/orders/details/{unpaid['id']}")).text
    assert "payments" not in (await carls.get("/orders/export/csv")).text


# -- events


async def test_staff_replay_an_event(carls: Desk, alice: Person, shop: Shop) -> None:
    await paid(shop, alice)
    event = (await rows_of(shop, StripeEvent))[-1]
    await change(shop, StripeEvent, event.id, status="FAILED", error="Nobody <b>answered", payment_id=None)
    assert "Failed Stripe events" in (await carls.get("/")).text
    page = (await carls.get(f"/stripe-events/details/{event.id}")).text
    assert "Nobody &lt;b&gt;answered" in page
    assert "&#34;livemode&#34;: false" in page
    assert "client_secret" not in page
    assert "the customer reads it" not in page
    answer = await carls.post(f"/stripe-events/step/{event.id}", data={"status": "RECEIVED"})
    assert answer.status_code == 303
    again = await carls.post(f"/stripe-events/step/{event.id}", data={"status": "RECEIVED"})
    assert (again.status_code, "there is no further step" in again.text) == (409, True)
    await shop.work()
    event = (await rows_of(shop, StripeEvent))[-1]
    assert (event.status, event.error) == (EventStatus.PROCESSED, None)


async def test_a_status_that_is_no_step_is_refused(carls: Desk, alice: Person, shop: Shop) -> None:
    await paid(shop, alice)
    event, email = (await rows_of(shop, StripeEvent))[0], (await rows_of(shop, Email))[0]
    for path in (f"/stripe-events/step/{event.id}", f"/emails/step/{email.id}"):
        for status in ("PROCESSED", "SENT", "", "x"):
            assert (await carls.post(path, data={"status": status})).status_code == 409
        assert (await carls.get(path.replace("step", "edit"))).status_code == 403


# -- mails


async def test_a_mail_is_seen_as_its_reader_sees_it(carls: Desk, alice: Person, shop: Shop) -> None:
    await paid(shop, alice)
    email = next(each for each in await rows_of(shop, Email) if each.template == "order_confirmed")
    page = (await carls.get(f"/emails/details/{email.id}")).text
    assert "is confirmed" in page
    assert f'sandbox="" src="/admin/emails/letter/{email.id}"' in page
    assert f"/admin/orders/details/{email.order_id}" in page
    framed = await carls.get(f"/emails/letter/{email.id}")
    assert "450.00 USD" in framed.text
    policy = framed.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; sandbox;")
    assert "frame-ancestors 'self'" in policy
    assert framed.headers["x-frame-options"] == "SAMEORIGIN"
    assert framed.headers["cache-control"] == "no-store"
    receipt = await carls.get(f"/emails/attachment/{email.id}/0")
    assert receipt.content.startswith(b"%PDF")
    assert re.fullmatch(r'attachment; filename="receipt-HT-\d+-000001.pdf"', receipt.headers["content-disposition"])
    assert receipt.headers["x-content-type-options"] == "nosniff"
    assert receipt.headers["cache-control"] == "no-store"
    assert (await carls.get(f"/emails/attachment/{email.id}/1")).status_code == 404


async def test_only_that_page_may_be_framed(carls: Desk, alice: Person, shop: Shop) -> None:
    await paid(shop, alice)
    email = (await rows_of(shop, Email))[0]
    for path in ("/", f"/emails/details/{email.id}", f"/emails/attachment/{email.id}/0", f"/emails/letter/{new_id()}"):
        answer = await carls.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"


async def test_who_is_not_staff_reads_no_mail(
    visitor: Desk, sams: Desk, alice: Person, nobody: Any, shop: Shop
) -> None:
    await paid(shop, alice)
    email = (await rows_of(shop, Email))[-1]
    for path in (f"/emails/letter/{email.id}", f"/emails/attachment/{email.id}/0"):
        answer = await visitor.get(path)
        assert (answer.status_code, answer.headers["location"][:18]) == (303, "/admin/login?next=")
        assert (await visitor.get(path, headers=alice.headers)).status_code == 303
        for other in ("xx", "%00", new_id(), "1" * 36):
            assert (await sams.get(path.replace(str(email.id), str(other)))).status_code == 404
        assert (await sams.get(path.replace("/emails/", "/orders/"))).status_code == 404
    assert (await sams.get(f"/emails/attachment/{email.id}/-1")).status_code == 404


LINK = "https://souk.example/verify?token=very-secret"


@pytest.mark.parametrize("letter", ["welcome", "verify_email", "reset_password"])
async def test_a_login_link_is_shown_in_development_only(sams: Desk, shop: Shop, monkeypatch: Any, letter: str) -> None:
    email = await mailed(shop, letter, name="Alice", link=LINK)
    pages = [f"/emails/details/{email.id}", f"/emails/letter/{email.id}"]
    assert ["very-secret" in (await sams.get(path)).text for path in pages] == [True, True]
    shown = shop.app.state.settings
    monkeypatch.setattr(shop.app.state, "settings", shown.model_copy(update={"environment": "production"}))
    for path in [*pages, "/emails/list", "/emails/export/csv", "/audit/list"]:
        answer = await sams.get(path)
        assert answer.status_code == 200
        assert "secret" not in answer.text
    assert "is not shown" in (await sams.get(pages[0])).text


async def test_a_guests_token_is_shown_in_development_only(
    sams: Desk, shop: Shop, nobody: Any, monkeypatch: Any
) -> None:
    order = await make.goods_order(nobody, (await make.product(shop.app)).id)
    email = next(each for each in await rows_of(shop, Email) if each.template == "order_received")
    page = f"/emails/letter/{email.id}"
    assert order["access_token"] in (await sams.get(page)).text
    shown = shop.app.state.settings
    monkeypatch.setattr(shop.app.state, "settings", shown.model_copy(update={"environment": "production"}))
    hidden = await sams.get(page)
    assert (hidden.status_code, order["access_token"] in hidden.text) == (200, False)


async def test_a_mail_that_cannot_be_written_is_a_sentence(sams: Desk, shop: Shop) -> None:
    for template, context in {"nothing": {}, "order_confirmed": {"name": "x"}, "welcome": {"link": 1}}.items():
        email = await mailed(shop, template, **context)
        answer = await sams.get(f"/emails/details/{email.id}")
        assert answer.status_code == 200
        assert "This mail cannot be shown." in answer.text
        assert "<iframe" not in answer.text
        assert (await sams.get(f"/emails/letter/{email.id}")).status_code == 409


async def test_staff_send_a_failed_mail_again(carls: Desk, alice: Person, shop: Shop) -> None:
    await paid(shop, alice)
    email = (await rows_of(shop, Email))[-1]
    await change(shop, Email, email.id, status="FAILED", error="The address is wrong.")
    assert 'href="/admin/emails/list?status=FAILED"' in (await carls.get("/")).text
    page = (await carls.get(f"/emails/details/{email.id}")).text
    assert "The address is wrong." in page
    assert "Send again" in page
    sent = len(shop.resend.mails)
    assert (await carls.post(f"/emails/step/{email.id}", data={"status": "QUEUED"})).status_code == 303
    await shop.work()
    (row,) = [each for each in await rows_of(shop, Email) if each.id == email.id]
    assert (row.status, row.error) == (EmailStatus.SENT, None)
    assert len(shop.resend.mails) == sent, "Resend had it before, under the same key"


async def test_a_mail_whose_link_is_gone_is_not_sent_again(carls: Desk, shop: Shop) -> None:
    email = await mailed(shop, "welcome", name="Alice", link=LINK)
    await shop.work()
    answer = await carls.post(f"/emails/step/{email.id}", data={"status": "QUEUED"})
    assert answer.status_code == 409
    assert "The link in this mail was erased when it was sent" in answer.text


# -- in a browser


async def test_an_admin_refunds_and_looks_at_the_mail(
    browser: Any, served: str, sam: Person, alice: Person, shop: Shop, tmp_path: Any
) -> None:
    payment = await paid(shop, alice)
    page = await browser.new_page(viewport={"width": 1280, "height": 900})
    refused = watched(page, served)
    await page.goto(f"{served}/admin/payments/list")
    await page.fill("#username", sam.user.email)
    await page.fill("#password", make.PASSWORD)
    await page.click("text=Log in")
    await page.click("a.title")
    await page.click("summary:has-text('Refund')")
    await page.fill("#amount", "100.00")
    await page.fill("#refund-reason", "One of the two visas was refused.")
    await page.dblclick("button:has-text('Refund')")
    await page.wait_for_selector("text=Refunded. The customer is told by e-mail.")
    assert shop.stripe.sum_refunded() == 10000
    await page.click(".facts a")
    await page.click(".table tr:has-text('Order refunded') a")
    letter = page.frame_locator("iframe.letter")
    assert "One of the two visas was refused." in await letter.locator("body").inner_text()
    email = (await rows_of(shop, Email))[-1]
    for path in (f"payments/details/{payment.id}", f"emails/details/{email.id}", "payments/list", "stripe-events/list"):
        for size in (1280, 390):
            await page.set_viewport_size({"width": size, "height": 844})
            await page.goto(f"{served}/admin/{path}")
            assert await width(page) <= size, path
    assert refused == []
