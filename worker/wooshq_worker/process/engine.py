"""The one event loop of a worker process: takes ids from the lanes as slots become free, and sends them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.keys import LANES
from wooshq_worker.api.transport import Api
from wooshq_worker.intents.batch import Batches
from wooshq_worker.intents.settler import Settler
from wooshq_worker.intents.submit import Submit, Submitted
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.runner import Runner
from wooshq_worker.jobs.suspects import Alone
from wooshq_worker.keeper.keeper import Keeper
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.sentry import Reporter

log = structlog.get_logger("wooshq.engine")

#: Ids in one claim. Larger groups share a round trip; smaller ones start sooner.
_CLAIM = 64
_LEDGER_AWAY_S = 0.25
#: Bytes of requests in this process, above which nothing more is claimed: a few large intents count as many small ones.
_BYTES_HELD = 32 * 1024 * 1024


#: Of the bulk lane's slots, how many a fan-out may use: the lane's own intents are not behind it.
_FAN_OUT_PART = 0.9


def _nothing() -> None:
    """Acknowledges nothing: the broker's message was acknowledged when the rest of it was claimed."""


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


class _Group:
    """The ids of one claim: their slots, and the broker messages that they came from."""

    def __init__(self, engine: Engine, lane: LaneState, size: int, emptied: list[Parcel]) -> None:
        self._engine = engine
        self._lane = lane
        self._size = size
        self._emptied = emptied

    def claimed(self, left: Sequence[str]) -> None:
        if left:  # still queued, for those before them were large
            self._lane.parcels.appendleft(Parcel(deque(left), _nothing))
        for parcel in self._emptied:
            parcel.ack()
        self._emptied.clear()
        self._engine.look_again()

    def ended(self, n: int) -> None:
        self._size -= n
        self._engine.use(self._lane, -n)

    def close(self) -> None:
        """Gives back the slots that are left."""
        self.ended(self._size)


