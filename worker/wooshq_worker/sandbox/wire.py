"""HTTP/1.1 on a bare asyncio.Protocol: reads requests, and lets whoever answers write any bytes at all, or none.

Not aiohttp.web: a server that keeps HTTP's rules cannot break them on demand, and this one costs a fraction of it in a benchmark.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

HEAD_LIMIT = 64 * 1024
"""Bytes of request line and headers; more is answered with 431."""
BUFFER_LIMIT = 256 * 1024
"""Bytes that may wait behind a request that is still being answered; then the socket is no longer read."""
LINGER_S = 2.0
"""How long an answer given before the body was read stays readable: a close at once would be a reset that destroys it."""


@dataclass(slots=True)
class Request:
    """One request, read to its end (or to the limit of its body: then `too_large`, and `body` is empty)."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case; of a header sent twice, both values joined by a comma."""
    body: bytes
    too_large: bool = False

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]


class Answerer(Protocol):
    """Who answers. Must call `reply`, `reply_later` or `run` of the connection exactly once for each request."""

    body_limit: int

    def connected(self, connection: Connection) -> None: ...

    def answer(self, request: Request, connection: Connection) -> None: ...


class _BadRequest(Exception):
    """What came is not HTTP/1.1; the connection cannot be understood from here on."""

    def __init__(self, status_line: str) -> None:
        self.status_line = status_line


@dataclass(slots=True)
class _Head:
    method: str
    target: str
    headers: dict[str, str]
    length: int
    """Bytes of the body; -1 for a chunked one."""
    last: bool
    """The connection ends with this request."""


