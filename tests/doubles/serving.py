"""Any ASGI app behind a real socket, in a thread of the test process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve it on a free port of 127.0.0.1 while the block lasts; gives the base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "the server did not stop"


def config(app: ASGIApp) -> uvicorn.Config:
    """Quiet, and patient for a second with requests that still run at the end."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )


def wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Until it has started."""
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
