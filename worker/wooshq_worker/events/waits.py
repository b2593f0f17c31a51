"""When a delivery that failed is tried again, and when not any more. Pure."""

from __future__ import annotations

from typing import Final

_FIRST_S: Final = 5.0
_TIMES: Final = 3.0
_MOST_S: Final = 4 * 3600.0
_MOST_OF_A_HOOK_S: Final = 3600.0
_JITTER: Final = 0.2
TRIES_OF_A_HOOK: Final = 10


def wait_s(tries: int, jitter: float, *, asked_s: float | None = None, of_hook: bool = False) -> float:
    """
    Seconds until the next attempt: 5 s, 15 s, 45 s, … at most four hours (of a hook one), with a little jitter. tries: attempts that failed, this
    one included. jitter: uniform in [0, 1). asked_s: what the receiver asked for (Retry-After); it counts up to four hours.
    """
    most = _MOST_OF_A_HOOK_S if of_hook else _MOST_S
    wait = min(_FIRST_S * _TIMES ** min(tries - 1, 20), most) * (1 + _JITTER * (2 * jitter - 1))
    return max(wait, min(asked_s, _MOST_S)) if asked_s is not None else wait
