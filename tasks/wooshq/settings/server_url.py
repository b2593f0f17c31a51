"""What may WOOSHQ_REDIS_URL and WOOSHQ_BROKER_URL be? An error never shows any part of the value."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from wooshq.settings.redis_url import is_redis_url, redis_url, to_be_escaped

_AMQP: Final = ("amqp://", "amqps://", "pyamqp://")


def is_amqp(url: str) -> bool:
    """Whether the broker is RabbitMQ, or another one with its protocol."""
    return url.startswith(_AMQP)


def check_redis_url(url: str) -> str:
    """The URL of the ledger's Redis. Raises ValueError."""
    if not is_redis_url(url):
        raise ValueError("must be redis://, rediss://, unix:// or sentinel://. If the broker is not Redis, name the ledger's Redis here")
    redis_url(url)
    return url


def check_broker_url(url: str) -> str:
    """The URL of the broker. Raises ValueError."""
    if is_redis_url(url):
        redis_url(url)
    elif is_amqp(url):
        for part in url.split(";"):  # Celery takes the URLs of several brokers
            _check_amqp(part)
    else:
        raise ValueError("must be redis://, rediss://, unix://, sentinel:// or amqp://")
    return url


def _check_amqp(url: str) -> None:
    rest = url.partition("://")[2]
    try:
        parts = urlsplit(url)
        is_valid = not parts.fragment and (parts.port is None or parts.port > 0)
    except ValueError:  # it shows a part of the value
        is_valid = False
    if not is_valid:
        raise ValueError(to_be_escaped(rest) or "must have the form amqp://USER:PASSWORD@HOST:PORT/VHOST, and the port must be a number")
