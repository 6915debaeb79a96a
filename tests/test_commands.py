"""The `souk` command: what it refuses, in one sentence and with a non-zero exit, and what it prints."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Json

from app.clients.stripe import by_intent
from app.db import Database
from app.doubles.stripe_account import StripeAccount
from app.doubles.stripe_objects import Refusal
from app.kit.table import minor_units
from app.letters import letter
from app.seed import at_stripe
from app.settings import Settings
from tests.conftest import at
from tests.test_readme import free_port, wait_for

BARE = {key: value for key, value in os.environ.items() if key.lower() not in Settings.model_fields}
SERVICES = "kind = 'SERVICE'"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "JWT_SECRET": "kq8Zr1nT5vXw3yB7uC9eF2hJ4mP6sD0a",
    "REDIS_URL": "redis://localhost:1",
    "FRONTEND_URL": "https://souk.example",
    "RATE_LIMITS": "on",
}


def souk(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app", *words]
    return subprocess.run(command, env=BARE | settings, capture_output=True, text=True, timeout=240)


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """One sentence, no traceback, a non-zero exit."""
    assert result.returncode != 0
    assert result.stderr.startswith("souk: ")
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_port_in_use_is_one_sentence(database_url, redis_url):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused(souk("up", DATABASE_URL=database_url, REDIS_URL=redis_url, PORT=port), port, "PORT")


def test_nothing_starts_while_passports_lie_in_an_open_bucket(database_url, redis_url):
    """As where R2_PUBLIC_URL is set for a bucket that has held documents."""
    bucket = {"R2_ENDPOINT": "https://s3.example.com", "R2_ACCESS_KEY_ID": "key", "R2_SECRET_ACCESS_KEY": "secret"}
    opened = {"R2_BUCKET": "souk", "R2_PUBLIC_URL": "https://media.example.com", "R2_PRIVATE_BUCKET": "souk-private"}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE documents DROP CONSTRAINT fk_documents_user_id")
        connection.execute(
            "INSERT INTO documents SELECT (json_populate_record(NULL::documents, %s)).*",
            [Json(dict.fromkeys(("id", "user_id"), str(uuid4())) | OLD_DOCUMENT)],
        )
    for command in ("worker", "serve", "up"):
        there = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "PORT": str(free_port())}
        refused(souk(command, **there, **bucket, **opened), "documents lie there (1)", "README")


OLD_DOCUMENT = {
    "created_at": "2026-11-22T09:40:00Z",
    "updated_at": "2026-11-22T09:40:00Z",
    "category": "PASSPORT",
    "status": "PENDING",
    "original_name": "passport.jpg",
    "file_size": 1,
    "mime_type": "image/jpeg",
    "pages": 1,
    "storage_key": "s3:documents/x/y",
    "is_ready": True,
}


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody@no-such-host.invalid/none"]
)
def test_an_unreachable_database_is_one_sentence(url, redis_url):
    for command in ("up", "migrate", "serve"):
        refused(souk(command, DATABASE_URL=url, REDIS_URL=redis_url, PORT=str(free_port())), "DATABASE_URL")


def test_a_setting_that_is_not_one_is_named():
    refused(souk("up", DATABASE_URL="mysql://localhost/souk"), "DATABASE_URL")
    refused(souk("up", PORT="http"), "PORT")
    refused(souk("up", JWT_EXPIRATION="soon"), "JWT_EXPIRATION")


def test_production_needs_its_own_servers_and_secrets():
    refused(souk("up", ENVIRONMENT="production"), "JWT_SECRET", "DATABASE_URL", "REDIS_URL", "FRONTEND_URL")


def test_seed_refuses_in_production_and_where_people_are(database_url, redis_url, tmp_path):
    demo = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "DATA_DIR": str(tmp_path)}
    refused(souk("seed", **PRODUCTION, DATABASE_URL=database_url))
    assert souk("seed", **demo).returncode == 0
    kept = sorted(tmp_path.rglob("documents/*/*"))
    refused(souk("seed", **demo), "Demo data")
    assert sorted(tmp_path.rglob("documents/*/*")) == kept != []


def test_the_seed_is_a_believable_agency(database_url, redis_url, tmp_path):
    souk("seed", DATABASE_URL=database_url, REDIS_URL=redis_url, DATA_DIR=str(tmp_path))
    with psycopg.connect(database_url) as connection:
        counts = dict(connection.execute("SELECT role, count(*) FROM users GROUP BY role").fetchall())
        assert counts == {"ADMIN": 1, "CONSULTANT": 2, "CUSTOMER": 60, "SELLER": 12}
        orders = dict(
            connection.execute(f"SELECT status, count(*) FROM orders WHERE {SERVICES} GROUP BY status").fetchall()
        )
        assert sum(orders.values()) == 300
        assert len(orders) == 5
        assert min(orders.values()) >= 10
        assert connection.execute("SELECT count(*) FROM services").fetchone()[0] >= 24
        latest = "SELECT to_status FROM status_changes WHERE order_id = orders.id ORDER BY at DESC LIMIT 1"
        astray = f"SELECT count(*) FROM orders WHERE status <> ({latest})"
        assert connection.execute(astray).fetchone()[0] == 0
        assert connection.execute("SELECT sum(value) FROM number_series WHERE series = 'HT'").fetchone()[0] == 300


def test_the_money_of_the_seed_adds_up(database_url, redis_url, tmp_path):
    souk("seed", DATABASE_URL=database_url, REDIS_URL=redis_url, DATA_DIR=str(tmp_path))
    with psycopg.connect(database_url) as connection:

        def counts(sql: str) -> dict:
            return dict(connection.execute(sql).fetchall())

        def none(sql: str) -> None:
            assert connection.execute(sql).fetchall() == []

        with_order = "FROM payments p JOIN orders o ON o.id = p.order_id WHERE"
        payments = counts(f"SELECT p.status, count(*) {with_order} {SERVICES} GROUP BY p.status")
        assert payments["SUCCEEDED"] >= 120
        assert payments["REFUNDED"] >= 5
        assert (payments["FAILED"], payments["PENDING"]) == (3, 3)
        events = counts("SELECT status, count(*) FROM stripe_events GROUP BY status")
        assert (events["UNMATCHED"], events["FAILED"], events["IGNORED"]) == (1, 1, 3)
        mails = counts("SELECT status, count(*) FROM emails GROUP BY status")
        assert mails == {"FAILED": 2, "SENT": mails["SENT"], "KEPT": mails["KEPT"]}
        assert connection.execute("SELECT count(*) FROM payments WHERE needs_review").fetchone()[0] == 1
        none(f"SELECT p.id {with_order} (p.amount, p.currency) <> (o.total_amount, o.currency)")
        none(
            f"SELECT p.id {with_order} p.status <> o.payment_status OR (o.status = 'PENDING' AND p.captured_amount > 0)"
        )
        none("SELECT id FROM payments WHERE captured_amount > 0 AND (captured_amount <> amount OR paid_at IS NULL)")
        given = "SELECT sum(amount) FROM refunds WHERE payment_id = p.id AND status = 'SUCCEEDED'"
        none(f"SELECT id FROM payments p WHERE refunded_amount <> coalesce(({given}), 0)")
        none("SELECT id FROM orders WHERE status NOT IN ('PENDING', 'CANCELLED') AND payment_status = 'PENDING' "
             f"AND NOT confirmed_without_payment AND {SERVICES}")  # fmt: skip
        none("SELECT FROM procrastinate_jobs")
        for template, context in connection.execute("SELECT DISTINCT template, context FROM emails"):
            assert letter(template, context, attach=False).subject


def test_the_local_stripe_learns_the_payments_of_the_seed_once(database_url, redis_url, tmp_path: Path):
    souk("seed", DATABASE_URL=database_url, REDIS_URL=redis_url, DATA_DIR=str(tmp_path))
    stripe = StripeAccount(tmp_path / "stripe.json")

    async def tell() -> None:
        database = Database(database_url)
        await at_stripe.tell(database, stripe)
        await database.close()

    asyncio.run(tell())
    with psycopg.connect(database_url) as connection:
        wanted = "SELECT stripe_payment_intent_id, amount, currency, status FROM payments WHERE payment_method = 'CARD'"
        paid = connection.execute(wanted).fetchall()
    assert len(stripe.intents) == len(paid)
    for intent, amount, currency, status in paid:
        known = stripe.find("payment_intent", intent)
        assert (known["amount"], known["currency"]) == (minor_units(amount, currency), currency.lower())
        assert by_intent(known).problem == ("Your card has insufficient funds." if status == "FAILED" else None)
    one = next(intent for intent, _, _, status in paid if status == "SUCCEEDED")
    given_back = stripe.refund({"payment_intent": one})
    kept = (tmp_path / "stripe.json").read_bytes()
    asyncio.run(tell())
    assert (tmp_path / "stripe.json").read_bytes() == kept
    assert stripe.find("refund", given_back["id"])["amount"] == stripe.find("payment_intent", one)["amount"]
    with pytest.raises(Refusal):
        stripe.refund({"payment_intent": next(intent for intent, *_, status in paid if status == "REFUNDED")})


def test_an_admin_is_made_once(database_url, redis_url):
    urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    refused(souk("create-admin", "--email", "boss@example.com", **urls), "ADMIN_PASSWORD")
    refused(souk("create-admin", "--email", "boss@example.com", ADMIN_PASSWORD="password1", **urls), "too easy")
    refused(souk("create-admin", "--email", "boss@example.com", ADMIN_PASSWORD="sh0rt!", **urls), "too easy")
    first = souk("create-admin", "--email", "boss@example.com", ADMIN_PASSWORD="olive-tree-42", **urls)
    assert "can log in" in first.stdout
    again = souk("create-admin", "--email", "BOSS@example.com", ADMIN_PASSWORD="olive-tree-42", **urls)
    assert "nothing changed" in again.stdout


def test_resources_are_listed_with_their_rules():
    listed = souk("resources").stdout
    assert "/admin/orders  (Order)" in listed
    assert "read    mine" in listed


def test_up_leaves_nothing_running_and_keeps_its_data(tmp_path: Path):
    port = str(free_port())
    settings = {"DATA_DIR": str(tmp_path / "var"), "PORT": port}
    url = f"http://127.0.0.1:{port}"
    for stop in (signal.SIGINT, signal.SIGKILL, signal.SIGTERM):
        server = subprocess.Popen([sys.executable, "-m", "app", "up"], env=BARE | settings, stdout=subprocess.DEVNULL)
        wait_for(f"{url}/health/ready")
        assert httpx.get(f"{url}/api/v1/services").json()["meta"]["total"] == 29
        server.send_signal(stop)
        server.wait(30)
        wait_until_gone(tmp_path)


def wait_until_gone(folder: Path) -> None:
    for _ in range(150):
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        if str(folder) not in listing:
            return
        time.sleep(0.1)
    raise AssertionError([line for line in listing.splitlines() if str(folder) in line])


def test_two_processes_migrate_one_database_at_once(services, redis_url):
    name = f"twice_{os.getpid()}"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            command = [sys.executable, "-m", "app", "migrate"]
            environment = BARE | {"DATABASE_URL": at(services.database_url, name), "REDIS_URL": redis_url}
            both = [subprocess.Popen(command, env=environment) for _ in range(2)]
            assert [each.wait(60) for each in both] == [0, 0]
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_table_without_a_migration_is_named(database_url, redis_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE kept_answers")
    refused(
        souk("up", DATABASE_URL=database_url, REDIS_URL=redis_url, PORT=str(free_port())), "kept_answers", "migration"
    )


def test_a_database_of_another_branch_is_one_sentence(database_url, redis_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
    refused(souk("up", DATABASE_URL=database_url, REDIS_URL=redis_url, PORT=str(free_port())), "branch", "elsewhere")
