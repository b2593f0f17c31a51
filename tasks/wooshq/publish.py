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

from celery import Celery

from wooshq.celery_app import SEND
from wooshq.ledger.keys import LANES

log = logging.getLogger("wooshq.publish")

#: Ids that may wait for a slow broker; what is over is left to the keeper, which finds it in the ledger.
_MOST_WAITING = 100_000


def publish(app: Celery, lane: str, ids: Sequence[str], *, ids_per_message: int, alone: bool = False) -> None:
    """
    Send `ids` to `lane`, at most `ids_per_message` in a message; alone: one a message, for suspects of killing their worker.

    Raises whatever the transport raises; every id is in the ledger and will be published again, so the caller only logs it.
    """
    with app.producer_or_acquire() as producer:
        for some in chunks(ids, 1 if alone else ids_per_message):
            app.send_task(
                SEND,
                args=[some],
                kwargs={"alone": True} if alone else {},
                queue=lane,
                producer=producer,
                retry=False,
                ignore_result=True,
                argsrepr=f"{len(some)} ids",
                kwargsrepr="",
            )


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

    def __init__(self, app: Celery, *, ids_per_message: int, flush_s: float = 2.0) -> None:
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
                        return
                    self._changed.wait()
                self._busy = True
                lane = next(lane for lane, waiting in self._waiting.items() if waiting)
                waiting = self._waiting[lane]
                ids = [waiting.popleft() for _ in range(min(len(waiting), self._ids_per_message))]
            try:
                publish(self._app, lane, ids, ids_per_message=self._ids_per_message)
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
