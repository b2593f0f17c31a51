"""The clients, each with no more around it than it needs. `python -m benchmarks.client.clients CLIENT LOOP CALLS CONCURRENCY`."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from wooshq import Settings
from wooshq_schemas import parse_template
from wooshq_worker.api.outcome import Answer
from wooshq_worker.api.transport import NOTIFY, Api

Call: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes]]]
"""Body of a request → status and body of its answer."""

HEADERS: Final = {
    "Authorization": "Token bench",
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "wooshq/0",
}
TIMEOUTS_S: Final = {"pool": 5.0, "connect": 5.0, "read": 20.0}
TOTAL_S: Final = 30.0


def trust() -> ssl.SSLContext | None:
    """TLS 1.3 and the certificates of SSL_CERT_FILE; None for plain HTTP."""
    if not os.environ["BENCH_API"].startswith("https:"):
        return None
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    return tls


@asynccontextmanager
async def aiohttp_session() -> AsyncIterator[Any]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, ssl=trust() or True)
    timeout = aiohttp.ClientTimeout(total=TOTAL_S, connect=TIMEOUTS_S["connect"], sock_read=TIMEOUTS_S["read"])
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=jar, auto_decompress=False, headers=HEADERS
    ) as session:
        yield session


@asynccontextmanager
async def aiohttp_alone(url: str) -> AsyncIterator[Call]:
    async with aiohttp_session() as session:

        async def call(body: bytes) -> tuple[int, bytes]:
            async with session.post(url, data=body) as answer:
                return answer.status, await answer.read()

        yield call


@asynccontextmanager
async def httpx_over_aiohttp(url: str) -> AsyncIterator[Call]:
    import httpx
    from httpx_aiohttp import AiohttpTransport

    async with aiohttp_session() as session, httpx.AsyncClient(transport=AiohttpTransport(client=session), headers=HEADERS) as client:

        async def call(body: bytes) -> tuple[int, bytes]:
            answer = await client.post(url, content=body)
            return answer.status_code, answer.content

        yield call


@asynccontextmanager
async def httpx_transport(url: str) -> AsyncIterator[Call]:
    """The transport alone, without httpx's client: wooshq's own way until this was measured."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    async with aiohttp_session() as session:
        transport, to, headers = (
            AiohttpTransport(client=session),
            httpx.URL(url),
            httpx.Headers({"Authorization": HEADERS["Authorization"]}),
        )

        async def call(body: bytes) -> tuple[int, bytes]:
            async with asyncio.timeout(TOTAL_S):
                request = httpx.Request("POST", to, headers=headers, stream=httpx.ByteStream(body), extensions={"timeout": TIMEOUTS_S})
                request.read()
                answer = await transport.handle_async_request(request)
                read = bytearray()
                try:
                    async for part in answer.stream:
                        read += part
                finally:
                    await answer.stream.aclose()
                return answer.status_code, bytes(read)

        yield call


def a_pyreqwest(*, http2: bool) -> Any:
    from pyreqwest.client import ClientBuilder

    builder = ClientBuilder().default_headers(HEADERS).max_connections(None).no_proxy().follow_redirects(False)
    builder = builder.connect_timeout(timedelta(seconds=TIMEOUTS_S["connect"])).read_timeout(timedelta(seconds=TIMEOUTS_S["read"]))
    builder = builder.timeout(timedelta(seconds=TOTAL_S)).add_root_certificate_pem(Path(os.environ["SSL_CERT_FILE"]).read_bytes())
    return (builder.http2(True) if http2 else builder.http1_only()).build()


@asynccontextmanager
async def pyreqwest_alone(url: str, *, http2: bool = False) -> AsyncIterator[Call]:
    async with a_pyreqwest(http2=http2) as client:

        async def call(body: bytes) -> tuple[int, bytes]:
            answer = await client.post(url).body_bytes(body).build().send()
            return answer.status, bytes(await answer.bytes())

        yield call


def pyreqwest_http2(url: str) -> AbstractAsyncContextManager[Call]:
    return pyreqwest_alone(url, http2=True)


