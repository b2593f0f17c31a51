"""Which ledger in memory stands in for the ledgers of all installations of this process. None does, unless a test asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wooshq.settings import Settings

if TYPE_CHECKING:
    from wooshq.installation.memory.ledger import MemoryLedger


class StandIn:
    """A ledger in memory, and the settings that every installation has with it."""

    def __init__(self, ledger: MemoryLedger, *, unless_set: Mapping[str, Any], always: Mapping[str, Any]) -> None:
        """unless_set: settings of installations that do not set them. always: settings of all installations."""
        self.ledger = ledger
        self._unless_set = unless_set
        self._always = always
        self._completed: dict[int, tuple[Settings, Settings]] = {}

    def complete(self, settings: Settings) -> Settings:
        """The settings of an installation, as they are with this ledger."""
        known = self._completed.get(id(settings))
        if known is None or known[0] is not settings:
            missing = {name: value for name, value in self._unless_set.items() if getattr(settings, name) is None}
            known = self._completed[id(settings)] = (settings, settings.model_copy(update={**missing, **self._always}))
        return known[1]


_standing_in: list[StandIn] = []


def current() -> StandIn | None:
    """The one that stands in now."""
    return _standing_in[-1] if _standing_in else None


@contextmanager
def stands_in(stand_in: StandIn) -> Iterator[None]:
    """Inside, in all threads, it stands in for the ledger of every installation."""
    _standing_in.append(stand_in)
    try:
        yield
    finally:
        _standing_in.remove(stand_in)
