"""The watchdog: end a worker process that runs but receives nothing."""

from __future__ import annotations

import os
import threading
import time
from typing import Final

import structlog

from wooshq_worker.process.engine import Engine

log = structlog.get_logger("wooshq.worker")

DEAF: Final = 70
"""Exit status of a worker that noticed that it receives nothing (EX_SOFTWARE of sysexits.h)."""


class Watchdog:
    """Ends the process if a lane has messages and this worker receives none: its supervisor starts a new one (known fault F01)."""

    def __init__(self, engine: Engine, every_s: float) -> None:
        self._engine = engine
        self._every_s = every_s
        threading.Thread(target=self._run, name="wooshq-watchdog", daemon=True).start()

    def _run(self) -> None:
        engine = self._engine
        nothing_to_receive_at = time.monotonic()
        while True:
            time.sleep(self._every_s)
            deaf_s = time.monotonic() - max(engine.received_at, nothing_to_receive_at)
            if engine.is_busy or all(not engine.depth(lane) for lane in engine.lanes_consumed):
                nothing_to_receive_at = time.monotonic()
                engine.deaf_s = 0.0
                continue
            engine.deaf_s = deaf_s
            if deaf_s > engine.settings.deaf_after_s:
                log.critical("worker_is_deaf", for_s=round(deaf_s))
                os._exit(DEAF)
