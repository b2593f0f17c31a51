"""A job is paused, cancelled, held or over: it stops at once, and every recipient is accounted for."""

from __future__ import annotations

import time

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import StandIn
from wooshq import JobUnknown

pytestmark = pytest.mark.stand_in(latency_s=0.02)


class WhenAPersonHoldsAJob:
    def test_a_pause_takes_effect_at_once_in_every_worker_and_says_how_many_had_gone_out(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(6000))
        wait_until(lambda: len(api.calls) > 300)
        paused = made.pause("lunch")
        called = len(api.calls)
        wait_until(lambda: made.show().sending == 0, saw=made.show)
        assert len(api.calls) - called <= 2 * rig.wooshq.settings.concurrency, "only calls that were in progress"
        called = len(api.calls)
        assert rig.wooshq.fan_out(TEMPLATE, ["another"]).wait(GENEROUS_S).sent == 1  # the workers go on with everything else
        job = made.show()
        assert len(api.calls) == called + 1
        assert (job.state, job.why, job.left) == ("paused", "lunch", 6000 - job.sent)
        assert paused.gone_out <= job.sent + 1000
        assert adds_up(rig, job)

        made.resume()
        assert made.wait(GENEROUS_S).sent == 6000
        assert set(api.accepted.values()) == {1}

    def test_a_cancel_ends_it_at_once_and_every_recipient_is_accounted_for(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(20_000))
        wait_until(lambda: len(api.calls) > 300)
        made.cancel()
        called = len(api.calls)
        wait_until(lambda: made.show().is_final, saw=made.show)
        assert len(api.calls) - called <= 2 * rig.wooshq.settings.concurrency, "only calls that were in progress"
        job = made.show()
        assert (job.state, job.left) == ("cancelled", 0)
        assert job.sent == len(api.accepted)
        assert job.cancelled == 20_000 - job.sent
        assert adds_up(rig, job)

    def test_a_job_that_does_not_exist_is_reported(self, rig: Rig) -> None:
        for call in (rig.wooshq.bulk.show, rig.wooshq.bulk.pause, rig.wooshq.bulk.cancel, rig.wooshq.bulk.retry_failed):
            with pytest.raises(JobUnknown):
                call("0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d")

    def test_jobs_are_listed_with_the_newest_first(self, rig: Rig) -> None:
        ids = []
        for _ in range(3):
            ids.append(rig.wooshq.fan_out(TEMPLATE, people(3)).id)
            time.sleep(0.005)  # jobs of one millisecond have no order
        assert [job.id for job in rig.wooshq.bulk.list()] == ids[::-1]
        assert [job.id for job in rig.wooshq.bulk.list(most=1)] == ids[-1:]


class WhenTheTimeOfAJobIsOver:
    def test_recipients_not_yet_sent_to_expire(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        assert rig.wooshq.fan_out(TEMPLATE, ["first"]).wait(GENEROUS_S).sent == 1  # the worker is there before the time begins
        ttl_s, rate = 4, 50
        accepted_at = time.monotonic()
        job = rig.wooshq.fan_out({**PERSONAL, "ttl_s": ttl_s}, personal(1000), rate=rate).wait(GENEROUS_S)
        assert job.state == "done"
        assert 0 < job.sent <= rate * (ttl_s + 1), "as many as its rate lets out in its time"
        assert job.expired == 1000 - job.sent
        assert max(call.at for call in api.calls) - accepted_at < ttl_s + 2
        assert adds_up(rig, job)

    @pytest.mark.parametrize("held_by", ["a gate", "a person"])
    def test_recipients_that_wait_for_something_else_expire_as_well(self, rig: Rig, held_by: str) -> None:
        rig.start_worker()
        if held_by == "a gate":
            rig.wooshq.shut_gate("hand", why="noon")
        pause = rig.wooshq.bulk.pause if held_by == "a person" else lambda job_id: None
        made = rig.wooshq.fan_out({**TEMPLATE, "ttl_s": 1}, people(25_000), opened=pause)
        wait_until(lambda: made.show().is_final, saw=made.show)
        job = made.show()
        assert (job.state, job.expired, job.sent) == ("done", 25_000, 0)
        assert adds_up(rig, job)


class WhenAnotherApplicationIsHeld:
    def test_its_jobs_do_not_block_others_however_many_they_are(self, rig: Rig) -> None:
        rig.wooshq.shut_gate("hand", "HHHHH-HHHHH", why="noon")
        for _ in range(70):
            rig.wooshq.fan_out({**TEMPLATE, "application": "HHHHH-HHHHH"}, people(2))
        rig.start_worker()
        assert rig.wooshq.fan_out(TEMPLATE, people(100)).wait(GENEROUS_S).sent == 100
