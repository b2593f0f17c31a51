"""Fan-out for asyncio, under the same names as `wooshq.bulk.client`; every decision is shared with it."""

from __future__ import annotations

import asyncio
import builtins
import tempfile
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from wooshq.errors import FeedInterrupted, JobUnknown, LedgerUnavailable, NotAccepted, Problem
from wooshq.jobs import show as jobs
from wooshq.jobs.calls import MOST_TURNS, PATIENCE_S, interrupted
from wooshq.jobs.duplicates import Duplicates
from wooshq.jobs.feed import (
    MOST_ERRORS,
    TOGETHER,
    Feeding,
    Given,
    JobRules,
    Opened,
    Refused,
    batched,
    broken_off,
    check_resumed,
    check_stream,
    new_job,
    open_job,
    reopen_job,
    steps_of,
    understood,
)
from wooshq.jobs.show import InDoubt, Job
from wooshq.ledger.chunks import Chunk
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.steps import Steps
from wooshq.settings import Settings

if TYPE_CHECKING:
    from wooshq.installation.installation import Installation
    from wooshq.letters.replay import Replayed

T = TypeVar("T")
_AGAIN_S = 0.5
_ROOM_S = 0.5
_POLL_S = 0.25


class AsyncOwner(Protocol):
    """What of `AsyncWooshq` is needed here."""

    installation: Installation

    @property
    def settings(self) -> Settings: ...
    async def do(self, steps: Steps[T]) -> T: ...


class AsyncJobHandle:
    """A job to watch, pause, cancel; see `BulkJob`."""

    def __init__(self, bulk: AsyncJobs, job_id: str) -> None:
        self._bulk = bulk
        self.id = job_id
        self.is_new = True
        self.refused = 0
        self.duplicates = 0
        self.errors: dict[int, tuple[Problem, ...]] = {}

    async def show(self) -> Job:
        """Where it is. Raises JobUnknown."""
        return await self._bulk.show(self.id)

    async def pause(self, why: str = "paused by hand") -> Job:
        """Hold it; calls under way end."""
        return await self._bulk.pause(self.id, why)

    async def resume(self) -> Job:
        """Let it go on; of a roll-out, with its next step."""
        return await self._bulk.resume(self.id)

    async def cancel(self) -> Job:
        """Take it back: who was not sent to never will be."""
        return await self._bulk.cancel(self.id)

    async def wait(self, within_s: float | None = None, watch: Callable[[Job], object] = lambda job: None) -> Job:
        """Wait until it has ended, or is held by itself or a person; `watch` is shown it meanwhile."""
        ends = None if within_s is None else time.monotonic() + within_s
        while True:
            job = await self.show()
            watch(job)
            if job.is_at_rest:
                return job
            if ends is not None and time.monotonic() >= ends:
                return job
            await asyncio.sleep(_POLL_S)

    def __repr__(self) -> str:
        return f"<AsyncBulkJob {self.id}>"


