"""The API of api.py over HTTP/2, for the clients that can speak it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

if TYPE_CHECKING:
    from benchmarks.api import Arrivals


class Http2Connection(asyncio.Protocol):
    """Records and answers as `api.py` does."""

    def __init__(self, arrivals: Arrivals, latency_s: float) -> None:
        self._arrivals = arrivals
        self._latency_s = latency_s
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._bodies: dict[int, bytes] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._h2.initiate_connection()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, DataReceived):
                self._bodies[event.stream_id] = self._bodies.get(event.stream_id, b"") + event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                status, body = self._arrivals.take(self._bodies.pop(event.stream_id, b""))
                asyncio.get_running_loop().call_later(self._latency_s, self._answer, event.stream_id, status, body)
        self._flush()

    def _answer(self, stream: int, status: int, body: bytes) -> None:
        self._h2.send_headers(stream, [(":status", str(status)), ("content-type", "application/json")])
        self._h2.send_data(stream, body, end_stream=True)
        self._flush()

    def _flush(self) -> None:
        self._transport.write(self._h2.data_to_send())
