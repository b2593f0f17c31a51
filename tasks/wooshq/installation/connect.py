"""Where Redis and the broker are, and clients for them that do not hang."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from wooshq.errors import SettingsInvalid
from wooshq.installation.celery_app import is_amqp
from wooshq.installation.embedded import ACQUIRE_S, EmbeddedRedis
from wooshq.settings import Settings


@dataclass(frozen=True)
class Places:
    """URLs of the ledger and the broker; `embedded` is the Redis that this process shares, if it does."""

    redis_url: str
    broker_url: str
    embedded: EmbeddedRedis | None = None

    @property
    def where(self) -> str:
        """The ledger's Redis as it may be shown: without user and password."""
        parts = urlsplit(self.redis_url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"

    def release(self) -> None:
        """Let go of the embedded Redis; its last user ends it."""
        if self.embedded is not None:
            self.embedded.release()


def places(settings: Settings, *, within_s: float = ACQUIRE_S) -> Places:
    """
    Follow the rules of the design's table: an unset ledger is the broker's Redis, what is still unset is embedded.

    within_s: how long an embedded one may take to be ready. Raises SettingsInvalid where a URL is of no kind that we know, EmbeddedRedisError where the embedded one cannot be had.
    """
    broker, ledger = settings.broker_url, settings.redis_url
    if ledger is None and broker is not None and broker.startswith(("redis://", "rediss://", "redis+socket://", "unix://")):
        ledger = broker
    if broker is None and ledger is not None:
        broker = ledger
    embedded = None
    if broker is None or ledger is None:
        embedded = EmbeddedRedis(settings.data_dir, within_s=within_s)
        url = embedded.acquire()
        ledger = ledger or url
        broker = broker or embedded.broker_url
    if broker.startswith("unix://"):
        broker = broker.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    if ledger.startswith("redis+socket://"):
        ledger = ledger.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    if not ledger.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsInvalid("WOOSHQ_REDIS_URL: must be redis://, rediss:// or unix://; with another broker, name the ledger's Redis here")
    if not (broker.startswith(("redis://", "rediss://", "redis+socket://", "sentinel://")) or is_amqp(broker)):
        raise SettingsInvalid("WOOSHQ_BROKER_URL: must be redis://, rediss://, sentinel:// or amqp://")
    return Places(ledger, broker, embedded)


CONNECTIONS: Final = 64
"""To the ledger, of one client: those above wait for one that is free."""


class _Until(threading.local):
    """When what this thread asks of Redis must have been answered, monotonic."""

    ends: float = math.inf

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound what is asked inside; an earlier end around it stands."""
        outer, self.ends = self.ends, min(self.ends, time.monotonic() + seconds)
        try:
            yield
        finally:
            self.ends = outer


until: Final = _Until()


class _Bounded:
    """A socket all of whose waiting together ends when the thread's deadline says: a timeout of the socket begins anew with each byte."""

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
    A client none of whose calls takes longer than about `within_s`: connecting gets a fifth of it for each of a host's two
    addresses, an answer gets the rest, and nothing is tried twice here (redis-py would, for up to a minute: known fault 8).

    `until.within` bounds what a thread asks even where the answer drips.
    """
    kinds = {"rediss": _BoundedTls, "unix": _BoundedUnix}
    # Blocking: redis-py's other pool refuses the hundred and first thread instead of letting it wait for a connection.
    pool = redis.BlockingConnectionPool.from_url(
        url,
        connection_class=kinds.get(urlsplit(url).scheme, _BoundedConnection),
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s * 0.2,
        socket_timeout=within_s * 0.55,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        **_plain(url),
    )
    return redis.Redis.from_pool(pool)


def aclient(url: str, within_s: float) -> aredis.Redis:
    """`client` for asyncio. Who uses it bounds the whole by `asyncio.timeout`; in a loop that is busy, connecting takes its time."""
    pool = aredis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s,
        socket_timeout=within_s,
        retry=ARetry(NoBackoff(), 0),
        health_check_interval=0,
        **_plain(url),
    )
    return aredis.Redis.from_pool(pool)


def _plain(url: str) -> dict[str, object]:
    """RESP2, and no CLIENT SETINFO: each would be one more round trip of a new connection that can hang."""
    options: dict[str, object] = {"protocol": 2, "driver_info": None}
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    return options
