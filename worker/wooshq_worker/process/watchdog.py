"""Ends a worker process that is alive but receives nothing."""

from __future__ import annotations

import os
import threading
import time

import structlog

from wooshq_worker.process.engine import Engine

log = structlog.get_logger("wooshq.worker")

#: Exit status of a worker that noticed that it hears nothing (EX_SOFTWARE of sysexits.h).
DEAF = 70


class Watchdog:
    """Ends the process where a lane has messages and this worker is given none: a supervisor starts a new one (known fault F01)."""

    def __init__(self, engine: Engine, every_s: float) -> None:
        self._engine = engine
        self._every_s = every_s
        threading.Thread(target=self._run, name="wooshq-watchdog", daemon=True).start()

    def _run(self) -> None:
        heard_at = time.monotonic()
        while True:
            time.sleep(self._every_s)
            deaf_s = time.monotonic() - max(self._engine.took_at, heard_at)
            if self._engine.is_busy or all(self._engine.depth(lane) <= 0 for lane in self._engine.lanes_consumed):
                heard_at = time.monotonic()
            elif deaf_s > self._engine.settings.deaf_after_s:
                log.critical("worker_is_deaf", for_s=round(deaf_s))
                os._exit(DEAF)
