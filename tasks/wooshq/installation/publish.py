"""Tells the broker which ids are queued. This can happen in the background, because an accepted intent is safe without it."""

from __future__ import annotations

import atexit
import functools
import logging
import math
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from wooshq.installation import forks
from wooshq.installation.celery_app import SEND, TURN, WooshqApp, adopt_queues
from wooshq.ledger.keys import LANES

log = logging.getLogger("wooshq.publish")

#: The most ids that wait for a slow broker. The keeper publishes the rest: it finds them in the ledger.
_MOST_WAITING = 100_000
#: The same for the turns of jobs (see TURN).
_MOST_TURNS = 1000
FLUSH_S: Final = 2.0
"""How long the end of a process waits for what was not published yet. The keeper publishes the rest."""

#: If the thread was not done in time, hand-overs do not wait for it again before this time has passed.
_DO_NOT_WAIT_S: Final = 10.0


class BrokerConnection:
    """
    One connection to the broker, opened at first use, and again after a failure. For one thread at a time.

    It does not come from kombu's pools. They belong to the whole process: a web app whose own Celery closes its pool would close this
    connection, too.
    """

    def __init__(self, app: WooshqApp, *, ids_per_message: int) -> None:
        self._app = app
        self._ids_per_message = ids_per_message
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, lane: str, ids: Sequence[str], *, alone: bool = False) -> None:
        """
        Send `ids` to `lane`. alone: for suspects, which a worker must send without others.

        If an idle connection was closed, a new one is tried once. Raises the transport's error if that fails, too. The caller only logs
        it: every id is in the ledger, and is published again.
        """
        fresh = self._producer is None
        try:
            self._publish(lane, ids, alone)
        except Exception:
            self.close()
            if fresh:
                raise
            self._publish(lane, ids, alone)

    def _open(self) -> None:
        if self._producer is None:
            self._connection = self._app.connection_for_write()
            adopt_queues(self._app, self._connection)
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)

    def _publish(self, lane: str, ids: Sequence[str], alone: bool) -> None:
        self._open()
        for some in in_groups(ids, self._ids_per_message):
            self._app.send_task(
                SEND,
                args=[some],
                kwargs={"alone": True} if alone else {},
                queue=self._app.lanes[lane],
                producer=self._producer,
                retry=False,
                ignore_result=True,
                argsrepr=f"{len(some)} ids",
                kwargsrepr="",
            )

    def call_turns(self, n: int) -> None:
        """
        Tell workers of the bulk lane, `n` times, to take the next chunk of the job whose turn it is.

        Raises like `publish`.
        """
        fresh = self._producer is None
        try:
            self._call_turns(n)
        except Exception:
            self.close()
            if fresh:
                raise
            self._call_turns(n)

    def _call_turns(self, n: int) -> None:
        self._open()
        for _ in range(n):
            self._app.send_task(
                TURN,
                args=[],
                queue=self._app.lanes["bulk"],
                producer=self._producer,
                retry=False,
                ignore_result=True,
                argsrepr="",
                kwargsrepr="",
            )

    def close(self) -> None:
        """Close the connection. Never raises."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except Exception:  # of any transport; the connection is not used again in any case
                log.debug("a connection to the broker could not be closed")


def in_groups(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """`ids` in lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def threads_stand_still() -> bool:
    """Whether other threads run only during a request: in uWSGI without `enable-threads`."""
    uwsgi = sys.modules.get("uwsgi")  # never imported: an app may have a module of that name
    return uwsgi is not None and not getattr(uwsgi, "has_threads", True)


@functools.cache
def _warn_once() -> None:
    log.warning(
        "uwsgi_without_threads: this uWSGI stops threads between requests, so each call publishes before it returns. "
        "Start uWSGI with --enable-threads"
    )


