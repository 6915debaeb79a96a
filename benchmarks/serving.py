"""The processes that are measured: uvicorn on one core, and `souk up`. All of them end with the benchmark."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import WrongAnswer

ROOT = Path(__file__).parent.parent
SOUK, PLAIN = "souk", "plain"
MODULES = {SOUK: ("app.main:create_app", "--factory"), PLAIN: ("benchmarks.plain:app",)}


@dataclass
class Server:
    """A running server process."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def memory(self) -> float:
        """Resident memory in MB."""
        return proc_number(self.process.pid, "VmRSS:") / 1024

    def cpu(self) -> float:
        """Seconds of processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, raw: bytes) -> tuple[int, Any]:
        """Status and JSON of one request, made of the bytes that the load is made of."""
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines if not line.startswith(("host", "content-length")))
        wanted = urllib.request.Request(self.url + path, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(wanted, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            raise WrongAnswer(f"{self.name}, {method} {path}: {error.code} {error.read().decode()}") from None


def proc_number(pid: int, name: str) -> int:
    """A number of /proc/…/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process on these cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def cores() -> tuple[set[int], set[int]]:
    """One for the servers, the others for the load."""
    every = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return {every[0]}, set(every[1:]) or {every[0]}


@contextmanager
def served(name: str, core: set[int], environment: dict[str, str]) -> Iterator[Server]:
    """One uvicorn worker on one core; ended when the block is."""
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    options += ["--no-access-log", "--log-level", "warning"]
    command = [sys.executable, "-m", "uvicorn", *MODULES[name], *options]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, preexec_fn=lambda: pin(0, core))
    try:
        server = Server(name, f"http://127.0.0.1:{port}", process)
        wait_until_healthy(server.url, process, 60)
        yield server
    finally:
        end(process)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise WrongAnswer(f"{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]
        with contextlib.suppress(OSError), urllib.request.urlopen(url + "/health", timeout=2):
            return
        time.sleep(0.02)
    raise WrongAnswer(f"{url} was not healthy within {seconds:g} seconds")


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def time_of_up() -> str:
    """Seconds from `souk up` in a folder that was used before to its first answer."""
    if not (ROOT / "app" / "__main__.py").exists():
        return "souk up: skipped, there is no app/__main__.py"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        cold = up(folder)
        time.sleep(2)  # its database stops a moment later
        warm = up(folder)
    return f"souk up: first answer after {warm:.2f} s in a warm folder (expected < 5 s), {cold:.2f} s in an empty one"


def up(folder: str) -> float:
    port = free_port()
    own = {"DATA_DIR": folder, "PORT": str(port), "HOST": "127.0.0.1", "ENVIRONMENT": "development"}
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    started = time.monotonic()
    command = [sys.executable, "-m", "app", "up"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment | own, stdout=subprocess.DEVNULL)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, 60)
        return time.monotonic() - started
    finally:
        end(process)
