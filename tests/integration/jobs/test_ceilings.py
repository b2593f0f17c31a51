"""Jobs keep their rates, and do not wait for each other."""

from __future__ import annotations

import time

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn, assert_rate_was_kept

pytestmark = pytest.mark.stand_in(latency_s=0.02)


class WhenJobsHaveRates:
    def test_all_workers_together_keep_the_rate_of_a_job(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(80), rate=20).wait(GENEROUS_S)
        assert job.sent == 80
        assert_rate_was_kept(api.calls, rate=20)

    def test_two_jobs_advance_side_by_side(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 0.05
        first = rig.wooshq.fan_out(PERSONAL, personal(6000))
        second = rig.wooshq.fan_out(PERSONAL, ({"user": f"v{i}", "name": str(i)} for i in range(6000)))
        rig.start_worker()
        wait_until(lambda: first.show().sent + second.show().sent > 4500)
        jobs = first.show(), second.show()
        assert min(job.sent for job in jobs) > 750, [job.sent for job in jobs]

    def test_a_slow_job_does_not_hold_up_another(self, rig: Rig, api: StandIn) -> None:
        began = time.monotonic()
        slow = rig.wooshq.fan_out(PERSONAL, personal(5000), rate=5)
        rig.start_worker()
        wait_until(lambda: slow.show().sent > 3)
        quick = rig.wooshq.fan_out(PERSONAL, ({"user": f"v{i}", "name": str(i)} for i in range(3000)))
        assert quick.wait(GENEROUS_S).sent == 3000
        assert slow.show().sent <= 5 * (time.monotonic() - began) + 5
        slow.cancel()


class WhenIntentsAndAJobShareTheLane:
    def test_an_intent_of_either_lane_does_not_wait_for_the_job_to_end(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(8000))
        wait_until(lambda: len(api.calls) > 100)
        bulk, code = rig.wooshq.enqueue(an_intent("in bulk", lane="bulk")), rig.wooshq.enqueue(an_intent("code"))
        statuses = rig.ended([bulk, code])
        assert {status.state for status in statuses} == {"sent"}
        assert not made.show().is_final
        made.cancel()
