"""`souk`: run it, migrate it, fill it, check it. `souk up` does everything a newcomer needs."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
from alembic.util.exc import CommandError
from pydantic import ValidationError
from sqlalchemy import exc, func, select

from app import auth, letters, local, migrate, running
from app.db import Database, sqlalchemy_url
from app.doubles.stripe_account import StripeAccount
from app.errors import AppError
from app.kit import audit
from app.kit.access import Actor, Role
from app.kit.resource import RESOURCES
from app.kit.router import routes
from app.resources.users import User
from app.running import Stop
from app.seed import LOGINS, PASSWORD, SeedRefused, at_stripe, seed, specimens
from app.settings import Settings, env_example, get_settings


def main() -> None:
    """Entry of the `souk` script."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("souk").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(prog="souk", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=(command.__doc__ or "").splitlines()[0])
        if name == "up":
            added.add_argument("--no-seed", action="store_true", help="leave an empty database empty")
        if name == "migration":
            added.add_argument("message", help="what it changes, in a few words")
        if name == "mail-preview":
            added.add_argument("folder", type=Path, nargs="?", default=Path("var/mails"))
        if name == "specimen":
            added.add_argument("name", help="whose passport it is")
            added.add_argument("file", type=Path, help="the JPEG to write")
        if name == "create-admin":
            added.add_argument("--email")
    options = parser.parse_args()
    try:
        COMMANDS[options.command](options)
    except (Stop, local.LocalServiceError, AppError) as error:
        sys.exit(f"souk: {error}")
    except ValidationError as error:
        sys.exit("souk: " + "; ".join(wrong_setting(each["loc"], each["msg"]) for each in error.errors()))
    except CommandError as error:
        sys.exit(f"souk: the migrations do not fit this database (another branch?): {error}.")
    except (psycopg.OperationalError, exc.OperationalError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        sys.exit(f"souk: the database at DATABASE_URL cannot be reached: {reason}")
    except KeyboardInterrupt:
        sys.exit(130)


def wrong_setting(where: tuple[int | str, ...], message: str) -> str:
    name = ".".join(map(str, where)).upper()
    return f"{name}: {message}" if name else message.removeprefix("Value error, ")


# -- running


def up(options: argparse.Namespace) -> None:
    """Start what is missing, migrate, seed an empty database, serve and work."""
    settings = with_services()
    listener = running.listen(settings)
    refuse_public_documents(settings)
    migrate.upgrade(database_of(settings))
    if lacking := migrate.lacking(database_of(settings)):
        raise Stop(f'the database lacks {", ".join(lacking)}: write the migration with `souk migration "…"`.')
    settings, stripe = running.with_local_stripe(settings)
    asyncio.run(prepare(settings, demo=not options.no_seed, stripe=stripe))
    print(asyncio.run(welcome(settings, stripe is not None)), flush=True)
    running.run(settings, listener, worker=True)


def serve(options: argparse.Namespace) -> None:
    """Serve API and back office; DATABASE_URL and REDIS_URL must be set."""
    settings = ready_settings()
    running.run(settings, running.listen(settings), worker=False)


def worker(options: argparse.Namespace) -> None:
    """Work off the queue: mails, Stripe's events, refunds, reconciling. As many of them as you like."""
    running.run(ready_settings(), None, worker=True)


def ready_settings() -> Settings:
    """The settings of a process that starts nothing itself."""
    settings = get_settings()
    if not settings.database_url or not settings.redis_url:
        raise Stop("DATABASE_URL and REDIS_URL must be set; `souk up` starts local servers instead.")
    refuse_public_documents(settings)
    return settings


def refuse_public_documents(settings: Settings) -> None:
    """Stop while documents lie in a bucket that the world may read since R2_PUBLIC_URL was set."""
    with psycopg.connect(libpq(database_of(settings)), connect_timeout=5) as connection:
        if settings.r2_public_url and connection.execute("SELECT to_regclass('documents')").fetchone() != (None,):
            found = connection.execute("SELECT count(*) FROM documents WHERE storage_key LIKE 's3:%'").fetchone()
            if found and found[0]:
                raise Stop(
                    f"R2_PUBLIC_URL opens R2_BUCKET to the world, and documents lie there ({found[0]}). Take it away "
                    "until they are moved (README, Documents)."
                )


def with_services() -> Settings:
    """The settings, with local servers for what has no URL; later readers of the environment find them too."""
    settings = get_settings()
    if settings.production and not (settings.database_url and settings.redis_url):
        raise Stop("production needs DATABASE_URL and REDIS_URL.")
    found = local.start(settings.data_dir, postgres=not settings.database_url, valkey=not settings.redis_url)
    for name, url in {"DATABASE_URL": found.database_url, "REDIS_URL": found.redis_url}.items():
        if url:
            os.environ[name] = url
    get_settings.cache_clear()
    return get_settings()


def database_of(settings: Settings) -> str:
    if not settings.database_url:
        raise Stop("DATABASE_URL is not set.")
    return settings.database_url


def libpq(url: str) -> str:
    return str(sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def prepare(settings: Settings, demo: bool, stripe: StripeAccount | None = None) -> None:
    """The first admin, when settings name one, and the demo in an empty database, whose payments Stripe then knows."""
    database = Database(database_of(settings))
    try:
        if demo and not settings.production:
            with contextlib.suppress(SeedRefused):
                await seed(database, settings)
        if stripe:
            await at_stripe.tell(database, stripe)
        if settings.admin_email and settings.admin_password:
            await make_admin(database, settings.admin_email, settings.admin_password.get_secret_value())
    finally:
        await database.close()


async def make_admin(database: Database, email: str, password: str) -> bool:
    """Create the admin unless there is an account with this e-mail; True when it was created."""
    auth.check_password(password, "ADMIN_PASSWORD", email)
    hashed = await auth.hash_password(password)
    async with database.transaction() as session:
        if await session.scalar(select(User.c.id).where(func.lower(User.c.email) == email.lower())):
            return False
        user = User(email=email, full_name="Admin", hashed_password=hashed, role=Role.ADMIN, is_verified=True)
        session.add(user)
        session.add(audit.entry(Actor(), "created", user, {"role": [None, Role.ADMIN], "email": [None, email]}))
    return True


async def welcome(settings: Settings, has_local_stripe: bool) -> str:
    """What a newcomer reads: where everything is, and who can log in."""
    database = Database(database_of(settings))
    async with database.transaction() as session:
        demo = await session.scalar(select(User.c.id).where(User.c.email == LOGINS["admin"]))
    await database.close()
    at = f"http://{settings.host}:{settings.port}"
    lines = ["", "  Souk is running.", f"  API docs     {at}/api/docs", f"  Back office  {at}/admin"]
    if has_local_stripe:
        lines += [f"  Pay page     {settings.stripe_api_base}/pay/<client_secret>   (test cards, no money moves)"]
    if demo and not settings.production:
        lines += [
            "",
            "  Demo logins, each with the password " + PASSWORD,
            *(f"  {role:<12} {email}" for role, email in LOGINS.items()),
        ]
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])


