"""Makes the calls of all chunks in a worker, a bounded number at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import structlog

from wooshq.settings import Settings
from wooshq_worker.api.deliver import ShortRetries, deliver
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.api.outcome import Outcome
from wooshq_worker.api.transport import Api
from wooshq_worker.jobs.call_ended import call_ended, call_withheld
from wooshq_worker.jobs.call_in_progress import CallInProgress
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.plan import Call
from wooshq_worker.observe.metrics.measures import Measures

log = structlog.get_logger("wooshq.bulk")


class Slots(Protocol):
    """The calls that the process may have in progress. Jobs may use a part of the bulk lane's."""

    def free(self) -> int: ...
    def taken(self, n: int) -> None: ...


class _Begun(NamedTuple):
    """A call that is recorded as begun, and waits until it can be made."""

    chunk: ActiveChunk
    call: Call


class CallPool:
    """A fixed number of tasks that make calls."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        gates: LocalGates,
        slots: Slots,
        measures: Measures,
        *,
        most: int,
        on_end: Callable[[], None],
    ) -> None:
        """most: calls in progress at a time. on_end: called after each call."""
        self._s = settings
        self._api = api
        self._gates = gates
        self._slots = slots
        self._measures = measures
        self._most = most
        self._on_end = on_end
        # Calls are begun a little ahead of the slots, so that no slot is empty during a round trip. The recipients in doubt after a lost
        # worker are never those of more calls than its concurrency.
        self._ahead = max(1, settings.concurrency - most)
        self._short = ShortRetries(tries=settings.short_tries, total_s=settings.short_retry_s)
        self._waiting: asyncio.Queue[_Begun] = asyncio.Queue()
        self._begun = 0  #: calls that have not ended

    def room(self) -> int:
        """Calls that may be begun now; may be negative."""
        return min(self._most, self._slots.free() + self._begun) + self._ahead - self._begun

    def start(self, chunk: ActiveChunk, calls: Sequence[Call], *, start_s: float, gap_s: float) -> None:
        """Make calls that the ledger has recorded as begun: the first in start_s, then one every gap_s."""
        chunk.calls_in_progress += len(calls)
        self._begun += len(calls)
        if gap_s == 0 and start_s == 0:
            for call in calls:
                self._waiting.put_nowait(_Begun(chunk, call))
            return
        loop = asyncio.get_running_loop()
        for n, call in enumerate(calls):
            loop.call_later(start_s + n * gap_s, self._waiting.put_nowait, _Begun(chunk, call))

    async def run(self) -> None:
        """Make calls until cancelled."""
        await asyncio.gather(*(self._make_calls() for _ in range(self._most)))

    async def _make_calls(self) -> None:
        while True:
            chunk, call = await self._waiting.get()
            self._slots.taken(1)
            try:
                await self._make(chunk, call)
            except Exception:  # a bug in wooshq: the recipients of the call are in doubt, and the keeper records it when the lease ends
                log.error("call_failed", job_id=chunk.name.job_id, exc_info=True)
                chunk.lost = True
            finally:
                self._begun -= 1
                self._slots.taken(-1)
                chunk.calls_in_progress -= 1
                chunk.changed.set()
                self._on_end()

    async def _make(self, chunk: ActiveChunk, call: Call) -> None:
        application = chunk.job.application
        token = self._s.token_for(application)
        if token is None:
            self._gates.shut_without_token(application)
            call_withheld(chunk, call, "gate token")
            return
        started = CallInProgress.start(chunk, call, token.get_secret_value(), time.monotonic())
        delivery = await deliver(
            partial(self._request, started, started.body()),
            policy=self._short,
            retry_after_ceiling_s=self._s.retry_after_ceiling_s,
            may_go=partial(self._why_not, chunk),
            on_verdict=partial(self._gates.on_verdict, application, recipients=lambda: call.size),
            secrets=started.secrets,
        )
        self._measures.called("bulk", application, delivery.attempts, "" if chunk.span is None else chunk.span.trace)
        if chunk.span is not None:
            chunk.span.called(delivery.attempts, call.size)
        call_ended(started, delivery, at=time.monotonic())

    def _request(self, started: CallInProgress, body: bytes) -> Awaitable[Outcome]:
        ends = started.chunk.job.expires_at
        leaves_within_s = None if ends is None else ends - time.monotonic()
        return self._api.call(body, started.api_token, leaves_within_s=leaves_within_s)

    def _why_not(self, chunk: ActiveChunk) -> str | None:
        """Why a request must not be written now; None if it may."""
        if (why := chunk.why_overdue(time.monotonic())) is not None:
            return why
        if (gate := self._gates.gate_shut_for(chunk.job.application)) is not None:
            return f"gate {gate}"
        return chunk.held or None
