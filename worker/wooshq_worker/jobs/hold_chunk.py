"""Holds one chunk from take to release: records outcomes, begins calls, waits, gives the chunk back."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.chunks import Begun, ChunkLedger, ChunkRecord
from wooshq.ledger.states import Mark
from wooshq.settings import Settings
from wooshq_worker.api.backoff import Backoff, wait_before, wait_until
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.log import JobLog
from wooshq_worker.jobs.plan import Call, split_begun
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.few import few

log = structlog.get_logger("wooshq.bulk")

#: Outcomes that are recorded together, and how long the first of them may wait for the others.
_GROUP: Final = 32
_GATHER_S: Final = 0.01
_LOOK_AGAIN_S: Final = 0.5
_LEDGER_AWAY_S: Final = 0.25


class ChunkHost(Protocol):
    """What the task of a chunk asks of the worker that runs it."""

    def room(self) -> int:
        """Calls that may be begun now, of all chunks together; may be negative."""

    def start_calls(self, chunk: ActiveChunk, calls: Sequence[Call], *, start_s: float, gap_s: float) -> None:
        """Make calls that the ledger has recorded as begun: the first in start_s, then one every gap_s."""

    def wants_calls(self, chunk: ActiveChunk, wants: bool) -> None:
        """Whether the chunk has calls that it may begin. If no chunk has, the worker takes another one."""

    def look_again(self) -> None:
        """Something has changed that other chunks may wait for."""


class HoldChunk:
    """The task of one chunk. `run` returns when this worker no longer holds it."""

    def __init__(
        self,
        chunk: ActiveChunk,
        host: ChunkHost,
        settings: Settings,
        ledger: ChunkLedger,
        client: LedgerClient,
        gates: LocalGates,
        suspect_lock: SuspectLock,
        job_log: JobLog,
    ) -> None:
        self._chunk = chunk
        self._host = host
        self._ledger = ledger
        self._client = client
        self._gates = gates
        self._suspect_lock = suspect_lock
        self._job_log = job_log
        self._lease_s = settings.lease_s - settings.http_total_s
        self._backoff = Backoff(base_s=settings.backoff_base_s, ceiling_s=settings.backoff_ceiling_s)
        # The ledger recognises a repeated write by these numbers.
        self._recorded = 0
        self._begun = 0
        self._begin_at = 0.0  #: monotonic; before it no call may begin
        self._wrote_at = 0.0  #: monotonic

    async def run(self) -> None:
        try:
            await self._until_given_back()
        finally:
            self._release_suspect_lock()

    async def _until_given_back(self) -> None:
        chunk = self._chunk
        while not chunk.lost:
            if chunk.calls_in_progress == 0 and not chunk.plan.has_suspects:
                self._release_suspect_lock()
            may_begin = not chunk.held and time.monotonic() >= self._begin_at and not self._must_wait()
            self._host.wants_calls(chunk, bool(len(chunk.plan)) and may_begin)
            room = min(len(chunk.plan), self._room()) if may_begin else 0
            is_idle = not chunk.outcomes_to_record and not room and chunk.calls_in_progress == 0
            if is_idle and (chunk.held or not len(chunk.plan)):
                await self._give_back()
                return
            if not self._pays(room):
                await self._wait(room)
                continue
            self._wrote_at = time.monotonic()
            if not await self._write_all(chunk.take_records(), chunk.plan.take(min(room, 4 * _GROUP))):
                return

    # How many calls may it begin?

    def _must_wait(self) -> bool:
        """Whether it must wait for its own calls, or for the suspects of others: see `_room`."""
        chunk = self._chunk
        if self._sends_to_suspects:
            return chunk.calls_in_progress > 0 or not self._suspect_lock.is_free_for(chunk)
        return chunk.makes_one_call_at_a_time and chunk.calls_in_progress > 0

    def _room(self) -> int:
        """
        Calls that it may begin now.

        Groups of suspects are sent one after the other in the whole worker, so that the one that kills the worker can be found.
        """
        chunk = self._chunk
        if self._sends_to_suspects:
            if chunk.calls_in_progress > 0 or not self._suspect_lock.acquire(chunk):
                return 0
        elif chunk.makes_one_call_at_a_time:
            return 1 if chunk.calls_in_progress == 0 else 0
        return max(0, self._host.room())

    @property
    def _sends_to_suspects(self) -> bool:
        """Whether suspects of the chunk wait, or calls for them are in progress."""
        return self._chunk.plan.has_suspects or self._suspect_lock.is_held_by(self._chunk)

    def _release_suspect_lock(self) -> None:
        if self._suspect_lock.release(self._chunk):
            self._host.look_again()

    # Record outcomes and begin calls

    def _pays(self, room: int) -> bool:
        """Whether a round trip pays: for many outcomes or calls, for the first ones, or because they have waited long enough."""
        outcomes = self._chunk.outcomes_to_record
        if not outcomes and not room:
            return False
        many = outcomes >= _GROUP or room >= _GROUP
        return many or self._chunk.calls_in_progress == 0 or time.monotonic() - self._wrote_at >= _GATHER_S

    async def _write_all(self, records: Sequence[ChunkRecord], wanted: Sequence[Call]) -> bool:
        """One round trip, or a few if there is much to record. Whether this worker still holds the chunk."""
        for record in records[:-1]:
            if not await self._write(record, []):
                return False
        return await self._write(records[-1] if records else None, wanted)

    async def _write(self, record: ChunkRecord | None, wanted: Sequence[Call]) -> bool:
        """Record outcomes and ask whether calls may begin, in one round trip. Whether this worker still holds the chunk."""
        chunk = self._chunk
        asked_at = time.monotonic()
        ours, state, begun = await self._step(record, wanted)
        if not ours:
            few(log.warning, "chunk_lost", {"job_id": chunk.name.job_id}, chunk=chunk.name.number)
            chunk.lost = True
            return False
        if record is not None:
            self._job_log.recorded(chunk.job, record)
            if chunk.span is not None and record.marks:
                chunk.span.recorded(sum(last - first + 1 for _, first, last in record.marks), asked_at)
        chunk.lease_until = max(chunk.lease_until, asked_at + self._lease_s)
        if state != "sending":
            return False
        if begun is not None:
            self._begin(begun, wanted, asked_at)
        return True

    async def _step(self, record: ChunkRecord | None, wanted: Sequence[Call]) -> tuple[bool, str, Begun | None]:
        """One round trip, as often as it takes: outcomes must not be forgotten, and no call begins without the ledger."""
        chunk = self._chunk
        self._recorded += record is not None
        self._begun += bool(wanted)
        calls = [call.as_text() for call in wanted]
        while True:
            try:
                return await self._client.do_until_answered(
                    lambda: self._ledger.record_and_begin(
                        chunk.name,
                        chunk.token,
                        chunk.job.application,
                        record=record,
                        recorded_no=self._recorded,
                        calls=calls,
                        begin_no=self._begun,
                    )
                )
            except LedgerUnavailable:
                await asyncio.sleep(_LEDGER_AWAY_S)

    def _begin(self, begun: Begun, wanted: Sequence[Call], asked_at: float) -> None:
        """Start the calls that the ledger allows, or note why it allows none."""
        chunk = self._chunk
        may_start, must_wait = split_begun(wanted, begun.calls, begun.last)
        chunk.plan.put_first(must_wait)
        match begun.outcome:
            case "go":
                chunk.proved = chunk.proved or begun.proved
                self._gates.admitted(chunk.job.application, asked_at, probe=begun.probe)
                self._host.start_calls(chunk, may_start, start_s=begun.start_ms / 1000, gap_s=begun.gap_ms / 1000)
                if begun.gap_ms > 0:  # the next slots are given while most of these are left
                    self._begin_at = asked_at + max(_GATHER_S, begun.wait_ms / 1000)
            case "step" if chunk.calls_in_progress:  # their recipients may need another call, for which the roll-out step has room
                self._begin_at = asked_at + _LOOK_AGAIN_S / 4
            case "wait":
                self._begin_at = asked_at + min(1.0, begun.wait_ms / 1000)
            case "expired":
                chunk.end_all(Mark.EXPIRED)
            case "cancelled":
                chunk.end_all(Mark.CANCELLED)
                chunk.held = "cancelled"
            case "lost":
                chunk.lost = True
            case "held":
                chunk.held = f"gate {begun.gate}"
            case "step":
                chunk.held = "rollout step"
            case state:  # paused or stopped
                chunk.held = state
                if state == "stopped":
                    self._job_log.stopped(chunk.job)

    # Wait, and give back

    async def _wait(self, room: int) -> None:
        """Wait until there is enough to record, or room to begin calls, or the time to ask again."""
        chunk = self._chunk
        chunk.changed.clear()
        now = time.monotonic()
        if chunk.outcomes_to_record or room:
            # Others will come meanwhile, and each of them would end a wait for `changed`.
            await asyncio.sleep(max(0, _GATHER_S - (now - self._wrote_at)))
            return
        wait_s = 5.0
        if len(chunk.plan) and not chunk.held:
            wait_s = min(1.0, self._begin_at - now) if self._begin_at > now else _LOOK_AGAIN_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await chunk.changed.wait()

    async def _give_back(self) -> None:
        """No call is in progress, and none may begin: give the chunk back to its queue, or let it wait for its next round."""
        chunk = self._chunk
        if chunk.held == "cancelled":
            chunk.end_all(Mark.CANCELLED)
            for rest in chunk.take_records():
                if not await self._write(rest, []):
                    return
        now, is_behind = time.monotonic(), chunk.is_behind()
        chunk.plan.take_all()  # their marks stay
        # In a roll-out step without room for others, the failed recipients still wait for their backoff.
        has_round = chunk.failed and (not chunk.held or chunk.held == "rollout step")
        record = ChunkRecord(
            end="due" if has_round else "back",
            log=chunk.failed_calls.to_json(),
            behind=is_behind,
            later=chunk.later(now),
            age_ms=int(chunk.age_s(now) * 1000),
        )
        if has_round:
            jitter = random.random()
            wait_s = wait_before(chunk.rounds + 2, self._backoff, jitter=jitter) if chunk.has_failed else 0.0
            if chunk.later_until is not None:
                wait_s = max(wait_s, wait_until(chunk.later_until - now, jitter=jitter))
            record.wait_ms = int(wait_s * 1000) + 1
            record.waits = not chunk.has_failed
            record.age_ms += record.wait_ms if chunk.has_failed else 0
        await self._write(record, [])
