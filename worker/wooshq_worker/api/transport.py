"""One HTTP call of the API: its answer, or what broke and whether a byte may have been sent."""

from __future__ import annotations

import ssl
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import certifi
import httpx

from wooshq.settings import Settings
from wooshq.settings.under_pytest import check_may_call
from wooshq_worker.api.http1.connect import Origin
from wooshq_worker.api.http1.pool import Pool
from wooshq_worker.api.outcome import Answer, Break, Broke

NOTIFY: Final = "/messaging/v2/notify"
CANCEL: Final = "/messaging/v2/cancel"
SPARE_CONNECTIONS: Final = 16
"""Connections beyond the worker's concurrency: those that are still closing must not make calls wait."""


def _version() -> str:
    try:
        return metadata.version("wooshq")
    except metadata.PackageNotFoundError:  # run from the source tree
        return "0"


class Api:
    """
    The only way to the API: one pool of connections. Make it and close it (`async with`) inside the event loop that uses it.

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
        self._base_url = httpx.URL(base_url)
        self._limit = concurrency + SPARE_CONNECTIONS
        self._connect_s = connect_s
        self._total_s = total_s
        self._in_progress = 0
        self._heads: dict[tuple[str, str], bytes] = {}
        self._pool = Pool(_origin(self._base_url, tls), read_s=read_s, answer_limit_bytes=answer_limit_bytes)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Raises SettingsInvalid in a test that did not ask for the real API."""
        check_may_call(settings.base_url)
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
        self._pool.close()

    async def call(self, body: bytes, token: str, *, leaves_within_s: float | None = None, path: str = NOTIFY) -> Answer | Break:
        """
        One POST of `body` (JSON) with `token`. Cancelling it closes its connection; the message may have been accepted.

        leaves_within_s: the time left until the message expires. If there is no connection by then, the call breaks. path: NOTIFY or CANCEL.
        """
        if self._pool.is_closed:
            return Break(Broke.CLOSED)
        if self._in_progress >= self._limit:
            return Break(Broke.POOL, f"{self._in_progress} calls in progress")
        connect_s = self._connect_s if leaves_within_s is None else min(self._connect_s, max(0.001, leaves_within_s))
        self._in_progress += 1
        try:
            request = b"%b%d\r\n\r\n%b" % (self._heads.get((path, token)) or self._head(path, token), len(body), body)
            return await self._pool.call(request, connect_s=connect_s, total_s=self._total_s)
        except Exception as error:  # a bug in wooshq
            return Break(Broke.STRANGE, f"{type(error).__name__}: {error}")
        finally:
            self._in_progress -= 1

    def _head(self, path: str, token: str) -> bytes:
        """The head of a request up to the number of its Content-Length. It is the same for each call with this path and token."""
        request = httpx.Request(
            "POST",
            self._base_url.copy_with(raw_path=path.encode()),
            headers={
                "Authorization": f"Token {token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # answers are a few hundred bytes
                "User-Agent": f"wooshq/{_version()}",
            },
        )
        lines = [b"%b: %b" % header for header in request.headers.raw if header[0].lower() != b"content-length"]
        head = b"\r\n".join([b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path), *lines, b"Content-Length: "])
        self._heads[path, token] = head
        return head


def _origin(url: httpx.URL, tls: ssl.SSLContext | None) -> Origin:
    is_tls = url.scheme == "https"
    host = url.raw_host.decode("ascii")  # as DNS and certificates have it
    return Origin(host, url.port or (443 if is_tls else 80), (tls or trusted()) if is_tls else None)


def trusted() -> ssl.SSLContext:
    """TLS 1.2 or later, host names checked, with the system's certificates (also SSL_CERT_FILE, SSL_CERT_DIR); otherwise certifi's."""
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    system = ssl.get_default_verify_paths()
    if not (system.cafile or system.capath):
        tls.load_verify_locations(certifi.where())
    return tls
