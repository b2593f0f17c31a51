"""How much of a worker's time the history may take: what the worker leaves, and more if the stream of events fills up."""

from __future__ import annotations

import time
from typing import Final

_LEAST: Final = 0.02
_LITTLE_WORK: Final = 0.05
_MUCH_WORK: Final = 0.3
_UNMEASURED: Final = 1.5
"""Reading rows from Redis, and having them forgotten, costs half as much again as what is measured."""
_HALF: Final = 0.5
_NEARLY_FULL: Final = 0.8
_MOST: Final = 0.5
_WINDOW_S: Final = 0.2


def rest_s(spent_s: float, *, is_busy: bool, others: float, full: float) -> float:
    """
    How long to rest after so much work, in seconds. is_busy: the worker has messages to send. others: the part of one CPU that the worker
    takes for all else (0 to 1). full: how full the stream is (0 to 1).

    A worker that sends much (some 5,000 messages a second) gives the history 2 % of its time, one that sends little (below 1,000) half of it:
    both need the same interpreter. From half full on the history takes more, up to half of the time from 80 % on: a full stream is not lost, but
    must be swept.
    """
    if not is_busy:
        return 0.0
    little = min(1.0, max(0.0, _MUCH_WORK - others) / (_MUCH_WORK - _LITTLE_WORK))
    share = _LEAST + little * (_MOST - _LEAST)
    more = min(1.0, max(0.0, full - _HALF) / (_NEARLY_FULL - _HALF))
    share += more * (_MOST - share)
    return spent_s * _UNMEASURED * (1 / share - 1)


class Load:
    """What part of one CPU this process takes, without what the history spends."""

    def __init__(self) -> None:
        self.others = 0.0
        self._began()

    def _began(self) -> None:
        self._at, self._cpu, self._spent = time.monotonic(), time.process_time(), 0.0

    def note(self, spent_s: float) -> None:
        """The history has spent so much since the last call."""
        self._spent += spent_s * _UNMEASURED
        wall = time.monotonic() - self._at
        if wall >= _WINDOW_S:
            now = max(0.0, time.process_time() - self._cpu - self._spent) / wall
            self.others = min(1.0, max(now, (self.others + now) / 2))  # more work counts at once
            self._began()
