"""How Celery reaches the broker: its URL in Celery's words, its transport, and options with which nothing hangs."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import redis
from kombu.transport.redis import Channel, Transport

from wooshq.installation.connections import TlsConnection
from wooshq.installation.sentinel import Primary, PrimaryTls, Sentinels
from wooshq.settings.redis_url import RedisUrl, is_redis_url, redis_url

log = logging.getLogger("wooshq.broker")

_AMQP_OPTIONS: Final[Mapping[str, Any]] = {"confirm_publish": True, "confirm_timeout": 2.0, "read_timeout": 30.0, "write_timeout": 5.0}

_REDIS_OPTIONS: Final[Mapping[str, Any]] = {
    "socket_timeout": 5.0,  # more than the one second that the transport's BRPOP waits
    "socket_connect_timeout": 1.0,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "retry_on_timeout": False,
    # Messages that a killed worker had not acknowledged come back within seconds, not after an hour. The ledger does not need this,
    # but it clears the transport's own records.
    "visibility_timeout": 60,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "unacked_restore_limit": 1000,
    "fanout_prefix": True,
    "fanout_patterns": True,
}


@dataclass(frozen=True)
class Broker:
    """What Celery needs to know. transport: kombu's class; None for the one that kombu chooses by the URL. tls: False without TLS."""

    url: str
    options: Mapping[str, Any]
    transport: type[Transport] | None = None
    tls: Mapping[str, Any] | bool = field(default=False, repr=False)


def broker_of(url: str) -> Broker:
    """The broker of a URL, as the settings take it. Without these timeouts, a frozen broker would hang producers and workers for minutes."""
    if not is_redis_url(url):
        return Broker(url, _AMQP_OPTIONS)
    server = redis_url(url)
    # kombu checks no certificate unless it is told to.
    tls = False if server.tls is None else {"ssl_cert_reqs": ssl.CERT_REQUIRED, **server.tls}
    if server.master is not None:
        sentinels = Sentinels(server, _REDIS_OPTIONS["socket_connect_timeout"])
        return Broker(_url(server), {**_REDIS_OPTIONS, "sentinels": sentinels}, SentinelTransport, tls)
    return Broker(_url(server), _REDIS_OPTIONS, SocketTransport if server.path else RedisTransport, tls)


def _url(server: RedisUrl) -> str:
    login = (
        f"{quote(server.username or '', safe='')}:{quote(server.password or '', safe='')}@" if server.username or server.password else ""
    )
    if server.path:
        return f"socket://{login}{quote(server.path)}?virtual_host={server.db}"
    host, port = server.hosts[0]
    scheme = "redis" if server.tls is None else "rediss"
    return f"{scheme}://{login}{f'[{host}]' if ':' in host else host}:{port}/{server.db}"


class RedisChannel(Channel):
    """kombu's channel, with connections over TLS that work without a password, too."""

    connection_class_ssl: type[redis.SSLConnection] = TlsConnection

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Fewer round trips of a new connection, and fewer rights: see `connect.py`.
        return {**super()._connparams(asynchronous), "protocol": 2, "driver_info": None}

    def close(self) -> None:
        """
        Close the channel and all its connections to Redis, also if they are lost. Never raises.

        kombu's own close ends at the first error, and a second one then fails in another way. If it gives back unacknowledged messages,
        it opens a connection for them, and leaves that open. A Redis that is frozen costs one timeout, not one for each channel.
        """
        transport = self.connection
        try:
            if transport is not None and transport.is_silent:
                raise redis.TimeoutError("another channel got no answer")
            super().close()
        except Exception as error:  # of a lost connection; what was not acknowledged comes back after the visibility timeout
            log.debug("a channel of a lost connection was closed (%s)", type(error).__name__)
            if transport is not None:
                transport.is_silent = isinstance(error, redis.TimeoutError)
            self._forget()
        self._disconnect_pools()
        self._close_clients()

    def _forget(self) -> None:
        self.closed = True
        self._in_poll = self._in_listen = None
        if self._qos is not None:
            self._qos._on_collect.cancel()  # multiprocessing would keep the channel until the process ends
        if (transport := self.connection) is not None:
            transport.cycle.discard(self)
            transport.close_channel(self)


class RedisTransport(Transport):
    """kombu's transport with this channel. is_silent: Redis did not answer in time when one of its channels was closed."""

    Channel = RedisChannel
    is_silent = False


class SocketTransport(RedisTransport):
    """The same over a unix socket. kombu leaves the URL whole, and its channel reads the path from it."""

    can_parse_url = True


class SentinelChannel(RedisChannel):
    """The same with connections to the primary that Sentinels name. kombu's own would wait long for a Sentinel that is down."""

    from_transport_options = (*RedisChannel.from_transport_options, "sentinels")
    connection_class = Primary
    connection_class_ssl = PrimaryTls
    sentinels: Sentinels

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        return {**super()._connparams(asynchronous), "sentinels": self.sentinels}


class SentinelTransport(RedisTransport):
    """kombu's transport with this channel."""

    driver_name = "sentinel"
    Channel = SentinelChannel
