"""
One round of a worker's work, by the worker's own parts: the keeper's duties, then everything that may be sent now, then cancels.

This is the only file here that knows how a worker takes its work.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.ledger.gates import read
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import text
from wooshq_worker.api.transport import Api
from wooshq_worker.in_process.memory_client import MemoryClient
from wooshq_worker.intents.batch import Batches
from wooshq_worker.intents.cancel.ask import Canceller
from wooshq_worker.intents.settler import Settler
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.runner import Runner
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.keeper.broker import LaneBroker
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.keeper.keeper import carry_out, duties_of_round
from wooshq_worker.observe.sentry import silent

_IDS: Final = 64
"""Intents that are sent together."""
_CLOCKS: Final = ("due", "expiry", "leases", "cancels", "chunk_due", "chunk_leases", "job_expiry", "replaying")
"""The sets of the ledger whose members wait for a moment."""
_LOOK_S: Final = 0.05
_MOST_LOOKS: Final = 200_000
"""A job that is as slow as this has a rate that no test can wait for."""
_SETTLE_WITHIN_S: Final = 60.0


class _NoBroker(LaneBroker):
    """There is no broker, and nothing is lost: the ledger has what waits, and each round looks there."""

    def __init__(self) -> None:
        pass

    async def ring(self, lane: str) -> None:
        return None

    async def call_turns(self, chunks: int) -> None:
        return None

    async def is_empty(self, lane: str) -> bool:
        return True


class _NoSlots:
    """As many calls at once as the worker's concurrency. See `make_calls.Slots` and `batch.Group`."""

    def __init__(self, most: int) -> None:
        self._free = most

    def free(self) -> int:
        return self._free

    def taken(self, n: int) -> None:
        self._free -= n

    def ended(self, n: int) -> None:
        return None

    def close(self) -> None:
        return None


class WorkHere:
    """What a worker process has, without the process: see `process.services.Services`. Make it and close it inside an event loop."""

    def __init__(self, wooshq: Wooshq, ledger: MemoryLedger) -> None:
        settings = wooshq.settings
        self._keys = wooshq.ledger.keys
        self._client = client = MemoryClient(ledger)
        self._api = Api.from_settings(settings)
        self._settler = Settler(settings, wooshq.ledger, client, silent)
        self._batches = Batches(settings, wooshq.ledger, client, self._api, self._settler)
        self._canceller = Canceller(settings, wooshq.ledger, client, self._api)
        jobs = JobLedger(settings)
        self._slots = slots = _NoSlots(settings.concurrency)
        self._runner = Runner(
            settings, jobs, client, self._api, self._settler.gates, slots, SuspectLock(), JobLog(silent), most_calls=settings.concurrency
        )  # fmt: skip
        self._context = DutyContext(settings, wooshq.ledger, jobs, client, _NoBroker())
        self._again_at_ms: dict[str, float] = {}  # lane → when a slot comes for what waits there
        self._background = [asyncio.create_task(work) for work in (self._settler.run(), self._runner.run())]

    async def round(self) -> bool:
        """Do what can be done now. Whether anything has changed: then there may be more to do."""
        before = await self._state()
        await carry_out(duties_of_round(may_take_over=True, is_new_second=True), self._context)
        await self._send_intents()
        await self._send_chunks()
        await self._canceller.ask_due()
        await self._settler.settled(_SETTLE_WITHIN_S)
        return await self._state() != before

    async def _state(self) -> list[Any]:
        """What waits, and for what; and how often everything happened."""
        rings = await self._client.ask(*(("ZRANGE", self._keys.ring(lane), 0, -1) for lane in LANES))
        queues = [self._keys.queue(lane, text(app)) for lane, ring in zip(LANES, rings, strict=True) for app in ring]
        sets = [*queues, *map(self._keys.suspects, LANES), *map(self._keys.fixed, _CLOCKS)]
        return await self._client.ask(
            *(("ZRANGE", name, 0, -1, "WITHSCORES") for name in sets),
            ("ZRANGE", self._keys.fixed("turns"), 0, -1),
            *(("HGETALL", self._keys.fixed(name)) for name in ("gates", "counts")),
        )

    async def _send_intents(self) -> None:
        """Send what may leave now: suspects first, each intent once, unless one comes back among others."""
        for lane in LANES:
            self._again_at_ms.pop(lane, None)
            for suspects in (True, False):
                sent: set[str] = set()
                while (taken := await self._batches.take(lane, _IDS, suspects=suspects)).claims:
                    ids = {claim.intent_id for claim in taken.claims}
                    await self._batches.send(taken, self._slots)
                    if ids <= sent:
                        break
                    sent |= ids
                if taken.again_ms is not None:
                    self._again_at_ms[lane] = taken.now_ms + taken.again_ms

    async def _send_chunks(self) -> None:
        """Take the chunks that wait, one after the other, as many as there are: one that is given back waits for the next round."""
        for _ in range(await self._chunks_queued()):
            looked = asyncio.Event()
            self._runner.turn(looked.set)
            await looked.wait()
            if not self._runner.is_busy:
                return
            await self._until_given_back()

    async def _until_given_back(self) -> None:
        for _ in range(_MOST_LOOKS):
            if not self._runner.is_busy:
                return
            await asyncio.sleep(_LOOK_S)
        raise RuntimeError(f"a chunk of a job does not end within {_MOST_LOOKS * _LOOK_S:g} s of the ledger's clock")

    async def _chunks_queued(self) -> int:
        (jobs,) = await self._client.ask(("ZRANGE", self._keys.fixed("turns"), 0, -1))
        return sum(await self._client.ask(*(("ZCARD", self._keys.job_part(text(i), "queued")) for i in jobs))) if jobs else 0

    async def next_at_ms(self, after_ms: float) -> float | None:
        """The first moment after another one at which something comes due, by the ledger's clock. None if nothing waits for a moment."""
        *first, gates = await self._client.ask(
            *(("ZRANGEBYSCORE", self._keys.fixed(name), f"({after_ms}", "+inf", "WITHSCORES", "LIMIT", 0, 1) for name in _CLOCKS),
            ("HGETALL", self._keys.fixed("gates")),
        )
        moments = [float(found[1]) for found in first if found]  # a member and its score
        moments += [gate.until_ms for gate in read(gates, int(after_ms))] + await self._steps_at() + [*self._again_at_ms.values()]
        return min((at for at in moments if at > after_ms), default=None)

    async def _steps_at(self) -> list[float]:
        """When the next steps of roll-outs begin."""
        (ids,) = await self._client.ask(("SMEMBERS", self._keys.fixed("stepping")))
        begin = await self._client.ask(*(("HGET", self._keys.job(text(i)), "goes_on") for i in ids)) if ids else []
        return [float(at) for at in begin if at]

    async def close(self) -> None:
        """End everything that it began."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._api.close()
