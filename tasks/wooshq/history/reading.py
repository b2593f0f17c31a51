"""The history as a client reads it: opened at the first question, and again in a forked child."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from wooshq.history.contract import History
from wooshq.history.store import open_history
from wooshq.installation import forks
from wooshq.ledger.steps import AskHistory
from wooshq.settings import Settings

__all__ = ["AskHistory", "Reading"]

T = TypeVar("T")


class Reading:
    """Threads may share it. A history that is off has nothing."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._renew()
        forks.renew_in_children(self, Reading._renew_in_child)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._history: History | None = None
        self._is_open = False

    def _renew_in_child(self) -> None:
        forks.keep(self._history)
        self._renew()

    def close(self) -> None:
        """It opens again at the next question."""
        with self._lock:
            if self._history is not None:
                self._history.close()
            self._history, self._is_open = None, False

    def ask(self, ask: Callable[[History], T]) -> T | None:
        """What `ask` makes of the history; None if it is off. Blocks. Raises what it raises, and SettingsInvalid if the history cannot be used here."""
        history = self._open()
        return None if history is None else ask(history)

    def _open(self) -> History | None:
        with self._lock:
            if not self._is_open:
                self._history, self._is_open = open_history(self._settings()), True
            return self._history
