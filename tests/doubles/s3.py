"""A real S3 server, SeaweedFS, which checks signatures; and one that only makes trouble."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import obstore
import obstore.exceptions
from obstore.store import S3Store
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

WEED = Path(sys.executable).parent / "weed"


BUCKETS = ("souk", "souk-private")


class S3:
    """`weed` on free ports of 127.0.0.1 with its data in `folder`. It can be stopped, killed, frozen and started again.

    Started in two seconds, 110 MB.
    """

    access_key, secret_key = "souk", "the secret of the tests"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(FLAGS, free_ports(len(FLAGS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3.port']}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it takes files. The same data and the same ports each time."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "s3.json").write_text(json.dumps({"identities": [self.identity()]}))
        with open(self.folder / "weed.log", "ab") as told:
            self.process = subprocess.Popen(self.command(), stdout=told, stderr=told, cwd=self.folder)
        for _ in range(600):
            assert self.process.poll() is None, (self.folder / "weed.log").read_text()[-2000:]
            if all(self.takes_files(bucket) for bucket in BUCKETS):
                return
            time.sleep(0.05)
        raise AssertionError("the S3 server did not start")

    def takes_files(self, bucket: str) -> bool:
        with contextlib.suppress(obstore.exceptions.BaseError):
            door = S3Store(
                bucket,
                endpoint=self.endpoint,
                access_key_id=self.access_key,
                secret_access_key=self.secret_key,
                region="auto",
                client_options={"allow_http": True, "timeout": "2s"},
                retry_config={"max_retries": 0},
            )
            obstore.put(door, "ready", b"")
            return True
        return False

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Takes connections and answers nothing while the block lasts."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def identity(self) -> dict[str, object]:
        keys = {"accessKey": self.access_key, "secretKey": self.secret_key}
        return {"name": "souk", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}

    def command(self) -> list[str]:
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        return [str(WEED), "mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *ports, *QUIET]


FLAGS = tuple(f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc"))
QUIET = (
    "-s3.config=s3.json",
    f"-bucket={','.join(BUCKETS)}",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
)


async def drops() -> AsyncIterator[bytes]:
    for _ in range(100):
        yield b" "
        await asyncio.sleep(0.05)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]


class Troubled:
    """Answers every request with 500 or with garbage, resets the connection, hangs, or drips a byte at a time."""

    def __init__(self, kind: str) -> None:
        assert kind in ("500", "403", "garbage", "reset", "hang", "drip")
        self.kind, self.requests = kind, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        self.requests += 1
        if self.kind in ("reset", "hang"):
            if self.kind == "reset":
                send.__self__.transport.abort()  # type: ignore[attr-defined]  # ASGI has no word for it: uvicorn's own
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if self.kind == "drip":
            return await StreamingResponse(drops())(scope, receive, send)
        status = int(self.kind) if self.kind.isdigit() else 200
        await Response("<h1>It works!</h1>", status, media_type="text/html")(scope, receive, send)
