"""A server that answers as a test's script says, byte for byte, and the client that calls it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Break, Broke, Outcome
from wooshq_worker.api.transport import Api
from wooshq_worker.api.verdict import Unknown, Verdict

TOKEN = "secret-token-0123456789"
BODY = json.dumps({"transactional": {"users": {"list": ["user-1"]}}}).encode()
SUCCESS = b'{"result": {"message_code": "C-1"}}'
GENEROUS_S = 60.0
_MORE_THAN_BUFFERS = 32 * 1024 * 1024
"""Bytes. Linux gives a connection on loopback at most 4 MiB to send and 6 MiB to receive."""
_FILLER = b" " * 65536


class Clock:
    """The event loop's clock, which a test may put forward: timeouts that have nothing to do with the speed of this machine."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        real = loop.time
        self._ahead_s = 0.0
        loop.time = lambda: real() + self._ahead_s  # type: ignore[method-assign]

    def put_forward(self, seconds: float) -> None:
        self._ahead_s += seconds


class Caller:
    """One connection as the raw server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The whole next request. Raises IncompleteReadError if the client has closed."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        return head + await self.reader.readexactly(length)

    async def say(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()
        await asyncio.sleep(0)  # over TLS, uvloop's `drain` does not wait, also if the connection is lost

    async def answer(self, body: bytes = SUCCESS, *headers: str, status: str = "200 OK", length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        await self.say("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def begin_body(self) -> None:
        """Headers and the beginning of a body. Returns when the client reads the body: the buffers between hold less than was sent."""
        await self.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", SUCCESS[:20])
        for _ in range(_MORE_THAN_BUFFERS // len(_FILLER)):
            await self.say(_FILLER)

    def reset(self) -> None:
        """Ends the connection with RST instead of FIN."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the client has closed its side."""
        while await self.reader.read(65536):
            pass

    async def gone_in_time(self, clock: Clock, seconds: float) -> None:
        """Put the clock forward by `seconds`, again and again, until the client has closed its side."""
        gone = asyncio.create_task(self.gone())
        while not gone.done():
            clock.put_forward(seconds)
            await asyncio.wait([gone], timeout=0.01)
        gone.exception()


Script = Callable[[Caller], Awaitable[None]]


class Server:
    """Counts connections and complete requests, and plays a script to every connection."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self.all_gone = asyncio.Event()
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.all_gone.clear()
        caller = Caller(reader, writer)
        counted = caller.request

        async def request() -> bytes:
            whole = await counted()
            self.requests.append(whole)
            return whole

        caller.request = request  # type: ignore[method-assign]
        try:
            await self.script(caller)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.open -= 1
            if self.open == 0:
                self.all_gone.set()


@asynccontextmanager
async def listening(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http{'s' if tls else ''}://{'localhost' if tls else '127.0.0.1'}:{port}"
    try:
        yield server
    finally:
        listener.close()


class Tls(NamedTuple):
    """The two sides of TLS: the server's certificate, and a client that trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@asynccontextmanager
async def talking(script: Script, tls: Tls | None = None, **given: float) -> AsyncIterator[tuple[Server, Api]]:
    """A server that plays `script`, and a client for it."""
    async with listening(script, tls and tls.server) as server, an_api(server.url, tls=tls and tls.client, **given) as api:  # type: ignore[arg-type]
        yield server, api


def an_api(
    url: str,
    *,
    concurrency: int = 4,
    connect_s: float = GENEROUS_S,
    read_s: float = GENEROUS_S,
    total_s: float = 2 * GENEROUS_S,
    limit: int = 1024 * 1024,
    tls: ssl.SSLContext | None = None,
) -> Api:
    return Api(url, concurrency=concurrency, connect_s=connect_s, read_s=read_s, total_s=total_s, answer_limit_bytes=limit, tls=tls)


def the_verdict(outcome: Outcome) -> Verdict:
    return judge(outcome, now=datetime.now(UTC), retry_after_ceiling_s=3600, secrets=lambda: [TOKEN, "user-1"])


async def played(script: Script, tls: Tls | None = None, **given: float) -> tuple[Answer | Break, Server]:
    """One call to a server that plays `script`. tls: None for plain HTTP."""
    async with talking(script, tls, **given) as (server, api):
        outcome = await api.call(BODY, TOKEN)
    return outcome, server


def is_unknown_by(outcome: Outcome, kind: Broke) -> None:
    assert isinstance(outcome, Break), outcome
    assert outcome.kind is kind
    assert outcome.may_have_been_sent
    assert isinstance(the_verdict(outcome), Unknown)


async def dripping(caller: Caller, *parts: bytes) -> None:
    """A request is read; then `parts` are sent, and a blank again and again."""
    await caller.request()
    await caller.say(*parts)
    while True:
        await asyncio.sleep(0.05)
        await caller.say(b" ")


# The pool has no public way to its connections.


async def no_kept_connections(api: Api) -> None:
    """Returns when the pool keeps no connection."""
    async with asyncio.timeout(GENEROUS_S):
        while api._pool._idle:
            await asyncio.sleep(0.001)
