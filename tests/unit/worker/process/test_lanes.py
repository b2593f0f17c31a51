"""The slots of the lanes, and the ids that wait for them."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.process.lanes import JobSlots, Lane, Lanes, Parcel


def nothing() -> None:
    return None


def some_lanes(*, concurrency: int = 10, bulk: int = 8, is_full: bool = False) -> Lanes:
    return Lanes({"transactional": concurrency, "bulk": bulk}, concurrency, lambda: is_full)


def a_lane(*parcels: str) -> Lane:
    """Each parcel carries the letters of its text as ids."""
    return Lane(10, deque(Parcel(deque(ids), nothing) for ids in parcels))


class WhenSlotsAreTaken:
    def test_bulk_never_takes_those_that_are_kept_for_transactional(self) -> None:
        lanes = some_lanes(concurrency=10, bulk=8)
        lanes.take(lanes["bulk"], lanes.free(lanes["bulk"]))
        assert lanes.free(lanes["bulk"]) == 0
        assert lanes.free(lanes["transactional"]) == 2

    def test_all_lanes_together_never_exceed_the_concurrency(self) -> None:
        lanes = some_lanes(concurrency=10, bulk=8)
        lanes.take(lanes["transactional"], 7)
        assert lanes.free(lanes["bulk"]) == 3

    def test_what_is_given_back_is_free_again_and_wakes_every_lane(self) -> None:
        lanes = some_lanes()
        lanes.take(lanes["bulk"], 8)
        lanes.give_back(lanes["bulk"], 3)
        assert lanes.free(lanes["bulk"]) == 3
        assert lanes["transactional"].changed.is_set()

    def test_a_process_that_holds_too_many_bytes_has_no_free_slot(self) -> None:
        lanes = some_lanes(is_full=True)
        assert lanes.free(lanes["transactional"]) == 0

    def test_jobs_use_the_bulk_lanes_slots(self) -> None:
        lanes = some_lanes(bulk=8)
        slots = JobSlots(lanes, lanes["bulk"])
        slots.taken(5)
        assert (slots.free(), lanes.free(lanes["bulk"])) == (3, 3)
        slots.taken(-5)
        assert slots.free() == 8


class WhenIdsWait:
    def test_those_of_one_message_may_be_taken_in_parts(self) -> None:
        lane = a_lane("abc")
        ids, emptied = lane.take_ids(2)
        assert (ids, emptied) == (["a", "b"], [])
        ids, emptied = lane.take_ids(2)
        assert ids == ["c"]
        assert len(emptied) == 1

    def test_those_that_are_put_back_go_first(self) -> None:
        lane = a_lane("cd")
        lane.put_back(["a", "b"])
        assert lane.take_ids(10)[0] == ["a", "b", "c", "d"]

    @given(st.lists(st.text(alphabet="abc", max_size=5), max_size=5), st.integers(1, 7))
    def test_each_is_taken_once_in_order_and_each_message_is_emptied_once(self, parcels: list[str], n: int) -> None:
        lane = a_lane(*parcels)
        taken: list[str] = []
        emptied = 0
        while lane.parcels:
            ids, done = lane.take_ids(n)
            assert len(ids) <= n
            taken += ids
            emptied += len(done)
        assert "".join(taken) == "".join(parcels)
        assert emptied == len(parcels)

    @pytest.mark.parametrize("name", ["transactional", "bulk"])
    def test_they_are_seen_whichever_lane_they_wait_in(self, name: str) -> None:
        lanes = some_lanes()
        assert not lanes.are_waiting
        lanes[name].parcels.append(Parcel(deque("a"), nothing))
        assert lanes.are_waiting
