"""An HTTP server for a few pages that machines read, in threads of its own: also while an event loop is blocked."""

from __future__ import annotations

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol

import structlog

from wooshq.settings.listen import Listen, listen_on

log = structlog.get_logger("wooshq.metrics")

_MOST_ANSWERS: Final = 8
"""Answers at a time. More connections are closed: whoever opens many of them must not take the process's threads and files."""
_WITHIN_S: Final = 5.0


class Page(Protocol):
    """What is served."""

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, Content-Type and body. accept: the reader's header Accept. Called in any thread."""


class Server:
    """Serves a page until `end`. An address that cannot be used is logged, and nothing is raised. address: where it serves; None if nowhere."""

    def __init__(self, address: str, page: Page) -> None:
        listen = listen_on(address)
        self._http = _bound(listen, page)
        self.address = None if self._http is None else listen.shown(self._http.server_port)
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
            log.info("metrics_served", address=listen.shown(made.server_port))
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
        try:
            status, content_type, body = self.server.page.answer(self.path, self.headers.get("Accept", ""))
        except Exception:  # a bug, which must be seen here and by whoever asks
            log.error("page_failed", path=self.path.partition("?")[0][:40], exc_info=True)
            status, content_type, body = 500, "text/plain; charset=utf-8", b"This page failed. The log says why.\n"
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
