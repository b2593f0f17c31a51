"""Telling the broker which ids are queued: in the background, because an intent is safe before it."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from wooshq.celery_app import SEND, WooshqApp, adopt_queues
from wooshq.ledger.keys import LANES

log = logging.getLogger("wooshq.publish")

#: Ids that may wait for a slow broker; what is over is left to the keeper, which finds it in the ledger.
_MOST_WAITING = 100_000


class Line:
    """
    One connection to the broker, opened at first use and again after it failed; for one thread at a time.

    Not from kombu's pools: those belong to the whole process, and a web app's own Celery that closes its pool would close ours with it.
    """

    def __init__(self, app: WooshqApp, *, ids_per_message: int) -> None:
        self._app = app
        self._ids_per_message = ids_per_message
        self._connection: Any = None
        self._producer: Any = None

    def publish(self, lane: str, ids: Sequence[str], *, alone: bool = False) -> None:
        """
        Send `ids` to `lane`; alone: one a message, for suspects of killing their worker.

        A connection that was closed while it lay idle is tried once more. Raises whatever the transport raises then; every id is in the
        ledger and will be published again, so the caller only logs it.
        """
        fresh = self._producer is None
        try:
            self._publish(lane, ids, alone)
        except Exception:
            self.close()
            if fresh:
                raise
            self._publish(lane, ids, alone)

    def _publish(self, lane: str, ids: Sequence[str], alone: bool) -> None:
        if self._producer is None:
            self._connection = self._app.connection_for_write()
            adopt_queues(self._app, self._connection)
            self._producer = self._app.amqp.Producer(self._connection, auto_declare=False)
        for some in chunks(ids, 1 if alone else self._ids_per_message):
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

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            try:
                connection.release()
            except Exception:  # of any transport; it is gone either way
                log.debug("a connection to the broker could not be closed")


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """`ids` in lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


class Publisher:
    """
    A thread of its own that publishes what producers hand over: a broker that hangs never hangs an `enqueue`, and ids that pile up
    meanwhile share a message. Nothing is lost with it: what it could not publish is `queued` in the ledger, and the keeper looks there.

    Started at the first hand-over, again in a forked child; at the interpreter's end it gets up to `flush_s` to finish.
    """

    def __init__(self, app: WooshqApp, *, ids_per_message: int, flush_s: float = 2.0) -> None:
        self._app = app
        self._ids_per_message = ids_per_message
        self._flush_s = flush_s
        self._reset()
        _live.add(self)

    def _reset(self) -> None:
        self._waiting: dict[str, deque[str]] = {lane: deque() for lane in LANES}
        self._changed = threading.Condition()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._closed = False
        self._line = Line(self._app, ids_per_message=self._ids_per_message)  # a forked child must not speak on its parent's

    def hand_over(self, lane: str, ids: Iterable[str]) -> None:
        """Have `ids` published soon. Never blocks on the broker, never raises."""
        if self._pid != os.getpid():  # a forked child has our memory, not our thread
            self._reset()
        with self._changed:
            waiting = self._waiting[lane]
            waiting.extend(ids)
            while len(waiting) > _MOST_WAITING:
                waiting.pop()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wooshq-publisher", daemon=True)
                self._thread.start()
            self._changed.notify()

    def flush(self, within_s: float) -> bool:
        """Wait until everything handed over was tried. False where the time was not enough."""
        if self._pid != os.getpid():
            return True
        ends = time.monotonic() + within_s
        with self._changed:
            while self._busy or any(self._waiting.values()):
                rest = ends - time.monotonic()
                if rest <= 0 or self._thread is None or not self._thread.is_alive():
                    return False
                self._changed.wait(rest)
        return True

    def close(self) -> None:
        """Flush, and end the thread."""
        self.flush(self._flush_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not any(self._waiting.values()):
                    if self._closed:
                        self._line.close()
                        return
                    self._changed.wait()
                self._busy = True
                lane = next(lane for lane, waiting in self._waiting.items() if waiting)
                waiting = self._waiting[lane]
                ids = [waiting.popleft() for _ in range(min(len(waiting), self._ids_per_message))]
            try:
                self._line.publish(lane, ids)
            except Exception as error:
                log.warning(
                    "publish_failed: %d ids stay queued in the ledger, the keeper publishes them (%s)", len(ids), type(error).__name__
                )
                with self._changed:  # the keeper has them; do not hammer a broker that is away
                    self._waiting[lane].clear()


_live: weakref.WeakSet[Publisher] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    for publisher in list(_live):
        publisher.close()
