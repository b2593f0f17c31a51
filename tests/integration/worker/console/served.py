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
from wooshq_worker.console.api.dispatch import Calls
from wooshq_worker.console.app import make_app
from wooshq_worker.console.serve import Server, listen

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.requests import RequestSpans

SECRET = "wq_a-token-for-tests-with-all-of-the-scopes"


@contextmanager
def serving(settings: Settings, spans: RequestSpans | None = None) -> Iterator[tuple[Calls, str]]:
    """An app that is served with these settings, and its URL. The token `SECRET` is `ana`, with all scopes. spans: None if tracing is off."""
    listening = listen("127.0.0.1", 0)
    app = make_app(settings, [fixed_token("ana", SECRET)], spans)
    server = Server(app, timeout_graceful_shutdown=1)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), within_s=GENEROUS_S)
        assert server.started
        yield app, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(GENEROUS_S)
        listening.close()


@contextmanager
def served(settings: Settings, spans: RequestSpans | None = None) -> Iterator[httpx.Client]:
    """A client of a server with these settings. Its token has all scopes."""
    with (
        serving(settings, spans) as (_, url),
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {SECRET}"}, timeout=GENEROUS_S) as client,
    ):
        yield client
