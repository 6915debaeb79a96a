"""Documents with real parts: `souk serve` and `souk worker` as processes of their own, and a real S3 server."""

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress

import httpx
import obstore
import pytest
from obstore.store import S3Store

from app import auth
from app.clients.storage import private_files
from app.settings import Settings
from tests.documents.conftest import drawn
from tests.doubles.cloudinary import LocalCloudinary
from tests.doubles.s3 import S3
from tests.doubles.serving import serving
from tests.payments.processes import BARE, ROOT
from tests.test_readme import free_port, wait_for

MIB = 1024 * 1024
UPLOAD = "/api/v1/documents/upload"


@pytest.fixture
def s3(tmp_path):
    server = S3(tmp_path / "s3")
    try:
        server.start()
        yield server
    finally:
        server.kill()


def bucket_settings(s3: S3, **more: str) -> dict[str, str]:
    return {
        "R2_ENDPOINT": s3.endpoint,
        "R2_ACCESS_KEY_ID": s3.access_key,
        "R2_SECRET_ACCESS_KEY": s3.secret_key,
        "R2_BUCKET": "souk",
        **more,
    }


def keys(s3: S3, bucket: str = "souk") -> list[str]:
    """Everything in the bucket, by a client that is not ours."""
    access = {"access_key_id": s3.access_key, "secret_access_key": s3.secret_key, "region": "auto"}
    store = S3Store(bucket, endpoint=s3.endpoint, client_options={"allow_http": True}, **access)
    return sorted(each["path"] for page in obstore.list(store) for each in page if each["path"] != "ready")


@pytest.fixture
def souk(database_url, redis_url, tmp_path):
    """Starts `souk serve` or `souk worker` with settings; gives the process and its address."""
    started = []

    def start(command: str, **settings: str) -> tuple["subprocess.Popen[bytes]", str]:
        port = str(free_port())
        given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "DATA_DIR": str(tmp_path / "data")}
        secret = {"JWT_SECRET": auth.signing_key(), "ENVIRONMENT": "test", "RATE_LIMITS": "off"}
        environment = BARE | given | secret | {"PORT": port} | settings
        with open(tmp_path / f"{command}.log", "ab") as log:
            arguments = [sys.executable, "-m", "app", command]
            process = subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=log, stderr=log)
        started.append(process)
        if command == "serve":
            wait_for(f"http://127.0.0.1:{port}/health")
        return process, f"http://127.0.0.1:{port}"

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def headers(person) -> dict[str, str]:
    return {"Authorization": person.headers["Authorization"]}


async def until(true, seconds=60):
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_passport_goes_its_way_in_s3(souk, s3, alice, carl):
    """Uploaded, thumbnail drawn by the worker, read by staff, verified, deleted, erased."""
    settings = bucket_settings(s3, R2_PUBLIC_URL="https://media.example", R2_PRIVATE_BUCKET="souk-private")
    (_, base), _ = souk("serve", **settings), souk("worker", **settings)
    async with httpx.AsyncClient(base_url=f"{base}/api/v1", timeout=60) as client:
        upload = {"files": {"file": ("passport.jpg", drawn(size=(1200, 900)))}, "data": {"category": "PASSPORT"}}
        answer = await client.post("/documents/upload", headers=headers(alice), **upload)
        assert answer.status_code == 201, answer.text
        document = answer.json()["data"]
        key = f"private/documents/{alice.user.id}/{document['id']}"

        async def stored():
            return keys(s3, "souk-private") == [key, f"{key}-thumbnail"]

        await until(stored)
        assert keys(s3) == []
        saved = await client.get(f"/documents/{document['id']}/file", headers=headers(carl))
        assert len(saved.content) == document["file_size"]
        verdict = {"status": "VERIFIED", "expires_on": "2031-03-14"}
        await client.patch(f"/admin/documents/{document['id']}/verify", json=verdict, headers=headers(carl))
        shown = await client.get(f"/documents/{document['id']}", headers=headers(alice))
        assert shown.json()["data"]["status"] == "VERIFIED"
        assert (await client.delete(f"/documents/{document['id']}", headers=headers(alice))).status_code == 204

        async def gone():
            return keys(s3, "souk-private") == []

        await until(gone)


async def test_a_passport_goes_its_way_in_cloudinary(agency, alice, carl):
    account = LocalCloudinary()
    with serving(account) as url:
        given = {"cloud_name": "souk", "api_key": "1234", "api_secret": "shh", "api_base": url}
        settings = agency.tools.settings.model_dump() | {f"cloudinary_{name}": value for name, value in given.items()}
        agency = agency.with_files(private_files(Settings(**settings), seconds=5))
        document = await agency.document(alice)
        await agency.work()
        key = f"documents/{alice.user.id}/{document['id']}"
        assert sorted(account.files) == [key, f"{key}-thumbnail"]
        saved = await carl.get(f"/documents/{document['id']}/file", headers={"Range": "bytes=2-9"})
        assert (saved.status_code, len(saved.content)) == (206, 8)
        await alice.delete(f"/documents/{document['id']}")
        await agency.work()
        assert not account.files
    assert (await agency.send(alice)).status_code == 503


