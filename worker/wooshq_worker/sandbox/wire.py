"""
HTTP/1.1 on a plain asyncio.Protocol: reads requests, and lets the answerer write any bytes, or none.

Not aiohttp.web: a server that keeps HTTP's rules cannot break them on demand. This one also costs much less in a benchmark.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

HEAD_LIMIT = 64 * 1024
"""Most bytes of request line and headers; more is answered with 431."""
BUFFER_LIMIT = 256 * 1024
"""Most bytes that may wait behind a request in progress; then the socket is not read any more."""
LINGER_S = 2.0
"""How long the connection stays open after an early answer, sent before the whole body was read: an earlier close would destroy it."""


@dataclass(slots=True)
class Request:
    """One complete request. If its body is over the limit, `too_large` is true and `body` is empty."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case. The values of a repeated header are joined by a comma."""
    body: bytes
    too_large: bool = False

    @property
    def path(self) -> str:
        return self.target.split("?", 1)[0]


class Answerer(Protocol):
    """Answers requests. It must call the connection's `reply`, `reply_later` or `run` exactly once for each request."""

    @property
    def body_limit(self) -> int: ...

    def connected(self, connection: Connection) -> None: ...

    def answer(self, request: Request, connection: Connection) -> None: ...


class _BadRequest(Exception):
    """The bytes are not HTTP/1.1. The rest of the connection cannot be understood."""

    def __init__(self, status_line: str) -> None:
        self.status_line = status_line


@dataclass(slots=True)
class _Head:
    method: str
    target: str
    headers: dict[str, str]
    length: int
    """Bytes of the body; -1 for a chunked body."""
    last: bool
    """Whether the connection ends after this request."""


class Connection(asyncio.Protocol):
    """One client's connection. Its requests are answered one after the other, even if they were sent all at once."""

    def __init__(self, answerer: Answerer, register: Callable[[Connection], None], forget: Callable[[Connection], None]) -> None:
        self._answerer = answerer
        self._register = register
        self._forget = forget
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._busy = False
        self._parsing = False
        self._ignores_input = False
        self._closing_after = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.number = 0
        """The number of this connection; its owner sets it."""
        self.gone = asyncio.Event()
        """Set after the client left or the connection was closed."""

    # ── what the answerer uses

    def reply(self, data: bytes) -> None:
        """Writes the whole answer, then continues with the next request."""
        if self.gone.is_set():
            return
        self._transport.write(data)
        self._done()

    def reply_later(self, delay_s: float, data: bytes) -> None:
        """Like `reply`, after `delay_s` seconds. It creates no task, to be cheap in benchmarks."""
        self._timer = self._loop.call_later(delay_s, self.reply, data)

    def run(self, answering: Coroutine[Any, Any, None]) -> None:
        """Answers in steps. It is cancelled when the client leaves. When it ends, the next request is read."""
        self._task = self._loop.create_task(answering)
        self._task.add_done_callback(self._ran)

    async def write(self, data: bytes) -> None:
        """Writes a part of an answer, and waits while the client does not read."""
        if not self.gone.is_set():
            self._transport.write(data)
            # Needed even if there is nothing to wait for: only the loop notices that a client left.
            await asyncio.sleep(0)
            await self._writable.wait()

    def close(self) -> None:
        """Closes normally, after all written bytes are sent."""
        self._transport.close()

    def reset(self) -> None:
        """Closes with a TCP reset (RST)."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def abort(self) -> None:
        """Closes at once and drops bytes that are not sent yet."""
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
        if self._ignores_input or self._transport.is_closing():
            return
        self._buffer += data
        if not self._busy:
            self._parse()
        elif len(self._buffer) > BUFFER_LIMIT:
            self._transport.pause_reading()

    # ── reading

    def _parse(self) -> None:
        """Passes on each complete request, until one is not answered at once. A loop, not recursion: a thousand may wait here."""
        if self._parsing:
            return
        self._parsing = True
        try:
            while not self._busy and not self._ignores_input and not self._transport.is_closing():
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
            self._closing_after = self._ignores_input = True
            body = b""
            self._buffer.clear()
        if body is None:
            return None
        self._head = None
        self._closing_after = self._closing_after or head.last
        return Request(head.method, head.target, head.headers, body, too_large)

    def _chunked(self) -> tuple[bytes | None, bool]:
        """The body if it is complete, and whether it is too large. Reads from the start each time: large bodies are rare here."""
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
                # Skip trailers: the empty line after them ends the request.
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
        self._ignores_input = self._closing_after = True
        self._transport.write(f"HTTP/1.1 {status_line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self._done()

    def _leave(self) -> None:
        """Closes after the client read the answer: when it closes its side, or after LINGER_S."""
        if not self._ignores_input:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self._timer = self._loop.call_later(LINGER_S, self._transport.close)


def _read_head(raw: bytes) -> _Head:
    """Request line and headers. Raises _BadRequest if two servers could read them in two ways."""
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
