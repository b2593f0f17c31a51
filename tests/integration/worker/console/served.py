"""The HTTP API, served by uvicorn in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.rig import GENEROUS_S, wait_until
from wooshq.settings import Settings
from wooshq_worker.console.access.callers import fixed_token
from wooshq_worker.console.app import make_app
from wooshq_worker.console.serve import Server, listen

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.requests import RequestSpans

SECRET = "wq_a-token-for-tests-with-all-of-the-scopes"


@contextmanager
def served(settings: Settings, spans: RequestSpans | None = None) -> Iterator[httpx.Client]:
    """A client of a server with these settings. Its token is `ana`, with all scopes. spans: None if tracing is off."""
    listening = listen("127.0.0.1", 0)
    app = make_app(settings, [fixed_token("ana", SECRET)], spans)
    server = Server(app, timeout_graceful_shutdown=1)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), within_s=GENEROUS_S)
        assert server.started
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=GENEROUS_S) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(GENEROUS_S)
        listening.close()
