"""A load of POST requests from a process of its own: each connection sends one, waits for its answer, and sends the next one."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast


class _Connection(asyncio.Protocol):
    """Posts bodies one by one. It reads no more of an answer than its status and its length: the load must cost little."""

    def __init__(self, head: bytes, bodies: list[bytes], ended: asyncio.Future[None]) -> None:
        self._head = head
        self._bodies = iter(bodies)
        self._ended = ended
        self._buffer = b""
        self.accepted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none
        self._next()

    def _next(self) -> None:
        body = next(self._bodies, None)
        if body is None:
            self._transport.close()
            self._ended.set_result(None)
        else:
            self._transport.write(self._head % len(body) + body)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._buffer = body[length:]
        self.accepted += head.startswith(b"HTTP/1.1 202")
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(error or ConnectionError("the server closed the connection"))


async def load(port: int, token: str, connections: int, each: int, run: str) -> tuple[int, float]:
    """(accepted requests, seconds) of a load. run: in every message, so that none repeats."""
    loop = asyncio.get_running_loop()
    head = (
        f"POST /v1/intents HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    ).encode()
    made = []
    for c in range(connections):
        said = [{"to": {"users": [f"{run}-{c}-{n}"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}} for n in range(each)]
        made.append((_Connection, [json.dumps(one).encode() for one in said], loop.create_future()))
    started = time.perf_counter()
    opened = [
        await loop.create_connection(lambda b=bodies, f=ended: _Connection(head, b, f), "127.0.0.1", port) for _, bodies, ended in made
    ]
    await asyncio.gather(*(ended for _, _, ended in made))
    return sum(connection.accepted for _, connection in opened), time.perf_counter() - started


if __name__ == "__main__":
    import uvloop

    port, token, connections, each, run = sys.argv[1:]
    print(json.dumps(uvloop.run(load(int(port), token, int(connections), int(each), run))))
