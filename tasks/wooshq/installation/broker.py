"""How Celery reaches the broker: its URL in Celery's words, its transport, and options with which nothing hangs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from kombu.transport.redis import Channel, Transport

from wooshq.installation.connect import TlsConnection
from wooshq.settings.redis_url import RedisUrl, is_redis_url, redis_url

_AMQP_OPTIONS: Final = {"confirm_publish": True, "confirm_timeout": 2.0, "read_timeout": 30.0, "write_timeout": 5.0}

_REDIS_OPTIONS: Final = {
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

    connection_class_ssl = TlsConnection


class RedisTransport(Transport):
    """kombu's transport with this channel."""

    Channel = RedisChannel


class SocketTransport(RedisTransport):
    """The same over a unix socket. kombu leaves the URL whole, and its channel reads the path from it."""

    can_parse_url = True
