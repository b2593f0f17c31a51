"""Which calls a chunk still needs, and in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker.jobs.build import a_chunk, personal, shared
from wooshq.jobs.units import Unit
from wooshq.ledger.states import Mark
from wooshq_worker.jobs.plan import Plan

UNITS = [Unit("users", None, (), tuple(f"a{i}" for i in range(10))), *(Unit("users", None, (), (f"b{i}",)) for i in range(5))]
MARKS = st.text([Mark.WAITING, Mark.AGAIN, Mark.SENT], min_size=15, max_size=15)


class WhenTheLastCallToSomeGotNoAnswer:
    @given(MARKS, st.sets(st.integers(0, 14)))
    def test_they_share_no_call_with_the_others_and_come_last(self, marks: str, doubted: set[int]) -> None:
        calls = Plan(UNITS, marks, doubted=doubted).take(100)
        kinds = [{place in doubted for place in call.places()} for call in calls]
        assert all(len(kind) == 1 for kind in kinds)
        assert sorted(kinds, key=max) == kinds
        assert sorted(place for call in calls for place in call.places()) == [p for p, mark in enumerate(marks) if mark != Mark.SENT]

    @given(MARKS, st.sets(st.integers(0, 14)))
    def test_in_a_roll_out_they_are_called_with_those_that_were_called_before(self, marks: str, doubted: set[int]) -> None:
        doubted = {place for place in doubted if marks[place] == Mark.AGAIN}
        plan, without = (Plan(UNITS, marks, doubted=some, has_rollout=True) for some in (doubted, ()))
        assert plan.take(100) == without.take(100), "a roll-out step without room for others waits for them"

    def test_a_chunk_is_behind_if_nobody_else_is_left(self) -> None:
        assert a_chunk(shared(3), marks="rrS", doubted="1*0-1").is_behind()
        assert not a_chunk(shared(3), marks="rrr", doubted="1*0-1").is_behind()
        assert not a_chunk(personal(2), marks="..").is_behind()
        chunk = a_chunk(personal(2), marks="rr", doubted="1*0-1")
        chunk.plan.take(2)
        chunk.failed.update({0, 1})
        assert chunk.is_behind()
