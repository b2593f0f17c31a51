"""Writes the state of this worker into its file, as long as the process runs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Literal

import structlog

from wooshq.settings import Settings
from wooshq_worker.process.engine import Engine
from wooshq_worker.process.health.state import BEAT_S, State, default_folder, forget_ended, remove, write

log = structlog.get_logger("wooshq.worker")


class Heartbeat:
    """
    A thread of its own: it also runs while the event loop is blocked, and then says so.

    A file that cannot be written is logged once. Messages are sent all the same. engine: set it when it exists.
    """

    engine: Engine | None = None
    is_stopping = False

    def __init__(self, settings: Settings) -> None:
        self._folder: Path = settings.health_dir or default_folder()
        self._has_token = settings.has_token
        self._began_at = time.monotonic()
        self._ended = threading.Event()
        self._cannot_be_written = False
        self._thread = threading.Thread(target=self._run, name="wooshq-heartbeat", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Remove the file."""
        self._ended.set()
        self._thread.join(BEAT_S)
        remove(self._folder, os.getpid())

    def _run(self) -> None:
        forget_ended(self._folder)
        while not self._ended.is_set():
            try:
                write(self.state(), self._folder)
                self._cannot_be_written = False
            except OSError as error:
                if not self._cannot_be_written:
                    self._cannot_be_written = True
                    hint = "wooshq health needs it. Set WOOSHQ_HEALTH_DIR to a folder that this worker can write"
                    log.warning("health_not_written", folder=str(self._folder), error=error.strerror or str(error), hint=hint)
            self._ended.wait(BEAT_S)

    def state(self) -> State:
        """How this worker is now. May be called in any thread."""
        now = time.monotonic()
        engine = self.engine
        if engine is None or not engine.is_started:
            return State(os.getpid(), "starting", self._began_at, now, has_token=self._has_token)
        phase: Literal["running", "stopping"] = "stopping" if self.is_stopping else "running"
        return State(
            os.getpid(),
            phase,
            self._began_at,
            now,
            loop_s=now - engine.looped_at,
            ledger_lost_s=_since(engine.ledger_lost_at, now),
            broker_lost_s=_since(engine.broker_lost_at, now),
            has_token=self._has_token,
            deaf_s=engine.deaf_s,
        )


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment
