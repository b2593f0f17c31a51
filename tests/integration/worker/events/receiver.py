"""A receiver of webhooks for tests. The reference library of Standard Webhooks checks every signature, so that our own code does not."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Got:
    """A delivery as it arrived. is_genuine: its signature is right."""

    id: str
    event: dict[str, Any]
    text: str
    headers: dict[str, str]
    is_genuine: bool


class Receiver:
    """
    Answers what `answer(delivery, n)` says: a status, a status with headers, or None for 200; n is 1 for the first. It may also block. secret: may
    be set later.
    """

    def __init__(self, answer: Callable[[Got, int], Any] = lambda got, n: None) -> None:
        self.answer = answer
        self.secret = ""
        self.got: list[Got] = []
        self._lock = threading.Lock()
        self._server = _Http(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Receiver:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, text: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        try:
            Webhook(self.secret or "whsec_AAAA").verify(text, headers)
        except WebhookVerificationError:
            is_genuine = False
        else:
            is_genuine = True
        with self._lock:
            got = Got(headers.get("webhook-id", ""), json.loads(text), text.decode(), headers, is_genuine)
            self.got.append(got)
            n = len(self.got)
        said = self.answer(got, n)
        return said if isinstance(said, tuple) else (said or 200, {})

    @property
    def events(self) -> list[dict[str, Any]]:
        """What arrived, each event once, in the order of its first arrival."""
        return list({one.id: one.event for one in self.got}.values())

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of a type."""
        return [one for one in self.events if one["type"] == kind]

    def ids(self, kind: str) -> list[str]:
        """All ids in the events of a type, as often as they were told in different events."""
        return [one for event in self.of(kind) for one in event["data"]["ids"]]

    def texts(self) -> dict[str, set[str]]:
        """By the id of a delivery: the different texts that came with it."""
        found: dict[str, set[str]] = defaultdict(set)
        for one in self.got:
            found[one.id].add(one.text)
        return found


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Answer)


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["content-length"]))
        status, headers = self.server.receiver.take(text, {name.lower(): value for name, value in self.headers.items()})
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
        except OSError:
            pass  # who called was killed

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
