"""Fan-out as producers and operators call it; `wooshq.bulk.aio` has the same names for asyncio."""

from __future__ import annotations

import builtins
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar

from wooshq.errors import FeedInterrupted, JobUnknown, LedgerUnavailable, NotAccepted, Problem
from wooshq.jobs import show as jobs
from wooshq.jobs.duplicates import Duplicates
from wooshq.jobs.feed import (
    MOST_ERRORS,
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
from wooshq.ledger.chunks import Chunk, Fed
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.steps import Steps
from wooshq.settings import Settings

if TYPE_CHECKING:
    from wooshq.installation.installation import Installation
    from wooshq.letters.replay import Replayed

T = TypeVar("T")

#: How long a fan-out waits for a ledger that is away before it gives up; what was fed goes out meanwhile.
PATIENCE_S: Final = 30.0
_AGAIN_S: Final = 0.5
_ROOM_S: Final = 0.5
_POLL_S: Final = 0.25
#: Turns that are called at once; the keeper calls more where chunks wait and the lane is empty.
MOST_TURNS: Final = 100


class Owner(Protocol):
    """What of `Wooshq` is needed here."""

    installation: Installation

    @property
    def settings(self) -> Settings: ...
    def do(self, steps: Steps[T]) -> T: ...


class JobHandle:
    """A job to watch, pause, cancel. refused, errors, duplicates: of the stream that it was made from."""

    def __init__(self, bulk: Jobs, job_id: str) -> None:
        self._bulk = bulk
        self.id = job_id
        self.is_new = True
        """False where it was begun earlier: resumed, or known by the template's idempotency key."""
        self.refused = 0
        """How many were no recipients."""
        self.duplicates = 0
        """How many came again; each was taken once."""
        self.errors: dict[int, tuple[Problem, ...]] = {}
        """Place in the stream → problems, for the first 10,000 that were no recipients."""

    def show(self) -> Job:
        """Where it is. Raises JobUnknown."""
        return self._bulk.show(self.id)

    def pause(self, why: str = "paused by hand") -> Job:
        """Hold it; calls under way end."""
        return self._bulk.pause(self.id, why)

    def resume(self) -> Job:
        """Let it go on; of a roll-out, with its next step."""
        return self._bulk.resume(self.id)

    def cancel(self) -> Job:
        """Take it back: who was not sent to never will be."""
        return self._bulk.cancel(self.id)

    def wait(self, within_s: float | None = None, watch: Callable[[Job], object] = lambda job: None) -> Job:
        """Wait until it has ended, or is held by itself or a person; `watch` is shown it meanwhile."""
        ends = None if within_s is None else time.monotonic() + within_s
        while True:
            job = self.show()
            watch(job)
            if job.is_at_rest:
                return job
            if ends is not None and time.monotonic() >= ends:
                return job
            time.sleep(_POLL_S)

    def __repr__(self) -> str:
        return f"<BulkJob {self.id}>"


class Jobs:
    """Jobs: list, show, pause, resume, cancel, and what is kept of single recipients."""

    def __init__(self, owner: Owner) -> None:
        self._w = owner
        self._ledger: JobLedger | None = None

    @property
    def ledger(self) -> JobLedger:
        if self._ledger is None:
            self._ledger = JobLedger(self._w.settings)
        return self._ledger

    def list(self, *, most: int | None = None) -> builtins.list[Job]:
        """Jobs, the newest first."""
        return self._w.do(jobs.every(self.ledger.keys, most=most))

    def show(self, job_id: str) -> Job:
        """Where a job is. Raises JobUnknown."""
        return self._w.do(jobs.show(self.ledger.keys, job_id))

    def pause(self, job_id: str, why: str = "paused by hand") -> Job:
        """Hold a job; calls under way end, and `gone_out` says how many had gone. Raises JobUnknown."""
        return self._moved(job_id, "pause", why)

    def resume(self, job_id: str) -> Job:
        """Let a job go on that was paused or stopped; of a roll-out, with its next step. Raises JobUnknown."""
        return self._moved(job_id, "resume")

    def cancel(self, job_id: str) -> Job:
        """Take a job back: who was not sent to never will be; `gone_out` says who was. Raises JobUnknown."""
        self._moved(job_id, "cancel")
        while self._w.do(jobs.sweep(self.ledger, job_id)):
            pass
        return self.show(job_id)

    def _moved(self, job_id: str, event: Literal["pause", "resume", "cancel"], why: str = "") -> Job:
        state, moved, queued = self._w.do(self.ledger.move(job_id, event, why))
        if state == "gone":
            raise JobUnknown("no job has this id: it may be mistyped, or ended longer ago than WOOSHQ_RETENTION_S")
        if event == "resume" and moved:
            self._w.installation.publisher.call_turns(min(queued, MOST_TURNS))
        return self.show(job_id)

    def retry_failed(self, job_id: str, *, dry_run: bool = False, rate: float | None = None, in_doubt: bool = False) -> Replayed:
        """
        Replay the job's open dead letters: nobody who was reached gets it again. Raises JobUnknown.

        in_doubt: also those who may have been reached (reasons `unknown`, `poison`), who may then get it twice.
        """
        self.show(job_id)
        replay: Callable[..., Replayed] = self._w.dead_letters.replay  # type: ignore[attr-defined]
        return replay(bulk=job_id, dry_run=dry_run, rate=rate, in_doubt=in_doubt)

    def recount(self, job_id: str) -> dict[str, int]:
        """The job's counters as its chunks have them. Raises JobUnknown where they are no longer kept."""
        return self._w.do(jobs.recount(self.ledger.keys, job_id))

    def unknown_identifiers(self, job_id: str) -> Iterator[str]:
        """Every identifier of the job that the API did not know. Raises JobUnknown."""
        self.show(job_id)
        for steps in jobs.unknown_identifiers(self.ledger.keys, job_id):
            page = self._w.do(steps)
            if not page:
                return
            yield from page

    def in_doubt(self, job_id: str) -> Iterator[InDoubt]:
        """Every recipient of the job who may have got it twice, or may have, the oldest case first. Raises JobUnknown."""
        self.show(job_id)
        after: str | None = "0"
        while after is not None:
            found, after = self._w.do(jobs.in_doubt(self.ledger.keys, job_id, after))
            yield from found

    # Feeding

    def fan_out(
        self,
        template: Any,
        recipients: Iterable[Given],
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
    ) -> JobHandle:
        """
        Send a template (an intent without `to`) to each recipient once; when this returns, all of them are in the ledger.

        recipients: any iterable of mappings (`{"user": "u1", "name": "Ann"}`) or user ids; memory does not grow with them, and where the
        workers are slower this waits. refused: told of each that is no recipient; they stop nothing. opened: told the job's id. fed: called
        now and then while it waits. rate, steps, total, stop_at, step_wait_s: see `Rules` and `steps_of`. resume: a job whose feeding was
        interrupted; give it the same recipients, and no rules: it has its own. source: kept with the job, for people.

        Raises TypeError for what is no stream of recipients (a single one, a mapping), IntentInvalid (the template), Conflict (its idempotency key with another template), ValueError (the rules), NotAccepted (the
        ledger is out of reach, and there is no job), FeedInterrupted (later; carries the id to resume with), RecipientsChanged, JobUnknown.
        """
        settings = self._w.settings
        check_stream(recipients)
        if resume is not None:
            check_resumed(rate, steps, total, stop_at, step_wait_s)
        try:
            if resume is not None:
                job = self._w.do(reopen_job(self.ledger, resume))
            else:
                rules = JobRules(rate, steps_of(steps, total), stop_at, step_wait_s)
                wanted, checked = new_job(template, settings, rules, source=source)
                job = self._w.do(open_job(self.ledger, wanted, checked))
        except LedgerUnavailable as error:
            raise NotAccepted(f"{error}. No job was begun; it is safe to call again.") from error
        opened(job.id)
        handle = JobHandle(self, job.id)
        handle.is_new = job.new

        def note(one: Refused) -> None:
            if len(handle.errors) < MOST_ERRORS:
                handle.errors[one.place] = one.problems
            if refused is not None:
                refused(one)

        with Duplicates(Path(tempfile.gettempdir())) as once:
            feeding = Feeding(job.template, job.list_limit, once, note)
            try:
                takes = self._feed(job, feeding, recipients, fed)
            except (FeedInterrupted, NotAccepted):
                raise
            except Exception as error:
                error.add_note(broken_off(job.id, feeding))
                raise
            if takes:
                ended = self._patiently(job.id, lambda: feeding.ended(self.ledger, job.id))
                understood(ended, job.id, feeding.seen)
        handle.refused, handle.duplicates = feeding.refused, feeding.duplicates
        return handle

    def _feed(self, job: Opened, feeding: Feeding, recipients: Iterable[Given], fed: Callable[[], object]) -> bool:
        """Put everybody in. False where the job takes no more: somebody cancelled it."""
        for batch in batched(recipients):
            for chunk in feeding.take(batch):
                if not self._put(job.id, chunk, fed, feeding.seen):
                    return False
            fed()
        return all(self._put(job.id, chunk, fed, feeding.seen) for chunk in feeding.end())

    def _put(self, job_id: str, chunk: Chunk, fed: Callable[[], object], seen: int) -> bool:
        answer: Fed = self._patiently(job_id, lambda: self.ledger.chunks.feed(job_id, chunk))
        if not understood(answer.outcome, job_id, seen):
            return False
        if answer.outcome == "fed":
            self._w.installation.publisher.call_turns(1)
            if answer.open_chunks >= self._w.settings.bulk_open_chunks:
                self._wait_for_room(job_id, fed)
        return True

    def _wait_for_room(self, job_id: str, fed: Callable[[], object]) -> None:
        while True:
            fed()
            self._patiently(job_id, lambda: self.ledger.wait_for_room(job_id, _ROOM_S))
            job = self.show(job_id)
            if job.chunks - job.chunks_done < self._w.settings.bulk_open_chunks or job.state in ("cancelled", "done"):
                return

    def _patiently(self, job_id: str, steps: Callable[[], Steps[T]]) -> T:
        """Carry out steps that know their own first run, again while the ledger is away for a moment."""
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._w.do(steps())
            except LedgerUnavailable as error:
                if time.monotonic() > ends:
                    raise interrupted(error, job_id) from error
                time.sleep(_AGAIN_S)


def interrupted(error: LedgerUnavailable, job_id: str) -> FeedInterrupted:
    """What is said when the ledger stays away in the middle of feeding."""
    return FeedInterrupted(
        f"{error}. The job {job_id} has some of the recipients, and sends to them. Go on with the others by giving the same recipients again "
        f"with resume={job_id!r}",
        job_id=job_id,
    )
