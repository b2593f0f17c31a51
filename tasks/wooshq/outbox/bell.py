"""The outbox's bell: after a commit an app tells the relays that rows wait. It may be lost, because a relay also looks by itself."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import select
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from redis.exceptions import RedisError

from wooshq.client import Wooshq
from wooshq.errors import WooshqError
from wooshq.installation import forks
from wooshq.installation.connect import client
from wooshq.ledger.steps import Ask, Steps

log = logging.getLogger("wooshq.relay")

_COMMIT_S: Final = 0.02
"""How long a commit takes, if the bell had to be rung before it."""
_LISTEN_AGAIN_S: Final = 1.0


def channel(wooshq: Wooshq) -> str:
    """The channel of Redis's PUBLISH and SUBSCRIBE. Messages have no content."""
    return wooshq.ledger.keys.fixed("outbox")


class Bell:
    """
    A thread that rings for an app, so that a commit never waits for Redis. What comes while it rings shares a bell.

    It starts at the first bell, and again in a forked child. If it cannot start or Redis is away, relays find the rows by themselves.
    """

    def __init__(self, wooshq: Wooshq) -> None:
        self._wooshq = wooshq
        self._renew()
        forks.renew_in_children(self, Bell._renew)

    def _renew(self) -> None:
        self._wanted = threading.Event()
        self._late = False
        self._thread: threading.Thread | None = None

    def ring(self, *, before_commit: bool = False) -> None:
        """Ring soon. before_commit: the commit comes only now. Never raises, and never waits."""
        forks.check()
        self._late = self._late or before_commit
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            thread = threading.Thread(target=self._run, name="wooshq-outbox-bell", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread can start
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._late:
                time.sleep(_COMMIT_S)
                self._late = False
            self._wanted.clear()
            with contextlib.suppress(WooshqError, RedisError, OSError):
                if self._wooshq.installation.memory is None:
                    self._wooshq.do(_publish(channel(self._wooshq)))


@functools.cache
def bell_of(owner: Wooshq) -> Bell:
    """The one bell that a process has for an owner, whatever kind of transactions it rings for."""
    return Bell(owner)


def _publish(name: str) -> Steps[None]:
    yield Ask([("PUBLISH", name, "")])


class Listening:
    """Waits for a bell. `wake` ends a wait, from another thread or from a signal's handler."""

    def __init__(self, wooshq: Wooshq) -> None:
        self._wooshq = wooshq
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        os.set_blocking(self._reading, False)
        self._client: Any = None
        self._pubsub: Any = None
        self._again_at = 0.0

    def wake(self) -> None:
        """End the wait in progress, or the next one."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._writing, b"x")

    def wait(self, for_s: float) -> None:
        """Wait for a bell, for a `wake`, or for `for_s`. Without Redis only the time counts."""
        ends = time.monotonic() + for_s
        socket = self._socket()
        if self._has_heard():
            return
        while (rest := ends - time.monotonic()) > 0:
            ready, _, _ = select.select([self._reading, *([socket] if socket else [])], [], [], rest)
            if self._reading in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._reading, 1024)
                return
            if ready:
                if self._has_heard():
                    return
                socket = self._socket()

    def _socket(self) -> Any:
        """The socket on which bells come; None without Redis."""
        if self._pubsub is None and time.monotonic() >= self._again_at:
            self._again_at = time.monotonic() + _LISTEN_AGAIN_S
            try:
                self._subscribe()
            except (WooshqError, RedisError, OSError) as error:
                log.debug("the relay does not hear bells (%s); it looks by itself", type(error).__name__)
                self._close_redis()
        connection = getattr(self._pubsub, "connection", None)
        return getattr(connection, "_sock", None)

    def _subscribe(self) -> None:
        if self._wooshq.installation.memory is not None:
            return
        within_s = self._wooshq.settings.accept_within_s
        self._client = client(self._wooshq.installation.reach(within_s).redis_url, within_s)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(channel(self._wooshq))

    def _has_heard(self) -> bool:
        """Whether a bell came. Reads all that came."""
        heard = False
        try:
            while self._pubsub is not None and self._pubsub.connection is not None and self._pubsub.connection.can_read(0):
                heard = self._pubsub.get_message(timeout=0) is not None or heard
        except (RedisError, OSError):
            self._close_redis()
        return heard

    def _close_redis(self) -> None:
        pubsub, client_, self._pubsub, self._client = self._pubsub, self._client, None, None
        with contextlib.suppress(RedisError, OSError):
            if pubsub is not None:
                pubsub.close()
            if client_ is not None:
                client_.close()

    def close(self) -> None:
        """Stop listening."""
        self._close_redis()
        os.close(self._reading)
        os.close(self._writing)


@contextlib.contextmanager
def listen(wooshq: Wooshq) -> Iterator[Listening]:
    """Listen for bells. What was missed before the first `wait` is found by looking, so look first."""
    listening = Listening(wooshq)
    try:
        yield listening
    finally:
        listening.close()
