"""Counting how many workers were lost while they sent to each recipient of a chunk."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wooshq.ledger.lost_workers import after, ranges_of, read, written
from wooshq.ledger.states import FINAL_MARKS, Mark


@given(st.dictionaries(st.integers(0, 999), st.integers(1, 19)))
def test_what_is_written_is_read_again(losses: dict[int, int]) -> None:
    assert read(written(losses)) == losses


def test_recipients_with_as_many_losses_are_written_as_ranges() -> None:
    assert written(dict.fromkeys(range(1000), 1) | {7: 3}) == "1*0-6 1*8-999 3*7-7"
    assert written({}) == ""


@given(st.sets(st.integers(0, 50)))
def test_ranges_contain_exactly_the_places(places: set[int]) -> None:
    ranges = ranges_of(sorted(places))
    assert [place for first, last in ranges for place in range(first, last + 1)] == sorted(places)
    assert all(b < c - 1 for (_, b), (c, _) in pairwise(ranges))


@given(st.lists(st.text(list(Mark), min_size=8, max_size=8), max_size=6))
def test_each_loss_counts_for_the_recipients_that_were_being_sent_to_until_they_end(lost: list[str]) -> None:
    losses: dict[int, int] = {}
    counts = [0] * 8
    for marks in lost:
        losses = after(losses, marks)
        for place, mark in enumerate(marks):
            counts[place] = 0 if mark in FINAL_MARKS else counts[place] + (mark == Mark.SENDING)
        assert [losses.get(place, 0) for place in range(8)] == counts
