"""Limits are set while workers run: they count at once, for all workers, instead of the environment's."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.fan_outs import PERSONAL, personal
from tests.integration.ledger.simulation import Api, IntentWorker, JobWorker, Simulation
from tests.rig import APPLICATION, GENEROUS_S, Rig, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.errors import JobUnknown
from wooshq.ledger.gates import Heard, Shut

OTHER = "CCCCC-DDDDD"


def listed(wooshq: Wooshq) -> list[tuple[Any, ...]]:
    """Limit, application, value and origin."""
    return [(one.limit, one.application, one.value, one.origin) for one in wooshq.limits.list()]


class WhenAnApplicationsRateIsSet:
    """On the clock of the test."""

    def set(self, sim: Simulation, name: str, application: str, value: str) -> None:
        sim.do(sim.ledger.gates.set_limit(name, application, value, why="", by=""))

    @pytest.mark.parametrize("whose", [APPLICATION, "*"])
    @pytest.mark.parametrize("before", [0.5, 20, None])
    def test_it_counts_at_once_whatever_counted_before(
        self, redis_url: str, monkeypatch: pytest.MonkeyPatch, before: float | None, whose: str
    ) -> None:
        sim = Simulation(redis_url, monkeypatch, rate_per_s=before)
        apis = [Api(sim), Api(sim)]
        JobWorker(sim, apis[0], rate=30)
        IntentWorker(sim, apis[1], "transactional").accept(100)
        sim.run(3)
        self.set(sim, "rate", whose, "10.0")
        sim.run(13)
        assert 9.5 <= sum(api.per_s(6) for api in apis) <= 10.5

    def test_none_takes_the_environments_ceiling_away_and_unset_brings_it_back(
        self, redis_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sim = Simulation(redis_url, monkeypatch, rate_per_s=5)
        api = Api(sim)
        JobWorker(sim, api, rate=50)
        self.set(sim, "rate", "*", "none")
        sim.run(10)
        assert api.per_s(1) == pytest.approx(50, rel=0.05)
        self.set(sim, "rate", "*", "")
        sim.run(10)
        assert api.per_s(11) == pytest.approx(5, rel=0.1)

    def test_that_of_one_application_goes_before_that_of_all(self, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sim = Simulation(redis_url, monkeypatch)
        api = Api(sim)
        JobWorker(sim, api, rate=50)
        self.set(sim, "rate", "*", "5.0")
        self.set(sim, "rate", APPLICATION, "20.0")
        sim.run(10)
        assert api.per_s(1) == pytest.approx(20, rel=0.05)

    def test_the_transactional_lanes_share_counts_at_once_too(self, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        sim = Simulation(redis_url, monkeypatch, rate_per_s=20, transactional_share=0.1)
        codes, news = Api(sim), Api(sim)
        JobWorker(sim, news)
        sim.run(1)
        worker = IntentWorker(sim, codes, "transactional")
        self.set(sim, "share", "*", "0.6")
        worker.every(100)
        sim.run(10)
        assert max(worker.waits) == 0, "10 of 20 calls are within the share"


class WhenAJobsRateIsSet:
    def test_a_running_job_goes_faster_at_once(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(400), rate=0.5)
        wait_until(lambda: job.show().sent > 0)
        assert rig.wooshq.bulk.set_rate(job.id, 1000).limit == 1000
        assert job.wait(GENEROUS_S).sent == 400, "at the rate before, this takes 13 minutes"

    def test_a_job_that_has_ended_keeps_its_rate(self, wooshq: Wooshq) -> None:
        job = wooshq.fan_out(PERSONAL, personal(2), rate=5)
        job.cancel()
        assert wooshq.bulk.set_rate(job.id, 9).limit == 5

    def test_an_unknown_job_is_named(self, wooshq: Wooshq) -> None:
        with pytest.raises(JobUnknown):
            wooshq.bulk.set_rate("nobody", 9)


class WhenLimitsAreListed:
    @pytest.mark.settings(rate_per_s=100, rates={OTHER: 7.0}, transactional_share=0.3)
    def test_those_that_count_are_shown_with_where_they_come_from(self, wooshq: Wooshq) -> None:
        from_environment = [
            ("rate", "*", 100.0, "environment"),
            ("rate", OTHER, 7.0, "environment"),
            ("share", "*", 0.3, "environment"),
        ]
        assert listed(wooshq) == from_environment
        wooshq.limits.set("rate", 5, OTHER, why="slow", by="ana")
        assert listed(wooshq) == [from_environment[0], ("rate", OTHER, 5.0, "set"), from_environment[2]]
        wooshq.limits.set("rate", 50)
        wooshq.limits.set("share", 0.5)
        assert listed(wooshq) == [("rate", "*", 50.0, "set"), ("rate", OTHER, 5.0, "set"), ("share", "*", 0.5, "set")]
        (limit,) = [one for one in wooshq.limits.list() if one.application == OTHER]
        assert (limit.why, limit.by) == ("slow", "ana")
        for name, application in (("rate", "*"), ("rate", OTHER), ("share", "*")):
            assert wooshq.limits.unset(name, application)
        assert listed(wooshq) == from_environment

    def test_what_was_learned_and_the_rates_of_jobs_are_shown_while_they_count(self, wooshq: Wooshq) -> None:
        job, ended = (wooshq.fan_out(PERSONAL, personal(2), rate=rate) for rate in (5, 6))
        ended.cancel()
        wooshq.do(wooshq.ledger.gates.report(APPLICATION, Heard(), [Shut("not_before", "slow down")]))
        learned, of_job = wooshq.limits.list()[-2:]
        assert (learned.application, learned.origin, learned.value) == (APPLICATION, "learned", 0.35)
        assert learned.since is not None
        assert (of_job.job, of_job.origin, of_job.value) == (job.id, "job", 5.0)


class WhenALimitIsNotValid:
    @pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, 1_000_001, "5", True])
    def test_a_rate_that_cannot_be_is_refused(self, wooshq: Wooshq, value: Any) -> None:
        with pytest.raises(ValueError, match="rate: is not a number above 0, at most 1,000,000"):
            wooshq.limits.set("rate", value)
        with pytest.raises(ValueError, match="rate: is not a number above 0"):
            wooshq.bulk.set_rate("any", value)

    @pytest.mark.parametrize("value", [None, 0, 1, 1.5, math.nan])
    def test_a_share_that_cannot_be_is_refused(self, wooshq: Wooshq, value: Any) -> None:
        with pytest.raises(ValueError, match="share: is not a number above 0 and below 1"):
            wooshq.limits.set("share", value)

    def test_an_unknown_limit_or_application_is_named(self, wooshq: Wooshq) -> None:
        with pytest.raises(ValueError, match=r"limit: is not a known limit\. Use one of rate, share"):
            wooshq.limits.set("speed", 5)
        with pytest.raises(ValueError, match="application: is not a valid application code"):
            wooshq.limits.unset("rate", "a|b")
        assert wooshq.changes() == []
