"""
The API of the benchmarks: HTTPS on loopback, as the real one. It answers each call with a message code after a delay, and records what arrived.

It does as little as possible, so that the sender is measured and not the API. The sandbox, which checks every body, would cost too much.
`python -m benchmarks.api --latency-ms 50 --certificate FILE` prints its address; with `--http2` also that of a second one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from wooshq_worker.process.engine import LOOPS

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ACCEPTED: Final = b'{"result":{"message_code":"BENCH-00000-00000"}}'
_REFUSED: Final = b'{"code":3,"message":"a recipient is not valid","details":[]}'
#: Each arrival of a recipient with this prefix is recorded with its time.
TIMED: Final = "timed-"


class Arrivals:
    """Everything that arrived since the last reset."""

    def __init__(self) -> None:
        self.to_refuse: frozenset[str] = frozenset()
        self.reset()

    def reset(self) -> None:
        self.calls = 0
        self.refused = 0
        self.served: Counter[str] = Counter()
        self.timed: list[tuple[str, float]] = []
        self.accepted_at: list[float] = []

    def take(self, body: bytes) -> tuple[int, bytes]:
        """Records a call. Returns its status and the body of its answer."""
        self.calls += 1
        at = time.time()
        request = json.loads(body)["transactional"]
        users = request["users"]["list"]
        if users[0].startswith(TIMED):
            self.timed.append((users[0], at))
        if self.to_refuse and not self.to_refuse.isdisjoint(users):
            self.refused += 1
            return 400, _REFUSED
        self.served.update(users)
        self.accepted_at.append(at)
        return 200, _ACCEPTED

    def as_dict(self) -> dict[str, Any]:
        """As JSON. served: recipients. doubled: deliveries beyond the first. most_in_a_second: most calls accepted within any second."""
        return {
            "calls": self.calls,
            "refused": self.refused,
            "served": len(self.served),
            "doubled": sum(n - 1 for n in self.served.values()),
            "last_at": max(self.accepted_at, default=0.0),
            "first_at": min(self.accepted_at, default=0.0),
            "most_in_a_second": self._most_in_a_second(),
            "arrivals": self.timed,
        }

    def _most_in_a_second(self) -> int:
        times, most, first = sorted(self.accepted_at), 0, 0
        for last, at in enumerate(times):
            while at - times[first] > 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


class _Connection(asyncio.Protocol):
    def __init__(self, arrivals: Arrivals, latency_s: float) -> None:
        self._arrivals = arrivals
        self._latency_s = latency_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._buffer, 0, end)
            length = int(found[1]) if found else 0
            if len(self._buffer) < end + 4 + length:
                return
            path, body = self._buffer.split(b" ", 2)[1], self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            if path.startswith(b"/messaging/"):
                status, answer = self._arrivals.take(body)
                asyncio.get_running_loop().call_later(self._latency_s, self._answer, status, answer)
            else:
                self._answer(200, self._control(path, body))

    def _control(self, path: bytes, body: bytes) -> bytes:
        if path == b"/reset":
            self._arrivals.reset()
        elif path == b"/refused":
            self._arrivals.to_refuse = frozenset(json.loads(body))
        return json.dumps(self._arrivals.as_dict() if path == b"/arrivals" else {}).encode()

    def _answer(self, status: int, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _serve(latency_s: float, certificate: str, *, http2: bool) -> None:
    arrivals = Arrivals()
    makers: list[tuple[str, Callable[[], asyncio.Protocol]]] = [("http/1.1", lambda: _Connection(arrivals, latency_s))]
    if http2:
        from benchmarks.client.http2 import Http2Connection

        makers.append(("h2", lambda: Http2Connection(arrivals, latency_s)))
    urls = []
    for protocol, make in makers:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.load_cert_chain(certificate)
        tls.set_alpn_protocols([protocol])
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls, backlog=1024)
        urls.append(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    print(*urls, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--http2", action="store_true")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=list(LOOPS.values())[-1]) as runner:  # the cheapest, so that it leaves the CPU to the sender
        runner.run(_serve(given.latency_ms / 1000, given.certificate, http2=given.http2))
