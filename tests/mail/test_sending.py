"""The outbox: each mail goes out once, patiently, and a mail that cannot go disturbs nobody."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from app.jobs import TRIES
from tests import make
from tests.payments.conftest import problem, rows_of


async def outbox(shop):
    return await rows_of(shop.tools, "SELECT * FROM emails ORDER BY id")


async def only_mail(shop):
    (mail,) = await outbox(shop)
    return mail


async def forgotten(nobody, alice, shop):
    """A mail with a login link: Alice forgot her password."""
    assert (await nobody.post("/auth/forgot-password", json={"email": alice.user.email})).status_code == 202
    return await only_mail(shop)


def send_again(person, mail):
    return person.post(f"/admin/emails/{mail.id}/resend")


async def test_a_mail_is_sent_once_with_a_key_of_its_own(alice, shop):
    order = await shop.order(alice)
    await shop.work()
    mail, (taken,) = await only_mail(shop), shop.resend.mails
    assert (mail.status, mail.attempts, mail.provider_id, mail.error) == ("SENT", 1, taken["id"], None)
    assert taken["idempotency_key"] == f"souk-{mail.id}-0"
    assert (taken["to"], taken["from"]) == (["alice@example.com"], "Holyone Travels <hello@holyone.example>")
    assert order["order_number"] in taken["subject"]
    assert "Holyone Travels" in taken["text"]


async def test_every_step_of_an_order_is_told_once(alice, carl, shop):
    order = await shop.paid(alice)
    for status in ("IN_PROGRESS", "COMPLETED"):
        await carl.patch(f"/admin/orders/{order['id']}", json={"status": status})
    await shop.work()
    told = ["order_received", "order_confirmed", "order_status_changed", "order_status_changed"]
    assert await shop.mails(order) == told
    assert [mail.status for mail in await outbox(shop)] == ["SENT"] * 4
    assert len(shop.resend.mails) == 4


async def test_an_order_that_was_not_placed_is_not_told_of(alice, shop):
    service = await make.service(shop.app, is_active=False)
    body = {"service_id": str(service.id), "customer_info": make.CUSTOMER_INFO}
    assert (await alice.post("/orders", json=body)).status_code == 422
    assert await outbox(shop) == []


async def test_a_job_that_comes_twice_sends_one_mail(alice, shop):
    await shop.order(alice)
    again = "INSERT INTO procrastinate_jobs (queue_name, task_name, args) SELECT 'default', 'send_email', "
    await shop.change(again + "jsonb_build_object('id', id) FROM emails, generate_series(1, 8)")
    await shop.change(again + f"jsonb_build_object('id', '{make.new_id()}'::text)")
    await shop.work()
    assert len(shop.resend.mails) == 1
    assert (await only_mail(shop)).status == "SENT"


# -- a provider with troubles


@pytest.mark.parametrize("trouble", ["500", "408", "409", "reset", "garbage", "401"])
async def test_a_mail_that_could_not_go_is_tried_later(alice, carl, shop, trouble):
    await shop.order(alice)
    shop.resend.fault(trouble)
    await shop.work()
    (shown,) = (await carl.get("/admin/emails")).json()["data"]
    assert (shown["status"], shown["attempts"]) == ("QUEUED", 1)
    assert "mail provider" in shown["error"]
    ((due,),) = await rows_of(shop.tools, "SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'send_email'")
    assert 2 < (due - datetime.now(UTC)).total_seconds() <= 5
    await shop.later()
    mail = await only_mail(shop)
    assert (mail.status, mail.attempts, mail.error, len(shop.resend.mails)) == ("SENT", 2, None, 1)


async def test_a_mail_that_came_too_early_has_lost_no_try(alice, carl, shop):
    await shop.order(alice)
    shop.resend.fault("429")
    await shop.work()
    (shown,) = (await carl.get("/admin/emails")).json()["data"]
    assert (shown["status"], shown["attempts"]) == ("QUEUED", 0)
    assert shown["error"] == "The mail provider takes no more mails right now. It says: Too many requests."
    ((due,),) = await rows_of(shop.tools, "SELECT scheduled_at FROM procrastinate_jobs WHERE task_name = 'send_email'")
    assert 0 < (due - datetime.now(UTC)).total_seconds() <= 1.2
    await shop.later()
    mail = await only_mail(shop)
    assert (mail.status, mail.attempts, mail.error, len(shop.resend.mails)) == ("SENT", 1, None, 1)


async def test_pauses_grow(alice, shop):
    await shop.order(alice)
    shop.resend.fault("500", 4)
    pauses = []
    for _ in range(4):
        await shop.later()
        ((due,),) = await rows_of(shop.tools, "SELECT scheduled_at FROM procrastinate_jobs")
        pauses.append((due - datetime.now(UTC)).total_seconds())
    assert pauses == pytest.approx([5, 15, 60, 120], abs=3)


async def test_a_mail_whose_answer_got_lost_is_still_one_mail(alice, shop):
    await shop.order(alice)
    shop.resend.fault("reset_after", 3)
    for _ in range(4):
        await shop.later()
    mail = await only_mail(shop)
    assert (mail.status, mail.attempts) == ("SENT", 4)
    assert [taken["id"] for taken in shop.resend.mails] == [mail.provider_id]


async def test_a_mail_that_nobody_takes_for_hours_fails_and_can_be_sent_again(alice, carl, shop):
    await shop.order(alice)
    shop.resend.fault("500", TRIES)
    for number in range(TRIES):
        assert (await only_mail(shop)).status == "QUEUED", number
        await shop.later()
    mail = await only_mail(shop)
    assert (mail.status, mail.attempts) == ("FAILED", TRIES)
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")
    answer = await send_again(carl, mail)
    data = answer.json()["data"]
    assert (answer.status_code, data["status"], data["attempts"], data["error"]) == (200, "QUEUED", 0, None)
    await shop.work()
    assert (await only_mail(shop)).status == "SENT"
    assert [taken["idempotency_key"] for taken in shop.resend.mails] == [f"souk-{mail.id}-0"]


async def test_a_mail_that_the_provider_refuses_fails_at_once(alice, shop):
    await shop.order(alice)
    shop.resend.fault("422")
    await shop.work()
    mail = await only_mail(shop)
    assert (mail.status, mail.attempts, mail.error) == ("FAILED", 1, "Invalid `to` field.")
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")


@pytest.mark.parametrize(("change", "error"), [("context = '{}'", "lacks"), ("template = 'x'", "no mail called")])
async def test_a_mail_that_cannot_be_written_fails_at_once(alice, shop, change, error):
    await shop.order(alice)
    await shop.change(f"UPDATE emails SET {change}")
    await shop.work()
    mail = await only_mail(shop)
    assert mail.status == "FAILED"
    assert error in mail.error
    assert not shop.resend.requests


async def test_with_resend_down_orders_are_paid_all_the_same(alice, shop):
    shop.resend.fault("500", 99)
    order = await shop.paid(alice)
    assert {mail.status for mail in await outbox(shop)} == {"QUEUED"}
    shop.resend.faults.clear()
    await shop.later()
    assert {mail.status for mail in await outbox(shop)} == {"SENT"}
    assert await shop.mails(order) == ["order_received", "order_confirmed"]
    assert len(shop.resend.mails) == 2


# -- without a provider


async def test_without_a_key_mails_are_kept(alice, carl, shop):
    async with shop.with_settings(resend_api_key=SecretStr("")) as keeping:
        await keeping.order(alice)
        await keeping.work()
        mail = await only_mail(shop)
        assert (mail.status, mail.attempts, mail.provider_id) == ("KEPT", 1, None)
        assert (await send_again(carl, mail)).status_code == 200
        await keeping.work()
    assert (await only_mail(shop)).status == "KEPT"
    assert not shop.resend.requests


async def test_a_login_link_that_was_kept_is_still_of_use(alice, nobody, carl, shop):
    async with shop.with_settings(resend_api_key=None) as keeping:
        mail = await forgotten(nobody, alice, shop)
        await keeping.work()
    assert "token=" in (await only_mail(shop)).context["link"]
    assert (await send_again(carl, mail)).status_code == 200
    await shop.work()
    assert "token=" in shop.resend.mails[0]["text"]


# -- once more


async def test_staff_may_send_a_mail_once_more(alice, carl, shop):
    await shop.order(alice)
    await shop.work()
    mail = await only_mail(shop)
    assert (await send_again(carl, mail)).json()["data"]["status"] == "QUEUED"
    assert problem(await send_again(carl, mail)) == (409, "illegal_transition")
    await shop.work()
    assert [taken["idempotency_key"] for taken in shop.resend.mails] == [f"souk-{mail.id}-0", f"souk-{mail.id}-1"]
    again = await only_mail(shop)
    assert (again.status, again.attempts, again.provider_id) == ("SENT", 1, shop.resend.mails[1]["id"])


async def test_a_login_link_does_not_outlive_its_sending(alice, nobody, carl, shop):
    mail = await forgotten(nobody, alice, shop)
    link = mail.context["link"]
    shown = await carl.get(f"/admin/emails/{mail.id}")
    assert link not in shown.text
    await shop.work()
    assert link in shop.resend.mails[0]["text"]
    assert (await only_mail(shop)).context["link"] == "•••"
    assert problem(await send_again(carl, mail)) == (409, "link_is_gone")
    assert (await only_mail(shop)).status == "SENT"


async def test_a_login_link_that_could_not_go_is_sent_again(alice, nobody, carl, shop):
    mail = await forgotten(nobody, alice, shop)
    shop.resend.fault("422")
    await shop.work()
    assert (await send_again(carl, mail)).status_code == 200
    await shop.work()
    assert mail.context["link"] in shop.resend.mails[0]["text"]


async def test_only_staff_send_again(alice, bob, nobody, carl, sam, shop):
    await shop.order(alice)
    await shop.work()
    mail = await only_mail(shop)
    for person, status in ((alice, 403), (bob, 403), (nobody, 401), (carl, 200)):
        assert (await send_again(person, mail)).status_code == status
    await shop.work()
    assert (await send_again(sam, mail)).status_code == 200
    assert problem(await carl.post(f"/admin/emails/{make.new_id()}/resend")) == (404, "not_found")


async def test_a_sending_that_ends_late_leaves_the_next_one_alone(alice, carl, shop):
    """Its worker was thought dead, another one sent the mail, and staff have asked for it once more."""
    await shop.order(alice)
    mail, taken, go_on = await only_mail(shop), threading.Event(), threading.Event()
    shop.resend.after_work = lambda: (taken.set(), go_on.wait(8))
    late = asyncio.create_task(shop.work())
    await asyncio.to_thread(taken.wait, 8)
    await shop.change("UPDATE emails SET status = 'SENT'")
    assert (await send_again(carl, mail)).status_code == 200
    shop.resend.after_work = None
    go_on.set()
    await late
    await shop.work()
    assert [each["idempotency_key"] for each in shop.resend.mails] == [f"souk-{mail.id}-0", f"souk-{mail.id}-1"]
    assert (await only_mail(shop)).status == "SENT"


async def test_what_a_mail_is_filled_with_is_shown_to_nobody(alice, carl, sam, shop):
    await shop.order(alice)
    for person in (carl, sam):
        (shown,) = (await person.get("/admin/emails")).json()["data"]
        assert not {"context", "sendings"} & shown.keys()