# -- data


def migrate_command(options: argparse.Namespace) -> None:
    """Bring the database at DATABASE_URL (or the local one) to the newest version."""
    migrate.upgrade(database_of(with_services()))


def migration(options: argparse.Namespace) -> None:
    """Write a migration for what the tables declare and the database lacks."""
    url = database_of(with_services())
    migrate.upgrade(url)
    print(migrate.write(url, options.message))


def seed_command(options: argparse.Namespace) -> None:
    """Fill an empty database with a small believable agency and market; refuses in production."""
    settings = with_services()
    migrate.upgrade(database_of(settings))
    asyncio.run(seed(Database(database_of(settings)), settings))
    print(f"Seeded. Everybody's password is {PASSWORD}")


def create_admin(options: argparse.Namespace) -> None:
    """Create an admin from --email or ADMIN_EMAIL, with ADMIN_PASSWORD."""
    settings = with_services()
    email = options.email or settings.admin_email
    if not email or not settings.admin_password:
        raise Stop("give --email or ADMIN_EMAIL, and ADMIN_PASSWORD.")
    migrate.upgrade(database_of(settings))
    made = asyncio.run(make_admin(Database(database_of(settings)), email, settings.admin_password.get_secret_value()))
    print(f"{email} can log in at /admin." if made else f"{email} has an account already; nothing changed.")


