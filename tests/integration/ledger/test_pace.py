"""Ceilings are kept and used, by single intents and jobs together; and what an API allows is learned from its answers 429."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import cycle

import pytest

from tests.integration.ledger.simulation import Api, IntentWorker, JobWorker, Simulation
from tests.rig import APPLICATION
from wooshq.ledger.gates import Heard, Shut

RATE = 20
Simulate = Callable[..., Simulation]


@pytest.fixture
def simulate(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """A simulation on an empty ledger. settings: by their names; the ceiling is RATE."""
    return lambda **settings: Simulation(redis_url, monkeypatch, **{"rate_per_s": RATE, **settings})


def intents(sim: Simulation, api: Api, lane: str, n: int = 0, *, late_ms: Callable[[], float] = lambda: 0.0) -> IntentWorker:
    """A worker with `n` intents that wait."""
    worker = IntentWorker(sim, api, lane, late_ms=late_ms)
    for first in range(0, n, 50):
        worker.accept(min(50, n - first))
    return worker


class WhenOneLaneAloneHasWork:
    @pytest.mark.parametrize("rate", [2, RATE, 150])
    def test_a_job_gets_the_whole_ceiling(self, simulate: Simulate, rate: float) -> None:
        sim = simulate(rate_per_s=rate)
        api = Api(sim)
        JobWorker(sim, api)
        sim.run(30)
        assert 0.99 * rate <= api.per_s(0) <= rate + 1 / 30
        assert api.most_in(1) <= rate + 1

    @pytest.mark.parametrize("lane", ["transactional", "bulk"])
    def test_single_intents_of_either_lane_do(self, simulate: Simulate, lane: str) -> None:
        sim = simulate()
        api = Api(sim)
        intents(sim, api, lane, 30 * RATE + 50)
        sim.run(30)
        assert 0.99 * RATE <= api.per_s(0) <= RATE + 2 / 30
        assert api.most_in(1) <= RATE + 1

    def test_intents_that_come_after_a_quiet_time_are_not_sent_faster(self, simulate: Simulate) -> None:
        sim = simulate()
        api = Api(sim)
        worker = intents(sim, api, "bulk", 1)
        sim.run(60)
        for _ in range(2):
            worker.accept(50)
        sim.run(3)
        assert api.most_in(1) <= RATE + 1


class WhenBothLanesHaveWork:
    def test_both_together_get_the_ceiling_and_each_keeps_its_part(self, simulate: Simulate) -> None:
        """The transactional lane has what the bulk lane's part leaves."""
        sim = simulate(transactional_share=0.2)
        codes, news = Api(sim), Api(sim)
        intents(sim, codes, "transactional", 30 * RATE)
        intents(sim, news, "bulk", 30 * RATE)
        sim.run(30)
        assert 0.97 * RATE <= codes.per_s(2) + news.per_s(2) <= 1.01 * RATE
        assert codes.per_s(2) == pytest.approx(0.8 * RATE, rel=0.05)
        assert news.per_s(2) == pytest.approx(0.2 * RATE, rel=0.05)

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
    def test_codes_within_the_lanes_share_leave_at_once_beside_a_job(self, simulate: Simulate, share: float) -> None:
        sim = simulate(transactional_share=share)
        codes, news = Api(sim), Api(sim)
        JobWorker(sim, news)
        sim.run(1)
        worker = intents(sim, codes, "transactional")
        worker.every(1000 / (0.95 * share * RATE))
        sim.run(30)
        assert max(worker.waits) == 0
        assert codes.per_s(1) == pytest.approx(0.95 * share * RATE, rel=0.05)
        assert 0.97 * RATE <= codes.per_s(2) + news.per_s(2) <= 1.01 * RATE

    def test_codes_beyond_it_go_before_the_job(self, simulate: Simulate) -> None:
        sim = simulate(transactional_share=0.2)
        codes, news = Api(sim), Api(sim)
        JobWorker(sim, news)
        sim.run(1)
        worker = intents(sim, codes, "transactional")
        worker.every(1000 / (0.6 * RATE))
        sim.run(30)
        assert max(worker.waits) <= 500
        assert codes.per_s(2) == pytest.approx(0.6 * RATE, rel=0.05)
        assert news.per_s(2) == pytest.approx(0.4 * RATE, rel=0.05)


