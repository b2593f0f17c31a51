"""The task of one chunk: it records before it begins, repeats what was not answered, and gives the chunk back in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.rig import some_settings
from tests.unit.worker.jobs.build import a_chunk, a_delivery, personal, shared
from wooshq.errors import LedgerUnavailable
from wooshq.ledger.chunks import Begun, ChunkRecord, Later
from wooshq_worker.api.deliver import Withheld
from wooshq_worker.api.verdict import Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.jobs import hold_chunk
from wooshq_worker.jobs.call_ended import call_ended
from wooshq_worker.jobs.call_in_progress import CallInProgress
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.hold_chunk import HoldChunk
from wooshq_worker.jobs.plan import Call
from wooshq_worker.jobs.suspects import SuspectLock

GENEROUS_S = 60.0
Step = dict[str, Any]


class World:
    """A worker with room for 100 calls, each of which ends at once; a ledger that says what it is told to say."""

    def __init__(self, verdict: Verdict | Withheld | None = None) -> None:
        self.verdict = verdict or Sent("M-1")
        self.steps: list[Step] = []
        self.answers: list[Begun | Exception | str] = []  #: to the steps that come next; then every call may begin
        self.begun: list[list[str]] = []  #: identifiers of calls that were begun together
        self.wanted: list[bool] = []
        self.looked_again = 0
        self.suspect_lock = SuspectLock()
        self.marks: dict[int, str] = {}

    # The worker

    def room(self) -> int:
        return 100

    def start_calls(self, chunk: ActiveChunk, calls: Sequence[Call], *, start_s: float, gap_s: float) -> None:
        chunk.calls_in_progress += len(calls)
        self.begun.append([identifier for call in calls for identifier in chunk.plan.identifiers(call)])
        for call in calls:
            asyncio.get_running_loop().call_soon(self._end, chunk, call)

    def _end(self, chunk: ActiveChunk, call: Call) -> None:
        call_ended(CallInProgress.start(chunk, call, "api-token", at=0), a_delivery(self.verdict), at=time.monotonic())
        chunk.calls_in_progress -= 1
        chunk.changed.set()

    def wants_calls(self, chunk: ActiveChunk, wants: bool) -> None:
        self.wanted.append(wants)

    def look_again(self) -> None:
        self.looked_again += 1

    # The ledger and its client; gates and log, which only listen

    def record_and_begin(self, *_: Any, record: ChunkRecord | None, recorded_no: int, calls: Sequence[str], begin_no: int) -> Step:
        return {"record": record, "recorded_no": recorded_no, "calls": list(calls), "begin_no": begin_no}

    async def do_until_answered(self, steps: Callable[[], Step]) -> tuple[bool, str, Begun | None]:
        step = steps()
        self.steps.append(step)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer == "lost":
            return False, "sending", None
        record: ChunkRecord | None = step["record"]
        for mark, first, last in record.marks if record is not None else ():
            self.marks |= dict.fromkeys(range(first, last + 1), mark)
        state = "queued" if record is not None and record.end else "done" if self._all_ended() else "sending"
        if not step["calls"]:
            return True, state, None
        last = sum(int(b) - int(a) + 1 for a, b in (part.split("-") for part in step["calls"][-1].split(",")))
        return True, state, answer if isinstance(answer, Begun) else Begun("go", len(step["calls"]), last, proved=True)

    def _all_ended(self) -> bool:
        return len(self.marks) == self.size and set(self.marks.values()) <= set("SDUEC")

    def admitted(self, application: str, asked_at: float, *, probe: bool) -> None: ...
    def recorded(self, job: Any, record: ChunkRecord) -> None: ...
    def stopped(self, job: Any) -> None: ...

    async def hold(self, chunk: ActiveChunk) -> ActiveChunk:
        """Run the task of a chunk to its end."""
        self.size = chunk.plan.size
        settings = some_settings()
        task = HoldChunk(chunk, self, settings, self, self, self, self.suspect_lock, self)  # type: ignore[arg-type]
        async with asyncio.timeout(GENEROUS_S):
            await task.run()
        return chunk

    @property
    def last_record(self) -> ChunkRecord:
        record = self.steps[-1]["record"]
        assert isinstance(record, ChunkRecord)
        return record


class WhenEverythingGoesWell:
    async def test_every_recipient_is_called_once_and_recorded(self) -> None:
        world = World()
        await world.hold(a_chunk(personal(300)))
        assert sorted(i for some in world.begun for i in some) == sorted(f"u{i}" for i in range(300))
        assert world.marks == dict.fromkeys(range(300), "S")

    async def test_the_last_outcomes_end_the_chunk_and_nothing_is_written_after_them(self) -> None:
        world = World()
        await world.hold(a_chunk(personal(3)))
        assert world.last_record.end is None


class WhenTheApiAcceptedNothingOfTheJobYet:
    async def test_the_first_call_is_made_alone(self) -> None:
        world = World()
        await world.hold(a_chunk(personal(50), proved=False))
        assert world.begun[0] == ["u0"]
        assert len(world.begun[1]) > 1

    async def test_calls_that_fail_are_made_one_at_a_time(self) -> None:
        world = World(Retry("UNAVAILABLE", "away"))
        world.answers = [Begun("go", 1, 1)] * 10
        await world.hold(a_chunk(personal(5), proved=False))
        assert world.begun == [[f"u{i}"] for i in range(5)]


class WhenTheLedgerIsAway:
    async def test_the_same_step_is_repeated_with_the_same_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hold_chunk, "_LEDGER_AWAY_S", 0)
        world = World()
        away = LedgerUnavailable("away", maybe_done=True)
        world.answers = [away, away, Begun("go", 3, 1, proved=True), away]
        await world.hold(a_chunk(personal(3)))
        first, second = world.steps[:3], world.steps[3:5]
        assert all(step == first[0] for step in first)
        assert all(step == second[0] for step in second)
        assert (first[0]["begin_no"], second[0]["recorded_no"]) == (1, 1)
        assert world.marks == dict.fromkeys(range(3), "S")


class WhenAnotherWorkerHasTheChunk:
    async def test_nothing_more_is_begun_or_recorded(self) -> None:
        world = World()
        world.answers = ["lost"]
        chunk = await world.hold(a_chunk(personal(3)))
        assert (chunk.lost, len(world.steps), world.begun) == (True, 1, [])


class WhenNoCallMayBegin:
    @pytest.mark.parametrize("outcome", ["paused", "stopped", "held", "step"])
    async def test_the_chunk_is_given_back_as_it_was(self, outcome: str) -> None:
        world = World()
        world.answers = [Begun(outcome, gate="hand")]
        await world.hold(a_chunk(personal(3)))
        assert (world.last_record.end, world.last_record.marks, world.begun) == ("back", [], [])

    async def test_only_a_part_of_a_call_may_begin_and_the_rest_stays_in_the_plan(self) -> None:
        world = World()
        world.answers = [Begun("go", 1, 2, proved=True), Begun("step")]
        await world.hold(a_chunk(shared(5)))
        assert (world.begun, world.marks) == ([["u0", "u1"]], {0: "S", 1: "S"})

    async def test_recipients_of_a_cancelled_job_end_and_the_chunk_is_not_written_again(self) -> None:
        world = World()
        world.answers = [Begun("cancelled")]
        await world.hold(a_chunk(personal(3)))
        assert world.marks == dict.fromkeys(range(3), "C")
        assert len(world.steps) == 2

    async def test_recipients_of_an_expired_job_end(self) -> None:
        world = World()
        world.answers = [Begun("expired")]
        await world.hold(a_chunk(personal(3)))
        assert world.marks == dict.fromkeys(range(3), "E")

    async def test_it_wants_no_calls_from_the_worker(self) -> None:
        world = World()
        chunk = a_chunk(personal(3))
        chunk.hold("stopping")
        await world.hold(chunk)
        assert (world.wanted, world.begun) == ([False], [])


class WhenCallsFailed:
    async def test_the_chunk_waits_for_its_next_round(self) -> None:
        world = World(Retry("UNAVAILABLE", "away"))
        await world.hold(a_chunk(personal(3)))
        record = world.last_record
        assert (record.end, record.wait_ms > 0) == ("due", True)
        assert "UNAVAILABLE" in record.log

    async def test_it_goes_back_at_once_if_something_else_holds_it(self) -> None:
        world = World(Retry("RESOURCE_EXHAUSTED", "too many", application_waits=True))
        await world.hold(a_chunk(personal(3)))
        assert world.last_record.end == "back"

    @pytest.mark.parametrize(
        "verdict",
        [
            Retry("UNAVAILABLE", "away", 900.0),
            Unknown("DEADLINE_EXCEEDED", "no answer", 900.0),
            Retry("RESOURCE_EXHAUSTED", "slow down", 900.0),
        ],
    )
    async def test_its_next_round_is_never_before_retry_after_and_soon_after_it(self, verdict: Verdict) -> None:
        world = World(verdict)
        await world.hold(a_chunk(personal(3)))
        record = world.last_record
        assert (record.end, record.waits) == ("due", False)
        assert 899_000 < record.wait_ms < 906_000
        assert record.later is not None
        assert record.later.ranges == ((0, 2),)

    @pytest.mark.parametrize(
        "verdict", [Retry("RESOURCE_EXHAUSTED", "slow down", 900.0, application_waits=True), Hold("token", "X", "no", 900.0)]
    )
    async def test_if_it_goes_back_for_another_reason_only_the_recipients_of_the_call_wait(self, verdict: Verdict) -> None:
        world = World(verdict)
        world.answers = [Begun("go", 1, 1, proved=True)]
        await world.hold(a_chunk(personal(3)))
        record = world.last_record
        assert record.end == "back"
        assert record.later is not None
        assert record.later.ranges == ((0, 0),)

    async def test_the_worker_that_takes_the_chunk_next_calls_only_the_others(self) -> None:
        world = World()
        later = Later(900_000, ((1, 1), (3, 3)))
        await world.hold(a_chunk(personal(4), marks=".rrr", later=str(later), taken_at=time.monotonic()))
        assert world.begun == [["u0", "u2"]]
        record = world.last_record
        assert (record.end, record.waits) == ("due", True), "waiting is no round of the backoff"
        assert 890_000 < record.wait_ms < 906_000
        assert record.later is not None
        assert record.later.ranges == later.ranges

    async def test_when_its_time_has_come_all_are_called(self) -> None:
        world = World()
        await world.hold(a_chunk(personal(2), marks="rr", later=str(Later(0, ((0, 1),)))))
        assert world.begun == [["u0", "u1"]]

    async def test_the_age_counts_from_the_first_round_and_not_in_the_queue(self) -> None:
        for rounds, age_s, at_least in ((0, 0.0, 0), (1, 50.0, 50_000)):
            world = World(Retry("UNAVAILABLE", "away"))
            chunk = a_chunk(personal(1), marks="r", rounds=rounds, age_s=age_s, taken_at=time.monotonic())
            await world.hold(chunk)
            assert at_least + world.last_record.wait_ms <= world.last_record.age_ms < at_least + world.last_record.wait_ms + 60_000

    async def test_it_waits_for_its_round_if_its_rollout_step_has_no_room_for_others(self) -> None:
        world = World(Retry("UNAVAILABLE", "away"))
        world.answers = [Begun("go", 1, 1, proved=True), Begun("step"), Begun("step")]
        await world.hold(a_chunk(personal(3)))
        assert world.last_record.end == "due"


class WhenAChunkHasSuspects:
    async def test_their_groups_are_sent_one_after_the_other_before_all_others(self) -> None:
        world = World()
        await world.hold(a_chunk(personal(6), marks="......", suspects={1: 1, 4: 1}))
        assert world.begun == [["u0", "u1", "u2", "u3", "u4", "u5"]], "marks that are all fresh have no suspects"
        world = World()
        await world.hold(a_chunk(personal(6), marks="rrrrrr", suspects={1: 1, 4: 1}))
        assert world.begun[:2] == [["u1"], ["u4"]]
        assert sorted(world.begun[2]) == ["u0", "u2", "u3", "u5"]
        assert world.looked_again == 1

    async def test_they_wait_while_others_of_the_worker_are_sent_to(self) -> None:
        world = World()
        other = object()
        assert world.suspect_lock.acquire(other)
        chunk = a_chunk(personal(2), marks="rr", suspects={0: 1})
        holding = asyncio.create_task(world.hold(chunk))
        while not world.wanted:
            await asyncio.sleep(0)
        assert (world.begun, world.wanted) == ([], [False])
        world.suspect_lock.release(other)
        chunk.changed.set()
        await holding
        assert world.begun == [["u0"], ["u1"]]
        assert world.suspect_lock.is_free_for(other)
