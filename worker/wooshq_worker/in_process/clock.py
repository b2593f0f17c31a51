"""The worker's code asks `time` and `datetime` what time it is. While a ledger in memory is drained, they answer by the ledger's clock."""

from __future__ import annotations

import datetime as datetimes
import sys
import threading
import time as times
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

from wooshq.installation.memory.ledger import Clock

_PACKAGES: Final = tuple(f"wooshq_worker.{name}" for name in ("api", "intents", "jobs", "keeper", "ledger_client"))


class _Time:
    """The module `time`, ahead of the machine's clock in one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._thread = threading.get_ident()

    def _ahead_s(self) -> float:
        return self._clock.ahead_s if threading.get_ident() == self._thread else 0.0

    def monotonic(self) -> float:
        return times.monotonic() + self._ahead_s()

    def time(self) -> float:
        return times.time() + self._ahead_s()

    def __getattr__(self, name: str) -> Any:
        return getattr(times, name)


def _datetime_of(time: _Time) -> type[datetimes.datetime]:
    class LedgersDatetime(datetimes.datetime):
        @classmethod
        def now(cls, tz: datetimes.tzinfo | None = None) -> Any:
            return datetimes.datetime.fromtimestamp(time.time(), tz)

    return LedgersDatetime


@contextmanager
def by_the_ledgers_clock(clock: Clock) -> Iterator[None]:
    """Inside, in this thread, the worker's code has the ledger's time. All other code, and all other threads, keep the machine's."""
    time = _Time(clock)
    names: dict[str, tuple[Any, Any]] = {"time": (times, time), "datetime": (datetimes.datetime, _datetime_of(time))}
    changed: list[tuple[ModuleType, str, Any]] = []
    for module in [module for name, module in sys.modules.items() if name.startswith(_PACKAGES)]:
        for name, (real, instead) in names.items():
            if getattr(module, name, None) is real:
                setattr(module, name, instead)
                changed.append((module, name, real))
    try:
        yield
    finally:
        for module, name, real in changed:
            setattr(module, name, real)