class _BulkSlots:
    """The bulk lane's slots, as the fan-out uses them beside the lane's own intents."""

    def __init__(self, engine: Engine, lane: LaneState) -> None:
        self._engine = engine
        self._lane = lane

    def free(self) -> int:
        return self._engine.free(self._lane)

    def taken(self, n: int) -> None:
        self._engine.use(self._lane, n)


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
        self._offered: deque[tuple[str, Parcel]] = deque()
        self._told = False
        self._busy = 0
        self._stopping = False
        self._drained = False
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
        self._offered.append((lane, Parcel(deque(ids), ack, alone)))
        if not self._told:  # one wake-up for all that come before it is heeded
            self._told = True
            self._loop.call_soon_threadsafe(self._take_all)

    def offer_turn(self, ack: Callable[[], None]) -> None:
        """A chunk of a fan-out waits."""
        self.took_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._runner.turn, ack)

    def offer_submit(self, submitted: Submitted, ack: Callable[[], None]) -> None:
        """An intent that came through the broker, or what is none."""
        self._loop.call_soon_threadsafe(self._spawn, self._submitted(submitted, ack))

    @property
    def is_busy(self) -> bool:
        """Whether it has work, so that hearing nothing new is no sign."""
        return bool(self._tasks) or self._runner.is_busy or any(state.parcels for state in self._lanes.values())

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
        return self._drained

    # In the loop's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._ready.set()
        self._loop.run_forever()

    async def _open(self) -> None:
        s = self.settings
        places = self.wooshq.installation.places
        self._client = LedgerClient(places.redis_url, places.where)
        self._api = Api.from_settings(s)
        self._settler = Settler(s, self.wooshq.ledger, self._client, self._report_kind)
        self._batches = Batches(s, self.wooshq.ledger, self._client, self._api, self._settler)
        self._submit = Submit(self.wooshq, self._client)
        self._keeper = Keeper(self.wooshq, self._client)
        self._lanes = {
            "transactional": LaneState(s.concurrency),
            "bulk": LaneState(max(1, int(s.concurrency * s.bulk_share))),
        }
        self._alone = Alone()
        slots = _BulkSlots(self, self._lanes["bulk"])
        pullers = max(1, int(self._lanes["bulk"].most * _FAN_OUT_PART))
        self._runner = Runner(
            s, JobLedger(s), self._client, self._api, self._settler.gates, slots, self._alone, JobLog(self._report_kind), pullers=pullers
        )
        self._suspects: deque[tuple[str, list[str]]] = deque()
        self._suspected = asyncio.Event()
        self._background = [asyncio.create_task(self._settler.run()), asyncio.create_task(self._keeper.run())]
        self._background += [asyncio.create_task(self._dispatch(lane, state)) for lane, state in self._lanes.items()]
        self._background.append(asyncio.create_task(self._send_suspects()))
        self._background.append(asyncio.create_task(self._runner.run()))

    def _take_all(self) -> None:
        self._told = False  # before it looks: what comes now is either seen below, or wakes it again
        while self._offered:
            self._take(*self._offered.popleft())

    def _take(self, lane: str, parcel: Parcel) -> None:
        if parcel.alone:
            # Acknowledged at once: these may take long, and must not hold the places of the lane's other messages. The ledger has them.
            parcel.ack()
            self._suspects.append((lane, list(parcel.ids)))
            self._suspected.set()
        else:
            self._lanes[lane].parcels.append(parcel)
            self._lanes[lane].changed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task_failed", exc_info=task.exception())

    async def _dispatch(self, lane: str, state: LaneState) -> None:
        """Claims for one lane, as many at once as there are ids and slots."""
        while True:
            while self._stopping or not state.parcels or not self.free(state):
                state.changed.clear()
                await state.changed.wait()
            if not self._client.is_available:
                await asyncio.sleep(_LEDGER_AWAY_S)
            ids: list[str] = []
            emptied: list[Parcel] = []
            room = min(_CLAIM, self.free(state))
            while state.parcels and len(ids) < room:
                parcel = state.parcels[0]
                while parcel.ids and len(ids) < room:
                    ids.append(parcel.ids.popleft())
                if not parcel.ids:
                    emptied.append(state.parcels.popleft())
            self.use(state, len(ids))
            self._spawn(self._send(state, ids, emptied))
            await asyncio.sleep(0)

    def use(self, state: LaneState, n: int) -> None:
        """Slots of a lane are taken, or, where n is negative, given back."""
        self._busy += n
        state.busy += n
        if n < 0:
            self.look_again()

    def free(self, state: LaneState) -> int:
        """Slots that a lane may still take."""
        if self._batches.bytes_held > _BYTES_HELD:
            return 0
        return min(state.most - state.busy, self.settings.concurrency - self._busy)

    async def _send(self, state: LaneState, ids: list[str], emptied: list[Parcel]) -> None:
        group = _Group(self, state, len(ids), emptied)
        try:
            await self._batches.send(list(dict.fromkeys(ids)), group)
        except LedgerUnavailable:
            group.claimed(())  # nothing was claimed, or nothing was admitted: the keeper has both, once the ledger is back
        except Exception:  # unforeseen: the ids are in the ledger, and the message must not hold its place in the lane
            group.claimed(())
            raise
        finally:
            group.close()

    def look_again(self) -> None:
        """There may be room for more, in either lane."""
        for lane in self._lanes.values():
            lane.changed.set()

    async def _send_suspects(self) -> None:
        """
        One group after the other, so that of many whose worker was lost the one who does it is found: the groups are smaller each time
        (`Keeper`), and at last it is alone.
        """
        while True:
            while self._stopping or not self._suspects:
                self._suspected.clear()
                await self._suspected.wait()
            lane, ids = self._suspects.popleft()
            await self._alone.wait(self)
            state = self._lanes[lane]
            self.use(state, len(ids))
            task = self._spawn(self._send(state, ids, []))
            await asyncio.wait([task])
            if self._alone.give(self):
                self._runner.look_again()

    async def _submitted(self, submitted: Submitted, ack: Callable[[], None]) -> None:
        """Not acknowledged before it is in the ledger, as an intent or as a dead letter."""
        while True:
            try:
                await self._submit.take(submitted)
            except LedgerUnavailable:
                if self._stopping:
                    return  # the broker still has it
                await asyncio.sleep(_LEDGER_AWAY_S)
            else:
                break
        ack()

    async def _stop(self, within_s: float) -> None:
        self._keeper.stop()
        self._runner.drain()
        ends = time.monotonic() + within_s
        while (self._tasks or self._runner.is_busy) and time.monotonic() < ends - 0.5:
            # Those under way get most of the time; then whoever has not written its request yet is handed back.
            await asyncio.sleep(0.05)
            self._batches.stopping = True
        # What is still on the wire breaks here, and is a record as `unknown`: the next worker need not wait for its lease to know.
        await self._api.close()
        broken_by = time.monotonic() + 2.0
        while (self._tasks or self._runner.is_busy) and time.monotonic() < broken_by:
            await asyncio.sleep(0.05)
        settled = await self._settler.settled(max(3.0, ends - time.monotonic()))
        self._drained = settled and not self._tasks and not self._runner.is_busy
        self._settler.log_settled()
        self._runner.telling.tell()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.close()
