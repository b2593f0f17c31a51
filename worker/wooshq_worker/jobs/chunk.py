"""A chunk that this worker holds: its lease, its plan of calls, and the outcomes to record next. No I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Final

from wooshq.jobs.units import unpack
from wooshq.ledger.chunks import ChunkRecord, Later, TakenChunk
from wooshq.ledger.lost_workers import ranges_of, read, written
from wooshq.ledger.states import Mark
from wooshq_worker.jobs.failed_calls import FailedCalls
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.jobs.plan import Call, Plan

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import ChunkSpan

_REFUSED_BEFORE_CAUTION: Final = 2
"""Shared calls that may be refused, with none accepted in between, before the chunk makes one call at a time."""
_LETTERS: Final = 50
"""Dead letters in one record: Redis serves no one else while a script runs."""


class ActiveChunk:
    """
    lease_until: monotonic; after it no request may be written. held: why no further call starts; the chunk is given back when the calls in
    progress have ended. lost: another worker has the chunk; nothing may be recorded any more. proved: the API accepted a call of this job.
    """

    def __init__(self, taken: TakenChunk, job: JobInfo, *, asked_at: float, lease_s: float, suspects: Mapping[int, int]):
        self.name = taken.name
        self.token = taken.token
        self.job = job
        self.doubts = read(taken.doubted)  #: place → calls without an answer
        self.rounds = taken.rounds
        self.taken_at = asked_at  #: monotonic
        self.span: ChunkSpan | None = None  #: None if its trace is not recorded
        self._age_s = taken.age_ms / 1000
        self._ledger_offset = datetime.fromtimestamp(taken.now_ms / 1000, UTC) - timedelta(seconds=asked_at)
        self.failed: set[int] = set()  #: places that a call did not reach; the next round is for them
        self.later_until: float | None = None  #: monotonic; before it the next round must not begin
        self.has_failed = False  #: a call of this worker failed
        later = Later.of(taken.later)
        if later is not None and later.until_ms > taken.now_ms:
            self.later_until = asked_at + (later.until_ms - taken.now_ms) / 1000
            self.failed.update(
                place for first, last in later.ranges for place in range(first, last + 1) if taken.marks[place] == Mark.AGAIN
            )
        self._later = set(self.failed)  #: those of `failed` that wait for it
        self.plan = Plan(unpack(taken.data), taken.marks, suspects, doubted=self.doubts, later=self._later, has_rollout=job.has_rollout)
        self.lease_until = asked_at + lease_s
        self.calls_in_progress = 0
        self.proved = taken.proved
        self.lost = False
        self.held = ""
        self.failed_calls = FailedCalls(taken.log)
        self.changed = asyncio.Event()  #: the task of the chunk waits for it
        self.record = ChunkRecord()  #: what is to be recorded next
        self.shared_calls_refused = 0  #: since the last accepted call

    def ledger_time(self, monotonic: float) -> datetime:
        """A moment by the ledger's clock."""
        return self._ledger_offset + timedelta(seconds=monotonic)

    def age_s(self, at: float) -> float:
        """How long its recipients are retried already, at a moment (monotonic): since the first round, without the time in the queue."""
        return self._age_s + (at - self.taken_at if self.rounds else 0.0)

    def call_again(self, places: Collection[int], not_before: float | None) -> None:
        """These recipients are called again in the next round, not before a moment (monotonic)."""
        self.mark(Mark.AGAIN, sorted(places))
        self.failed.update(places)
        self.has_failed = True
        if not_before is not None:
            self.later_until = max(not_before, self.later_until or 0.0)
            self._later.update(places)

    def later(self, at: float) -> Later | None:
        """The recipients that must still wait at a moment (monotonic)."""
        if self.later_until is None or self.later_until <= at or not self._later:
            return None
        return Later(ceil(self.ledger_time(self.later_until).timestamp() * 1000), ranges_of(sorted(self._later)))

    @property
    def makes_one_call_at_a_time(self) -> bool:
        """
        Whether the API accepted nothing of the job yet, or refuses shared calls one after the other.

        If the message itself is refused, halving all shared calls at once would cost hundreds of calls before that is known.
        """
        return not self.proved or self.shared_calls_refused >= _REFUSED_BEFORE_CAUTION

    def hold(self, why: str) -> None:
        """Start no further call. The first reason counts."""
        self.held = self.held or why
        self.changed.set()

    def why_overdue(self, at: float) -> str | None:
        """Why no request may be written at a moment (monotonic): the lease or the job's time is over. None if one may."""
        if self.lost or at >= self.lease_until:
            return "lease"
        if self.job.expires_at is not None and at >= self.job.expires_at:
            return "expired"
        return None

    def mark(self, mark: Mark, places: Iterable[int]) -> None:
        """Record a mark for these places, which are in ascending order."""
        self.record.marks += [(mark, first, last) for first, last in ranges_of(list(places))]

    def put_back(self, call: Call, *, called: bool = False) -> None:
        """No recipient of a call was reached. called: at least one request was written, and the API did not accept it."""
        again = [place for place in call.places() if called or place in self.plan.was_again or place in self.failed]
        waiting = [place for place in call.places() if not (called or place in self.plan.was_again or place in self.failed)]
        self.mark(Mark.AGAIN, again)
        self.mark(Mark.WAITING, waiting)

    def end_all(self, mark: Mark) -> None:
        """End every recipient without a call in progress: the job has expired, or was cancelled."""
        for call in self.plan.take_all():
            self.mark(mark, call.places())
        self.mark(mark, sorted(self.failed))
        self.failed.clear()
        self._later.clear()

    def is_behind(self) -> bool:
        """Whether all recipients that are left are in doubt. No call is in progress."""
        return bool(self.doubts) and all(place in self.doubts for place in (*self.failed, *self.plan.places()))

    @property
    def outcomes_to_record(self) -> int:
        """Outcomes that are not recorded yet."""
        return len(self.record.marks) + len(self.record.letters)

    def take_records(self) -> list[ChunkRecord]:
        """What is to be recorded, in records of bounded size; empty if there is nothing."""
        whole, self.record = self.record, ChunkRecord()
        if not whole:
            return []
        if whole.doubts:
            whole.doubted = written(self.doubts)
        if len(whole.letters) <= _LETTERS:
            return [whole]
        parts = [ChunkRecord(letters=whole.letters[at : at + _LETTERS]) for at in range(0, len(whole.letters), _LETTERS)]
        whole.letters = []
        # The letters come first: a recipient that is marked dead has a letter.
        return [*parts, whole]
