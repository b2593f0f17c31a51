"""A Redis transport that survives broken envelopes: kombu reads them before any code of Celery's could refuse them."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty
from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, SentinelChannel, SentinelTransport, Transport
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, RedisError

log = structlog.get_logger("wooshq.guard")

_owed: list[tuple[Any, Any]] = []
"""(queue, message): taken from a Redis that was too full to write down that they were; they go back first."""

quarantine: list[Callable[[bytes], None]] = []
"""Who keeps the bytes of a message that kombu cannot read: set by the worker."""


class _Guard:
    """Wraps the read of one message: what cannot be read is set aside, and the next one is read."""

    def _brpop_start(self, *args: Any, **options: Any) -> Any:
        channel: Any = self
        while _owed:
            try:
                with channel.conn_or_acquire() as client:
                    client.rpush(*_owed[-1])
            except tuple(channel.connection_errors):
                raise
            except RedisError:
                return None  # still full: take nothing more
            _owed.pop()
        return super()._brpop_start(*args, **options)  # type: ignore[misc]

    def _brpop_read(self, **options: Any) -> Any:
        channel: Any = self
        client = channel.client
        if not isinstance(client.__dict__.get("parse_response"), _Remembering):
            client.parse_response = _Remembering(client.parse_response)
        remembered: _Remembering = client.parse_response
        remembered.last = None
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except Empty:
            raise
        except channel.connection_errors as error:
            # kombu counts KeyError among them, and a broken envelope raises it
            if not isinstance(error, KeyError) or remembered.last is None:
                raise
            self._set_aside(remembered.last, error)
            raise Empty from None
        except DataError as error:  # of redis-py itself: what this message asks for can never be written
            if remembered.last is None:
                raise
            self._set_aside(remembered.last, error)
            raise Empty from None
        except RedisError as error:
            if isinstance(remembered.last, (list, tuple)) and len(remembered.last) == 2:
                _owed.append((remembered.last[0], remembered.last[1]))
                raise Empty from None
            client.connection.disconnect()
            raise RedisConnectionError(f"the broker refused to be read ({type(error).__name__})") from error
        except Exception as error:
            if remembered.last is None:
                raise
            self._set_aside(remembered.last, error)
            raise Empty from None

    def _set_aside(self, taken: Any, error: Exception) -> None:
        item = taken[1] if isinstance(taken, (list, tuple)) and len(taken) == 2 else b""
        log.error("envelope_broken", error=type(error).__name__, size=len(item))
        for keep in quarantine:
            keep(item if isinstance(item, bytes) else str(item).encode())


class _Remembering:
    """`parse_response`, and what it last brought."""

    def __init__(self, parse: Callable[..., Any]) -> None:
        self._parse = parse
        self.last: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.last = self._parse(*args, **kwargs)
        return self.last


class GuardedChannel(_Guard, Channel):
    """One Redis."""


class GuardedTransport(Transport):
    """One Redis."""

    Channel = GuardedChannel


class GuardedSentinelChannel(_Guard, SentinelChannel):
    """Redis behind Sentinel."""


class GuardedSentinelTransport(SentinelTransport):
    """Redis behind Sentinel."""

    Channel = GuardedSentinelChannel


def install() -> None:
    """Make kombu take these for its Redis transports, in this process. A URL's scheme names a transport by this table of kombu's."""
    for scheme, name in (("redis", "GuardedTransport"), ("rediss", "GuardedTransport"), ("sentinel", "GuardedSentinelTransport")):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{name}"
