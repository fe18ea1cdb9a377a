"""A real server on a free port of the loopback, for the tests."""

import contextlib
import threading
import time

import httpx

from fourpass.server import listener
from fourpass.server.app import create_app
from fourpass.server.settings import Settings


@contextlib.contextmanager
def serving(start, **bounds):
    """A real server on a free port of the loopback, and a client of it."""
    bounds.setdefault("grace_seconds", 0.2)
    settings = Settings(**bounds)
    server = listener.make(create_app(settings, start), settings, port=0, log_level="error")
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.app, client.stop = server.config.app, lambda: setattr(server, "should_exit", True)
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
