"""Suspects of killing their worker are sent apart from all others, in smaller groups each time, and none is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wooshq.jobs.units import Unit
from wooshq.ledger.states import Mark
from wooshq_worker.jobs.plan import Plan
from wooshq_worker.jobs.suspects import SuspectLock, suspects_at_once

UNITS = [Unit("users", None, (), tuple(f"a{i}" for i in range(20))), *(Unit("users", None, (), (f"b{i}",)) for i in range(10))]


@given(
    st.text([Mark.WAITING, Mark.AGAIN, Mark.SENT], min_size=30, max_size=30),
    st.dictionaries(st.integers(0, 29), st.sampled_from([1, 4, 16])),
    st.integers(1, 40),
)
def test_suspects_are_called_first_and_never_more_together_than_allowed(marks: str, suspects: dict[int, int], n: int) -> None:
    plan = Plan(UNITS, marks, suspects)
    seen: list[int] = []
    while len(plan):
        next_are_suspects = plan.has_suspects
        calls = plan.take(n)
        assert calls
        places = [place for call in calls for place in call.places()]
        assert [place in suspects for place in places] == [next_are_suspects] * len(places)
        if next_are_suspects:
            assert not any(place not in suspects for place in seen)
            assert len(places) <= min(suspects[place] for place in places)
        seen += places
    assert sorted(seen) == [place for place, mark in enumerate(marks) if mark != Mark.SENT]


def test_groups_shrink_with_each_lost_worker_until_one_is_sent_alone_before_it_is_poison() -> None:
    assert [suspects_at_once(lost, 6) for lost in (2, 3, 4, 5)] == [16, 4, 1, 1]


def test_only_one_holder_at_a_time_may_send_to_suspects_in_a_worker() -> None:
    lock = SuspectLock()
    assert lock.acquire("a")
    assert lock.acquire("a")
    assert not lock.acquire("b")
    assert not lock.release("b")
    assert lock.release("a")
    assert lock.acquire("b")
    assert lock.is_held_by("b")