# -- looking


def resources(options: argparse.Namespace) -> None:
    """List every resource with its routes and rules."""
    for resource in RESOURCES.values():
        print(f"/{resource.path}  ({resource.table.__name__})")
        for option in ("read", "create", "update", "delete"):
            rule = getattr(resource, option)
            print(f"    {option:<7} {', '.join(clause.name for clause in rule) or 'nobody'}")
        for route in routes(resource):
            print(f"    {'/'.join(route.methods or ()):<7} {route.path}")


def openapi(options: argparse.Namespace) -> None:
    """Print the OpenAPI schema."""
    from app.main import create_app

    unused = {"database_url": "postgresql://localhost/unused", "redis_url": "redis://localhost"}
    print(json.dumps(create_app(get_settings().model_copy(update=unused)).openapi(), indent=1))


def mail_preview(options: argparse.Namespace) -> None:
    """Write every mail with sample data to a folder, to look at."""
    for path in letters.preview(options.folder):
        print(path)


def specimen(options: argparse.Namespace) -> None:
    """Draw a specimen of a passport, to try uploads with."""
    options.file.write_bytes(specimens.passport(options.name))
    print(options.file)


def print_env_example(options: argparse.Namespace) -> None:
    """Print `.env.example` from the settings class."""
    print(env_example(), end="")


# -- checking


def no_drift() -> int:
    """0 when migrations make exactly what the tables declare."""
    with tempfile.TemporaryDirectory(prefix="souk-") as folder:
        url = local.start(Path(folder), valkey=False, durable=False).database_url
        assert url
        migrate.upgrade(url)
        found = migrate.drift(url)
    for difference in found:
        print("  not in a migration:", difference)
    return 1 if found else 0


def check(options: argparse.Namespace) -> None:
    """Ruff, types, layers, migration drift, OpenAPI and tests; stops at the first failure."""
    pytest = [sys.executable, "-m", "pytest", "-q"]
    steps: dict[str, Callable[[], int]] = {
        "ruff": lambda: call(sys.executable, "-m", "ruff", "check", "."),
        "format": lambda: call(sys.executable, "-m", "ruff", "format", "--check", "."),
        "types": lambda: call(sys.executable, "-m", "mypy"),
        "layers": lambda: call(*pytest, "tests/test_layers.py"),
        "migrations": no_drift,
        "openapi": lambda: call(*pytest, "tests/test_openapi.py"),
        "tests": lambda: call(*pytest, "-n", str(os.cpu_count() or 2)),
    }
    for name, step in steps.items():
        print(f"== {name}", flush=True)
        if step():
            raise Stop(f"{name} failed.")
    print("== all good")


def coverage(options: argparse.Namespace) -> None:
    """The tests of money, mail and documents once more, and what they cover; refuses below 95 %.

    A command of its own: following SQLAlchemy's greenlets, coverage holds memory for each and may never come to an end.
    """
    folders = ("payments", "mail", "documents", "storage")
    command = (sys.executable, "-m", "pytest", "--cov", "-q", "-n", str(os.cpu_count() or 2))
    if call(*command, *(f"tests/{folder}" for folder in folders)):
        raise Stop("coverage failed.")


def call(*command: str) -> int:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in Settings.model_fields and name.lower() not in Settings.model_fields
    }
    return subprocess.run(command, env=environment, check=False).returncode


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "up": up,
    "serve": serve,
    "worker": worker,
    "migrate": migrate_command,
    "migration": migration,
    "seed": seed_command,
    "create-admin": create_admin,
    "resources": resources,
    "openapi": openapi,
    "mail-preview": mail_preview,
    "specimen": specimen,
    "env-example": print_env_example,
    "check": check,
    "coverage": coverage,
}

if __name__ == "__main__":
    main()
