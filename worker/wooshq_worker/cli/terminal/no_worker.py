"""Says within three seconds that no worker is running, to a person who waits for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from wooshq import Wooshq
from wooshq_worker.cli.terminal.out import say

_ABSENT_S: Final = 1.5
"""How long no worker must be seen. When one worker ends, another one takes up to a quarter of a second to take its place."""
_LOOK_EVERY_S: Final = 0.5


class NoWorkerYet:
    """Asks for a worker until one was seen, or until it has said that there is none."""

    def __init__(self, wooshq: Wooshq, clock: Callable[[], float] = time.monotonic) -> None:
        self._wooshq = wooshq
        self._clock = clock
        self._absent_since: float | None = None
        self._looked_at = -_LOOK_EVERY_S
        self._is_settled = False

    def look(self) -> None:
        """Call it again and again while waiting. Raises LedgerUnavailable."""
        now = self._clock()
        if self._is_settled or now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        if self._wooshq.do(self._wooshq.ledger.has_keeper()):
            self._is_settled = True
        elif self._absent_since is None:
            self._absent_since = now
        elif now - self._absent_since >= _ABSENT_S:
            self._is_settled = True
            where = self._wooshq.installation.where
            say(f"No worker is running on the Redis at {where}, so nothing is sent. Start one: wooshq worker")
