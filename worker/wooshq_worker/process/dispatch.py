"""Dispatch: claim for each lane as many ids as it has free slots, and send suspects apart from all others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from wooshq.errors import LedgerUnavailable
from wooshq_worker.intents.batch import Batches
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.process.lanes import Lane, Lanes, Parcel
from wooshq_worker.process.tasks import Tasks

_CLAIM: Final = 64
"""Ids in one claim. Larger groups share a round trip; smaller ones start sooner."""
_LEDGER_AWAY_S: Final = 0.25


class Dispatcher:
    """Takes ids from the lanes, and sends them as slots become free."""

    def __init__(
        self,
        lanes: Lanes,
        batches: Batches,
        client: LedgerClient,
        tasks: Tasks,
        suspect_lock: SuspectLock,
        on_suspects_done: Callable[[], None],
    ) -> None:
        """on_suspects_done: called when the suspects of a group have been sent, and jobs may send theirs."""
        self._lanes = lanes
        self._batches = batches
        self._client = client
        self._tasks = tasks
        self._suspect_lock = suspect_lock
        self._on_suspects_done = on_suspects_done
        self._suspects: deque[tuple[str, list[str]]] = deque()
        self._has_suspects = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping = True

    def add(self, lane: str, ids: Sequence[str], ack: Callable[[], None]) -> None:
        """Ids that a broker message of a lane carried."""
        self._lanes[lane].parcels.append(Parcel(deque(ids), ack))
        self._lanes[lane].changed.set()

    def add_suspects(self, lane: str, ids: Sequence[str], ack: Callable[[], None]) -> None:
        """
        Ids that must be sent together, and without others beside them.

        Their message is acknowledged at once: they may take long, and it must not block the lane's other messages. The ledger has the ids.
        """
        ack()
        self._suspects.append((lane, list(ids)))
        self._has_suspects.set()

    async def run_lane(self, name: str) -> None:
        """Send what waits in one lane, for ever."""
        lane = self._lanes[name]
        while True:
            while self._stopping or not lane.parcels or not self._lanes.free(lane):
                lane.changed.clear()
                await lane.changed.wait()
            if not self._client.is_available:
                await asyncio.sleep(_LEDGER_AWAY_S)
            ids, emptied = lane.take_ids(min(_CLAIM, self._lanes.free(lane)))
            self._lanes.take(lane, len(ids))
            self._tasks.spawn(self._send(lane, ids, emptied))
            await asyncio.sleep(0)

    async def run_suspects(self) -> None:
        """
        Send suspects one group after the other, for ever.

        Of many intents that were held when a worker was lost, this finds the one that ends workers: the keeper makes the groups smaller
        each time, and at last it is alone.
        """
        while True:
            while self._stopping or not self._suspects:
                self._has_suspects.clear()
                await self._has_suspects.wait()
            name, ids = self._suspects.popleft()
            await self._suspect_lock.wait(self)
            lane = self._lanes[name]
            self._lanes.take(lane, len(ids))
            await asyncio.wait([self._tasks.spawn(self._send(lane, ids, []))])
            if self._suspect_lock.release(self):
                self._on_suspects_done()

    async def _send(self, lane: Lane, ids: list[str], emptied: list[Parcel]) -> None:
        group = _Group(self._lanes, lane, len(ids), emptied)
        try:
            await self._batches.send(list(dict.fromkeys(ids)), group)
        except LedgerUnavailable:
            pass  # nothing was sent: the keeper brings the ids back when the ledger is available
        finally:
            group.close()


class _Group:
    """The ids of one batch: their slots, and the broker messages that they came from. See `intents.batch.Group`."""

    def __init__(self, lanes: Lanes, lane: Lane, size: int, emptied: list[Parcel]) -> None:
        self._lanes = lanes
        self._lane = lane
        self._open = size
        self._emptied = emptied

    def claimed(self, left: Sequence[str]) -> None:
        if left:  # the ids before them were large
            self._lane.put_back(left)
        for parcel in self._emptied:
            parcel.ack()
        self._emptied.clear()
        self._lanes.wake()

    def ended(self, n: int) -> None:
        self._open -= n
        self._lanes.give_back(self._lane, n)

    def close(self) -> None:
        """Whatever happened: the broker messages leave the lane, for the ledger has their ids; and no slot stays taken."""
        self.claimed(())
        self.ended(self._open)
