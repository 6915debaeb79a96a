"""No more mails at once than the account may send: what comes too early costs no try, and nothing is lost."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from app.clients.mail import LONGEST, PATIENCE, Busy, Resend
from app.resources.emails import mail
from tests.doubles.resend import LocalResend
from tests.doubles.serving import serving
from tests.mail.test_sending import only_mail, outbox, send_again
from tests.payments.conftest import MAIL_KEY, rows_of
from tests.payments.test_jobs import until, working

LETTER = ("alice@example.com", "Hello", "Hello Alice", "<p>Hello Alice</p>")


@pytest.fixture
def resend(request: pytest.FixtureRequest) -> Iterator[LocalResend]:
    """Resend with a limit: `limit`, `seconds` and `retry_after` are the test's parameters."""
    double = LocalResend(MAIL_KEY, **getattr(request, "param", {}))
    with serving(double) as url:
        double.url = url
        yield double


def limited(**values):
    return pytest.mark.parametrize("resend", [values], indirect=True)


def door(resend, pause=0.0):
    return Resend(MAIL_KEY, resend.url, "Souk <hello@souk.example>", pause)


async def write(shop, number):
    """So many mails that are due at once."""
    async with shop.tools.database.transaction() as session:
        session.add_all(mail("alice@example.com", "password_changed", name="Alice") for _ in range(number))


# -- the account's limit


@limited(limit=5, seconds=0.5)
async def test_thirty_mails_of_two_workers_are_all_sent_once(shop):
    """Each worker keeps to the limit, both together do not."""
    await write(shop, 30)
    async with AsyncExitStack() as workers:
        for _ in range(2):
            await workers.enter_async_context(working(replace(shop.tools, post=door(shop.resend, 0.1))))
        await until(lambda: all_of(shop, "SENT"), 20)
    assert shop.resend.turned_away, "it was never too much"
    assert len({taken["idempotency_key"] for taken in shop.resend.mails}) == len(shop.resend.mails) == 30
    assert {found.attempts for found in await outbox(shop)} == {1}


@limited(limit=2, seconds=0.4)
async def test_one_worker_keeps_to_the_limit(shop):
    await write(shop, 10)
    async with working(replace(shop.tools, post=door(shop.resend, 0.25))):
        await until(lambda: all_of(shop, "SENT"), 20)
    assert not shop.resend.turned_away


async def all_of(shop, status):
    return {found.status for found in await outbox(shop)} == {status}


@limited(limit=0)
async def test_an_account_that_takes_nothing_fails_a_mail_after_sixteen_hours(carl, shop):
    await write(shop, 1)
    for hours in (0, 1, 15):
        await shop.change(f"UPDATE emails SET updated_at = updated_at - interval '{hours} hours'")
        await shop.later()
        waits = await only_mail(shop)
        assert (waits.status, waits.attempts) == ("QUEUED", 0)
        assert "takes no more mails right now" in waits.error
    await shop.change("UPDATE emails SET updated_at = updated_at - interval '30 minutes'")
    await shop.later()
    failed = await only_mail(shop)
    assert failed.status == "FAILED"
    assert not await rows_of(shop.tools, "SELECT FROM procrastinate_jobs")
    (shown,) = (await carl.get("/admin/emails?status=FAILED")).json()["data"]
    assert "takes no more mails right now" in shown["error"]
    shop.resend.limit, shop.tools = None, replace(shop.tools, post=door(shop.resend))
    assert (await send_again(carl, failed)).status_code == 200
    await shop.work()
    sent = await only_mail(shop)
    assert (sent.status, sent.attempts, sent.error) == ("SENT", 1, None)


@limited(limit=0)
async def test_the_sixteen_hours_begin_with_the_first_try(shop):
    """The worker was away for days: that is not the mail's fault."""
    await write(shop, 1)
    await shop.change(
        "UPDATE emails SET created_at = now() - interval '3 days', updated_at = now() - interval '3 days'"
    )
    await shop.work()
    assert (await only_mail(shop)).status == "QUEUED"


# -- the line before it


async def test_mails_keep_their_distance(resend):
    paced, began = door(resend, 0.1), time.monotonic()
    await asyncio.gather(*(paced.send(*LETTER, key=f"mail/{number}") for number in range(6)))
    assert 0.5 <= time.monotonic() - began < 1.5


async def test_who_would_wait_long_is_given_a_later_turn_each(resend):
    paced = door(resend, PATIENCE + 1)
    await paced.send(*LETTER, key="mail/1")
    pauses = []
    for number in range(3):
        with pytest.raises(Busy) as caught:
            await paced.send(*LETTER, key=f"mail/{number}")
        pauses.append(caught.value.seconds)
    assert pauses == pytest.approx([2 * paced.line.pause, 3 * paced.line.pause, 4 * paced.line.pause], abs=0.5)
    assert resend.requests == 1


@limited(limit=0, retry_after=1)
async def test_refused_again_it_stays_away_twice_as_long(resend):
    closed = door(resend)
    for least in (1, 2):
        with pytest.raises(Busy) as caught:
            await closed.send(*LETTER, key="mail/1")
        assert least <= caught.value.seconds <= least * 1.2
    with pytest.raises(Busy):
        await closed.send(*LETTER, key="mail/2")
    assert resend.requests == 2, "nobody knocks at a closed door"


@limited(limit=0, retry_after=86_400)
async def test_no_pause_is_endless(resend):
    with pytest.raises(Busy) as caught:
        await door(resend).send(*LETTER, key="mail/1")
    assert LONGEST <= caught.value.seconds <= LONGEST * 1.2


def test_resend_itself_is_asked_twice_a_second():
    assert Resend("re_1", "https://api.resend.com/", "a@b.example").line.pause == 0.5
    assert Resend("re_1", "http://127.0.0.1:1", "a@b.example").line.pause == 0
