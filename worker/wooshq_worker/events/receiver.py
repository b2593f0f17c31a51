"""One POST to the receiver of a webhook: where it may go, how long it may take, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpcore

from wooshq.events.address import as_address
from wooshq.settings.allowed import Allowed
from wooshq_worker.api.transport import trusted
from wooshq_worker.events.answer import Answer

_CONNECT_S: Final = 5.0
_MOST_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read so that the connection can be used again. Nothing of them is kept."""
_KEEP_S: Final = 30.0
_CONNECTIONS: Final = 200


class NotAllowed(Exception):
    """The name leads to an address that webhooks may not call."""


class Guarded(httpcore.AsyncNetworkBackend):
    """
    Connects only to addresses that are allowed: those that the name has at this moment, so that it cannot lead elsewhere after it was checked.

    plain: for http without TLS.
    """

    def __init__(self, allowed: Allowed, *, plain: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allowed = allowed
        self._plain = plain

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises NotAllowed, httpcore.ConnectError, httpcore.ConnectTimeout."""
        addresses = await _look_up(host, port)
        fits = [one for one in addresses if self._may(host, one)]
        if not fits:
            raise NotAllowed(
                "its name leads to a private address" if not self._plain else "plain http goes only to what WOOSHQ_WEBHOOKS_ALLOW names"
            )
        last: Exception = httpcore.ConnectError("no address")
        for address in fits:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise NotAllowed("a webhook goes to no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _may(self, host: str, address: str) -> bool:
        found = as_address(address.partition("%")[0])
        if found is None:
            return False
        return self._allowed.has_plain(host, found) if self._plain else self._allowed.has(host, found)


async def _look_up(host: str, port: int) -> list[str]:
    """The addresses of a name. Raises httpcore.ConnectError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name has no address ({type(error).__name__})") from error
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Receivers:
    """Makes the calls, and keeps connections. Make it, and close it, inside the event loop that uses it. Redirects and proxies are not followed."""

    def __init__(self, allowed: Allowed, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._timeout_s = timeout_s
        kept: dict[str, Any] = {"max_connections": _CONNECTIONS, "max_keepalive_connections": 20, "keepalive_expiry": _KEEP_S}
        self._pools = {
            b"https": httpcore.AsyncConnectionPool(tls or trusted(), network_backend=Guarded(allowed, plain=False), **kept),
            b"http": httpcore.AsyncConnectionPool(network_backend=Guarded(allowed, plain=True), **kept),
        }

    async def close(self) -> None:
        """Calls in progress break."""
        for pool in self._pools.values():
            await pool.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One attempt. Raises only CancelledError."""
        began = time.monotonic()
        status, error, asked_s = None, "", None
        try:
            async with asyncio.timeout(self._timeout_s):
                status, asked_s = await self._post(url, headers, body)
        except TimeoutError:
            error = f"no answer within {self._timeout_s:g} s"
        except NotAllowed as refused:
            error = str(refused)
        except Exception as broken:
            error = _in_words(broken)
        return Answer(status, round((time.monotonic() - began) * 1000, 1), error, asked_s)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, float | None]:
        where = httpcore.URL(url)
        limits = {"connect": min(_CONNECT_S, self._timeout_s), "read": self._timeout_s, "write": self._timeout_s, "pool": self._timeout_s}
        call = self._pools[where.scheme].stream("POST", where, headers=list(headers.items()), content=body, extensions={"timeout": limits})
        async with call as answer:
            with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
                await _read(answer)  # the status counts, even if the rest breaks off
            named = {name.lower(): value for name, value in answer.headers}
            return answer.status, retry_after_s(named.get(b"retry-after", b""), time.time())


async def _read(answer: httpcore.Response) -> None:
    read = 0
    async for part in answer.aiter_stream():
        read += len(part)
        if read > _MOST_ANSWER:
            return


def retry_after_s(value: bytes, now: float) -> float | None:
    """Seconds of a header Retry-After, which is a number or a date; None for another text. now: seconds since the epoch."""
    text = value.decode("ascii", "replace").strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _in_words(error: Exception) -> str:
    """Without the URL, and without what the receiver said."""
    cause = error.__cause__ or error
    match error:
        case httpcore.ConnectTimeout():
            return "no connection in time"
        case httpcore.ConnectError() if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE" in str(cause):
            return "its certificate is not valid"
        case httpcore.ConnectError() if "name has no address" in str(error):
            return "its name has no address"
        case httpcore.ConnectError():
            return "no connection"
        case httpcore.TimeoutException():
            return "no answer in time"
        case httpcore.RemoteProtocolError() | httpcore.NetworkError():
            return "the connection broke"
        case _:
            return type(error).__name__