@asynccontextmanager
async def httpx_over_pyreqwest(url: str) -> AsyncIterator[Call]:
    import httpx
    from pyreqwest.compatibility.httpx import HttpxTransport

    async with httpx.AsyncClient(transport=HttpxTransport(a_pyreqwest(http2=False)), headers=HEADERS) as client:

        async def call(body: bytes) -> tuple[int, bytes]:
            answer = await client.post(url, content=body)
            return answer.status_code, answer.content

        yield call


class _BareProtocol(asyncio.Protocol):
    answered: asyncio.Future[tuple[int, bytes]]

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if end and len(body) == int(head.rpartition(b"Content-Length: ")[2]):
            self._read = b""
            self.answered.set_result((int(head[9:12]), body))


@asynccontextmanager
async def bare_protocol(url: str) -> AsyncIterator[Call]:
    """The floor: no timeout, no limit, and it understands only this server's answers."""
    import httpx

    parsed, loop, idle = httpx.URL(url), asyncio.get_running_loop(), list[_BareProtocol]()
    lines = [f"POST {parsed.path} HTTP/1.1", f"Host: {parsed.netloc.decode()}", *(f"{name}: {value}" for name, value in HEADERS.items())]
    head = "\r\n".join([*lines, "Content-Length: "]).encode()

    async def call(body: bytes) -> tuple[int, bytes]:
        if idle:
            connection = idle.pop()
        else:
            _, connection = await loop.create_connection(_BareProtocol, parsed.host, parsed.port, ssl=trust())
        connection.answered = loop.create_future()
        connection.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        answer = await connection.answered
        idle.append(connection)
        return answer

    yield call
    for connection in idle:
        connection.transport.abort()


@asynccontextmanager
async def wooshqs_own(url: str) -> AsyncIterator[Call]:
    settings = Settings(_env_file=None, base_url=url.removesuffix(NOTIFY), concurrency=1000)  # type: ignore[call-arg]
    async with Api.from_settings(settings) as api:

        async def call(body: bytes) -> tuple[int, bytes]:
            answer = await api.call(body, "bench")
            assert isinstance(answer, Answer), answer
            return answer.status, answer.body

        yield call


CLIENTS: Final[dict[str, Callable[[str], AbstractAsyncContextManager[Call]]]] = {
    "httpx over aiohttp": httpx_over_aiohttp,
    "httpx's transport over aiohttp": httpx_transport,
    "aiohttp": aiohttp_alone,
    "httpx over pyreqwest": httpx_over_pyreqwest,
    "pyreqwest": pyreqwest_alone,
    "pyreqwest, HTTP/2": pyreqwest_http2,
    "wooshq's client": wooshqs_own,
    "a bare protocol": bare_protocol,
}


def bodies(n: int) -> list[bytes]:
    """Those of a personalised job."""
    template = parse_template(json.loads(os.environ["BENCH_TEMPLATE"]), application="AAAAA-BBBBB")
    now = datetime.now(UTC)
    return [template.body("users", [f"bare-{i}"], locale=None, placeholders=(("name", f"N{i}"),), now=now) for i in range(n)]


async def _send(bodies: Iterator[bytes], call: Call) -> None:
    for body in bodies:
        status, answer = await call(body)
        assert (status, answer[:1]) == (200, b"{"), (status, answer)


async def main(client: str, n: int, concurrency: int) -> None:
    ready = bodies(n)
    async with CLIENTS[client](os.environ["BENCH_API"] + NOTIFY) as call:
        await asyncio.gather(*(_send(iter(ready[:3]), call) for _ in range(concurrency)))  # all connections are there
        gc.collect()
        gc.freeze()
        shared = iter(ready)
        started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.gather(*(_send(shared, call) for _ in range(concurrency)))
        took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
        print(json.dumps({"per_s": n / took, "cpu_ms": cpu_s / n * 1000}), flush=True)


if __name__ == "__main__":
    from wooshq_worker.process.engine import LOOPS

    _, name, loop, calls, at_once = sys.argv
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(main(name, int(calls), int(at_once)))
