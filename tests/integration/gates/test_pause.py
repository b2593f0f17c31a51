"""A pause stops sending at once, in every worker. Nothing is lost, no attempt is used up, and what waits says who paused it and why."""

from __future__ import annotations

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.rig import APPLICATION, GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq

OTHER = "CCCCC-DDDDD"
PAUSED = "paused by ana@ops-1: until noon"


def pause(rig: Rig, **what: str) -> None:
    rig.wooshq.pause(**what, why="until noon", by="ana@ops-1")


def waits(rig: Rig, intent_id: str) -> bool:
    """Whether an intent says that it is paused, after a worker has looked at it."""
    return rig.status(intent_id).waiting_for == PAUSED


class WhenALaneIsPaused:
    def test_its_intents_and_jobs_wait_and_the_other_lane_goes_on(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        pause(rig, lane="bulk")
        waiting = [rig.wooshq.enqueue(an_intent(f"b{n}", lane="bulk")) for n in range(3)]
        job = rig.wooshq.fan_out(PERSONAL, personal(5))
        rig.ended([rig.wooshq.enqueue(an_intent(f"t{n}")) for n in range(20)])
        assert all(waits(rig, i) for i in waiting)
        assert job.show().waiting_for == PAUSED
        assert {call.recipients[0][0] for call in api.calls} == {"t"}

        assert rig.wooshq.resume(lane="bulk")
        statuses = rig.ended(waiting)
        assert [len(status.attempts) for status in statuses] == [1, 1, 1]
        assert job.wait(GENEROUS_S).sent == 5

    def test_of_one_application_only_that_one_waits(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        pause(rig, application=OTHER, lane="bulk")
        waiting = rig.wooshq.enqueue(an_intent("w", lane="bulk", application=OTHER))
        rig.ended([rig.wooshq.enqueue(an_intent("b", lane="bulk")), rig.wooshq.enqueue(an_intent("t", application=OTHER))])
        wait_until(lambda: waits(rig, waiting))
        rig.wooshq.resume(OTHER, lane="bulk")
        rig.ended([waiting])


class WhenAnApplicationIsPaused:
    def test_the_others_go_on(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        pause(rig, application=OTHER)
        waiting = [rig.wooshq.enqueue(an_intent("w", lane=lane, application=OTHER)) for lane in ("transactional", "bulk")]
        job = rig.wooshq.fan_out({**PERSONAL, "application": OTHER}, personal(5))
        rig.ended([rig.wooshq.enqueue(an_intent("other"))])
        wait_until(lambda: all(waits(rig, i) for i in waiting))
        assert job.show().waiting_for == PAUSED
        rig.wooshq.resume(OTHER)
        rig.ended(waiting)
        assert job.wait(GENEROUS_S).sent == 5


class WhenEverythingIsPaused:
    def test_nothing_leaves_until_it_is_resumed(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("before"))])
        pause(rig)
        waiting = [rig.wooshq.enqueue(an_intent("w", lane=lane)) for lane in ("transactional", "bulk")]
        wait_until(lambda: all(waits(rig, i) for i in waiting))
        assert [call.recipients for call in api.calls] == [["before"]]
        assert not rig.wooshq.resume(APPLICATION), "another pause"
        assert rig.wooshq.resume()
        rig.ended(waiting)

    def test_a_job_in_the_middle_stops_and_goes_on_where_it_was(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(600), rate=100)
        wait_until(lambda: job.show().sent > 10)
        pause(rig)
        wait_until(lambda: job.show().sending == 0 and job.show().waiting_for == PAUSED, saw=job.show)
        sent = job.show().sent
        rig.ended([])
        assert job.show().sent == sent < 600
        rig.wooshq.resume()
        assert job.wait(GENEROUS_S).sent == 600
        assert set(api.accepted.values()) == {1}


class WhenAPauseIsNotValid:
    @pytest.mark.parametrize(
        ("what", "error"),
        [
            ({"lane": "slow"}, "lane: is not a known lane. Use one of transactional, bulk"),
            ({"application": "a/b"}, "application: is not a valid application code"),
            ({"why": "x" * 501}, "why: has 501 characters"),
        ],
    )
    def test_it_says_what_is_wrong_and_changes_nothing(self, wooshq: Wooshq, what: dict[str, str], error: str) -> None:
        with pytest.raises(ValueError, match=error):
            wooshq.pause(**what)  # type: ignore[arg-type]
        assert wooshq.gates() == []
        assert wooshq.changes() == []


class WhenNoWorkerRuns:
    def test_what_is_queued_says_that_it_is_paused(self, wooshq: Wooshq) -> None:
        first, second = wooshq.enqueue(an_intent()), wooshq.enqueue(an_intent(lane="bulk"))
        wooshq.pause(lane="bulk", why="until noon", by="ana@ops-1")
        statuses = [wooshq.status(i) for i in (first, second)]
        assert [status.waiting_for for status in statuses if status] == ["a worker of the transactional lane", PAUSED]

    def test_the_pause_is_a_gate_that_names_its_lane_and_who_shut_it(self, wooshq: Wooshq) -> None:
        gate = wooshq.pause(OTHER, lane="bulk", why="until noon", by="ana@ops-1")
        assert wooshq.gates() == [gate]
        assert {**gate, "since": None} == {
            "gate": "hand",
            "application": OTHER,
            "state": "shut",
            "why": "until noon",
            "since": None,
            "until": None,
            "lane": "bulk",
            "by": "ana@ops-1",
        }
