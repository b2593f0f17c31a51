"""Connect to one server: its name, TCP, TLS. Each step has errors of its own, and before the last has ended no byte of a request is sent."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from aiohappyeyeballs import AddrInfoType, start_connection

from wooshq_worker.api.outcome import Broke

P = TypeVar("P", bound=asyncio.BaseProtocol)

_HAPPY_EYEBALLS_S: Final = 0.25
"""After this time the next address is tried beside the first (RFC 8305)."""
_KEEP_ADDRESSES_S: Final = 10.0
"""A name is asked for again after this time. Hundreds of connections that are made at once ask once."""


class NotConnected(Exception):
    """There is no connection, so nothing was sent."""

    def __init__(self, kind: Broke, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Origin(NamedTuple):
    """The server of a URL. host: a name, or an IP address without brackets. tls: None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class Connector:
    """Makes connections to one origin."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._addresses = _Addresses(origin.host, origin.port)

    async def connect(self, protocol: Callable[[], P]) -> P:
        """A new connection, as the protocol that was made for it. Raises NotConnected. It may be cancelled at any time."""
        loop = asyncio.get_running_loop()
        tls = self._origin.tls
        try:
            addresses = await self._addresses.get()
        except (OSError, UnicodeError) as error:
            raise NotConnected(Broke.DNS, _shown(error)) from error
        try:
            # uvloop cannot try several addresses at once, so a library does it.
            sock = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_S, loop=loop)
        except (OSError, RuntimeError) as error:  # RuntimeError: uvloop's, for a socket that it cannot use
            refused = isinstance(error, ConnectionRefusedError)
            raise NotConnected(Broke.REFUSED if refused else Broke.CONNECT_FAILED, _shown(error)) from error
        try:
            _, connection = await loop.create_connection(
                protocol, sock=sock, ssl=tls, server_hostname=self._origin.host if tls is not None else None
            )
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise NotConnected(Broke.TLS, _shown(error)) from error
        except OSError as error:
            raise NotConnected(Broke.CONNECT_FAILED, _shown(error)) from error
        return connection


class _Addresses:
    """The addresses of a name, asked for once by all who need them now, and kept for a while. Each caller gets another one first."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._known: deque[AddrInfoType] = deque()
        self._kept_until = 0.0
        self._asked: asyncio.Future[None] | None = None

    async def get(self) -> list[AddrInfoType]:
        """Raises OSError (`socket.gaierror`) or UnicodeError for a name that does not exist, or cannot."""
        loop = asyncio.get_running_loop()
        if not self._known or loop.time() >= self._kept_until:
            if self._asked is None:
                self._asked = asyncio.ensure_future(self._ask(loop))
            await asyncio.shield(self._asked)  # a caller that gives up does not end it for the others
        self._known.rotate(-1)
        return list(self._known)

    async def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            # In a thread of the loop's own executor, also with uvloop, which would start threads when they are needed.
            found = await loop.run_in_executor(None, _look_up, self._host, self._port)
            self._known = deque(found)
            self._kept_until = loop.time() + _KEEP_ADDRESSES_S
        finally:
            self._asked = None


def _look_up(host: str, port: int) -> list[AddrInfoType]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
