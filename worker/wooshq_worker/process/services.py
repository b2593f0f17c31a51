"""Everything that runs in the engine's event loop: how it is made, started and drained."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable
from wooshq.history.store import history_url
from wooshq.ledger.jobs import JobLedger
from wooshq.settings.history_url import OFF
from wooshq_worker.api.transport import Api
from wooshq_worker.intents.batch import Batches
from wooshq_worker.intents.cancel.ask import Canceller
from wooshq_worker.intents.settler import Settler
from wooshq_worker.intents.submit import Submit, Submitted
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.runner import Runner
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.keeper.history.watch import HistoryProcess
from wooshq_worker.keeper.keeper import Keeper
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.metrics.measures import Measures
from wooshq_worker.observe.sentry import Reporter
from wooshq_worker.process.dispatch import Dispatcher
from wooshq_worker.process.lanes import JobSlots, Lanes
from wooshq_worker.process.tasks import Tasks

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import Spans

_LEDGER_AWAY_S: Final = 0.25
_BYTES_HELD: Final = 32 * 1024 * 1024
"""Bytes of requests in this process. Above it nothing more is claimed: a few large intents count as much as many small ones."""
_JOBS_PART: Final = 0.9
"""The part of the bulk lane's slots that jobs may use: the lane's own intents must not wait for them."""
_LOOK_EVERY_S: Final = 0.05
_BREAK_WITHIN_S: Final = 2.0
_SETTLE_WITHIN_S: Final = 3.0


class Services:
    """Make it inside the event loop."""

    def __init__(self, wooshq: Wooshq, report_kind: Reporter, measures: Measures, spans: Spans | None = None) -> None:
        """spans: None if tracing is off."""
        settings, places = wooshq.settings, wooshq.installation.places
        self._client = LedgerClient(places.redis_url, places.where, places.does_not_answer)
        self._api = Api.from_settings(settings)
        self._settler = Settler(settings, wooshq.ledger, self._client, report_kind, measures, spans)
        self._batches = Batches(settings, wooshq.ledger, self._client, self._api, self._settler, measures, spans)
        self._submit = Submit(wooshq, self._client)
        self._tasks = Tasks()
        self._stopping = False
        most = {"transactional": settings.concurrency, "bulk": max(1, int(settings.concurrency * settings.bulk_share))}
        self._lanes = Lanes(most, settings.concurrency, lambda: self._batches.bytes_held > _BYTES_HELD)
        self._settler.calls_in_progress = lambda: self._lanes.busy
        suspect_lock = SuspectLock()
        self._job_log = JobLog(report_kind, measures)
        self.keeper = Keeper(wooshq, self._client)
        self._canceller = Canceller(settings, wooshq.ledger, self._client, self._api)
        self.runner = Runner(
            settings,
            JobLedger(settings),
            self._client,
            self._api,
            self._settler.gates,
            JobSlots(self._lanes, self._lanes["bulk"]),
            suspect_lock,
            self._job_log,
            measures,
            spans,
            most_calls=max(1, int(most["bulk"] * _JOBS_PART)),
        )
        self.dispatcher = Dispatcher(
            self._lanes, self._batches, self._client, self._tasks, suspect_lock, wooshq.installation.ring, self.runner.look_again
        )
        self._settler.gates.on_opened = self._lanes.look
        forever: list[Coroutine[Any, Any, None]] = [
            self._settler.run(),
            self.keeper.run(),
            self._canceller.run(),
            self.dispatcher.run_suspects(),
            self.runner.run(),
            *(self.dispatcher.run_lane(name) for name in most),
        ]
        self._beside = HistoryProcess(settings, self._client)
        self.history = None if history_url(settings) == OFF else self._beside
        forever.append(self._beside.run())
        self._background = [asyncio.create_task(work) for work in forever]

    def submit(self, submitted: Submitted, ack: Callable[[], None]) -> None:
        """Take an intent that came through the broker into the ledger."""
        self._tasks.spawn(self._take(submitted, ack))

    async def _take(self, submitted: Submitted, ack: Callable[[], None]) -> None:
        """Acknowledged only when it is in the ledger, as an intent or as a dead letter."""
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

    @property
    def ledger_lost_at(self) -> float | None:
        """Monotonic: since when the ledger is unavailable; None if it is available."""
        return self._client.lost_at

    @property
    def is_busy(self) -> bool:
        """Whether anything waits or is in progress."""
        return self._in_progress or self._lanes.may_have_work

    @property
    def _in_progress(self) -> bool:
        return len(self._tasks) > 0 or self.runner.is_busy or self._canceller.is_busy

    @property
    def unsettled(self) -> int:
        """Ends that the ledger does not know yet."""
        return self._settler.unsettled

    def slots(self) -> dict[str, tuple[int, int]]:
        """Lane → slots in use, and slots that it may use."""
        return {name: (self._lanes[name].busy, self._lanes[name].most) for name in self._lanes.names}

    async def drain(self, within_s: float) -> bool:
        """
        Take nothing more, let the calls in progress end, settle everything, close. False if that took longer than `within_s`.

        Claims whose request is not written yet are handed back. What is not settled comes back when its lease ends.
        """
        ends = time.monotonic() + within_s
        self._stopping = True
        self.dispatcher.stop()
        self.keeper.stop()
        self._canceller.stop()
        self.runner.drain()
        await self._wait_until_idle(ends - 0.5)
        # A call that is still in progress breaks here and is recorded as `unknown`: the next worker need not wait for its lease.
        await self._api.close()
        await self._wait_until_idle(time.monotonic() + _BREAK_WITHIN_S)
        settled = await self._settler.settled(max(_SETTLE_WITHIN_S, ends - time.monotonic()))
        drained = settled and not self._in_progress
        if self._client.is_available:
            with contextlib.suppress(LedgerUnavailable):
                await self.dispatcher.go_to_sleep()
        self._settler.log_settled()
        self._job_log.write()
        await self._beside.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.close()
        return drained

    async def _wait_until_idle(self, ends: float) -> None:
        while self._in_progress and time.monotonic() < ends:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._batches.stopping = True
