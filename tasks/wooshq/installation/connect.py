"""Clients of the ledger's Redis that never hang: each call ends in time, with an answer or an error."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from wooshq.settings.redis_url import RedisUrl, redis_url

CONNECTIONS: Final = 64
"""The most connections of one client. A call beyond them waits for a free one."""


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
    A connection over TLS that has read what the server sends after the handshake.

    In TLS 1.3 these are session tickets. They arrive before the first answer. redis-py looks whether a new connection has something to
    read, would take them for a leftover answer, and would refuse the connection.
    """

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        has_asked = self.credential_provider or self.username or self.password or self.db
        if not has_asked:
            self.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]
            self.read_response()


class BoundedTls(TlsConnection):
    """A connection over TLS whose waiting ends at the thread's deadline."""

    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]


class _BoundedUnix(redis.UnixDomainSocketConnection):
    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]


def client(url: str, within_s: float) -> redis.Redis:
    """
    A client whose calls take at most about `within_s` each. Connecting gets a fifth of that for each of a host's two addresses, an answer
    gets the rest. Nothing is retried here: redis-py would retry for up to a minute (known fault 8).

    An answer that comes byte by byte can take longer. `until.within` bounds that, too.
    """
    server = redis_url(url)
    kind: type[redis.connection.AbstractConnection] = BoundedConnection if server.tls is None else BoundedTls
    # A blocking pool lets a thread wait for a free connection. redis-py's other pool would refuse the thread.
    pool = redis.BlockingConnectionPool(
        connection_class=_BoundedUnix if server.path else kind,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s * 0.2,
        socket_timeout=within_s * 0.55,
        retry=Retry(NoBackoff(), 0),
        **_options(server),
    )
    return redis.Redis.from_pool(pool)


def aclient(url: str, within_s: float) -> aredis.Redis:
    """`client` for asyncio. The caller bounds the whole call with `asyncio.timeout`, because connecting takes longer in a busy loop."""
    server = redis_url(url)
    kind: type[aredis.connection.AbstractConnection] = aredis.Connection if server.tls is None else aredis.SSLConnection
    pool = aredis.BlockingConnectionPool(
        connection_class=aredis.UnixDomainSocketConnection if server.path else kind,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s,
        socket_timeout=within_s,
        retry=ARetry(NoBackoff(), 0),
        **_options(server),
    )
    return aredis.Redis.from_pool(pool)


def _options(server: RedisUrl) -> dict[str, Any]:
    """
    The options of a connection that both clients share.

    RESP2, and no CLIENT SETINFO: RESP3 and SETINFO each need one more round trip of a new connection, which can hang.
    """
    options = {
        "db": server.db,
        "username": server.username,
        "password": server.password,
        "protocol": 2,
        "driver_info": None,
        "health_check_interval": 0,
    }
    if server.path:
        return {**options, "path": server.path}
    [(host, port)] = server.hosts
    return {**options, "host": host, "port": port, "socket_keepalive": True, **(server.tls or {})}
