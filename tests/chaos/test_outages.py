"""The API is in trouble for any length of time: everything is sent in the end, and nothing becomes a dead letter or leaves too early."""

from __future__ import annotations

import time

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal

RETRY_AFTER_S = 2

pytestmark = pytest.mark.stand_in(latency_s=0.02)


def refused_attempts(rig: Rig, ids: list[str]) -> int:
    """How many calls found nobody listening."""
    return sum(attempt["code"] == "REFUSED" for intent_id in ids for attempt in rig.status(intent_id).attempts)


class WhenTheApiFailsThenIsGoneThenLimits:
    @pytest.mark.settings(probes=1, http_read_s=30.0, http_total_s=30.0, short_retry_s=0.5)
    def test_everything_is_sent_in_the_end_nothing_before_the_time_named_and_every_attempt_is_seen(self, rig: Rig, api: StandIn) -> None:
        """One probe at a time, so that no other call is in progress when the API goes away or says 429."""
        limited_at: list[float] = []

        def limit_once(call: Call, n: int) -> Reply | None:
            if limited_at:
                return None
            limited_at.append(time.monotonic())
            return refusal(429, 8, "slow down", Retry_After=str(RETRY_AFTER_S))

        api.answer = lambda call, n: refusal(500, 13, "internal", Connection="close")
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(200))
        ids = [i for i in report.ids if i]
        wait_until(lambda: "circuit" in {gate.gate for gate in rig.wooshq.gates()}, saw=rig.wooshq.counts)
        wait_until(lambda: not api.under_way)
        called = len(api.calls)
        wait_until(lambda: len(api.calls) > called and not api.under_way, saw=rig.wooshq.gates)
        api.go_away()
        wait_until(lambda: refused_attempts(rig, ids) >= 3, saw=rig.wooshq.counts, every_s=0.2)
        assert "circuit" in {gate.gate for gate in rig.wooshq.gates()}
        api.answer = limit_once
        api.come_back()

        statuses = rig.ended(ids)

        assert {status.state for status in statuses} == {"sent"}
        assert set(api.accepted.values()) == {1}
        assert rig.wooshq.dead_letters.list() == []
        assert all(status.attempts for status in statuses)
        assert {a["outcome"] for status in statuses for a in status.attempts} <= {"retry", "sent"}
        assert any(a["code"] == "INTERNAL" for status in statuses for a in status.attempts)
        assert not [call for call in api.calls if limited_at[0] < call.at < limited_at[0] + RETRY_AFTER_S]

    def test_an_outage_costs_few_calls_and_few_attempts(self, rig: Rig, api: StandIn) -> None:
        """Only probes test an open circuit, and intents that wait for it pay no attempt."""
        api.answer = lambda call, n: refusal(503, 14, "unavailable")
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(500))
        settings = rig.wooshq.settings
        wait_until(lambda: rig.wooshq.counts()["now_held"] > 300, saw=rig.wooshq.counts)
        # What had left before the circuit opened has come back.
        wait_until(lambda: rig.wooshq.counts()["now_sending"] <= settings.probes, saw=rig.wooshq.counts)
        called, since = len(api.calls), time.monotonic()
        wait_until(lambda: len(api.calls) > called + 6, saw=rig.wooshq.gates)  # at least two probes

        wait_s = float(rig.env["WOOSHQ_BREAKER_OPEN_S"])
        assert len(api.calls) - called <= settings.probes * settings.short_tries * (1 + (time.monotonic() - since) / wait_s)
        api.answer = lambda call, n: None
        statuses = rig.ended(i for i in report.ids if i)
        assert {status.state for status in statuses} == {"sent"}
        assert sum(len(status.attempts) == 1 for status in statuses) > 200
