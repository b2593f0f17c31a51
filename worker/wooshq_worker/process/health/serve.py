"""Answers `/metrics`, `/healthz` and `/readyz` over HTTP, in threads of its own: also while the event loop is blocked."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from typing import Any, Final, TypeAlias

import structlog
from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family

from wooshq.settings.listen import Listen, listen_on
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import exposition, one, values
from wooshq_worker.observe.metrics.measures import Recorder
from wooshq_worker.process.health.heartbeat import Heartbeat
from wooshq_worker.process.health.state import Health, health_of

log = structlog.get_logger("wooshq.worker")

_MOST_ANSWERS: Final = 8
"""Answers at a time. More connections are closed: whoever opens many of them must not take the worker's threads and files."""
_WITHIN_S: Final = 5.0

Truths: TypeAlias = Callable[[], Iterable[Family]]
"""What the ledger says now."""


def _nothing() -> Iterable[Family]:
    return ()


class Page:
    """What is served. `engine` of the heartbeat may come later: a worker that starts is already asked whether it lives."""

    def __init__(self, heartbeat: Heartbeat, recorder: Recorder, truths: Truths = _nothing) -> None:
        """truths: asked while this worker is the keeper."""
        self._heartbeat = heartbeat
        self._recorder = recorder
        self._truths = truths
        self._process = ProcessCollector(registry=None)

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, Content-Type and body."""
        match path.partition("?")[0]:
            case "/metrics":
                body, content_type = exposition(list(self._families()), accept)
                return 200, content_type, body
            case "/healthz":
                health = self._health()
                return _as_json(200 if health.live else 503, health)
            case "/readyz":
                health = self._health()
                return _as_json(200 if health.ready else 503, health)
            case _:
                return 404, "text/plain; charset=utf-8", b"There are /metrics, /healthz and /readyz.\n"

    def _health(self) -> Health:
        return health_of(self._heartbeat.state(), time.monotonic())

    def _families(self) -> Iterator[Family]:
        yield values(names.WORKER, {(_version(),): 1})
        yield one(names.WORKER_READY, self._health().ready)
        yield from self._recorder.families()
        yield from self._process.collect()
        engine = self._heartbeat.engine
        if engine is None or not engine.is_started:
            return
        slots = engine.slots()
        yield one(names.IS_KEEPER, engine.is_keeper)
        yield one(names.LOOP_AGE, max(0.0, time.monotonic() - engine.looped_at))
        yield values(names.SLOTS, {(lane,): most for lane, (_, most) in slots.items()})
        yield values(names.SLOTS_BUSY, {(lane,): busy for lane, (busy, _) in slots.items()})
        yield one(names.UNSETTLED, engine.unsettled)
        if engine.is_keeper:
            yield from self._truths()


def _as_json(status: int, health: Health) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(asdict(health)).encode() + b"\n"


def _version() -> str:
    try:
        return metadata.version("wooshq")
    except metadata.PackageNotFoundError:
        return "unknown"


class Server:
    """Serves a page until `end`. An address that cannot be used is logged; the worker does its work all the same."""

    def __init__(self, address: str, page: Page) -> None:
        self._http = _bound(listen_on(address), page)
        if self._http is not None:
            threading.Thread(target=self._http.serve_forever, name="wooshq-metrics", daemon=True).start()

    def end(self) -> None:
        """Close it."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()


def _bound(listen: Listen, page: Page) -> _Http | None:
    """On the first free port. None if there is none."""
    why = ""
    for port in listen.ports:
        try:
            made = _Http(listen.host, port, page)
        except OSError as error:
            why = error.strerror or str(error)
        else:
            log.info("metrics_served", address=listen.shown(made.server_address[1]))
            return made
    hint = (
        "the worker runs without metrics. Set WOOSHQ_METRICS_ADDRESS to a free port; several workers on one machine need a range: 9464-9471"
    )
    log.error("metrics_not_served", host=listen.host, ports=[listen.ports[0], listen.ports[-1]], error=why, hint=hint)
    return None


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name != "nt"  # elsewhere it means: although connections of the process before it linger

    def __init__(self, host: str, port: int, page: Page) -> None:
        self.page = page
        self._free = threading.BoundedSemaphore(_MOST_ANSWERS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Answer)

    def server_bind(self) -> None:
        """Without HTTPServer's look into the DNS for this machine's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(self.allow_reuse_address))
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread can be started
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked has gone, or there is a bug; socketserver would print a traceback."""
        log.info("metrics_not_answered", exc_info=True)


class _Answer(BaseHTTPRequestHandler):
    """One request on a connection. Nothing of the worker waits for it."""

    timeout = _WITHIN_S
    server: _Http

    def do_GET(self) -> None:
        status, content_type, body = self.server.page.answer(self.path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def version_string(self) -> str:
        return "wooshq"

    def log_message(self, format: str, *args: Any) -> None:
        """One line for each request would hide what the worker says."""
