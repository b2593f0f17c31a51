"""Tells the ledger every two seconds how this worker is, and what has ended in it: the overview shows it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import structlog

from wooshq.client import Wooshq
from wooshq.errors import FolderUnusable, LedgerUnavailable
from wooshq.intents.entry import new_id
from wooshq.overview.ledger import TELL_S, PulseLedger
from wooshq.overview.rates import Ends
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import depth
from wooshq_worker.observe.metrics.measures import Recorder
from wooshq_worker.observe.version import version
from wooshq_worker.process.engine import Engine
from wooshq_worker.process.health.heartbeat import Heartbeat
from wooshq_worker.process.health.state import health_of

log = structlog.get_logger("wooshq.worker")

_SPOOL_EVERY_S: Final = 10.0
_MOST_SPOOL_BYTES: Final = 64 * 1024 * 1024
"""A larger spool is not read, only measured: reading it would take the mover's time."""


class Pulse:
    """
    A thread of its own with a connection of its own: it also tells while the event loop is blocked, and then says so.

    A telling whose answer was lost is repeated as it was, so nothing is counted twice.
    """

    def __init__(self, engine: Engine, wooshq: Wooshq, recorder: Recorder, heartbeat: Heartbeat) -> None:
        self._engine = engine
        self._wooshq = wooshq
        self._recorder = recorder
        self._heartbeat = heartbeat
        self._ledger = PulseLedger(wooshq.ledger.keys)
        self._id = new_id()
        self._n = 0
        self._told: dict[str, Ends] = {}
        self._untold: dict[str, Ends] | None = None
        self._sent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._spool: dict[str, Any] | None = None
        self._spool_at = -_SPOOL_EVERY_S
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wooshq-pulse", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Tell what is left, and that this worker ends: it does not count as lost."""
        self._ended.set()
        self._thread.join(TELL_S)
        self._tell(is_last=True)

    def _run(self) -> None:
        while not self._ended.wait(TELL_S if self._n else 0.1):
            if self._engine.is_started:
                self._tell()

    def _tell(self, *, is_last: bool = False) -> None:
        try:
            if self._untold is not None:  # its answer was lost, or Redis was away
                self._send(None if is_last else self._card())
            self._count()
            self._send(None if is_last else self._card())
        except LedgerUnavailable:  # the engine's client has logged it
            return
        except Exception:  # a bug must not end this thread: the worker would look lost
            log.error("pulse_not_told", exc_info=True)

    def _count(self) -> None:
        ends = self._recorder.ends()
        self._untold = {lane: now.since(self._told.get(lane, Ends())) for lane, now in ends.items()}
        self._told = ends
        self._n += 1

    def _send(self, card: Mapping[str, Any] | None) -> None:
        assert self._untold is not None
        self._wooshq.do(self._ledger.tell(self._id, self._n, card, self._untold))
        self._untold = None

    def _card(self) -> dict[str, Any]:
        """As `wooshq.overview.workers.Card` reads it. Moments are ages: clocks of machines differ."""
        state = self._heartbeat.state()
        now = time.monotonic()
        taken_at, slots = self._recorder.taken_at, self._engine.slots()
        return {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": version(),
            "phase": state.phase,
            "age_s": round(now - state.began_at, 1),
            "taken_s": None if taken_at is None else round(now - taken_at, 1),
            "slots": slots,
            "lanes": [lane for lane in slots if lane in self._engine.lanes_consumed],
            "a_minute": self._a_minute(now),
            "unsettled": self._engine.unsettled,
            "memory": _memory(),
            "is_keeper": self._engine.is_keeper,
            "loop_s": round(state.loop_s, 1),
            "deaf_s": round(state.deaf_s, 1),
            "why": health_of(state, now).why,
            "spool": self._look_into_spool(now),
        }

    def _a_minute(self, now: float) -> int:
        """Messages that were sent in the last minute, recipients of jobs included."""
        sent = sum(ends.all_sent for ends in self._told.values())
        self._sent.append((now, sent))
        while now - self._sent[0][0] > 60:
            self._sent.popleft()
        return sent - self._sent[0][1]

    def _look_into_spool(self, now: float) -> dict[str, Any] | None:
        folder = SpoolFolder.of(self._wooshq.settings)
        if folder is not None and now - self._spool_at >= _SPOOL_EVERY_S:
            self._spool_at, self._spool = now, None
            try:
                if not folder.is_empty() or folder.bytes():
                    self._spool = _in_short(folder)
            except FolderUnusable:  # the mover logs it
                self._spool = None
        return self._spool


def _in_short(folder: SpoolFolder) -> dict[str, Any] | None:
    if folder.bytes() > _MOST_SPOOL_BYTES:
        return None
    found = depth(folder)
    return {"waiting": found.waiting, "oldest_s": found.oldest_s, "set_aside": found.set_aside}


def _memory() -> int | None:
    """Bytes that this process holds in memory now."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
