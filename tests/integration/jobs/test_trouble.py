"""The API has trouble, or a worker ends: everybody is reached in the end, and recipients in doubt are on record."""

from __future__ import annotations

import itertools
import signal
import time

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal

pytestmark = pytest.mark.stand_in(latency_s=0.02)


class WhenTheApiHasTrouble:
    def test_everybody_is_reached_in_the_end_and_nobody_twice(self, rig: Rig, api: StandIn) -> None:
        dice = itertools.cycle([None, refusal(503, 14, "unavailable"), None, refusal(500, 13, "internal"), None])
        api.answer = lambda call, n: next(dice)
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(800)).wait(GENEROUS_S)
        assert (job.state, job.sent, job.retrying) == ("done", 800, 0)
        assert set(api.accepted.values()) == {1}
        assert adds_up(rig, job)

    @pytest.mark.settings(short_retry_s=0.5)
    def test_a_503_with_retry_after_is_obeyed_and_the_others_do_not_wait(self, rig: Rig, api: StandIn) -> None:
        failed_at: dict[str, float] = {}

        def once(call: Call, n: int) -> Reply | None:
            if call.recipients[0] not in ("u3", "u7") or call.recipients[0] in failed_at:
                return None
            failed_at[call.recipients[0]] = call.at
            return refusal(503, 14, "unavailable", Retry_After="3")

        api.answer = once
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(20)).wait(GENEROUS_S)
        assert (job.sent, job.dead) == (20, 0)
        again = {call.recipients[0]: call.at for call in api.calls if call.recipients[0] in failed_at}
        assert all(again[person] - failed_at[person] >= 3 for person in failed_at)
        assert sum(call.at < min(failed_at.values()) + 3 for call in api.calls) == 20

    def test_a_token_that_is_refused_holds_the_job_and_costs_nobody_anything(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(401, 16, "invalid token")
        rig.start_worker()
        began = time.monotonic()
        made = rig.wooshq.fan_out(PERSONAL, personal(500))
        wait_until(lambda: rig.wooshq.gates(), saw=made.show)
        wait_until(lambda: "token" in made.show().waiting_for)
        assert len(api.calls) < 10 + 4 * (time.monotonic() - began), "a few calls at once, then two probes every half second"
        api.answer = lambda call, n: None
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent, job.dead) == ("done", 500, 0)

    def test_a_lost_answer_puts_its_recipients_in_doubt_and_each_is_on_record(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 2 else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(3000)).wait(GENEROUS_S)
        assert (job.sent, job.unknown) == (3000, 1000)
        doubled = {person for person, times in api.accepted.items() if times > 1}
        doubts = list(rig.wooshq.bulk.in_doubt(job.id))
        assert doubled <= {doubt.identifier for doubt in doubts}
        assert (len(doubts), len(doubled)) == (1000, 1000)
        assert "DISCONNECTED" in doubts[0].cause
        assert rig.wooshq.counts()["unknown"] == 1000

    def test_recipients_in_doubt_become_dead_letters_if_the_template_says_so(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 3 else None
        rig.start_worker()
        job = rig.wooshq.fan_out({**PERSONAL, "on_unknown": "dead_letter"}, personal(200)).wait(GENEROUS_S)
        assert (job.sent, job.dead, job.unknown) == (199, 1, 1)
        (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
        assert letter.reason == "unknown"
        assert set(api.accepted.values()) == {1}
        left_out = rig.wooshq.bulk.retry_failed(job.id)
        assert (left_out.replayed, left_out.skipped) == (0, 1), "they may have been reached"
        done = rig.wooshq.bulk.retry_failed(job.id, in_doubt=True)
        rig.ended(done.ids.values())
        assert api.accepted.total() == 201


class WhenAWorkerIsToldToEnd:
    def test_it_gives_its_chunks_back_and_the_next_worker_goes_on(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(3000))
        wait_until(lambda: len(api.calls) > 300)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GENEROUS_S) == 0
        job = made.show()
        assert (job.sending, job.unknown) == (0, 0)
        assert job.sent == len(api.accepted)
        rig.start_worker()
        assert made.wait(GENEROUS_S).sent == 3000
        assert set(api.accepted.values()) == {1}
