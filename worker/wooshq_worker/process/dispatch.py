"""Dispatch: take for each lane as many intents as it has free slots, and send suspects apart from all others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import Taken
from wooshq_worker.intents.batch import Batches
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.process.broker_message import MOST_HOPS
from wooshq_worker.process.lanes import Lane, Lanes
from wooshq_worker.process.tasks import Tasks

_TAKE: Final = 64
"""Intents in one take. Larger groups share a round trip; smaller ones start sooner."""
_FEW: Final = 32
_GATHER_S: Final = 0.005
"""A lane that is nearly full waits so long for more free slots: a take costs Redis and this process as much for one intent as for ten."""
_SUSPECTS: Final = 16
_LOOK_AGAIN_S: Final = 0.005
"""After a take that gave something, the worker looks again by itself: under load nobody has to ring, and a bell costs as much as 5 takes."""
_LEDGER_AWAY_S: Final = 0.25


class Dispatcher:
    """Takes intents from the lanes as slots become free. A bell wakes it; then it looks until nothing is left."""

    def __init__(
        self,
        lanes: Lanes,
        batches: Batches,
        client: LedgerClient,
        tasks: Tasks,
        suspect_lock: SuspectLock,
        ring: Callable[[str, int], None],
        on_suspects_done: Callable[[], None],
    ) -> None:
        """
        ring: rings the bell of a lane, with the number of workers that passed it on. on_suspects_done: called when the suspects of a group
        have been sent, and jobs may send theirs.
        """
        self._lanes = lanes
        self._batches = batches
        self._client = client
        self._tasks = tasks
        self._suspect_lock = suspect_lock
        self._ring = ring
        self._on_suspects_done = on_suspects_done
        self._with_suspects: set[str] = set()
        self._has_suspects = asyncio.Event()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopping = False

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True

    def hear_bell(self, lane_name: str, hops: int) -> None:
        """Something waits in a lane. A worker that has no slot passes the bell on: another one may have some."""
        lane = self._lanes[lane_name]
        lane.is_consumed = True
        lane.was_woken = lane.was_woken or lane.sleeps
        lane.sleeps = False
        lane.look()
        if (self._stopping or not self._lanes.free(lane)) and hops < MOST_HOPS:
            self._ring(lane_name, hops + 1)

    async def run_lane(self, name: str) -> None:
        """Send what waits in one lane, for ever."""
        lane = self._lanes[name]
        while True:
            while self._stopping or not lane.may_have_work or not self._lanes.free(lane):
                lane.changed.clear()
                await lane.changed.wait()
            if not self._client.is_available:
                await asyncio.sleep(_LEDGER_AWAY_S)
            if self._lanes.free(lane) < min(_FEW, lane.most // 4):
                await asyncio.sleep(_GATHER_S)
            most = min(_TAKE, self._lanes.free(lane))
            if most < 1:
                continue
            lane.may_have_work = False  # first: a bell that is heard during the round trip counts
            self._lanes.take(lane, most)
            taken = await self._take(lane, most)
            if taken is None:
                lane.may_have_work = True
                continue
            self._note(lane, taken)
            await asyncio.sleep(0)

    async def _take(self, lane: Lane, most: int) -> Taken | None:
        """Take intents and begin to send them. None if the ledger is unavailable: then nothing was taken. Gives unused slots back."""
        taken = None
        woken, lane.was_woken = lane.was_woken, False
        try:
            taken = await self._batches.take(lane.name, most, woken=woken)
        except LedgerUnavailable:
            return None
        finally:
            self._lanes.give_back(lane, most - (len(taken.claims) if taken else 0))
        if taken.claims:
            self._tasks.spawn(self._batches.send(taken, _Group(self._lanes, lane, len(taken.claims))))
        return taken

    def _note(self, lane: Lane, taken: Taken) -> None:
        """Decide when to look again."""
        if taken.must_ring:
            self._ring(lane.name, 0)
        if taken.suspects:
            self._with_suspects.add(lane.name)
            self._has_suspects.set()
        if taken.has_more:
            lane.may_have_work = True
            return
        again_s = _LOOK_AGAIN_S if taken.claims else None if taken.again_ms is None else taken.again_ms / 1000
        lane.sleeps = again_s is None and not lane.may_have_work
        self._look_later(lane, again_s)

    def _look_later(self, lane: Lane, again_s: float | None) -> None:
        if (timer := self._timers.pop(lane.name, None)) is not None:
            timer.cancel()
        if again_s is not None:
            self._timers[lane.name] = asyncio.get_running_loop().call_later(again_s, lane.look)

    async def run_suspects(self) -> None:
        """
        Send suspects one group after the other, for ever.

        Of many intents that were held when a worker was lost, this finds the one that ends workers: the groups are smaller each time, and
        at last it is alone.
        """
        while True:
            while self._stopping or not self._with_suspects:
                self._has_suspects.clear()
                await self._has_suspects.wait()
            lane = self._lanes[next(iter(self._with_suspects))]
            await self._suspect_lock.wait(self)
            try:
                await self._send_suspects(lane)
            except LedgerUnavailable:
                await asyncio.sleep(_LEDGER_AWAY_S)
            finally:
                if self._suspect_lock.release(self):
                    self._on_suspects_done()

    async def _send_suspects(self, lane: Lane) -> None:
        taken = await self._batches.take(lane.name, _SUSPECTS, suspects=True)
        if not taken.claims:  # the others rest, or wait for a gate or for a slot, and the next look into the lane finds them
            self._with_suspects.discard(lane.name)
            if taken.again_ms is not None:
                self._look_later(lane, taken.again_ms / 1000)
            return
        self._lanes.take(lane, len(taken.claims))
        await asyncio.wait([self._tasks.spawn(self._batches.send(taken, _Group(self._lanes, lane, len(taken.claims))))])
        if not taken.suspects:
            self._with_suspects.discard(lane.name)

    async def go_to_sleep(self) -> None:
        """Tell the ledger that this process does not look any more. If something waits, another worker is woken."""
        for name in self._lanes.names:
            if self._lanes[name].is_consumed and (await self._batches.take(name, 0)).must_ring:
                self._ring(name, 0)


class _Group:
    """The slots of one batch. See `intents.batch.Group`."""

    def __init__(self, lanes: Lanes, lane: Lane, size: int) -> None:
        self._lanes = lanes
        self._lane = lane
        self._open = size

    def ended(self, n: int) -> None:
        self._open -= n
        self._lanes.give_back(self._lane, n)

    def close(self) -> None:
        """Whatever happened: no slot stays taken."""
        self.ended(self._open)
