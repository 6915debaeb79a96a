"""Sending by Resend: one mail for a key, and every trouble is either for later or for good."""

import asyncio
import base64
import logging
import socket
import time
from collections.abc import Iterator

import pytest

from app.clients import mail
from app.clients.mail import MailRefused, Resend
from app.errors import Unavailable
from tests.doubles.resend import STRANGE, LocalResend
from tests.doubles.serving import serving

SENDER = "Souk <hello@souk.example>"
LETTER = ("alice@example.com", "Hello", "Hello Alice", "<p>Hello Alice</p>")


@pytest.fixture
def resend() -> LocalResend:
    return LocalResend("re_test")


@pytest.fixture
def base(resend: LocalResend) -> Iterator[str]:
    with serving(resend) as url:
        yield url


@pytest.fixture
def door(base: str) -> Resend:
    return Resend("re_test", base, SENDER)


async def test_a_mail_is_sent(door, resend):
    receipt = ("receipt-HT-2026-000001.pdf", "application/pdf", b"%PDF-1.3 \x00\xff")
    found = await door.send(*LETTER, key="mail/1", attachments=[receipt])
    (sent,) = resend.mails
    assert sent == {
        "id": found,
        "idempotency_key": "mail/1",
        "from": SENDER,
        "to": ["alice@example.com"],
        "subject": "Hello",
        "text": "Hello Alice",
        "html": "<p>Hello Alice</p>",
        "attachments": [
            {"filename": receipt[0], "content_type": receipt[1], "content": sent["attachments"][0]["content"]}
        ],
    }
    assert base64.b64decode(sent["attachments"][0]["content"]) == receipt[2]


async def test_the_same_key_sends_one_mail(door, resend):
    assert await door.send(*LETTER, key="mail/1") == await door.send(*LETTER, key="mail/1")
    assert len(resend.mails) == 1
    assert await door.send(*LETTER, key="mail/2") != resend.mails[0]["id"]


async def test_a_lost_answer_does_not_send_twice(door, resend):
    resend.fault("reset_after")
    with pytest.raises(Unavailable):
        await door.send(*LETTER, key="mail/1")
    assert await door.send(*LETTER, key="mail/1") == resend.mails[0]["id"]
    assert len(resend.mails) == 1


@pytest.mark.parametrize("kind", ["500", "429", "408", "409", "401", "403", "400_key", "reset", *STRANGE])
async def test_trouble_is_for_later(door, resend, kind):
    resend.fault(kind)
    with pytest.raises(Unavailable):
        await door.send(*LETTER, key="mail/1")
    assert resend.mails == []
    assert await door.send(*LETTER, key="mail/1")
    assert resend.requests == 2, "it is for the job to try again"


async def test_silence_is_for_later(door, resend, monkeypatch):
    monkeypatch.setattr(mail, "SECONDS", 0.3)
    resend.fault("hang")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        await door.send(*LETTER, key="mail/1")
    assert time.monotonic() - began < 0.9


async def test_nobody_there_is_for_later():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable):
        await Resend("re_test", f"http://127.0.0.1:{port}", SENDER).send(*LETTER, key="mail/1")


async def test_a_mail_that_resend_does_not_take_is_refused(door, resend):
    resend.fault("422")
    with pytest.raises(MailRefused, match="Invalid `to` field"):
        await door.send(*LETTER, key="mail/1")
    with pytest.raises(MailRefused):
        await door.send("nobody", "Hello", "Hello", "<p>Hello</p>", key="mail/2")
    assert resend.mails == []


@pytest.mark.parametrize("kind", ["401", "403", "400_key"])
async def test_a_key_that_does_not_open_is_logged(door, resend, caplog, kind):
    resend.fault(kind)
    with pytest.raises(Unavailable):
        await door.send(*LETTER, key="mail/1")
    assert [(each.name, each.levelno) for each in caplog.records if each.name == "souk.mail"] == [
        ("souk.mail", logging.ERROR)
    ]


async def test_a_wrong_key_is_for_later(base, resend):
    with pytest.raises(Unavailable):
        await Resend("re_other", base, SENDER).send(*LETTER, key="mail/1")
    assert resend.mails == []


async def test_a_key_is_never_told(base):
    with pytest.raises(Unavailable) as caught:
        await Resend("re_se\ncret", base, SENDER).send(*LETTER, key="mail/1")
    assert "cret" not in f"{caught.value}{caught.value.__cause__}"
    assert caught.value.__suppress_context__


async def test_two_doors_at_once_do_not_mix(base, resend):
    """The library keeps key and address in globals."""
    other = LocalResend("re_other")
    with serving(other) as elsewhere:
        doors = [Resend("re_test", base, SENDER), Resend("re_other", elsewhere, SENDER)] * 10
        await asyncio.gather(*(each.send(*LETTER, key=f"mail/{number}") for number, each in enumerate(doors)))
    assert {each["idempotency_key"] for each in resend.mails} == {f"mail/{number}" for number in range(0, 20, 2)}
    assert len(other.mails) == 10


def test_the_library_is_not_loaded_before_the_first_mail(run):
    assert run("import sys, app.clients.mail; print('resend' in sys.modules)") == "False"
