"""Connections to Redis that never hang: waiting ends at a deadline, whatever the server does."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import redis
import redis.asyncio as aredis

from wooshq.installation.tls import TlsOptions


class _Until(threading.local):
    """The time, monotonic, by which Redis must have answered this thread."""

    ends: float = math.inf

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound the calls inside. An earlier end of an outer bound stays valid."""
        outer, self.ends = self.ends, min(self.ends, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.ends = outer


until: Final = _Until()


class _Bounded:
    """A socket whose total waiting ends at the thread's deadline. The socket's own timeout would begin anew with each byte."""

    __slots__ = ("_sock", "_timeout")

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._timeout: float | None = sock.gettimeout()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._sock.settimeout(timeout)

    def recv(self, *args: Any) -> Any:
        self._arm()
        return self._sock.recv(*args)

    def recv_into(self, *args: Any) -> Any:
        self._arm()
        return self._sock.recv_into(*args)

    def sendall(self, *args: Any) -> Any:
        self._arm()
        return self._sock.sendall(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _arm(self) -> None:
        if until.ends is math.inf or self._timeout == 0:
            return
        rest = until.ends - time.monotonic()
        if rest <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(rest if self._timeout is None else min(rest, self._timeout))


class BoundedConnection(redis.Connection):
    """A connection over TCP whose waiting ends at the thread's deadline."""

    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]


class TlsConnection(redis.SSLConnection):
    """
    A connection over TLS that shares its context, and that has read what the server sends after the handshake.

    In TLS 1.3 these are session tickets. They arrive before the first answer. redis-py looks whether a new connection has something to
    read, would take them for a leftover answer, and would refuse the connection.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tls = TlsOptions.of(options)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        if self._tls is None:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        return self._tls.context().wrap_socket(sock, server_hostname=self.host)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        has_asked = self.credential_provider or self.username or self.password or self.db
        if not has_asked:
            self.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]
            self.read_response()


class AsyncTls(aredis.SSLConnection):
    """A connection over TLS for asyncio that shares its context."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tls = TlsOptions.of(options)

    async def _connect(self) -> None:
        if self._tls is not None:
            self.ssl_context.context = self._tls.context()
        await super()._connect()  # type: ignore[no-untyped-call]


class BoundedTls(TlsConnection):
    """A connection over TLS whose waiting ends at the thread's deadline."""

    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]


class BoundedUnix(redis.UnixDomainSocketConnection):
    """A connection over a socket whose waiting ends at the thread's deadline."""

    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]
