"""The README keeps its promises: its story runs, its tutorial works, its table of settings is complete."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import local
from app.settings import Settings, shown_default

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


STORIES = (
    *("story", "story of a payment", "story of a passport"),
    *("story of a market", "story of two sellers", "story of a cart"),
)


def block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", README, re.S)
    assert found, mark
    return found[1]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def running(tmp_path: Path, services: local.Services) -> Iterator[tuple[Path, str]]:
    """A copy of the project with the tutorial's table in it, migrated by `souk migration` and served by `souk up`."""
    copy = tmp_path / "souk"
    copy.mkdir()
    for name in ("app", "admin", "migrations", "email_templates"):
        subprocess.run(["cp", "-r", ROOT / name, copy / name], check=True)
    (copy / "app/resources/offices.py").write_text(block("tutorial"))
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
    environment |= {"PORT": str(port), "DATA_DIR": str(tmp_path / "var"), "ENVIRONMENT": "development"}
    souk = [sys.executable, "-m", "app"]
    subprocess.run([*souk, "migration", "branch offices"], cwd=copy, env=environment, check=True)
    server = subprocess.Popen([*souk, "up"], cwd=copy, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield copy, f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            assert server.wait(60) in (0, -15)
        finally:
            server.kill()


def wait_for(url: str) -> None:
    for _ in range(1200):
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


def ask(method: str, url: str, **options: Any) -> httpx.Response:
    """A request for which a busy machine may take its time."""
    return httpx.request(method, url, timeout=60, **options)


def signed_in(base: str, email: str) -> dict[str, str]:
    answer = ask("POST", f"{base}/api/v1/auth/login", json={"email": email, "password": "welcome-to-souk"})
    return {"Authorization": f"Bearer {answer.json()['data']['access_token']}"}


@pytest.mark.timeout(600)
def test_the_story_and_the_tutorial_work_as_printed(running: tuple[Path, str]) -> None:
    copy, base = running
    story = "".join(map(block, STORIES))
    story = story.replace("http://127.0.0.1:8000", base).replace(".venv/bin/souk", f"{sys.executable} -m app")
    story = story.replace("http://127.0.0.1:8001", f"http://127.0.0.1:{int(base.rpartition(':')[2]) + 1}")
    told = subprocess.run(
        ["bash", "-eu", "-c", story], capture_output=True, text=True, check=True, timeout=290, cwd=copy
    ).stdout
    assert '"order_number":"HT-' in told
    assert '"text":"Order placed"' in told
    assert told.index("<title>Declined") < told.index("<title>Paid") < told.index('"status":"SUCCEEDED"')
    assert "Order confirmed: Paid by Visa ending in 4242" in told
    assert '"status":"PENDING","original_name":"passport.jpg"' in told
    assert '"missing" : ["PASSPORT"' in told
    assert '"kind":"GOODS","status":"DELIVERED"' in told
    assert '"text":"Delivered"' in told
    assert '"code": "not_found"' in told, "Omar does not see what Vera sold"
    assert told.count("<title>Paid") == 3
    assert (copy / "saved.jpg").read_bytes().startswith(b"\xff\xd8\xff")

    assert list((copy / "migrations/versions").glob("*branch_offices.py"))
    admin = signed_in(base, "sam@example.com")
    made = ask("POST", f"{base}/api/v1/offices", json={"name": "Algiers", "city": "Algiers"}, headers=admin)
    assert made.status_code == 201, made.text
    assert ask("GET", f"{base}/api/v1/offices?search=algiers").json()["meta"]["total"] == 1
    assert ask("POST", f"{base}/api/v1/offices", json={"name": "x", "city": "y"}).status_code == 401
    grace = signed_in(base, "grace@example.com")
    assert ask("POST", f"{base}/api/v1/offices", json={"name": "x", "city": "y"}, headers=grace).status_code == 403
    audit = ask("GET", f"{base}/api/v1/admin/audit?resource=offices", headers=admin)
    assert audit.json()["meta"]["total"] == 1, audit.text
    assert "/api/v1/offices" in ask("GET", f"{base}/api/openapi.json").json()["paths"]
    with httpx.Client(base_url=base, headers={"Origin": base}, timeout=60) as staff:
        staff.post("/admin/login", data={"username": "sam@example.com", "password": "welcome-to-souk"})
        mails = ask("GET", f"{base}/api/v1/admin/emails?template=order_confirmed&limit=1", headers=admin).json()["data"]
        assert "receipt-ZST-" in staff.get(f"/admin/emails/details/{mails[0]['id']}").text
        assert "Algiers" in staff.get("/admin/offices/list").text
        verify_the_last(staff, base, admin)


def verify_the_last(staff: httpx.Client, base: str, admin: dict[str, str]) -> None:
    """Amina's passport, in the back office, as the button does it."""
    listed = ask("GET", f"{base}/api/v1/admin/documents?status=PENDING&limit=1", headers=admin).json()["data"]
    key = listed[0]["id"]
    assert "Amina Benali" in staff.get(f"/admin/documents/details/{key}").text
    assert staff.get(f"/admin/documents/picture/{key}").content.startswith(b"\xff\xd8\xff")
    assert staff.post(f"/admin/documents/verdict/{key}", data={"status": "VERIFIED"}).status_code == 303
    assert ask("GET", f"{base}/api/v1/admin/documents/{key}", headers=admin).json()["data"]["status"] == "VERIFIED"
    mails = ask("GET", f"{base}/api/v1/admin/emails?template=document_verified&limit=1", headers=admin).json()["data"]
    assert mails[0]["recipient"] == "amina@example.com"


def test_the_table_of_settings_is_complete() -> None:
    for name, field in Settings.model_fields.items():
        default = shown_default(field.default)
        assert f"| `{name.upper()}` | {f'`{default}`' if default else ''} | {field.description} |" in README
