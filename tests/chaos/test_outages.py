"""The API in trouble for as long as it likes: everything is sent in the end, nothing dies of it, nothing goes before its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal

AWAY_S = 20.0
RETRY_AFTER_S = 4
#: What was on the wire when the API said 429 may still arrive.
IN_FLIGHT_S = 0.5


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(latency_s=0.02) as stand_in:
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path, api.url, http_connect_s=1.0, http_read_s=2.0, http_total_s=3.0)
    yield made
    made.close()


class WhenTheApiFailsThenIsGoneThenLimits:
    def test_all_is_sent_in_the_end_none_before_the_time_named_and_every_attempt_is_seen(self, rig: Rig, api: StandIn) -> None:
        limited_at: list[float] = []

        def limit_once(call: Call, n: int) -> Reply | None:
            if limited_at:
                return None
            limited_at.append(time.monotonic())
            return refusal(429, 8, "slow down", Retry_After=str(RETRY_AFTER_S))

        api.answer = lambda call, n: refusal(500, 13, "internal")
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(200))
        wait_until(lambda: len(api.calls) > 20)
        api.go_away()
        time.sleep(AWAY_S)  # the outage itself
        assert "circuit" in {gate.gate for gate in rig.wooshq.gates()}
        api.answer = limit_once
        api.come_back()

        statuses = rig.ended((i for i in report.ids if i), within_s=180)

        assert {status.state for status in statuses} == {"sent"}
        assert set(api.accepted.values()) == {1}
        assert rig.wooshq.dead_letters.list() == []
        assert all(status.attempts for status in statuses)
        assert {a["outcome"] for status in statuses for a in status.attempts} <= {"retry", "sent"}
        assert any(a["code"] == "INTERNAL" for status in statuses for a in status.attempts)
        asked_for = limited_at[0] + RETRY_AFTER_S
        assert not [call for call in api.calls if limited_at[0] + IN_FLIGHT_S < call.at < asked_for]

    def test_an_outage_costs_few_calls_and_few_attempts(self, rig: Rig, api: StandIn) -> None:
        """A circuit that is open is tried by probes alone, and what waits for it pays with no attempt."""
        api.answer = lambda call, n: refusal(503, 14, "unavailable")
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(500))
        wait_until(lambda: rig.wooshq.counts()["now_held"] > 300, saw=rig.wooshq.counts)
        called, at = len(api.calls), time.monotonic()
        wait_until(lambda: time.monotonic() - at > 5)

        settings = rig.wooshq.settings
        probing = settings.probes * settings.short_tries * (1 + 5 / float(rig.env["WOOSHQ_BREAKER_OPEN_S"]))
        assert len(api.calls) - called <= probing
        api.answer = lambda call, n: None
        statuses = rig.ended((i for i in report.ids if i), within_s=120)
        assert {status.state for status in statuses} == {"sent"}
        assert sum(len(status.attempts) == 1 for status in statuses) > 200
