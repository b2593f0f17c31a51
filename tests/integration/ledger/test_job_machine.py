"""Jobs against a model of one byte per recipient: real scripts in any order, each held to its header."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.rig import APPLICATION, some_settings
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import new_id
from wooshq.jobs import show as jobs
from wooshq.jobs.units import Unit, pack
from wooshq.ledger.chunks import ChunkName, ChunkRecord, DeadRecipient, Doubt, TakenChunk
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.lost_workers import after, read
from wooshq.ledger.run import run
from wooshq.ledger.scripts import source_of
from wooshq.ledger.states import FINAL_MARKS, JOB_MOVES, JobEvent, JobState, Mark
from wooshq.ledger.steps import Steps
from wooshq_worker.keeper.history.ledger import EventLedger

#: So far away that it never comes while a test runs; the tests move it.
HOUR_MS = 3_600_000

FEW = 2
NON_FINAL = (Mark.WAITING, Mark.SENDING, Mark.AGAIN)


@dataclass
class KnownChunk:
    marks: list[str]
    at: str = "queued"  #: queued, sending, retrying, done
    token: str = ""
    losses: dict[int, int] = field(default_factory=dict)


@dataclass
class KnownJob:
    state: JobState = JobState.RUNNING
    fed: bool = False
    ended: bool = False
    proved: bool = False
    chunks: list[KnownChunk] = field(default_factory=list)
    calls: int = 0
    unknown: int = 0
    letters: int = 0


class JobMachine(RuleBasedStateMachine):
    """Each rule does what a producer, a worker, the keeper or an operator does, and keeps its own account."""

    url = ""
    jobs_ = Bundle("jobs")
    held = Bundle("held")

    @initialize()
    def start(self) -> None:
        self.watched = WatchedLedger(self.url)
        self.redis = self.watched.redis
        self.redis.flushdb()
        self.settings = some_settings(lease_s=3600.0, bulk_stop_after=6)
        self.ledger = JobLedger(self.settings)
        self.do(EventLedger(self.settings).listen(10**9))
        self.known: dict[str, KnownJob] = {}
        self.taken: list[TakenChunk] = []
        self.no: Counter[str] = Counter()

    def teardown(self) -> None:
        if hasattr(self, "watched"):
            self.watched.close()

    def do(self, steps: Steps[Any]) -> Any:
        return self.watched.do(steps)

    def chunk(self, name: ChunkName) -> KnownChunk:
        return self.known[name.job_id].chunks[name.number]

    def settle(self, job: KnownJob) -> None:
        """End the job if every recipient in it has ended."""
        if all(chunk.at == "done" for chunk in job.chunks) and (job.fed or job.state is JobState.CANCELLED):
            job.ended = True
            if job.state is not JobState.CANCELLED:
                job.state = JobState.DONE

    # The producer

    @precondition(lambda self: len(self.known) < FEW)
    @rule(target=jobs_, twice=st.booleans())
    def open(self, twice: bool) -> str:
        job = NewJob(new_id(), "{}", "digest", APPLICATION, 10)
        for _ in range(1 + twice):
            assert self.do(self.ledger.open(job)) == ""
        self.known[job.id] = KnownJob()
        return job.id

    @rule(job_id=jobs_, size=st.integers(1, 6), twice=st.booleans())
    def feed(self, job_id: str, size: int, twice: bool) -> None:
        job = self.known[job_id]
        if len(job.chunks) >= FEW:
            return
        number = len(job.chunks)
        chunk = pack(number, [Unit("users", None, (), tuple(f"{number}-{i}" for i in range(size)))])
        outcome = self.do(self.ledger.chunks.feed(job_id, chunk)).outcome
        takes = not job.fed and job.state not in (JobState.CANCELLED, JobState.DONE)
        assert (outcome == "fed") is takes
        if not takes:
            return
        job.chunks.append(KnownChunk([Mark.WAITING] * size))
        if twice:
            assert self.do(self.ledger.chunks.feed(job_id, chunk)).outcome == "same"
            other = pack(number, [Unit("users", None, (), ("somebody else",))])
            assert self.do(self.ledger.chunks.feed(job_id, other)).outcome == "differs"
        assert self.do(self.ledger.chunks.feed(job_id, pack(number + 2, [Unit("users", None, (), ("x",))]))).outcome == "gap"

    @rule(job_id=jobs_, twice=st.booleans())
    def end_feeding(self, job_id: str, twice: bool) -> None:
        job = self.known[job_id]
        job.fed = True
        if not job.ended:
            self.settle(job)
        for _ in range(1 + twice):
            assert self.do(self.ledger.fed(job_id, refused=0, duplicates=0, chunks=len(job.chunks))) == job.state

    # Workers

    @rule(target=held, job_id=jobs_, data=st.data(), twice=st.booleans())
    def take(self, job_id: str, data: st.DataObject, twice: bool) -> Any:
        job = self.known[job_id]
        if not job.chunks:
            return multiple()
        name = ChunkName(job_id, data.draw(st.integers(0, len(job.chunks) - 1)))
        token = new_id()
        taken = self.do(self.ledger.chunks.take(name, token))
        chunk = self.chunk(name)
        elsewhere = any(other.at == "sending" for other in job.chunks)
        may = job.state is JobState.RUNNING and chunk.at == "queued" and (job.proved or not elsewhere)
        assert isinstance(taken, TakenChunk) is may, taken
        if not may:
            return multiple()
        assert taken.marks == "".join(chunk.marks)
        # Losses of a recipient that has ended do not matter any more, and may still be there.
        assert {place: n for place, n in read(taken.losses).items() if chunk.marks[place] not in FINAL_MARKS} == {
            place: n for place, n in chunk.losses.items() if chunk.marks[place] not in FINAL_MARKS
        }
        if twice:
            assert self.do(self.ledger.chunks.take(name, token)).marks == taken.marks
        chunk.at, chunk.token = "sending", token
        self.taken.append(taken)
        return taken

    @rule(taken=held, data=st.data(), twice=st.booleans())
    def begin(self, taken: TakenChunk, data: st.DataObject, twice: bool) -> None:
        taken = self.draw_held(data, taken)
        job, chunk = self.known[taken.name.job_id], self.chunk(taken.name)
        first = data.draw(st.integers(0, len(chunk.marks) - 1))
        last = data.draw(st.integers(first, len(chunk.marks) - 1))
        holds = chunk.token == taken.token
        if holds and any(chunk.marks[place] not in (Mark.WAITING, Mark.AGAIN) for place in range(first, last + 1)):
            return  # a worker never asks for recipients that have ended, or that it is sending to
        self.no[taken.token] += 1  # each worker counts from one
        number = self.no[taken.token]
        step = lambda: self.ledger.chunks.record_and_begin(  # noqa: E731
            taken.name, taken.token, APPLICATION, record=None, recorded_no=0, calls=[f"{first}-{last}"], begin_no=number
        )
        _, _, begun = self.do(step())
        if not holds:
            assert begun.outcome == "lost"
            return
        assert begun.outcome == ("go" if job.state is JobState.RUNNING else job.state)
        if begun.outcome == "go":
            assert (begun.calls, begun.last) == (1, last - first + 1)
            chunk.marks[first : last + 1] = [Mark.SENDING] * (last - first + 1)
        if twice:
            assert self.do(step())[2] == begun

    def draw_held(self, data: st.DataObject, taken: TakenChunk) -> TakenChunk:
        """Mostly a chunk that a worker holds: the one that was drawn, or another one if its lease is lost."""
        if self.chunk(taken.name).token == taken.token or data.draw(st.integers(0, 3)) == 0:
            return taken
        return next((other for other in self.taken if self.chunk(other.name).token == other.token), taken)

    @rule(
        data=st.data(),
        taken=held,
        outcome=st.sampled_from([Mark.SENT, Mark.DEAD, Mark.UNKNOWN, Mark.AGAIN, Mark.WAITING, Mark.EXPIRED]),
        doubt=st.booleans(),
        end=st.sampled_from([None, None, "back", "due"]),
        twice=st.booleans(),
    )
    def record(self, data: st.DataObject, taken: TakenChunk, outcome: Mark, doubt: bool, end: Any, twice: bool) -> None:
        """The outcome for all recipients that are being sent to. A worker that lost the lease changes nothing."""
        taken = self.draw_held(data, taken)
        job, chunk = self.known[taken.name.job_id], self.chunk(taken.name)
        holds = chunk.token == taken.token
        if not holds and taken.token and chunk.at == "done":
            return  # the record of an ended chunk is repeated below, with `twice`
        in_progress = [place for place, mark in enumerate(chunk.marks) if mark == Mark.SENDING]
        record = ChunkRecord(
            marks=[(outcome, place, place) for place in in_progress] or [], calls=len(in_progress), end=end, wait_ms=HOUR_MS, log=""
        )
        if outcome is Mark.SENT and in_progress:
            record.accepted = 1
        if outcome is Mark.DEAD:
            record.letters = [
                DeadRecipient(new_id(), '{"to":{"users":["x"]}}', APPLICATION, "rejected", "no", "HTTP_400", "{}") for _ in in_progress
            ]
        if outcome is Mark.UNKNOWN:
            record.unknown = [str(place) for place in in_progress]
        if doubt and in_progress:
            record.doubts = [Doubt("an answer was lost", [str(place) for place in in_progress])]
        self.no[taken.token] += 1  # each worker counts from one
        number = self.no[taken.token]
        step = lambda: self.ledger.chunks.record_and_begin(  # noqa: E731
            taken.name, taken.token, APPLICATION, record=record, recorded_no=number, calls=[], begin_no=0
        )
        before = self.everything()
        ours, at, _ = self.do(step())
        assert ours is holds
        if not holds:
            assert self.everything() == before
            return
        for place in in_progress:
            chunk.marks[place] = outcome
        job.calls += len(in_progress)
        job.unknown += len(in_progress) if record.doubts else 0
        job.letters += len(record.letters)
        job.proved = job.proved or record.accepted > 0
        if all(mark in FINAL_MARKS for mark in chunk.marks):
            chunk.at, chunk.token = "done", ""
            self.settle(job)
        elif end:
            chunk.at, chunk.token = ("queued" if end == "back" else "retrying"), ""
        assert at == chunk.at
        if twice:
            after = self.everything()
            assert self.do(step())[:2] == (True, at)
            assert self.everything() == after

    @rule(
        target=held,
        job_id=jobs_,
        data=st.data(),
        outcome=st.sampled_from([Mark.SENT, Mark.DEAD, Mark.AGAIN, Mark.WAITING]),
        end=st.sampled_from([None, "back", "due"]),
    )
    def a_worker_s_round(self, job_id: str, data: st.DataObject, outcome: Mark, end: Any) -> Any:
        """The usual order, which chance alone seldom finds: take, begin, record."""
        taken = self.take(job_id, data, twice=False)
        if not isinstance(taken, TakenChunk):
            return multiple()
        self.begin(taken, data, twice=False)
        self.record(data, taken, outcome, doubt=False, end=end, twice=False)
        return taken

    # The keeper

    @rule(taken=held, data=st.data())
    def a_lease_ends(self, taken: TakenChunk, data: st.DataObject) -> None:
        job, chunk = self.known[taken.name.job_id], self.chunk(taken.name)
        marks = "".join(chunk.marks)
        sent_to = [place for place, mark in enumerate(chunk.marks) if mark == Mark.SENDING]
        dead = sorted(data.draw(st.sets(st.sampled_from(sent_to)))) if sent_to else []
        losses = after(chunk.losses, marks)
        for place in dead:
            losses.pop(place)
        letters = [DeadRecipient(new_id(), '{"to":{"users":["x"]}}', APPLICATION, "poison", "", "", "{}") for _ in dead]

        in_doubt = list(map(str, sent_to))
        keepers = new_id()

        def lost() -> Any:
            if not dead:
                return self.do(self.ledger.chunks.take_over(taken.name, taken.token, marks, cause="lost", in_doubt=in_doubt, losses=losses))
            if not self.do(self.ledger.chunks.revoke(taken.name, taken.token, marks, keepers)):
                return "held"
            for _ in range(2):
                assert self.do(self.ledger.chunks.file_letters(taken.name, keepers, letters))
            return self.do(
                self.ledger.chunks.take_over(taken.name, keepers, marks, cause="lost", in_doubt=in_doubt, losses=losses, dead=dead)
            )

        assert lost() == "held", "not before its time"
        if chunk.token != taken.token:
            return
        self.redis.zadd(self.ledger.keys.fixed("chunk_leases"), {str(taken.name): 1})
        said = lost()
        chunk.marks = [Mark.DEAD if place in dead else Mark.AGAIN if place in sent_to else mark for place, mark in enumerate(chunk.marks)]
        chunk.losses = losses
        ended = all(mark in FINAL_MARKS for mark in chunk.marks)
        chunk.at, chunk.token = "done" if ended else "queued", ""
        job.unknown += len(sent_to)
        job.letters += len(dead)
        if ended:
            self.settle(job)
        assert said == ("done" if ended else "moved")
        assert lost() == "held"

    @rule(job_id=jobs_)
    def its_time_comes(self, job_id: str) -> None:
        for number, chunk in enumerate(self.known[job_id].chunks):
            name = ChunkName(job_id, number)
            assert not self.do(self.ledger.chunks.due(name)), "not before its time"
            if chunk.at == "retrying":
                self.redis.zadd(self.ledger.keys.fixed("chunk_due"), {str(name): 1})
                assert self.do(self.ledger.chunks.due(name))
                chunk.at = "queued"

    # Operators

    @rule(job_id=jobs_, event=st.sampled_from(["pause", "resume", "cancel"]), twice=st.booleans())
    def move(self, job_id: str, event: Any, twice: bool) -> None:
        job = self.known[job_id]
        target = JOB_MOVES.get(job.state, {}).get(JobEvent(event))
        if target is not None:
            job.state = target
            self.settle(job)
        for n in range(1 + twice):
            state, moved, _ = self.do(self.ledger.move(job_id, event))
            assert (state, moved) == (job.state, target is not None and n == 0)

    @rule(job_id=jobs_)
    def sweep(self, job_id: str) -> None:
        job = self.known[job_id]
        for number, chunk in enumerate(job.chunks):
            swept = self.do(self.ledger.chunks.sweep(ChunkName(job_id, number)))
            if job.state is JobState.CANCELLED and chunk.at in ("queued", "retrying"):
                assert swept == sum(mark in NON_FINAL for mark in chunk.marks)
                chunk.marks = [Mark.CANCELLED if mark in NON_FINAL else mark for mark in chunk.marks]
                chunk.at = "done"
                self.settle(job)
            else:
                assert swept == 0

    # What is always true

    @invariant()
    def counters_add_up_and_are_what_the_chunks_say(self) -> None:
        if not hasattr(self, "redis"):
            return
        for job_id, known in self.known.items():
            job = self.do(jobs.show_job(self.ledger.keys, job_id))
            marks = Counter(mark for chunk in known.chunks for mark in chunk.marks)
            recount = self.do(jobs.recount_job(self.ledger.keys, job_id))
            assert recount["total"] == job.total == marks.total()
            assert (job.sent, job.dead, job.unknown_identifiers) == (marks[Mark.SENT], marks[Mark.DEAD], marks[Mark.UNKNOWN])
            assert (job.expired, job.cancelled) == (marks[Mark.EXPIRED], marks[Mark.CANCELLED])
            assert (job.retrying, job.sending) == (marks[Mark.AGAIN], marks[Mark.SENDING])
            assert job.total == job.sent + job.dead + job.unknown_identifiers + job.expired + job.cancelled + job.left
            assert (job.calls, job.unknown) == (known.calls, known.unknown)
            assert int(self.redis.hget(self.ledger.keys.job(job_id), "begun") or 0) == marks.total() - marks[Mark.WAITING]
            assert int(self.redis.hget(self.ledger.keys.job(job_id), "leased") or 0) == sum(c.at == "sending" for c in known.chunks)
            assert job.is_final is known.ended
            assert (self.redis.pttl(self.ledger.keys.job(job_id)) > 0) is known.ended
        letters = int(self.redis.zcard(self.ledger.keys.fixed("letters")))
        assert letters == sum(known.letters for known in self.known.values())

    @invariant()
    def every_chunk_is_in_one_place(self) -> None:
        if not hasattr(self, "redis"):
            return
        keys = self.ledger.keys
        leases, due = self.members(keys.fixed("chunk_leases")), self.members(keys.fixed("chunk_due"))
        turns = self.members(keys.fixed("turns"))
        for job_id, known in self.known.items():
            queued = self.members(keys.job_part(job_id, "queued"))
            for number, chunk in enumerate(known.chunks):
                name = str(ChunkName(job_id, number))
                places = {"queued": str(number) in queued, "sending": name in leases, "retrying": name in due}
                assert [place for place, there in places.items() if there] == ([] if chunk.at == "done" else [chunk.at])
                is_kept = chunk.at != "done" or any(mark in (Mark.EXPIRED, Mark.CANCELLED) for mark in chunk.marks)
                assert self.redis.hexists(keys.chunk(job_id, number), "data") is is_kept, "of those who were not reached"
            if known.state is JobState.RUNNING and queued:
                assert job_id in turns, "a job that can go on has its turn"
            if known.state is not JobState.RUNNING:
                assert job_id not in turns

    def members(self, key: str) -> set[str]:
        return {member.decode() for member in self.redis.zrange(key, 0, -1)}

    def everything(self) -> dict[str, Any]:
        """The ledger without what a late record changes."""
        return {key: content for key, content in self.watched.contents().items() if key not in ("counts", "chunk_leases")}


@pytest.mark.timeout(900)
def test_no_order_of_moves_loses_a_recipient_or_ends_one_twice(redis_url: str) -> None:
    JobMachine.url = redis_url
    run_state_machine_as_test(
        JobMachine,
        settings=settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)),
    )


def a_taken_chunk(redis_url: str) -> tuple[redis.Redis, JobLedger, ChunkName, str]:
    """A job of four recipients in one chunk that a worker holds. Returns also the chunk's name and the worker's token."""
    server = redis.Redis.from_url(redis_url)
    ledger = JobLedger(some_settings())
    job = NewJob(new_id(), "{}", "digest", APPLICATION, 10)
    name, token = ChunkName(job.id, 0), new_id()
    chunk = pack(0, [Unit("users", None, (), ("a", "b", "c", "d"))])
    for steps in (ledger.open(job), ledger.chunks.feed(job.id, chunk), ledger.chunks.take(name, token)):
        run(steps, server, "the test's Redis")
    return server, ledger, name, token


def test_a_recipient_that_only_the_ledger_knows_to_be_sent_to_is_in_doubt(redis_url: str) -> None:
    """After a Redis lost its last second. Such a recipient must not wait for ever, and must not count as one that was never called."""
    server, ledger, name, token = a_taken_chunk(redis_url)

    def do(steps: Steps[Any]) -> Any:
        return run(steps, server, "the test's Redis")

    do(ledger.chunks.record_and_begin(name, token, APPLICATION, record=None, recorded_no=0, calls=["0-2"], begin_no=1))
    of_two = ChunkRecord(marks=[(Mark.SENT, 0, 1)], calls=1, accepted=1, end="back")
    do(ledger.chunks.record_and_begin(name, token, APPLICATION, record=of_two, recorded_no=1, calls=[], begin_no=1))
    seen = server.get(ledger.keys.marks(name.job_id, 0)).decode()
    assert seen == "SSs."
    assert do(ledger.chunks.take_over(name, token, seen, cause="lost", in_doubt=["c"], losses={2: 1})) == "moved"
    found = do(jobs.show_job(ledger.keys, name.job_id))
    assert (found.sent, found.retrying, found.unknown, found.left) == (2, 1, 1, 2)
    server.close()


def test_a_server_that_has_forgotten_its_scripts_records_a_call_before_the_next_one_begins(redis_url: str) -> None:
    """A script that the server does not know runs after the others of its pipeline. So `begin` checks that its record was written."""
    server, ledger, name, token = a_taken_chunk(redis_url)

    def do(steps: Steps[Any]) -> Any:
        return run(steps, server, "the test's Redis")

    do(ledger.chunks.record_and_begin(name, token, APPLICATION, record=None, recorded_no=0, calls=["0-3"], begin_no=1))
    server.script_flush()
    server.script_load(source_of("chunks/begin").text)
    refused = ChunkRecord(marks=[(Mark.AGAIN, 0, 3)], calls=1)
    _, _, begun = do(ledger.chunks.record_and_begin(name, token, APPLICATION, record=refused, recorded_no=1, calls=["0-1"], begin_no=2))
    assert (begun.outcome, begun.calls, begun.last) == ("go", 1, 2)
    assert server.get(ledger.keys.marks(name.job_id, 0)) == b"ssrr"
    server.close()
