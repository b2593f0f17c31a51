"""How much of a worker's time the history may take: little while the worker sends, more if the stream of events fills up. Pure."""

from __future__ import annotations

from typing import Final

_WHILE_BUSY: Final = 0.04
_HALF: Final = 0.5
_NEARLY_FULL: Final = 0.8
_MOST: Final = 0.5


def rest_s(spent_s: float, *, is_busy: bool, full: float) -> float:
    """
    How long to rest after so much work, in seconds. is_busy: the worker has messages to send. full: how full the stream is (0 to 1).

    While it is busy, the history takes 4 % of the time. From half full on it takes more, up to half of the time from 80 % on: a full stream is
    not lost, but must be swept.
    """
    if not is_busy:
        return 0.0
    more = min(1.0, max(0.0, full - _HALF) / (_NEARLY_FULL - _HALF))
    share = _WHILE_BUSY + more * (_MOST - _WHILE_BUSY)
    return spent_s * (1 / share - 1)