async def test_s3_down_before_during_and_after(agency, s3, alice):
    given = {name.lower(): value for name, value in bucket_settings(s3).items()}
    settings = Settings(**agency.tools.settings.model_dump() | given)
    agency = agency.with_files(private_files(settings, seconds=2))
    s3.kill()
    assert (await agency.send(alice)).status_code == 503
    s3.start()
    with s3.frozen():
        assert (await agency.send(alice)).status_code == 503
    document = await agency.document(alice)
    s3.kill()
    path = f"/documents/{document['id']}"
    assert (await alice.get(f"{path}/file")).status_code == 503
    assert (await alice.get(path)).status_code == 200
    s3.start()
    assert (await alice.get(f"{path}/file")).status_code == 200
    await agency.sweep()
    key = f"private/documents/{alice.user.id}/{document['id']}"
    assert keys(s3) == [key, f"{key}-thumbnail"]
    assert len(await agency.rows("SELECT FROM documents")) == 1
    assert not await agency.rows("SELECT FROM erasures")


async def test_a_process_killed_while_it_stores_leaves_nothing(souk, agency, s3, alice):
    given = bucket_settings(s3)
    settings = Settings(**agency.tools.settings.model_dump() | {name.lower(): value for name, value in given.items()})
    agency = agency.with_files(private_files(settings, seconds=5))
    server, base = souk("serve", **given)
    with s3.frozen():
        upload = {"files": {"file": ("passport.jpg", drawn())}, "data": {"category": "PASSPORT"}}
        async with httpx.AsyncClient(timeout=60) as client:
            sending = asyncio.create_task(client.post(base + UPLOAD, headers=headers(alice), **upload))

            async def written():
                return len(await agency.rows("SELECT FROM documents WHERE NOT is_ready")) == 1

            await until(written)
            server.kill()
            with pytest.raises(httpx.TransportError):
                await sending
    assert (await alice.get("/documents")).json()["data"] == []
    await asyncio.sleep(3)  # the bytes that were on their way arrive
    await agency.rows("UPDATE documents SET created_at = now() - interval '20 minutes'")
    await agency.sweep()
    assert keys(s3) == []
    assert not await agency.rows("SELECT FROM documents UNION SELECT FROM erasures")


# -- at the socket


async def test_an_endless_body_is_cut(app, alice):
    """Not a byte more is asked for than a document may have, and what wraps it."""
    given = 0

    async def endless():
        nonlocal given
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        for chunk in (head, *(bytes(64 * 1024) for _ in range(400 * 16))):
            given += len(chunk)
            yield chunk

    answer = await alice.post(
        "/documents/upload", content=endless(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["connection"] == "close"
    assert 10 * MIB < given < 11 * MIB
    given = 0
    other = await alice.post("/orders", content=endless(), headers={"Content-Type": "application/json"})
    assert other.status_code == 413
    assert given < 2 * MIB


@pytest.mark.parametrize("said", ["Transfer-Encoding: chunked", f"Content-Length: {400 * MIB}"])
def test_the_connection_is_closed_on_who_goes_on(souk, alice, said):
    _, base = souk("serve")
    sent = 0
    with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2])), timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: souk\r\nAuthorization: {alice.headers['Authorization']}\r\n"
        client.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n{said}\r\n\r\n".encode())
        part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + bytes(64 * 1024)
        chunked = "chunked" in said
        with suppress(ConnectionError):
            while sent < 400 * MIB:
                client.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                sent += len(part)
                part = bytes(64 * 1024)
    assert sent < (20 if chunked else 10) * MIB  # what the kernel holds is not read by anybody


def test_who_is_not_signed_in_is_refused_before_the_body(souk):
    _, base = souk("serve")
    with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2])), timeout=20) as client:
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: souk\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        client.sendall(f"{head}Content-Length: {9 * MIB}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 401")


async def test_a_customer_who_goes_away_leaves_nothing(souk, agency, alice, tmp_path):
    (server, base), log = souk("serve"), tmp_path / "serve.log"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + drawn()
    with socket.create_connection(("127.0.0.1", int(base.rpartition(":")[2])), timeout=20) as client:
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: souk\r\nAuthorization: {alice.headers['Authorization']}\r\n"
        client.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {MIB}\r\n\r\n".encode())
        client.sendall(body)
        await asyncio.sleep(0.3)
    await asyncio.sleep(1)
    assert server.poll() is None
    assert "unforeseen" not in log.read_text()
    assert not await agency.rows("SELECT FROM documents")
    async with httpx.AsyncClient(base_url=base, timeout=30) as other:
        assert (await other.get("/health")).status_code == 200