class Publisher:
    """
    A thread that publishes what producers hand over. So a broker that hangs never hangs `enqueue`, and ids that come meanwhile share a
    message. Nothing is lost if it fails: an id that was not published is `queued` in the ledger, and the keeper finds it there.

    The thread starts at the first hand-over, and again in a forked child. If no thread can start, or if it ended, the next hand-over tries
    again. When the interpreter ends, it gets up to `flush_s` to finish.
    """

    def __init__(self, app: WooshqApp, *, ids_per_message: int, flush_s: float = FLUSH_S, in_place_s: float = 0.5) -> None:
        self._app = app
        self._ids_per_message = ids_per_message
        self._flush_s = flush_s
        self._in_place_s = in_place_s
        self._reset()
        _live.add(self)
        forks.renew_in_children(self, Publisher._renew)

    def _renew(self) -> None:
        """In a forked child, which has its parent's memory, but not its thread. The parent publishes what waited."""
        forks.keep(self._connection)
        self._reset()

    def _reset(self) -> None:
        self._waiting: dict[str, deque[str]] = {lane: deque() for lane in LANES}
        self._turns = 0
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self._must_wait = threads_stand_still()
        self._waits_from = -math.inf
        self._has_warned = False
        self._connection = BrokerConnection(self._app, ids_per_message=self._ids_per_message)

    def hand_over(self, lane: str, ids: Iterable[str]) -> None:
        """Publish `ids` soon. Does not wait for the broker (except in uWSGI without threads, see `_wait_for_thread`). Never raises."""
        self._hand_over(lane, ids)

    def _hand_over(self, lane: str = "bulk", ids: Iterable[str] = (), turns: int = 0) -> None:
        with self._changed:
            waiting = self._waiting[lane]
            waiting.extend(ids)
            while len(waiting) > _MOST_WAITING:
                waiting.pop()
            self._turns = min(self._turns + turns, _MOST_TURNS)
            self._start_unless_running()
            self._changed.notify()
        if self._must_wait:
            self._wait_for_thread()

    def _start_unless_running(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        thread = threading.Thread(target=self._run, name="wooshq-publisher", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # of a limit on threads or memory, or because the interpreter ends
            self._thread = None
            if not self._has_warned:
                self._has_warned = True
                log.warning("publisher_not_started: no thread can start in this process; the keeper publishes what this process accepts")
        else:
            self._thread = thread

    def call_turns(self, n: int) -> None:
        """Tell workers soon that `n` chunks wait. Does not wait for the broker. Never raises."""
        if n > 0:
            self._hand_over(turns=n)

    def _wait_for_thread(self) -> None:
        """
        Let the thread publish now, because it would stand still after this request, and the keeper publishes two seconds later.

        Waits for up to `in_place_s`. If that is not enough, the broker hangs, and the next hand-overs do not wait for it.
        """
        now = time.monotonic()
        if now >= self._waits_from:
            _warn_once()
            if not self.flush(self._in_place_s):
                self._waits_from = now + _DO_NOT_WAIT_S

    def flush(self, within_s: float) -> bool:
        """Wait until everything that was handed over has been tried. False if the time was not enough."""
        ends = time.monotonic() + within_s
        with self._changed:
            while self._busy or self._has_work:
                rest = ends - time.monotonic()
                if rest <= 0 or self._thread is None or not self._thread.is_alive():
                    return False
                self._changed.wait(rest)
        return True

    def close(self, within_s: float | None = None) -> None:
        """Publish what waits, for up to `within_s` (default: `flush_s`), and end the thread."""
        self.flush(self._flush_s if within_s is None else within_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def _has_work(self) -> bool:
        return self._turns > 0 or any(self._waiting.values())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not self._has_work:
                    if self._closed:
                        self._connection.close()
                        return
                    self._changed.wait()
                self._busy = True
                lane = next((lane for lane, waiting in self._waiting.items() if waiting), None)
                ids: list[str] = []
                turns = 0
                if lane is not None:
                    waiting = self._waiting[lane]
                    ids = [waiting.popleft() for _ in range(min(len(waiting), self._ids_per_message))]
                else:
                    turns, self._turns = self._turns, 0
            try:
                if lane is not None:
                    self._connection.publish(lane, ids)
                else:
                    self._connection.call_turns(turns)
            except Exception as error:
                log.warning(
                    "publish_failed: %d ids and %d turns were not published; the keeper will publish them from the ledger (%s)",
                    len(ids),
                    turns,
                    type(error).__name__,
                )
                with self._changed:  # the keeper publishes them: a broker that is out of reach is not asked again at once
                    self._turns = 0
                    if lane is not None:
                        self._waiting[lane].clear()


_live: weakref.WeakSet[Publisher] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    """All publishers together get `flush_s`, because a server's supervisor kills a process that takes long to end."""
    forks.check()
    ends = time.monotonic() + FLUSH_S
    for publisher in list(_live):
        publisher.close(max(0.0, ends - time.monotonic()))
