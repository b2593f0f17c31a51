"""Lanes: whether something may wait in them, and the slots that each of them may use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Lane:
    """What this process knows of a lane, and its slots."""

    name: str
    most: int  #: slots that the lane may use at once
    busy: int = 0  #: slots that it uses now
    may_have_work: bool = False  #: whether something may wait in the ledger: a bell was heard, or the last look left something
    is_consumed: bool = False  #: whether this process has ever heard a bell of it: it may not look at a lane that it does not consume
    sleeps: bool = True  #: whether it looks only when it hears a bell
    was_woken: bool = False  #: whether a bell has woken it since the last look
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """Look into the ledger as soon as there is a slot."""
        self.may_have_work = True
        self.changed.set()


class Lanes:
    """All lanes of this process. Together they use at most `concurrency` slots; one slot is one call."""

    def __init__(self, most: Mapping[str, int], concurrency: int, is_full: Callable[[], bool]) -> None:
        """most: lane → slots that it may use. is_full: whether this process holds too many bytes to begin anything more."""
        self._lanes = {name: Lane(name, slots) for name, slots in most.items()}
        self._concurrency = concurrency
        self._is_full = is_full
        self._busy = 0

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    @property
    def may_have_work(self) -> bool:
        """Whether something may wait in any lane."""
        return any(lane.may_have_work for lane in self._lanes.values())

    @property
    def busy(self) -> int:
        """Slots that all lanes use now."""
        return self._busy

    @property
    def names(self) -> tuple[str, ...]:
        """Of all lanes."""
        return tuple(self._lanes)

    def free(self, lane: Lane) -> int:
        """Slots that a lane may still take. Never negative, although suspects take slots that nobody gave them."""
        return 0 if self._is_full() else max(0, min(lane.most - lane.busy, self._concurrency - self._busy))

    def take(self, lane: Lane, n: int) -> None:
        """The lane uses `n` more slots."""
        self._busy += n
        lane.busy += n

    def give_back(self, lane: Lane, n: int) -> None:
        """The lane uses `n` slots less."""
        self._busy -= n
        lane.busy -= n
        self.wake()

    def look(self) -> None:
        """Look into every lane that this process consumes."""
        for lane in self._lanes.values():
            if lane.is_consumed:
                lane.look()

    def wake(self) -> None:
        """There may be room for more, in any lane."""
        for lane in self._lanes.values():
            lane.changed.set()


class JobSlots:
    """The bulk lane's slots, as jobs use them beside the lane's own intents."""

    def __init__(self, lanes: Lanes, lane: Lane) -> None:
        self._lanes = lanes
        self._lane = lane

    def free(self) -> int:
        return self._lanes.free(self._lane)

    def taken(self, n: int) -> None:
        """`n` slots are taken; given back if `n` is negative."""
        if n < 0:
            self._lanes.give_back(self._lane, -n)
        else:
            self._lanes.take(self._lane, n)