class AsyncJobs:
    """Jobs: list, show, pause, resume, cancel, and what is kept of single recipients."""

    def __init__(self, owner: AsyncOwner) -> None:
        self._w = owner
        self._ledger: JobLedger | None = None

    @property
    def ledger(self) -> JobLedger:
        if self._ledger is None:
            self._ledger = JobLedger(self._w.settings)
        return self._ledger

    async def list(self, *, most: int | None = None) -> builtins.list[Job]:
        """Jobs, the newest first."""
        return await self._w.do(jobs.every(self.ledger.keys, most=most))

    async def show(self, job_id: str) -> Job:
        """Where a job is. Raises JobUnknown."""
        return await self._w.do(jobs.show(self.ledger.keys, job_id))

    async def pause(self, job_id: str, why: str = "paused by hand") -> Job:
        """Hold a job; calls under way end, and `gone_out` says how many had gone. Raises JobUnknown."""
        return await self._moved(job_id, "pause", why)

    async def resume(self, job_id: str) -> Job:
        """Let a job go on that was paused or stopped; of a roll-out, with its next step. Raises JobUnknown."""
        return await self._moved(job_id, "resume")

    async def cancel(self, job_id: str) -> Job:
        """Take a job back: who was not sent to never will be; `gone_out` says who was. Raises JobUnknown."""
        await self._moved(job_id, "cancel")
        while await self._w.do(jobs.sweep(self.ledger, job_id)):
            pass
        return await self.show(job_id)

    async def _moved(self, job_id: str, event: Literal["pause", "resume", "cancel"], why: str = "") -> Job:
        state, moved, queued = await self._w.do(self.ledger.move(job_id, event, why))
        if state == "gone":
            raise JobUnknown("no job has this id: it may be mistyped, or ended longer ago than WOOSHQ_RETENTION_S")
        if event == "resume" and moved:
            self._w.installation.publisher.call_turns(min(queued, MOST_TURNS))
        return await self.show(job_id)

    async def retry_failed(self, job_id: str, *, dry_run: bool = False, rate: float | None = None, in_doubt: bool = False) -> Replayed:
        """Replay the job's open dead letters: nobody who was reached gets it again, unless in_doubt. Raises JobUnknown."""
        await self.show(job_id)
        done: Replayed = await self._w.dead_letters.replay(  # type: ignore[attr-defined]
            bulk=job_id, dry_run=dry_run, rate=rate, in_doubt=in_doubt
        )
        return done

    async def recount(self, job_id: str) -> dict[str, int]:
        """The job's counters as its chunks have them. Raises JobUnknown where they are no longer kept."""
        return await self._w.do(jobs.recount(self.ledger.keys, job_id))

    async def unknown_identifiers(self, job_id: str) -> AsyncIterator[str]:
        """Every identifier of the job that the API did not know. Raises JobUnknown."""
        await self.show(job_id)
        for steps in jobs.unknown_identifiers(self.ledger.keys, job_id):
            page = await self._w.do(steps)
            if not page:
                return
            for one in page:
                yield one

    async def in_doubt(self, job_id: str) -> AsyncIterator[InDoubt]:
        """Every recipient of the job who may have got it twice, or may have, the oldest case first. Raises JobUnknown."""
        await self.show(job_id)
        after: str | None = "0"
        while after is not None:
            found, after = await self._w.do(jobs.in_doubt(self.ledger.keys, job_id, after))
            for one in found:
                yield one

    # Feeding

    async def fan_out(
        self,
        template: Any,
        recipients: Iterable[Given] | AsyncIterable[Given],
        *,
        rate: float | None = None,
        steps: str | Sequence[int | str] = (),
        total: int | None = None,
        stop_at: float | None = None,
        step_wait_s: float | None = None,
        resume: str | None = None,
        refused: Callable[[Refused], object] | None = None,
        opened: Callable[[str], object] = lambda job_id: None,
        fed: Callable[[], object] = lambda: None,
        source: str = "",
    ) -> AsyncJobHandle:
        """Send a template to each recipient once, of an iterable or an async one; see `wooshq.fan_out`. Other tasks get their turn."""
        settings = self._w.settings
        if not isinstance(recipients, AsyncIterable):
            check_stream(recipients)
        if resume is not None:
            check_resumed(rate, steps, total, stop_at, step_wait_s)
        try:
            if resume is not None:
                job = await self._w.do(reopen_job(self.ledger, resume))
            else:
                rules = JobRules(rate, steps_of(steps, total), stop_at, step_wait_s)
                wanted, checked = new_job(template, settings, rules, source=source)
                job = await self._w.do(open_job(self.ledger, wanted, checked))
        except LedgerUnavailable as error:
            raise NotAccepted(f"{error}. No job was begun; it is safe to call again.") from error
        opened(job.id)
        handle = AsyncJobHandle(self, job.id)
        handle.is_new = job.new

        def note(one: Refused) -> None:
            if len(handle.errors) < MOST_ERRORS:
                handle.errors[one.place] = one.problems
            if refused is not None:
                refused(one)

        with Duplicates(Path(tempfile.gettempdir())) as once:
            feeding = Feeding(job.template, job.list_limit, once, note)
            try:
                takes = await self._feed(job, feeding, recipients, fed)
            except (FeedInterrupted, NotAccepted):
                raise
            except Exception as error:
                error.add_note(broken_off(job.id, feeding))
                raise
            if takes:
                ended = await self._patiently(job.id, lambda: feeding.ended(self.ledger, job.id))
                understood(ended, job.id, feeding.seen)
        handle.refused, handle.duplicates = feeding.refused, feeding.duplicates
        return handle

    async def _feed(
        self, job: Opened, feeding: Feeding, recipients: Iterable[Given] | AsyncIterable[Given], fed: Callable[[], object]
    ) -> bool:
        """Put everybody in. False where the job takes no more: somebody cancelled it."""
        async for batch in _batches(recipients):
            for chunk in feeding.take(batch):
                if not await self._put(job.id, chunk, fed, feeding.seen):
                    return False
            fed()
            await asyncio.sleep(0)
        for chunk in feeding.end():
            if not await self._put(job.id, chunk, fed, feeding.seen):
                return False
        return True

    async def _put(self, job_id: str, chunk: Chunk, fed: Callable[[], object], seen: int) -> bool:
        answer = await self._patiently(job_id, lambda: self.ledger.chunks.feed(job_id, chunk))
        if not understood(answer.outcome, job_id, seen):
            return False
        if answer.outcome == "fed":
            self._w.installation.publisher.call_turns(1)
            if answer.open_chunks >= self._w.settings.bulk_open_chunks:
                await self._wait_for_room(job_id, fed)
        return True

    async def _wait_for_room(self, job_id: str, fed: Callable[[], object]) -> None:
        while True:
            fed()
            await self._patiently(job_id, lambda: self.ledger.wait_for_room(job_id, _ROOM_S))
            job = await self.show(job_id)
            if job.chunks - job.chunks_done < self._w.settings.bulk_open_chunks or job.state in ("cancelled", "done"):
                return

    async def _patiently(self, job_id: str, steps: Callable[[], Steps[T]]) -> T:
        """Carry out steps that know their own first run, again while the ledger is away for a moment."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._w.do(steps())
            except LedgerUnavailable as error:
                if time.monotonic() > ends:
                    raise interrupted(error, job_id) from error
                await asyncio.sleep(_AGAIN_S)


async def _batches(recipients: Iterable[Given] | AsyncIterable[Given]) -> AsyncIterator[list[Given]]:
    if not isinstance(recipients, AsyncIterable):
        for batch in batched(recipients):
            yield batch
        return
    waiting: list[Given] = []
    async for one in recipients:
        waiting.append(one)
        if len(waiting) >= TOGETHER:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
