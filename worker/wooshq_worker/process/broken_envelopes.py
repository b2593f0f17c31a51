"""A Redis transport that survives broken envelopes: kombu reads them before any code of Celery's could refuse them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any

import structlog
from kombu.transport import TRANSPORT_ALIASES
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, RedisError

from wooshq.installation.celery_app import WooshqApp
from wooshq_worker.process.full_broker import GoesOnWhenFull

log = structlog.get_logger("wooshq.guard")


def install(keep: Callable[[bytes], None], *apps: WooshqApp) -> None:
    """
    Make these apps use guarded transports, if their broker is Redis. keep: given the bytes of each message that kombu cannot read.

    The transport goes into kombu's own table, under its name: kombu shows the name where it says what it is connected to.
    """
    guard = _Guard(keep)
    for app in apps:
        if isinstance(transport := app.conf.broker_transport, type):
            guarded = guard.guarded(transport)
            TRANSPORT_ALIASES[guarded.driver_name] = partial(_same, guarded)
            app.conf.broker_transport = guarded.driver_name


def _same(transport: type) -> type:
    return transport


class _Guard:
    """What all guarded channels of this process share. A channel ends with its connection; this does not."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._keep = keep
        self._owed: list[tuple[Any, Any]] = []  # (queue, message)

    def guarded(self, transport: Any) -> Any:
        """The transport, whose channels share this guard."""
        channel = transport.Channel
        guarded_channel = type(f"Guarded{channel.__name__}", (_GuardedRead, GoesOnWhenFull, channel), {"guard": self})
        return type(f"Guarded{transport.__name__}", (transport,), {"Channel": guarded_channel})

    def owe(self, queue: Any, message: Any) -> None:
        """
        A message that was taken from Redis, although the transport's own record of it could not be written: Redis is full. It goes back
        before anything else is taken.
        """
        self._owed.append((queue, message))

    def give_back(self, channel: Any) -> bool:
        """Put back every message that is owed. False if Redis is still full. Raises the channel's connection errors."""
        while self._owed:
            try:
                with channel.conn_or_acquire() as client:
                    client.rpush(*self._owed[-1])
            except tuple(channel.connection_errors):
                raise
            except RedisError:
                return False
            self._owed.pop()
        return True

    def set_aside(self, taken: Any, error: Exception) -> None:
        """A message that cannot be read: it is gone from the broker."""
        item = taken[1] if _is_item(taken) else b""
        log.error("envelope_broken", error=type(error).__name__, size=len(item))
        self._keep(item if isinstance(item, bytes) else str(item).encode())


class _GuardedRead:
    """Of a kombu channel: sets aside a message that cannot be read, and the next one is read."""

    guard: _Guard

    def _brpop_start(self, *args: Any, **options: Any) -> Any:
        return super()._brpop_start(*args, **options) if self.guard.give_back(self) else None  # type: ignore[misc]

    def _brpop_read(self, **options: Any) -> Any:
        channel: Any = self
        reply = _LastReply.of(channel.client)
        reply.last = None
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except Empty:
            raise
        except channel.connection_errors as error:
            # kombu counts KeyError among them, and a broken envelope raises it.
            if not isinstance(error, KeyError) or reply.last is None:
                raise
            self.guard.set_aside(reply.last, error)
        except DataError as error:  # raised by redis-py itself: what this message asks for can never be written
            if reply.last is None:
                raise
            self.guard.set_aside(reply.last, error)
        except RedisError as error:
            if not _is_item(reply.last):
                channel.client.connection.disconnect()
                raise RedisConnectionError(f"the broker cannot be read ({type(error).__name__})") from error
            self.guard.owe(*reply.last)
        except Exception as error:
            if reply.last is None:
                raise
            self.guard.set_aside(reply.last, error)
        raise Empty


class _LastReply:
    """Stands in for a client's `parse_response`, and remembers what it returned last."""

    def __init__(self, parse: Callable[..., Any]) -> None:
        self._parse = parse
        self.last: Any = None

    @classmethod
    def of(cls, client: Any) -> _LastReply:
        """The one of this client; made if it has none yet."""
        reply = client.__dict__.get("parse_response")
        if not isinstance(reply, cls):
            reply = client.parse_response = cls(client.parse_response)
        return reply

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.last = self._parse(*args, **kwargs)
        return self.last


def _is_item(reply: Any) -> bool:
    """Whether a reply is that of BRPOP: (queue, message)."""
    return isinstance(reply, (list, tuple)) and len(reply) == 2
