"""How much memory uploads cost: photos of 5 MB, one after the other and many at once, to one `souk serve`.

    python -m benchmarks.uploads [--parallel 20] [--rounds 2]

Memory is the resident set of the server and of the processes in which it reads files, summed every 20 ms: more than
64 MB above what it was before fails the run.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pyvips

from app.auth import make_token
from app.kit.table import new_id
from benchmarks.filling import filled
from benchmarks.load import WrongAnswer, start
from benchmarks.run import find_services, interrupt_on_sigterm, share_secret
from benchmarks.serving import ROOT, end, free_port, wait_until_healthy

MOST = 64.0
PATH = "/api/v1/documents/upload"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.uploads", description=__doc__)
    parser.add_argument("--parallel", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    interrupt_on_sigterm()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        share_secret()
        find_services(Path(folder))
        with filled(os.environ["DATABASE_URL"]) as (url, _), serving(url, folder) as (base, pid):
            asyncio.run(measure(options, url, base, pid))


@contextlib.contextmanager
def serving(url: str, folder: str) -> Iterator[tuple[str, int]]:
    """`souk serve` on this database; its address and process id."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": url,
        "PORT": str(port),
        "DATA_DIR": folder,
        "ENVIRONMENT": "test",
        "RATE_LIMITS": "off",
    }
    process = subprocess.Popen([sys.executable, "-m", "app", "serve"], cwd=ROOT, env=environment)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process, 60)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        end(process)


async def measure(options: argparse.Namespace, url: str, base: str, pid: int) -> None:
    photos = {"upright": photo(), "lying (turned by its EXIF)": photo(orientation=6)}
    for name, content in photos.items():
        print(f"{name}: 12 megapixels, {len(content) / 1e6:.1f} MB")
    token = customer(url)
    async with httpx.AsyncClient(base_url=base, timeout=120, headers={"Authorization": f"Bearer {token}"}) as client:
        for content in photos.values():  # what is loaded once is no cost of an upload
            await upload(client, content)
        worst = 0.0
        for name, content in photos.items():
            for parallel in (1, options.parallel):
                with watched(pid) as memory:
                    started = time.monotonic()
                    for _ in range(options.rounds):
                        await asyncio.gather(*(upload(client, content) for _ in range(parallel)))
                    took = (time.monotonic() - started) / options.rounds
                worst = max(worst, memory[-1] - memory[0])
                print(
                    f"{name}, {parallel} at once: +{memory[-1] - memory[0]:.0f} MB over {memory[0]:.0f} MB, "
                    f"{took:.1f} s a round, {parallel / took:.1f} a second"
                )
    if worst > MOST:
        raise WrongAnswer(f"+{worst:.0f} MB is more than {MOST:.0f} MB")


def photo(orientation: int = 1) -> bytes:
    """Twelve megapixels of noise, about 5 MB as JPEG."""
    noise = pyvips.Image.gaussnoise(1000, 750, mean=128, sigma=45).resize(4).cast("uchar")
    image = noise.bandjoin([noise, noise]).copy(interpretation="srgb")
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return bytes(image.jpegsave_buffer(Q=94))


def customer(url: str) -> str:
    """The token of somebody with room for all of them."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT id, token_version FROM users WHERE role = 'CUSTOMER' LIMIT 1").fetchone()
        assert row
        connection.execute(
            "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.file_size = 0; RETURN NEW; END'"
        )
        connection.execute("CREATE TRIGGER forget BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION forget()")
    return make_token(row[0], row[1])


async def upload(client: httpx.AsyncClient, content: bytes) -> None:
    files = {"file": (f"{new_id().hex}.jpg", content, "image/jpeg")}
    answer = await client.post(PATH, files=files, data={"category": "PASSPORT"})
    if answer.status_code != 201:
        raise WrongAnswer(answer.text)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """MB of the process and its children: before, and at the end the most there were."""
    memory, over = [resident(pid)], threading.Event()
    memory.append(memory[0])

    def watch() -> None:
        while not over.wait(0.02):
            memory[-1] = max(memory[-1], resident(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield memory
    finally:
        over.set()
        watching.join()


def resident(pid: int) -> float:
    """A child that is just being made still shows the memory of its parent, which it does not have: it is left out."""
    server = psutil.Process(pid)
    total = server.memory_info().rss
    for child in server.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            before, command = child.memory_info().rss, child.cmdline()
            total += before if "decoders" in command[2] else 0
    return total / 1e6


if __name__ == "__main__":
    start(main)
