"""The virus scan: what is found is named, and what could not be scanned is not clean."""

import time
from io import BytesIO
from tempfile import SpooledTemporaryFile

import pytest

from app.clients.clamav import ClamAv, ScannerDown
from tests.doubles.clamav import EICAR, LocalClamAv
from tests.doubles.s3 import free_ports


@pytest.fixture
def clamd():
    return LocalClamAv()


@pytest.fixture
async def scanner(clamd, tmp_path):
    async with clamd.listening(tmp_path / "clamd.sock") as path:
        yield ClamAv(path, seconds=0.5)


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_a_clean_file(scanner, clamd, size):
    file = BytesIO(b"x" * size)
    file.seek(size)
    assert await scanner.scan(file) is None
    assert clamd.scanned == [size]


async def test_a_virus_is_named(scanner):
    with SpooledTemporaryFile() as file:
        file.write(b"x" * 100_000 + EICAR)
        assert await scanner.scan(file) == "Eicar-Test-Signature"


@pytest.mark.parametrize("fault", ["hang", "close", "error", "garbage", "endless"])
async def test_what_could_not_be_scanned_is_not_clean(scanner, clamd, fault):
    clamd.fault = fault
    began = time.monotonic()
    with pytest.raises(ScannerDown):
        await scanner.scan(BytesIO(b"x" * 3_000_000))
    assert time.monotonic() - began < 1.5
    clamd.fault = ""
    assert await scanner.scan(BytesIO(b"x")) is None


async def test_a_file_that_is_too_large_for_clamd_is_not_clean(scanner, clamd):
    clamd.limit = 1000
    with pytest.raises(ScannerDown):
        await scanner.scan(BytesIO(b"x" * 3_000_000))


async def test_nobody_there_is_not_clean(tmp_path):
    for socket in (str(tmp_path / "nobody.sock"), f"127.0.0.1:{free_ports(1)[0]}", f"[::1]:{free_ports(1)[0]}"):
        with pytest.raises(ScannerDown):
            await ClamAv(socket).scan(BytesIO(b"x"))
    assert ScannerDown.status == 503


async def test_an_answer_must_say_ok_exactly(scanner, clamd, monkeypatch):
    for answer in (b"stream: OK FOUND\0", b"OK\0", b"stream: ok\0", b"\0", b"stream: FOUND\0", b"x: OK\0"):

        async def verdict(reader, answer=answer):
            return answer

        monkeypatch.setattr(clamd, "verdict", verdict)
        if answer == b"stream: OK FOUND\0":
            assert await scanner.scan(BytesIO(b"x")) == "OK"
        else:
            with pytest.raises(ScannerDown):
                await scanner.scan(BytesIO(b"x"))


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "a..b:1", "127.0.0.1:port", "\0:1"])
async def test_an_address_that_is_none_is_a_scanner_that_is_away(address):
    with pytest.raises(ScannerDown):
        await ClamAv(address, seconds=2).scan(BytesIO(b"x"))