class WhenSeveralShareALane:
    def test_a_job_keeps_its_own_ceiling_and_uses_it(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=None)
        api = Api(sim)
        JobWorker(sim, api, rate=7)
        sim.run(60)
        assert 0.98 * 7 <= api.per_s(0) <= 7 + 1 / 30
        assert api.most_in(1) <= 8

    def test_what_a_slow_job_leaves_goes_to_single_intents(self, simulate: Simulate) -> None:
        sim = simulate()
        slow, rest = Api(sim), Api(sim)
        JobWorker(sim, slow, rate=5)
        intents(sim, rest, "bulk", 30 * RATE)
        sim.run(30)
        assert slow.per_s(2) == pytest.approx(5, rel=0.1)
        assert 0.97 * RATE <= slow.per_s(2) + rest.per_s(2) <= 1.01 * RATE

    @pytest.mark.parametrize("rate", [2, RATE, 60])
    def test_jobs_and_single_intents_get_the_same(self, simulate: Simulate, rate: float) -> None:
        sim = simulate(rate_per_s=rate)
        apis = [Api(sim), Api(sim), Api(sim)]
        JobWorker(sim, apis[0])
        JobWorker(sim, apis[1])
        intents(sim, apis[2], "bulk", int(15 * rate))
        sim.run(30)
        assert 0.97 * rate <= sum(api.per_s(2) for api in apis) <= 1.02 * rate
        for api in apis:
            assert api.per_s(2) == pytest.approx(rate / 3, rel=0.15)

    def test_one_that_does_not_come_back_is_not_waited_for(self, simulate: Simulate) -> None:
        sim = simulate()
        first, second = Api(sim), Api(sim)
        gone = JobWorker(sim, first)
        JobWorker(sim, second)
        sim.run(5)
        gone.stop()
        sim.run(10)
        assert second.per_s(6) >= 0.97 * RATE


class WhenAnySecondIsLookedAt:
    """The ceiling counts in every span of one second, whatever was lost before it."""

    @pytest.mark.parametrize("rate", [RATE, 100, 400])
    def test_both_lanes_together_keep_the_ceiling(self, simulate: Simulate, rate: float) -> None:
        """Only the first codes come on top of slots that the job has already: as many as the lane's share has in a quarter of a second."""
        sim = simulate(rate_per_s=rate, transactional_share=0.2)
        api = Api(sim)
        JobWorker(sim, api)
        sim.run(1)
        intents(sim, api, "transactional").every(1000 / (0.1 * rate))
        sim.run(30)
        assert api.most_in(1) <= (1 + 0.2 / 4) * rate + 1
        assert api.most_in(1, since_s=3) <= rate + 1
        assert 0.97 * rate <= api.per_s(3) <= rate

    def test_so_they_do_if_codes_come_at_random(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=100, transactional_share=0.2)
        api = Api(sim)
        dice = random.Random(3)
        JobWorker(sim, api, late_ms=lambda: dice.uniform(0, 50))
        worker = intents(sim, api, "transactional")

        def one_more() -> None:
            worker.accept(1)
            sim.after(dice.expovariate(10 / 1000), one_more)

        one_more()
        sim.run(60)
        assert api.most_in(1) <= 105
        assert 97 <= api.per_s(3) <= 100

    def test_what_was_lost_while_nobody_could_send_is_not_sent_on_top(self, simulate: Simulate) -> None:
        """Known fault: a job's first second, in which it makes one call at a time, made 5 % too many calls for twenty seconds."""
        sim = simulate(rate_per_s=100)
        api = Api(sim)
        stalls = cycle([0] * 100 + [900])
        JobWorker(sim, api, late_ms=lambda: next(stalls))
        sim.run(60)
        assert api.most_in(1) <= 102


class WhenWorkersComeLate:
    def test_they_have_slots_meanwhile(self, simulate: Simulate) -> None:
        sim = simulate()
        api = Api(sim)
        dice = random.Random(7)
        JobWorker(sim, api, late_ms=lambda: dice.uniform(0, 200))
        sim.run(60)
        assert 0.97 * RATE <= api.per_s(0) <= RATE + 2 / 60
        assert api.most_in(1) <= RATE + 2

    def test_a_stall_costs_its_own_time_alone(self, simulate: Simulate) -> None:
        sim = simulate()
        api = Api(sim)
        stalls = cycle([0] * 200 + [900])
        JobWorker(sim, api, late_ms=lambda: next(stalls))
        sim.run(120)
        assert 0.95 * RATE <= api.per_s(0) <= RATE + 2 / 60
        assert api.most_in(1) <= RATE + 2


