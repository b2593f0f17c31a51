"""The one event loop of a worker process: takes ids from the lanes as slots become free, and sends them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.keys import LANES
from wooshq_worker.batch import Batches
from wooshq_worker.keeper import Keeper
from wooshq_worker.observe.sentry import Reporter
from wooshq_worker.settler import Settler
from wooshq_worker.shared import LedgerClient
from wooshq_worker.submit import Submit
from wooshq_worker.transport import Api

log = structlog.get_logger("wooshq.engine")

#: Ids in one claim. Larger groups share a round trip; smaller ones start sooner.
_CLAIM = 64
_LEDGER_AWAY_S = 0.25


@dataclass
class Parcel:
    """Ids of one broker message. ack: tells the broker that they are taken care of; called once, when none is left here."""

    ids: deque[str]
    ack: Callable[[], None]
    alone: bool = False


@dataclass
class LaneState:
    """What waits in this process for a lane's slots."""

    most: int  #: slots that the lane may use at once
    parcels: deque[Parcel] = field(default_factory=deque)
    busy: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Engine:
    """
    Runs in a thread of its own, beside Celery's loop, which hands it what arrives (`offer`, `offer_submit`) and is told when to
    acknowledge. Both only pass values: nothing blocks the other.
    """

    def __init__(self, wooshq: Wooshq, report_kind: Reporter) -> None:
        self.wooshq = wooshq
        self.settings = wooshq.settings
        self._report_kind = report_kind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wooshq-engine", daemon=True)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0
        self._stopping = False
        self.took_at = time.monotonic()  #: when a lane last gave this process something
        self.rejected = 0  #: broker messages that were not ours to understand
        self.lanes_consumed: frozenset[str] = frozenset(LANES)

    # From Celery's thread

    def start(self) -> None:
        """Start the loop; returns when it takes work."""
        self._thread.start()
        self._ready.wait()

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have `call` run in the engine's thread."""
        self._loop.call_soon_threadsafe(call)

    def offer(self, lane: str, ids: list[str], ack: Callable[[], None], *, alone: bool) -> None:
        """Ids that a lane's message carried."""
        self.took_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._take, lane, Parcel(deque(ids), ack, alone))

    def offer_submit(self, body: object, raw: bytes, why: str | None, ack: Callable[[], None]) -> None:
        """An intent that came through the broker; why: what is wrong with its message already."""
        self._loop.call_soon_threadsafe(self._spawn, self._submitted(body, raw, why, ack))

    @property
    def is_busy(self) -> bool:
        """Whether it has work, so that hearing nothing new is no sign."""
        return bool(self._tasks) or any(state.parcels for state in self._lanes.values())

    def depth(self, lane: str) -> int:
        """Messages of a lane that no worker has taken; asks the broker."""
        return self._keeper.depth(lane)

    def stop(self, within_s: float) -> bool:
        """
        Take nothing more, let calls under way end, settle; what is not under way is handed back. False where the time was not enough:
        the leases then hand it over.
        """
        self._stopping = True
        asyncio.run_coroutine_threadsafe(self._stop(within_s), self._loop).result(within_s + 15)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        return not self._tasks

    # In the loop's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        s = self.settings
        places = self.wooshq.shared.places
        self._client = LedgerClient(places.redis_url, places.where)
        self._api = Api.from_settings(s)
        self._settler = Settler(self.wooshq.ledger, self._client, self._report_kind)
        self._batches = Batches(s, self.wooshq.ledger, self._client, self._api, self._settler)
        self._submit = Submit(self.wooshq, self._client)
        self._keeper = Keeper(self.wooshq, self._client)
        self._lanes = {
            "transactional": LaneState(s.concurrency),
            "bulk": LaneState(max(1, int(s.concurrency * s.bulk_share))),
        }
        self._alone = asyncio.Lock()
        self._background = [asyncio.create_task(self._settler.run()), asyncio.create_task(self._keeper.run())]
        self._background += [asyncio.create_task(self._dispatch(lane, state)) for lane, state in self._lanes.items()]

    def _take(self, lane: str, parcel: Parcel) -> None:
        if parcel.alone:
            self._spawn(self._send_alone(lane, parcel))
        else:
            self._lanes[lane].parcels.append(parcel)
            self._lanes[lane].changed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task_failed", exc_info=task.exception())

    async def _dispatch(self, lane: str, state: LaneState) -> None:
        """Claims for one lane, as many at once as there are ids and slots."""
        while True:
            while self._stopping or not state.parcels or not self._free(state):
                state.changed.clear()
                await state.changed.wait()
            if self._client.lost_at is not None:
                await asyncio.sleep(_LEDGER_AWAY_S)
            ids: list[str] = []
            emptied: list[Parcel] = []
            room = min(_CLAIM, self._free(state))
            while state.parcels and len(ids) < room:
                parcel = state.parcels[0]
                while parcel.ids and len(ids) < room:
                    ids.append(parcel.ids.popleft())
                if not parcel.ids:
                    emptied.append(state.parcels.popleft())
            self._busy += len(ids)
            state.busy += len(ids)
            self._spawn(self._send(state, ids, emptied))
            await asyncio.sleep(0)

    def _free(self, state: LaneState) -> int:
        return min(state.most - state.busy, self.settings.concurrency - self._busy)

    async def _send(self, state: LaneState, ids: list[str], emptied: list[Parcel]) -> None:
        rest = len(ids)

        def done(n: int) -> None:
            nonlocal rest
            rest -= n
            self._busy -= n
            state.busy -= n
            for lane in self._lanes.values():
                lane.changed.set()

        def claimed() -> None:
            for parcel in emptied:
                parcel.ack()
            emptied.clear()

        try:
            await self._batches.send(list(dict.fromkeys(ids)), done, claimed)
        except LedgerUnavailable:
            # Nothing was claimed, or nothing was admitted: the keeper has both, once the ledger is back.
            claimed()
        except Exception:  # unforeseen: the ids are in the ledger, and the message must not hold its place in the lane
            claimed()
            raise
        finally:
            if rest:
                done(rest)

    async def _send_alone(self, lane: str, parcel: Parcel) -> None:
        """A suspect of killing its worker: one at a time, so that the one who does it is known."""
        async with self._alone:
            self._busy += len(parcel.ids)
            state = self._lanes[lane]
            state.busy += len(parcel.ids)
            await self._send(state, list(parcel.ids), [parcel])

    async def _submitted(self, body: object, raw: bytes, why: str | None, ack: Callable[[], None]) -> None:
        """Not acknowledged before it is in the ledger, as an intent or as a dead letter."""
        self.rejected += why is not None
        while True:
            try:
                await self._submit.take(body, raw, why)
            except LedgerUnavailable:
                if self._stopping:
                    return  # the broker still has it
                await asyncio.sleep(_LEDGER_AWAY_S)
            else:
                break
        ack()

    async def _stop(self, within_s: float) -> None:
        self._keeper.stop()
        ends = time.monotonic() + within_s
        while self._tasks and time.monotonic() < ends - 0.5:
            # Those under way get most of the time; then whoever has not written its request yet is handed back.
            await asyncio.wait(self._tasks, timeout=0.1)
            self._batches.stopping = True
        await self._settler.settled(max(1.0, ends - time.monotonic()))
        self._settler.tell()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._api.close()
        await self._client.close()