class Connection(asyncio.Protocol):
    """One client's connection. Requests on it are answered one after the other, also when they were sent all at once."""

    def __init__(self, answerer: Answerer, register: Callable[[Connection], None], forget: Callable[[Connection], None]) -> None:
        self._answerer = answerer
        self._register = register
        self._forget = forget
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._busy = False
        self._parsing = False
        self._deaf = False
        self._closing_after = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.number = 0
        """Which connection this is; its owner numbers them."""
        self.gone = asyncio.Event()
        """Set when the client has left or the connection was closed."""

    # ── what the answerer uses

    def reply(self, data: bytes) -> None:
        """Writes the whole answer and goes on to the next request."""
        if self.gone.is_set():
            return
        self._transport.write(data)
        self._done()

    def reply_later(self, delay_s: float, data: bytes) -> None:
        """As `reply`, after `delay_s` seconds, without a task of its own: it stands in benchmarks."""
        self._timer = self._loop.call_later(delay_s, self.reply, data)

    def run(self, answering: Coroutine[Any, Any, None]) -> None:
        """Answers in steps; it is cancelled when the client leaves, and the next request is read when it ends."""
        self._task = self._loop.create_task(answering)
        self._task.add_done_callback(self._ran)

    async def write(self, data: bytes) -> None:
        """Writes some bytes of an answer, and waits while the client does not read."""
        if not self.gone.is_set():
            self._transport.write(data)
            # Even where nothing need be waited for: a client that has left is only noticed by the loop.
            await asyncio.sleep(0)
            await self._writable.wait()

    def close(self) -> None:
        """Closes in the ordinary way, after what was written has left."""
        self._transport.close()

    def reset(self) -> None:
        """Closes with a TCP reset (RST)."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Closes at once, whatever was still to be written."""
        self._transport.abort()

    # ── asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable.set()
        self._register(self)
        self._answerer.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._writable.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._forget(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._deaf or self._transport.is_closing():
            return
        self._buffer += data
        if not self._busy:
            self._parse()
        elif len(self._buffer) > BUFFER_LIMIT:
            self._transport.pause_reading()

    # ── reading

    def _parse(self) -> None:
        """Hands on each request that is complete, until one is not answered at once. Not by recursion: a thousand may wait here."""
        if self._parsing:
            return
        self._parsing = True
        try:
            while not self._busy and not self._deaf and not self._transport.is_closing():
                request = self._next()
                if request is None:
                    return
                self._busy = True
                self._answerer.answer(request, self)
        except _BadRequest as error:
            self._refuse(error.status_line)
        finally:
            self._parsing = False

    def _next(self) -> Request | None:
        head = self._head
        if head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end > HEAD_LIMIT or (end < 0 and len(self._buffer) > HEAD_LIMIT):
                raise _BadRequest("431 Request Header Fields Too Large")
            if end < 0:
                return None
            head = self._head = _read_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            if head.length <= self._answerer.body_limit and head.headers.get("expect", "").lower() == "100-continue":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body: bytes | None
        if head.length < 0:
            body, too_large = self._chunked()
        else:
            too_large = head.length > self._answerer.body_limit
            body = None
            if not too_large and len(self._buffer) >= head.length:
                body = bytes(self._buffer[: head.length])
                del self._buffer[: head.length]
        if too_large:
            self._closing_after = self._deaf = True
            body = b""
            self._buffer.clear()
        if body is None:
            return None
        self._head = None
        self._closing_after = self._closing_after or head.last
        return Request(head.method, head.target, head.headers, body, too_large)

    def _chunked(self) -> tuple[bytes | None, bool]:
        """The body where all of it has come, and whether it is too large. Reads from the start each time: large ones are rare here."""
        parts: list[bytes] = []
        at = size = 0
        while True:
            end = self._buffer.find(b"\r\n", at)
            if end < 0:
                return None, False
            try:
                length = int(bytes(self._buffer[at:end]).split(b";", 1)[0], 16)
            except ValueError:
                raise _BadRequest("400 Bad Request") from None
            size += length
            if size > self._answerer.body_limit:
                return None, True
            at = end + 2
            if length == 0:
                # Trailers are skipped: the empty line after them ends the request.
                stop = at if self._buffer[at : at + 2] == b"\r\n" else self._buffer.find(b"\r\n\r\n", at)
                if stop < 0 or len(self._buffer) < at + 2:
                    return None, False
                del self._buffer[: stop + (2 if stop == at else 4)]
                return b"".join(parts), False
            if len(self._buffer) < at + length + 2:
                return None, False
            parts.append(bytes(self._buffer[at : at + length]))
            at += length + 2

    # ── ending

    def _done(self) -> None:
        if self._closing_after:
            self._leave()
            return
        self._busy = False
        if self._buffer:
            self._parse()
        if not self._busy:
            self._transport.resume_reading()

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "an answer of the sandbox failed", "exception": error, "task": task})
            self._transport.abort()
        if not self._transport.is_closing():
            self._done()

    def _refuse(self, status_line: str) -> None:
        self._deaf = self._closing_after = True
        self._transport.write(f"HTTP/1.1 {status_line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self._done()

    def _leave(self) -> None:
        """Closes when the client has read the answer: it closes its side, or LINGER_S have passed."""
        if not self._deaf:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self._timer = self._loop.call_later(LINGER_S, self._transport.close)


def _read_head(raw: bytes) -> _Head:
    """Request line and headers. Raises _BadRequest where two servers could read them in two ways."""
    lines = raw.lstrip(b"\r\n").decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise _BadRequest("400 Bad Request") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise _BadRequest("505 HTTP Version Not Supported" if version.startswith("HTTP/") else "400 Bad Request")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise _BadRequest("400 Bad Request")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = 0
    coding = headers.get("transfer-encoding")
    announced = headers.get("content-length")
    if coding is not None:
        if announced is not None or coding.lower() != "chunked":
            raise _BadRequest("400 Bad Request")
        length = -1
    elif announced is not None:
        if not (announced.isascii() and announced.isdigit()) or len(announced) > 18:
            raise _BadRequest("400 Bad Request")
        length = int(announced)
    wish = headers.get("connection", "").lower()
    return _Head(method, target, headers, length, last=wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive"))
