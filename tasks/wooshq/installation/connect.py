"""Clients of the ledger's Redis that never hang: each call ends in time, with an answer or an error."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.retry import Retry

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


class _BoundedConnection(redis.Connection):
    def _connect(self) -> Any:
        return _Bounded(super()._connect())  # type: ignore[no-untyped-call]


class _BoundedTls(redis.SSLConnection):
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
    kinds = {"rediss": _BoundedTls, "unix": _BoundedUnix}
    # A blocking pool lets a thread wait for a free connection. redis-py's other pool would refuse the thread.
    pool = redis.BlockingConnectionPool.from_url(
        url,
        connection_class=kinds.get(urlsplit(url).scheme, _BoundedConnection),
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s * 0.2,
        socket_timeout=within_s * 0.55,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        **_fewest_round_trips(url),
    )
    return redis.Redis.from_pool(pool)


def aclient(url: str, within_s: float) -> aredis.Redis:
    """`client` for asyncio. The caller bounds the whole call with `asyncio.timeout`, because connecting takes longer in a busy loop."""
    pool = aredis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s,
        socket_timeout=within_s,
        retry=ARetry(NoBackoff(), 0),
        health_check_interval=0,
        **_fewest_round_trips(url),
    )
    return aredis.Redis.from_pool(pool)


def _fewest_round_trips(url: str) -> dict[str, object]:
    """RESP2, and no CLIENT SETINFO: RESP3 and SETINFO each need one more round trip of a new connection, which can hang."""
    options: dict[str, object] = {"protocol": 2, "driver_info": None}
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    return options
