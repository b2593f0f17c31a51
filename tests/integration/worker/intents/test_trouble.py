"""The API has trouble: everything is sent in the end, and never before the time that the API named."""

from __future__ import annotations

import time

import pytest

from tests.rig import APPLICATION, TOKEN, Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal


class WhenTheApiHasTrouble:
    @pytest.mark.settings(http_read_s=8.0, http_total_s=8.0, short_retry_s=0.5)
    def test_everything_is_sent_in_the_end_and_nothing_before_the_time_named(self, rig: Rig, api: StandIn) -> None:
        limited_at: list[float] = []

        def trouble(call: Call, n: int) -> Reply | None:
            if n <= 60:
                return refusal(500, 13, "internal")
            if n <= 64:
                return Reply(cut=True, status=502)
            if not limited_at:
                limited_at.append(call.at)
                return refusal(429, 8, "slow down", Retry_After="2")
            return None

        api.answer = trouble
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(60))

        statuses = rig.ended(i for i in report.ids if i)

        assert {s.state for s in statuses} == {"sent"}
        assert rig.wooshq.dead_letters.list() == []
        assert all(s.attempts for s in statuses)
        too_early = [call for call in api.calls if limited_at[0] < call.at < limited_at[0] + 2]
        assert len(too_early) < rig.wooshq.settings.probes, "only the other probe was in progress when the API said so"

    def test_a_token_that_becomes_invalid_holds_the_rest_until_it_is_valid_again(self, rig: Rig, api: StandIn) -> None:
        good = [True]
        api.answer = lambda call, n: None if good[0] else refusal(401, 16, f"invalid {TOKEN}")
        rig.start_worker()
        first = rig.wooshq.enqueue(an_intent("before"))
        rig.ended([first])
        good[0] = False
        called, since = len(api.calls), time.monotonic()
        ids = [rig.wooshq.enqueue(an_intent("u0"))]
        wait_until(rig.wooshq.gates)
        ids += [rig.wooshq.enqueue(an_intent(f"u{i}")) for i in range(1, 100)]

        wait_until(lambda: rig.status(ids[-1]).state == "held", saw=lambda: rig.status(ids[-1]))
        assert len(api.calls) - called < 10 + 4 * (time.monotonic() - since), "a few calls, then two probes every half second"
        gate = rig.wooshq.gates()[0]
        assert (gate.gate, gate.application) == ("token", APPLICATION)
        assert "token" in (rig.status(ids[-1]).waiting_for or "")
        good[0] = True

        assert {s.state for s in rig.ended(ids)} == {"sent"}
        assert rig.wooshq.dead_letters.list() == []
        assert TOKEN not in rig.logs()

    def test_a_lost_answer_is_recorded_as_unknown_and_the_intent_says_whether_it_is_sent_again(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n <= 2 else None
        rig.start_worker()

        resent, buried = rig.wooshq.enqueue(an_intent("a")), rig.wooshq.enqueue(an_intent("b", on_unknown="dead_letter"))

        statuses = rig.ended([resent, buried])
        assert [a["outcome"] for a in statuses[0].attempts] == ["unknown", "sent"]
        assert (statuses[1].state, statuses[1].reason) == ("dead", "unknown")
        assert rig.wooshq.counts()["unknown"] == 2
