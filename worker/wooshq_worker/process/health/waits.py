"""Says every ten seconds what waits and for what, if something waits for more than a worker, and how many lines were left out."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import Any, Final

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.gates.waiting import Backlog, Why, read_backlog
from wooshq.ledger.keys import LANES
from wooshq_worker.observe.few import few
from wooshq_worker.process.engine import Engine

log = structlog.get_logger("wooshq.worker")

_TICK_S: Final = 1.0
_EVERY_S: Final = 10.0
_OVERDUE_S: Final = 1.0


class Waits:
    """A thread of its own. Of all workers only the keeper speaks: what waits is the same for all of them."""

    def __init__(self, engine: Engine, wooshq: Wooshq, every_s: float = _EVERY_S) -> None:
        self._engine = engine
        self._wooshq = wooshq
        self._every_s = every_s
        self._ended = threading.Event()
        self._says_it = logging.getLogger().isEnabledFor(logging.INFO)
        threading.Thread(target=self._run, name="wooshq-waits", daemon=True).start()

    def end(self) -> None:
        """Say no more, but how many lines were left out."""
        self._ended.set()
        few.flush(ends=True)

    def _run(self) -> None:
        next_at = time.monotonic() + self._every_s
        while not self._ended.wait(min(_TICK_S, self._every_s)):
            few.flush()
            if time.monotonic() < next_at:
                continue
            next_at = time.monotonic() + self._every_s
            if not (self._says_it and self._engine.is_started and self._engine.is_keeper):
                continue
            try:
                backlog = self._wooshq.do(read_backlog(self._wooshq.ledger.keys))
            except LedgerUnavailable:  # the ledger's client has logged it
                continue
            except Exception:
                log.error("waits_not_read", exc_info=True)
                continue
            if said := in_fields(backlog):
                log.info("waiting", **said)


def in_fields(backlog: Backlog) -> dict[str, Any]:
    """The fields of the line; {} if all is well: what has just come waits a moment for a worker."""
    n: Counter[str] = Counter()
    oldest_ms: list[int] = []
    for found in backlog.waiting:
        if found.why is Why.WORKER and backlog.oldest_due_s(found.lane) < _OVERDUE_S:
            continue
        n[f"{found.lane}_{found.why}"] += found.n
        oldest_ms += [] if found.since_ms is None else [found.since_ms]
    overdue = {f"{lane}_overdue_s": round(backlog.oldest_due_s(lane), 1) for lane in LANES if backlog.oldest_due_s(lane) >= _OVERDUE_S}
    if not n and not overdue:
        return {}
    oldest = {"oldest_s": round((backlog.now_ms - min(oldest_ms)) / 1000)} if oldest_ms else {}
    return {**n, **overdue, **oldest, "retrying": backlog.retrying}
