"""The slots of the lanes, and whether something may wait in them."""

from __future__ import annotations

import pytest

from wooshq_worker.process.lanes import JobSlots, Lanes


def some_lanes(*, concurrency: int = 10, bulk: int = 8, is_full: bool = False) -> Lanes:
    return Lanes({"transactional": concurrency, "bulk": bulk}, concurrency, lambda: is_full)


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

    def test_free_slots_are_never_fewer_than_none_although_suspects_take_more_than_there_are(self) -> None:
        lanes = some_lanes(concurrency=10)
        lanes.take(lanes["transactional"], 12)
        assert (lanes.free(lanes["transactional"]), lanes.free(lanes["bulk"])) == (0, 0)
        lanes.give_back(lanes["transactional"], 3)
        assert lanes.free(lanes["transactional"]) == 1

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


class WhenSomethingMayWait:
    @pytest.mark.parametrize("name", ["transactional", "bulk"])
    def test_it_is_seen_whichever_lane_it_waits_in(self, name: str) -> None:
        lanes = some_lanes()
        assert not lanes.may_have_work
        lanes[name].look()
        assert lanes.may_have_work
        assert lanes[name].changed.is_set()

    def test_only_lanes_that_this_process_consumes_are_looked_into(self) -> None:
        lanes = some_lanes()
        lanes["bulk"].is_consumed = True
        lanes.look()
        assert (lanes["bulk"].may_have_work, lanes["transactional"].may_have_work) == (True, False)
