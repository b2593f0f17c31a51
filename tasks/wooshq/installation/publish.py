"""Tells workers through the broker that there is work. This can happen in the background, because an accepted intent is safe without it."""

from __future__ import annotations

import atexit
import functools
import logging
import math
import sys
import threading
import time
import weakref
from typing import Any, Final

from wooshq.installation import forks
from wooshq.installation.celery_app import SEND, TURN, WooshqApp, adopt_queues

log = logging.getLogger("wooshq.publish")

#: The most turns of jobs (see TURN) that wait for a slow broker. The keeper calls the rest.
_MOST_TURNS = 1000
FLUSH_S: Final = 2.0
"""How long the end of a process waits for bells that were not rung yet. The keeper rings the others."""

#: If the thread was not done in time, bells do not wait for it again before this time has passed.
_DO_NOT_WAIT_S: Final = 10.0


class BrokerConnection:
    """
    One connection to the broker, opened at first use, and again after a failure. For one thread at a time.

    It does not come from kombu's pools. They belong to the whole process: a web app whose own Celery closes its pool would close this
    connection, too.
    """

    def __init__(self, app: WooshqApp) -> None:
        self._app = app
        self._connection: Any = None
        self._producer: Any = None

    def ring(self, lane: str, hops: int = 0) -> None:
        """
        Ring the bell of a lane. hops: how many workers that were full passed it on.

        If an idle connection was closed, a new one is tried once. Raises the transport's error if that fails, too. The caller only logs
        it: the keeper rings again while work waits.
        """
        # An empty list of ids: a worker of the version before understands it, and takes nothing.
        self._send(SEND, lane, 1, args=[[]], kwargs={"hops": hops} if hops else {})

    def call_turns(self, n: int) -> None:
        """
        Tell workers of the bulk lane, `n` times, to take the next chunk of the job whose turn it is.

        Raises like `ring`.
        """
        self._send(TURN, "bulk", n, args=[], kwargs={})

    def _send(self, task: str, lane: str, n: int, *, args: list[Any], kwargs: dict[str, Any]) -> None:
        fresh = self._producer is None
        try:
            self._send_now(task, lane, n, args, kwargs)
        except Exception:
            self.close()
            if fresh:
                raise
            self._send_now(task, lane, n, args, kwargs)

    def _send_now(self, task: str, lane: str, n: int, args: list[Any], kwargs: dict[str, Any]) -> None:
        self._open()
        for _ in range(n):
            self._app.send_task(
                task,
                args=args,
                kwargs=kwargs,
                queue=self._app.lanes[lane],
                producer=self._producer,
                retry=False,
                ignore_result=True,
                argsrepr="",
                kwargsrepr="",
            )

    def _open(self) -> None:
        if self._producer is None:
            self._connection = self._app.connection_for_write()
            adopt_queues(self._app, self._connection)
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)

    def close(self) -> None:
        """Close the connection. Never raises."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except Exception:  # of any transport; the connection is not used again in any case
                log.debug("a connection to the broker could not be closed")


def threads_stand_still() -> bool:
    """Whether other threads run only during a request: in uWSGI without `enable-threads`."""
    uwsgi = sys.modules.get("uwsgi")  # never imported: an app may have a module of that name
    return uwsgi is not None and not getattr(uwsgi, "has_threads", True)


@functools.cache
def _warn_once() -> None:
    log.warning(
        "uwsgi_without_threads: this uWSGI stops threads between requests, so each call rings before it returns. "
        "Start uWSGI with --enable-threads"
    )


class Publisher:
    """
    A thread that rings bells and calls turns for producers. So a broker that hangs never hangs `enqueue`, and what comes meanwhile shares a
    bell. Nothing is lost if it fails: the work waits in the ledger, and the keeper rings.

    The thread starts at the first bell, and again in a forked child. If no thread can start, or if it ended, the next bell tries again. When the interpreter ends, it gets up to `flush_s` to finish.
    """

    def __init__(self, app: WooshqApp, *, flush_s: float = FLUSH_S, in_place_s: float = 0.5) -> None:
        self._app = app
        self._flush_s = flush_s
        self._in_place_s = in_place_s
        self._reset()
        _live.add(self)
        forks.renew_in_children(self, Publisher._renew)

    def _renew(self) -> None:
        """In a forked child, which has its parent's memory, but not its thread. The parent rings for what waited."""
        forks.keep(self._connection)
        self._reset()

    def _reset(self) -> None:
        self._bells: dict[str, int] = {}  # lane → hops
        self._turns = 0
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._closed = False
        self._must_wait = threads_stand_still()
        self._waits_from = -math.inf
        self._has_warned = False
        self._connection = BrokerConnection(self._app)

    def ring(self, lane: str, hops: int = 0) -> None:
        """
        Ring the bell of a lane soon. Does not wait for the broker (except in uWSGI without threads, see `_wait_for_thread`). Never raises.

        Bells of a lane that wait for the broker are one.
        """
        with self._changed:
            self._bells[lane] = min(hops, self._bells.get(lane, hops))
            self._wake()
        self._let_it_work()

    def call_turns(self, n: int) -> None:
        """Tell workers soon that `n` chunks wait. Does not wait for the broker. Never raises."""
        if n > 0:
            with self._changed:
                self._turns = min(self._turns + n, _MOST_TURNS)
                self._wake()
            self._let_it_work()

    def _wake(self) -> None:
        self._start_unless_running()
        self._changed.notify()

    def _let_it_work(self) -> None:
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
                log.warning(
                    "publisher_not_started: no thread can start in this process; the keeper tells workers of what this process accepts"
                )
        else:
            self._thread = thread

    def _wait_for_thread(self) -> None:
        """
        Let the thread ring now, because it would stand still after this request, and the keeper rings a second later.

        Waits for up to `in_place_s`. If that is not enough, the broker hangs, and the next bells do not wait for it.
        """
        now = time.monotonic()
        if now >= self._waits_from:
            _warn_once()
            if not self.flush(self._in_place_s):
                self._waits_from = now + _DO_NOT_WAIT_S

    def flush(self, within_s: float) -> bool:
        """Wait until everything has been tried. False if the time was not enough."""
        ends = time.monotonic() + within_s
        with self._changed:
            if self._has_work:  # no thread could start when it came
                self._wake()
            while self._busy or self._has_work:
                rest = ends - time.monotonic()
                if rest <= 0 or self._thread is None or not self._thread.is_alive():
                    return False
                self._changed.wait(rest)
        return True

    def close(self, within_s: float | None = None) -> None:
        """Ring and call what waits, for up to `within_s` (default: `flush_s`), and end the thread."""
        self.flush(self._flush_s if within_s is None else within_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def _has_work(self) -> bool:
        return self._turns > 0 or bool(self._bells)

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
                bells, self._bells = self._bells, {}
                turns, self._turns = self._turns, 0
            try:
                for lane, hops in bells.items():
                    self._connection.ring(lane, hops)
                if turns:
                    self._connection.call_turns(turns)
            except Exception as error:
                # A broker that is out of reach is not asked again at once: the keeper does it.
                log.warning("bell_not_rung: the broker is not available; the keeper will tell a worker (%s)", type(error).__name__)


_live: weakref.WeakSet[Publisher] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    """All publishers together get `flush_s`, because a server's supervisor kills a process that takes long to end."""
    forks.check()
    ends = time.monotonic() + FLUSH_S
    for publisher in list(_live):
        publisher.close(max(0.0, ends - time.monotonic()))
