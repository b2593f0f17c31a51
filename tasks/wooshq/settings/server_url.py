"""What may WOOSHQ_REDIS_URL and WOOSHQ_BROKER_URL be? An error never shows any part of the value."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit

from wooshq.settings.redis_url import is_redis_url, redis_url, to_be_escaped

EMBEDDED: Final = "embedded"
"""The value of WOOSHQ_REDIS_URL that asks for the embedded Redis."""

MEMORY: Final = "memory://"
"""The value of WOOSHQ_BROKER_URL that asks for a ledger and a worker in the memory of the app's process, for development."""
SANDBOX: Final = "sandbox"
"""The value of PUSHWOOSH_BASE_URL that asks for a stand-in for the API in the app's process. Only with `MEMORY`."""

_AMQP: Final = ("amqp://", "amqps://", "pyamqp://")
_FILES: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")


def is_amqp(url: str) -> bool:
    """Whether the broker is RabbitMQ, or another one with its protocol."""
    return url.startswith(_AMQP)


def check_redis_url(url: str) -> str:
    """The URL of the ledger's Redis, or `embedded`. Raises ValueError."""
    if url == EMBEDDED:
        return url
    if not is_redis_url(url):
        raise ValueError(
            f"must begin with redis://, rediss://, unix:// or sentinel://, or be the word {EMBEDDED}. "
            "If the broker is not Redis, the ledger still needs a Redis: set its URL here"
        )
    _check_redis(url)
    return url


def check_broker_url(url: str) -> str:
    """The URL of the broker, or `memory://`. Raises ValueError."""
    if url == MEMORY:
        return url
    if is_redis_url(url):
        _check_redis(url)
    elif is_amqp(url):
        for part in url.split(";"):  # Celery takes the URLs of several brokers
            _check_amqp(part)
    else:
        raise ValueError(f"must begin with redis://, rediss://, unix://, sentinel:// or amqp://, or be {MEMORY} (for development)")
    return url


def _check_redis(url: str) -> None:
    for name, value in (redis_url(url).tls or {}).items():
        if name in _FILES and not os.access(value, os.R_OK):
            raise ValueError(f"{name} must name a file that this user can read")


def _check_amqp(url: str) -> None:
    rest = url.partition("://")[2]
    try:
        parts = urlsplit(url)
        is_valid = not parts.fragment and (parts.port is None or parts.port > 0)
    except ValueError:  # it shows a part of the value
        is_valid = False
    if not is_valid:
        raise ValueError(to_be_escaped(rest) or "must have the form amqp://USER:PASSWORD@HOST:PORT/VHOST, and the port must be a number")
