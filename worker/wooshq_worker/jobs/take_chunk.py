"""Which chunk does this worker take next? One of the job that has waited longest for its turn."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from wooshq.ledger import lost_workers
from wooshq.ledger.chunks import ChunkName, TakenChunk
from wooshq.ledger.gates import Gate, may_leave, read
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.replies import as_row, ms, text
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, NewerModel
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.jobs.suspects import suspects_at_once
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.bulk")

_JOBS_KNOWN: Final = 64
_PAGE: Final = 64
"""Jobs that are read together."""
_MOST_JOBS: Final = 1024
"""Waiting jobs that are read for one turn: behind a shut gate there may be many."""
_CHUNKS_TRIED: Final = 4
"""Chunks of one job that are tried: other workers may take the first ones meanwhile."""


class ChunkTaker:
    """Takes chunks; remembers what it has read of their jobs."""

    def __init__(self, settings: Settings, ledger: JobLedger, client: LedgerClient) -> None:
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._jobs: OrderedDict[str, JobInfo] = OrderedDict()

    async def take(self, active: Collection[ActiveChunk]) -> ActiveChunk | None:
        """
        The chunk whose turn it is, or None. active: chunks that this worker holds already.

        A job of which the worker holds a chunk comes after all others; it is skipped if that chunk has calls that wait, because a second
        chunk would only wait with it. Raises LedgerUnavailable.
        """
        keys = self._ledger.keys
        ours = {chunk.job.id for chunk in active}
        for at in range(0, _MOST_JOBS, _PAGE):
            page, time_, flat = await self._client.ask(
                ("ZRANGE", keys.fixed("turns"), at, at + _PAGE - 1), ("TIME",), ("HGETALL", keys.fixed("gates"))
            )
            ids = [text(i) for i in page]
            now_ms = ms(time_)
            gates = read(flat, now_ms)
            shut = await self._behind_shut_gates(ids, gates, now_ms) if gates else set()
            for job_id in sorted(ids, key=lambda i: i in ours):
                if job_id in shut or (job_id in ours and any(chunk.job.id == job_id and len(chunk.plan) for chunk in active)):
                    continue
                job = await self._job(job_id)
                if job is not None and (chunk := await self._take_first(job)) is not None:
                    return chunk
            if len(ids) < _PAGE:
                break
        return None

    async def _behind_shut_gates(self, ids: Sequence[str], gates: Sequence[Gate], now_ms: int) -> set[str]:
        applications = await self._client.ask(*(("HGET", self._ledger.keys.job(i), "app") for i in ids)) if ids else []
        return {
            job_id
            for job_id, application in zip(ids, applications, strict=True)
            if application is not None and not may_leave(gates, text(application), now_ms, probes=self._s.probes, most=1, lane="bulk")
        }

    async def _take_first(self, job: JobInfo) -> ActiveChunk | None:
        """The first chunk of a job that no other worker takes."""
        (numbers,) = await self._client.ask(("ZRANGE", self._ledger.keys.job_part(job.id, "queued"), 0, _CHUNKS_TRIED - 1))
        for number in map(int, numbers):
            chunk = await self._take(ChunkName(job.id, number), job)
            if isinstance(chunk, ActiveChunk):
                return chunk
            if chunk != "taken":
                return None
        return None

    async def _take(self, name: ChunkName, job: JobInfo) -> ActiveChunk | str:
        """The chunk, or why it was not taken."""
        token = uuid.uuid4().hex
        asked_at = time.monotonic()
        taken = await self._client.do_until_answered(lambda: self._ledger.chunks.take(name, token))
        if not isinstance(taken, TakenChunk):
            return taken
        suspects = {
            place: suspects_at_once(lost, self._s.poison_after)
            for place, lost in lost_workers.read(taken.losses).items()
            if lost >= self._s.suspect_after
        }
        return ActiveChunk(taken, job, asked_at=asked_at, lease_s=self._s.lease_s - self._s.http_total_s, suspects=suspects)

    async def _job(self, job_id: str) -> JobInfo | None:
        """A job; None if it is gone, or if a newer wooshq made it."""
        if (known := self._jobs.get(job_id)) is not None:
            self._jobs.move_to_end(job_id)
            return known
        asked_at = time.monotonic()
        flat, time_ = await self._client.ask(("HGETALL", self._ledger.keys.job(job_id)), ("TIME",))
        row = as_row(flat)
        if not row:
            return None
        try:
            job = JobInfo.from_row(job_id, row, self._s, now_ms=ms(time_), asked_at=asked_at)
        except (NewerModel, IntentInvalid) as error:
            log.warning("job_not_understood", job_id=job_id, error=type(error).__name__)
            return None
        self._jobs[job_id] = job
        while len(self._jobs) > _JOBS_KNOWN:
            self._jobs.popitem(last=False)
        return job
