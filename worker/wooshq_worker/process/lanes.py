"""Lanes: the ids that wait in this process, and the slots that each lane may use."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Parcel:
    """Ids of one broker message. ack: tells the broker that leases protect them; called once, when no id is left here."""

    ids: deque[str]
    ack: Callable[[], None]


@dataclass
class Lane:
    """What waits in this process for a lane's slots."""

    most: int  #: slots that the lane may use at once
    parcels: deque[Parcel] = field(default_factory=deque)
    busy: int = 0  #: slots that it uses now
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take_ids(self, n: int) -> tuple[list[str], list[Parcel]]:
        """The first `n` ids that wait, or fewer; and the parcels that are empty now."""
        ids: list[str] = []
        emptied: list[Parcel] = []
        while self.parcels and len(ids) < n:
            parcel = self.parcels[0]
            while parcel.ids and len(ids) < n:
                ids.append(parcel.ids.popleft())
            if not parcel.ids:
                emptied.append(self.parcels.popleft())
        return ids, emptied

    def put_back(self, ids: Sequence[str]) -> None:
        """These ids go first again. Their broker message is acknowledged already."""
        self.parcels.appendleft(Parcel(deque(ids), _nothing))


class Lanes:
    """All lanes of this process. Together they use at most `concurrency` slots; one slot is one call."""

    def __init__(self, most: Mapping[str, int], concurrency: int, is_full: Callable[[], bool]) -> None:
        """most: lane → slots that it may use. is_full: whether this process holds too many bytes to begin anything more."""
        self._lanes = {name: Lane(slots) for name, slots in most.items()}
        self._concurrency = concurrency
        self._is_full = is_full
        self._busy = 0

    def __getitem__(self, name: str) -> Lane:
        return self._lanes[name]

    @property
    def are_waiting(self) -> bool:
        """Whether ids wait in any lane."""
        return any(lane.parcels for lane in self._lanes.values())

    def free(self, lane: Lane) -> int:
        """Slots that a lane may still take."""
        return 0 if self._is_full() else min(lane.most - lane.busy, self._concurrency - self._busy)

    def take(self, lane: Lane, n: int) -> None:
        """The lane uses `n` more slots."""
        self._busy += n
        lane.busy += n

    def give_back(self, lane: Lane, n: int) -> None:
        """The lane uses `n` slots less."""
        self._busy -= n
        lane.busy -= n
        self.wake()

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


def _nothing() -> None:
    return None
