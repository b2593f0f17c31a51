"""One HTTP call of the API: its answer, or what broke and whether a byte may have been sent."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import aiohttp
import certifi
import httpx
from httpx_aiohttp import AiohttpTransport

from wooshq.settings import Settings
from wooshq_worker.api.outcome import HEADERS, Answer, Break, Broke, Cut

NOTIFY: Final = "/messaging/v2/notify"
CANCEL: Final = "/messaging/v2/cancel"
_HEADERS: Final = frozenset(name.encode() for name in HEADERS)
KEEPALIVE_S: Final = 15.0
"""Idle connections are closed after this time: sooner than servers close them (60 s or more), so that a POST rarely meets a closing one."""
SPARE_CONNECTIONS: Final = 16
"""Connections beyond the worker's concurrency: those that are still closing must not make calls wait."""


def _version() -> str:
    try:
        return metadata.version("wooshq")
    except metadata.PackageNotFoundError:  # run from the source tree
        return "0"


class Api:
    """
    The only way to the API: one connection pool. Make it and close it (`async with`) inside the event loop that uses it.

    `call` never retries, never follows a redirect, keeps no cookie, ignores proxies of the environment, and raises only CancelledError.
    """

    def __init__(
        self,
        base_url: str,
        *,
        concurrency: int,
        connect_s: float,
        read_s: float,
        total_s: float,
        answer_limit_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        base_url: scheme and host; the path is added. concurrency: calls in progress at once; a few more are possible.
        connect_s: name, connection and TLS together. read_s: without a byte. total_s: the whole call. tls: None for the system's trust.
        """
        self._urls = {path: httpx.URL(base_url.rstrip("/") + path) for path in (NOTIFY, CANCEL)}
        self._limit = concurrency + SPARE_CONNECTIONS
        self._total_s = total_s
        self._answer_limit_bytes = answer_limit_bytes
        self._in_progress = 0
        tls = tls or trusted()
        connector = aiohttp.TCPConnector(
            limit=0,  # `_in_progress` is the limit: a full pool then answers at once, and is not confused with a slow connect
            keepalive_timeout=KEEPALIVE_S,
            happy_eyeballs_delay=0.25,
            ssl=tls,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # answers are a few hundred bytes
                "User-Agent": f"wooshq/{_version()}",
            },
        )
        self._transport = AiohttpTransport(verify=tls, trust_env=False, client=self._session)
        self._connect_s = connect_s
        self._read_s = read_s
        self._extensions = self._timeouts(connect_s)
        self._headers_of: dict[str, httpx.Headers] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(
            settings.base_url,
            concurrency=settings.concurrency,
            connect_s=settings.http_connect_s,
            read_s=settings.http_read_s,
            total_s=settings.http_total_s,
            answer_limit_bytes=settings.answer_limit_bytes,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pool; calls in progress break."""
        await self._transport.aclose()

    def _timeouts(self, connect_s: float) -> dict[str, dict[str, float]]:
        return {"timeout": {"pool": connect_s, "connect": connect_s, "read": self._read_s}}

    async def call(self, body: bytes, token: str, *, leaves_within_s: float | None = None, path: str = NOTIFY) -> Answer | Break:
        """
        One POST of `body` (JSON) with `token`. Cancelling it closes its connection; the message may have been accepted.

        leaves_within_s: the time left until the message expires. If there is no connection by then, the call breaks. path: NOTIFY or CANCEL.
        """
        if self._session.closed:
            return Break(Broke.CLOSED)
        if self._in_progress >= self._limit:
            return Break(Broke.POOL, f"{self._in_progress} calls in progress")
        self._in_progress += 1
        reading: _Reading | None = None
        try:
            # Against slow drips: the socket's timeouts start again with every byte.
            async with asyncio.timeout(self._total_s):
                response = await self._transport.handle_async_request(self._request(path, body, token, leaves_within_s))
                reading = _Reading(response, self._answer_limit_bytes)
                return await reading.read_to_end()
        except Exception as error:
            timed_out = type(error) is TimeoutError  # only `asyncio.timeout` raises this very class
            if reading is not None:
                return reading.so_far(Cut.DEADLINE if timed_out else Cut.BROKEN)
            return Break(Broke.DEADLINE) if timed_out else what_broke(error)
        finally:
            self._in_progress -= 1

    def _request(self, path: str, body: bytes, token: str, leaves_within_s: float | None) -> httpx.Request:
        headers = self._headers_of.get(token)
        if headers is None:
            headers = self._headers_of[token] = httpx.Headers({"Authorization": f"Token {token}"})
        late = leaves_within_s is not None and leaves_within_s < self._connect_s
        extensions = self._timeouts(max(0.001, leaves_within_s or 0)) if late else self._extensions
        # With a ready stream httpx need not guess the body's type, nor add the headers that aiohttp sets anyway.
        request = httpx.Request("POST", self._urls[path], headers=headers, stream=httpx.ByteStream(body), extensions=extensions)
        request.read()
        return request


class _Reading:
    """An answer while it is read: bounded, and of use even if it breaks off."""

    def __init__(self, response: httpx.Response, limit_bytes: int) -> None:
        self._response = response
        self._limit = limit_bytes
        self._body = bytearray()
        self._headers: dict[str, list[str]] = {}
        encodings: list[str] = []
        for raw_name, raw_value in response.headers.raw:
            raw_name = raw_name.lower()
            if raw_name in _HEADERS:
                self._headers.setdefault(raw_name.decode(), []).append(raw_value.decode("utf-8", "replace"))
            elif raw_name == b"content-encoding":
                encodings += raw_value.decode("ascii", "replace").lower().replace(",", " ").split()
        self._encodings = [encoding for encoding in encodings if encoding != "identity"]

    def so_far(self, cut: Cut | None) -> Answer:
        return Answer(self._response.status_code, self._headers, bytes(self._body), cut)

    async def read_to_end(self) -> Answer:
        """Read the body and give the connection back. If the body is not read to its end, the connection is closed."""
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            if not self._encodings:
                return self.so_far(await self._plain(stream))
            if len(self._encodings) == 1 and self._encodings[0] in ("gzip", "x-gzip", "deflate"):
                return self.so_far(await self._inflated(stream))
            return self.so_far(Cut.ENCODING)  # br, zstd: wooshq never asks for them
        except httpx.ReadTimeout:
            return self.so_far(Cut.STALLED)
        finally:
            await stream.aclose()

    async def _plain(self, stream: httpx.AsyncByteStream) -> Cut | None:
        async for chunk in stream:
            self._body += chunk
            if len(self._body) > self._limit:
                del self._body[self._limit :]
                return Cut.LIMIT
        return None

    async def _inflated(self, stream: httpx.AsyncByteStream) -> Cut | None:
        """zlib returns at most the limit, however large the body would become."""
        inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, recognised by the first bytes
        received = 0
        try:
            async for chunk in stream:
                received += len(chunk)
                self._body += inflate.decompress(chunk, self._limit + 1 - len(self._body))
                if len(self._body) > self._limit or received > self._limit:
                    del self._body[self._limit :]
                    return Cut.LIMIT
        except zlib.error:
            return Cut.ENCODING
        return None if inflate.eof else Cut.ENCODING


def what_broke(error: Exception) -> Break:
    """
    What an exception of `AiohttpTransport` means, by the type of aiohttp's own exception.

    httpx-aiohttp 0.2 raises `ConnectTimeout` for a lost answer, the same class as for a refused connection, and raises aiohttp's
    errors for malformed answers. So only the cause is reliable, not the class of httpx.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ is not None else error
    shown = cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else cause
    return Break(_kind(cause), f"{type(shown).__name__}: {shown}")


def _kind(cause: BaseException) -> Broke:
    match cause:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | aiohttp.ServerFingerprintMismatch():
            return Broke.TLS
        case aiohttp.ClientConnectorDNSError():
            return Broke.DNS
        case aiohttp.ClientConnectorError():
            return Broke.REFUSED if isinstance(cause.os_error, ConnectionRefusedError) else Broke.CONNECT_FAILED
        case aiohttp.ConnectionTimeoutError():
            return Broke.CONNECT_TIMEOUT
        case aiohttp.SocketTimeoutError():
            return Broke.SILENT
        case aiohttp.ServerDisconnectedError():
            return Broke.DISCONNECTED
        case aiohttp.ClientOSError():
            return Broke.NOT_WRITTEN if _nothing_written(cause.__cause__) else Broke.RESET
        case aiohttp.ClientConnectionError():
            return Broke.CLOSED if str(cause) == "Connector is closed." else Broke.RESET
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Broke.MALFORMED
        case _:
            return Broke.STRANGE


def _nothing_written(cause: BaseException | None) -> bool:
    """
    Whether aiohttp found the connection closing before the first byte. Headers and body are one write, so nothing was written before.

    Only the text tells it: the same class with another text is raised after writing. A new wording in aiohttp would count as that, too.
    """
    return isinstance(cause, aiohttp.ClientConnectionResetError) and str(cause) == "Cannot write to closing transport"


def trusted() -> ssl.SSLContext:
    """TLS 1.2 or later, host names checked, with the system's certificates (also SSL_CERT_FILE, SSL_CERT_DIR); otherwise certifi's."""
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    system = ssl.get_default_verify_paths()
    if not (system.cafile or system.capath):
        tls.load_verify_locations(certifi.where())
    return tls
