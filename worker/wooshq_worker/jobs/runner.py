"""Takes chunks while there is room for their calls, and holds each of them in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.jobs import JobLedger
from wooshq.settings import Settings
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.api.transport import Api
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.hold_chunk import HoldChunk
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.make_calls import CallPool, Slots
from wooshq_worker.jobs.plan import Call
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.jobs.take_chunk import ChunkTaker
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.metrics.measures import Measures, off

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import Spans

log = structlog.get_logger("wooshq.bulk")

MOST_CHUNKS: Final = 32
"""Chunks that a worker holds at a time: enough for shared calls to fill its slots, few enough for its memory."""
_LOG_EVERY_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.5
_LEDGER_AWAY_S: Final = 0.25


class Runner:
    """
    One for each worker process.

    While one chunk has calls to begin, no other is taken: the next chunk fills the slots that the last calls of a chunk leave empty.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: JobLedger,
        client: LedgerClient,
        api: Api,
        gates: LocalGates,
        slots: Slots,
        suspect_lock: SuspectLock,
        job_log: JobLog,
        measures: Measures = off,
        spans: Spans | None = None,
        *,
        most_calls: int,
    ) -> None:
        """spans: None if tracing is off. most_calls: calls of jobs that may be in progress at a time. suspect_lock: the one of the worker process."""
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._gates = gates
        self._suspect_lock = suspect_lock
        self._job_log = job_log
        self._spans = spans
        self._taker = ChunkTaker(settings, ledger, client)
        self._calls = CallPool(settings, api, gates, slots, measures, most=most_calls, on_end=self._call_ended)
        self._turns: deque[Callable[[], None]] = deque()
        self._active: set[ActiveChunk] = set()
        self._want_calls: set[ActiveChunk] = set()  #: chunks that have calls to begin, and may begin them
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def turn(self, ack: Callable[[], None]) -> None:
        """Some chunk waits. ack: called when a chunk was taken, or when none was found."""
        self._turns.append(ack)
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        """Whether this worker holds chunks."""
        return bool(self._active)

    def drain(self) -> None:
        """Begin no further call: chunks are given back as their calls end."""
        self._stopping = True
        for chunk in self._active:
            chunk.hold("stopping")

    async def run(self) -> None:
        """Take chunks until cancelled."""
        helpers = [asyncio.create_task(self._log_every_second()), asyncio.create_task(self._calls.run())]
        try:
            while True:
                self._wake.clear()
                while self._turns and self._has_room():
                    await self._take_turn()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S if self._turns else None):
                        await self._wake.wait()
        finally:
            for helper in helpers:
                helper.cancel()

    async def _log_every_second(self) -> None:
        while True:
            await asyncio.sleep(_LOG_EVERY_S)
            self._job_log.write()

    def _has_room(self) -> bool:
        return not self._stopping and not self._want_calls and len(self._active) < MOST_CHUNKS and self._calls.room() > 0

    async def _take_turn(self) -> None:
        ack = self._turns.popleft()
        try:
            chunk = await self._taker.take(self._active)
        except LedgerUnavailable:
            await asyncio.sleep(_LEDGER_AWAY_S)
            chunk = None
        except Exception:  # the ledger has the chunk, and its lease ends
            log.error("chunk_not_taken", exc_info=True)
            chunk = None
        ack()
        if chunk is not None:
            if self._spans is not None:
                chunk.span = self._spans.chunk(chunk.job.id, chunk.name.number, chunk.job.application, chunk.job.trace, chunk.taken_at)
            if self._stopping:
                chunk.hold("stopping")
            self._active.add(chunk)
            self._want_calls.add(chunk)
            task = asyncio.create_task(self._hold(chunk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hold(self, chunk: ActiveChunk) -> None:
        try:
            await HoldChunk(chunk, self, self._s, self._ledger.chunks, self._client, self._gates, self._suspect_lock, self._job_log).run()
        except Exception:  # its lease ends, and the next worker continues from the marks
            log.error("chunk_failed", job_id=chunk.name.job_id, chunk=chunk.name.number, exc_info=True)
            chunk.lost = True
        finally:
            if chunk.span is not None:
                chunk.span.ended(chunk.held, lost=chunk.lost)
            self._active.discard(chunk)
            self._want_calls.discard(chunk)
            self._wake.set()

    def _call_ended(self) -> None:
        for chunk in self._want_calls:
            chunk.changed.set()

    # As a ChunkHost

    def room(self) -> int:
        """Calls that may be begun now, of all chunks together; may be negative."""
        return self._calls.room()

    def start_calls(self, chunk: ActiveChunk, calls: Sequence[Call], *, start_s: float, gap_s: float) -> None:
        """Make calls that the ledger has recorded as begun: the first in start_s, then one every gap_s."""
        self._calls.start(chunk, calls, start_s=start_s, gap_s=gap_s)

    def wants_calls(self, chunk: ActiveChunk, wants: bool) -> None:
        """Whether the chunk has calls that it may begin. If no chunk has, another one is taken."""
        if wants:
            self._want_calls.add(chunk)
        elif chunk in self._want_calls:
            self._want_calls.discard(chunk)
            self._wake.set()

    def look_again(self) -> None:
        """Something has changed that chunks may wait for."""
        for chunk in self._active:
            chunk.changed.set()
