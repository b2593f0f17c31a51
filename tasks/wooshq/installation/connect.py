"""Clients of the ledger's Redis that never hang: each call ends in time, with an answer or an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from wooshq.installation import sentinel
from wooshq.installation.connections import AsyncTls, BoundedConnection, BoundedTls, BoundedUnix
from wooshq.settings.redis_url import RedisUrl, redis_url

CONNECTIONS: Final = 64
"""The most connections of one client. A call beyond them waits for a free one."""

_CONNECT_PART: Final = 0.2
"""The part of a call's time in which a connection must be made, for each of a host's two addresses, or a Sentinel must answer."""


def client(url: str, within_s: float) -> redis.Redis:
    """
    A client whose calls take at most about `within_s` each. Connecting gets a fifth of that for each of a host's two addresses, an answer
    gets the rest. Nothing is retried here: redis-py would retry for up to a minute (known fault 8).

    An answer that comes byte by byte can take longer. `until.within` bounds that, too.
    """
    server = redis_url(url)
    connection_class = _kind(server, (BoundedUnix, sentinel.BoundedPrimary, sentinel.BoundedPrimaryTls, BoundedConnection, BoundedTls))
    # A blocking pool lets a thread wait for a free connection. redis-py's other pool would refuse the thread.
    pool = redis.BlockingConnectionPool(
        connection_class=connection_class,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s * _CONNECT_PART,
        socket_timeout=within_s * 0.55,
        retry=Retry(NoBackoff(), 0),
        **_options(server, within_s),
    )
    return redis.Redis.from_pool(pool)


def aclient(url: str, within_s: float) -> aredis.Redis:
    """`client` for asyncio. The caller bounds the whole call with `asyncio.timeout`, because connecting takes longer in a busy loop."""
    server = redis_url(url)
    connection_class = _kind(
        server,
        (aredis.UnixDomainSocketConnection, sentinel.AsyncPrimary, sentinel.AsyncPrimaryTls, aredis.Connection, AsyncTls),
    )
    pool = aredis.BlockingConnectionPool(
        connection_class=connection_class,
        max_connections=CONNECTIONS,
        timeout=within_s,
        socket_connect_timeout=within_s,
        socket_timeout=within_s,
        retry=ARetry(NoBackoff(), 0),
        **_options(server, within_s),
    )
    return aredis.Redis.from_pool(pool)


def _kind(server: RedisUrl, kinds: Sequence[Any]) -> Any:
    """kinds: the classes for a socket, for a primary behind Sentinel without and with TLS, and for one server without and with TLS."""
    if server.path:
        return kinds[0]
    return kinds[(1 if server.master is not None else 3) + (server.tls is not None)]


def _options(server: RedisUrl, within_s: float) -> dict[str, Any]:
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
    options |= {"socket_keepalive": True, **(server.tls or {})}
    if server.master is not None:
        return {**options, "sentinels": sentinel.Sentinels(server, within_s * _CONNECT_PART)}
    [(host, port)] = server.hosts
    return {**options, "host": host, "port": port}
