"""Lines that an incident would repeat by the thousand: of each kind the first few in a window, and at its end how many more there were."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Tell: TypeAlias = Callable[..., object]
"""A method of a logger, such as `log.warning`."""

_MOST: Final = 5
_WINDOW_S: Final = 10.0
_MOST_KINDS: Final = 50
"""Kinds that are told apart. All others of an event are one kind."""


@dataclass(slots=True)
class _Kind:
    """tell, alike: of its lines. began: its window, monotonic. shown: lines in this window. more: those that were not."""

    tell: Tell
    event: str
    alike: Mapping[str, object]
    began: float
    shown: int = 0
    more: int = 0


class Few:
    """
    A kind is an event with the fields in which its lines are alike (`alike`): 5 lines of it in 10 seconds, then one that says how many `more`
    there were. While a kind goes on, only that one comes. May be called in any thread. Somebody must call `flush` now and then.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kinds: dict[tuple[object, ...], _Kind] = {}
        self._lock = threading.Lock()

    def __call__(self, tell: Tell, event: str, alike: Mapping[str, object] | None = None, **own: Any) -> None:
        """Log an event, or count it. own: what only this line has."""
        alike = alike or {}
        key = (event, *alike.items())
        with self._lock:
            known = self._kinds.get(key)
            if known is None and len(self._kinds) >= _MOST_KINDS:
                key, alike = (event,), {}
                known = self._kinds.get(key)
            if known is None:
                known = self._kinds[key] = _Kind(tell, event, alike, self._monotonic())
            is_shown = known.shown < _MOST
            known.shown += is_shown
            known.more += not is_shown
        if is_shown:
            tell(event, **alike, **own)

    def flush(self, *, ends: bool = False) -> None:
        """Log how many more there were in the windows that are over. ends: in all of them."""
        now = self._monotonic()
        told: list[tuple[_Kind, int, float]] = []
        with self._lock:
            for key, kind in list(self._kinds.items()):
                for_s = now - kind.began
                if for_s < _WINDOW_S and not ends:
                    continue
                if kind.more:
                    told.append((kind, kind.more, for_s))
                    kind.began, kind.more = now, 0  # it goes on: no single lines
                else:
                    del self._kinds[key]
        for kind, more, for_s in told:
            kind.tell(kind.event, **kind.alike, more=more, over_s=round(for_s, 1))

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._kinds.clear()


few: Final = Few()
"""Of this process."""