class WhenTheClockOrTheCeilingChanges:
    def test_a_clock_that_is_set_back_stops_nothing(self, simulate: Simulate) -> None:
        sim = simulate()
        api = Api(sim)
        sim.clock_is_off_by_ms = 3_600_000
        JobWorker(sim, api)
        sim.run(5)
        sim.clock_is_off_by_ms = 0
        sim.run(5)
        assert api.per_s(5) >= 0.97 * RATE

    def test_a_ceiling_of_one_call_an_hour_is_kept_although_nobody_asks_meanwhile(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=1 / 3600)
        api = Api(sim)
        worker = intents(sim, api, "bulk", 1)
        sim.run(1)
        key = sim.ledger.keys.pace(APPLICATION)
        next_slot_ms = float(sim.redis.hget(key, "tat")) - sim.clock_ms
        assert next_slot_ms == pytest.approx(3_599_000, abs=1)
        assert sim.redis.pttl(key) > next_slot_ms
        worker.accept(1)
        sim.run(60)
        assert len(api.at) == 1


class WhenTheApiAllowsLess:
    """It takes RATE calls a second by a bucket of tokens, and answers 429 to the others."""

    @pytest.mark.parametrize("depth_s", [0.1, 1, 10])
    @pytest.mark.parametrize("retry_after_s", [0, 1])
    @pytest.mark.parametrize("ceiling", [1.3 * RATE, 50 * RATE])
    def test_what_it_allows_is_learned_within_a_minute_and_used(
        self, simulate: Simulate, depth_s: float, retry_after_s: float, ceiling: float
    ) -> None:
        sim = simulate(rate_per_s=ceiling)
        api = Api(sim, rate=RATE, depth=depth_s * RATE, retry_after_s=retry_after_s)
        JobWorker(sim, api)
        sim.run(300)
        for minute in range(1, 5):
            assert 0.92 * RATE <= api.per_s(60 * minute, 60 * minute + 60) <= 1.05 * RATE
        assert 0.93 * RATE <= api.per_s(60) <= 1.02 * RATE
        assert sum(at > 60_000 for at in api.refused) <= 0.01 * len(api.at)

    @pytest.mark.parametrize("depth_s", [0.1, 1, 10])
    def test_if_each_429_costs_five_seconds_it_is_asked_for_more_rarely(self, simulate: Simulate, depth_s: float) -> None:
        sim = simulate(rate_per_s=1.3 * RATE)
        api = Api(sim, rate=RATE, depth=depth_s * RATE, retry_after_s=5)
        JobWorker(sim, api)
        sim.run(600)
        assert 0.9 * RATE <= api.per_s(60) <= 1.02 * RATE
        assert sum(at > 60_000 for at in api.refused) <= 12

    def test_both_lanes_share_what_is_learned(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=None)
        api = Api(sim, rate=RATE, depth=RATE)
        JobWorker(sim, api)
        sim.run(60)
        worker = intents(sim, api, "transactional")
        worker.every(1000 / (0.15 * RATE))
        sim.run(60)
        assert api.per_s(60) >= 0.95 * RATE
        assert sorted(worker.waits)[len(worker.waits) // 2] == 0

    def test_if_it_allows_more_later_that_is_found_out_too(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=None)
        api = Api(sim, rate=RATE / 2, depth=RATE)
        JobWorker(sim, api)
        sim.run(120)
        api.rate = 2 * RATE
        sim.run(240)
        assert api.per_s(300) >= 0.9 * 2 * RATE
        api.rate = RATE
        sim.run(120)
        assert api.per_s(400) == pytest.approx(RATE, rel=0.08)

    def test_late_answers_and_refused_probes_do_not_lower_the_rate_again(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=None)
        gates, key = sim.ledger.gates, sim.ledger.keys.pace(APPLICATION)
        too_many = [Shut("not_before", "slow down")]
        worker = JobWorker(sim, Api(sim), rate=RATE)
        sim.run(2)
        worker.stop()
        assert sim.do(gates.report(APPLICATION, Heard(), too_many)) == ["shut not_before"]
        learned = sim.redis.hget(key, "limit")
        sim.run(0.5)
        sim.do(gates.report(APPLICATION, Heard(), too_many))
        assert sim.redis.hget(key, "limit") == learned
        sim.run(1)
        assert sim.do(gates.report(APPLICATION, Heard(), too_many)) == ["shut not_before"], "a probe was refused"
        assert sim.redis.hget(key, "limit") == learned

    def test_a_limit_that_is_not_used_up_does_not_rise(self, simulate: Simulate) -> None:
        sim = simulate(rate_per_s=None)
        api = Api(sim, rate=RATE, depth=RATE)
        worker = JobWorker(sim, api)
        sim.run(60)
        worker.stop()
        intents(sim, api, "transactional").every(1000)
        before = len(api.refused)
        sim.run(600)
        JobWorker(sim, api)
        sim.run(20)
        assert len(api.refused) - before <= 2
