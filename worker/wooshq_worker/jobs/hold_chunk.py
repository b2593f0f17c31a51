"""One chunk in this worker from take to release: record, ask for calls, wait, let go."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.chunks import ChunkRecord
from wooshq.ledger.gates import SLOTS_AHEAD_MS
from wooshq.ledger.states import Mark
from wooshq_worker.api.backoff import wait_before
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.plan import Call, leaving

if TYPE_CHECKING:  # the runner imports this module
    from wooshq_worker.jobs.runner import Runner

log = structlog.get_logger("wooshq.bulk")

#: Outcomes that are written down together, and how long the first of them may wait for the others.
_GROUP: Final = 32
_GATHER_S: Final = 0.01
LOOK_AGAIN_S: Final = 0.5
AWAY_S: Final = 0.25


class HoldChunk:
    """The task of one chunk: record, begin, wait for news, and at last let go of it."""

    def __init__(self, runner: Runner, chunk: ActiveChunk) -> None:
        self._r = runner
        self._chunk = chunk
        self._recorded = 0
        self._begun = 0
        self._ask_at = 0.0  # monotonic; before it nothing may begin
        self._stepped_at = 0.0

    async def to_the_end(self) -> None:
        chunk, runner = self._chunk, self._r
        while not chunk.lost:
            if runner.stopping:
                chunk.held = chunk.held or "stopping"
            if chunk.in_flight == 0 and not chunk.plan.has_suspects:
                runner.with_suspects_done(chunk)
            may_begin = not chunk.held and time.monotonic() >= self._ask_at and not runner.is_limited(chunk)
            runner.hungry(chunk, bool(len(chunk.plan)) and may_begin)
            room = min(len(chunk.plan), runner.room_for(chunk)) if may_begin else 0
            if not chunk.has_record and not room and chunk.in_flight == 0 and (chunk.held or not len(chunk.plan)):
                await self._let_go()
                return
            if self._is_due(room):
                self._stepped_at = time.monotonic()
                if await self._step(chunk.take_record(), chunk.plan.take(min(room, 4 * _GROUP))):
                    return
            else:
                await self._news(room)

    def _is_due(self, room: int) -> bool:
        """Whether a round trip pays: for many outcomes or calls at once, for the first ones, or because they have waited long enough."""
        chunk = self._chunk
        if not chunk.has_record and not room:
            return False
        many = chunk.has_record >= _GROUP or room >= _GROUP
        return many or chunk.in_flight == 0 or time.monotonic() - self._stepped_at >= _GATHER_S

    async def _step(self, records: list[ChunkRecord], wanted: list[Call]) -> bool:
        """One round trip, or a few where there is much to write down. True where the chunk is done with."""
        for record in records[:-1]:
            if await self._write(record, []):
                return True
        return await self._write(records[-1] if records else None, wanted)

    async def _write(self, record: ChunkRecord | None, wanted: list[Call]) -> bool:
        chunk, runner = self._chunk, self._r
        self._recorded += record is not None
        self._begun += bool(wanted)
        asked_at = time.monotonic()
        texts = [call.as_text() for call in wanted]
        while True:
            try:
                ours, at, begun = await runner._client.do_until_answered(
                    lambda: runner._ledger.chunks.record_and_begin(
                        chunk.name,
                        chunk.token,
                        chunk.job.application,
                        record=record,
                        recorded_no=self._recorded,
                        calls=texts,
                        begin_no=self._begun,
                    )
                )
                break
            except LedgerUnavailable:  # what was sent must not be forgotten, and nothing new leaves meanwhile
                await asyncio.sleep(AWAY_S)
        if not ours:
            log.warning("chunk_lost", job_id=chunk.name.job_id, chunk=chunk.name.number)
            chunk.lost = True
            return True
        if record is not None:
            runner.telling.written(chunk.job, record)
        chunk.lease_until = max(chunk.lease_until, asked_at + runner._s.lease_s - runner._s.http_total_s)
        if at != "sending":
            return True
        if begun is None:
            return False
        go, stay = leaving(wanted, begun.calls, begun.last)
        chunk.plan.first(stay)
        match begun.outcome:
            case "go":
                chunk.proved = chunk.proved or begun.proved
                runner._gates.admitted(chunk.job.application, asked_at, probe=begun.probe)
                runner.depart(chunk, go, begun.start_ms / 1000, begun.gap_ms / 1000)
                if begun.gap_ms > 0:  # again when half of what was given ahead is used
                    ahead_s = (begun.start_ms + begun.calls * begun.gap_ms) / 1000
                    self._ask_at = asked_at + max(_GATHER_S, ahead_s - SLOTS_AHEAD_MS / 2000)
            case "step" if chunk.in_flight:  # who is under way may have to be sent to again, and the step has room for them
                self._ask_at = asked_at + LOOK_AGAIN_S / 4
            case "wait":
                self._ask_at = asked_at + min(1.0, begun.wait_ms / 1000)
            case "expired":
                chunk.end_all(Mark.EXPIRED)
            case "cancelled":
                chunk.end_all(Mark.CANCELLED)
                chunk.held = "cancelled"
            case "lost":
                chunk.lost = True
            case other:  # paused, stopped, held by a gate, a step that has ended
                chunk.held = f"gate {begun.gate}" if other == "held" else other
                if other == "stopped":
                    runner.telling.stopped(chunk.job)
        return False

    async def _news(self, room: int) -> None:
        """Wait until there is enough to write down, or room to begin, or the time to ask again."""
        chunk = self._chunk
        chunk.news.clear()
        now = time.monotonic()
        wait_s = 5.0
        if chunk.has_record or room:
            wait_s = _GATHER_S - (now - self._stepped_at)
        elif len(chunk.plan) and not chunk.held:
            wait_s = min(1.0, self._ask_at - now) if self._ask_at > now else LOOK_AGAIN_S
        if wait_s <= 0:
            await asyncio.sleep(0)
        elif chunk.has_record or room:
            await asyncio.sleep(wait_s)  # more will come meanwhile, and each of them would wake this
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await chunk.news.wait()

    async def _let_go(self) -> None:
        """Nothing of the chunk is under way, and nothing may begin: it goes back, or waits for its next round."""
        chunk, runner = self._chunk, self._r
        if chunk.held == "cancelled":
            chunk.end_all(Mark.CANCELLED)
            for rest in chunk.take_record():
                await self._write(rest, [])
            if chunk.lost:
                return
        chunk.plan.drop()  # they wait as they are
        # Who failed in a step that has no room for others still has their backoff.
        back = not chunk.failed or (chunk.held and chunk.held != "step")
        record = ChunkRecord(end="back" if back else "due", log=chunk.log())
        if record.end == "due":
            record.wait_ms = int(wait_before(chunk.rounds + 2, runner._backoff, jitter=random.random()) * 1000) + 1
        await self._write(record, [])
