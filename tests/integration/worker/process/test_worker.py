"""A worker is told to end."""

from __future__ import annotations

import signal

import pytest

from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn


class WhenAWorkerIsToldToEnd:
    @pytest.mark.settings(drain_s=1.0)
    def test_calls_that_it_had_to_break_off_are_recorded_and_do_not_count_as_a_crash(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 30
        worker = rig.start_worker()
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(5)]
        wait_until(lambda: len(api.calls) == 5)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GENEROUS_S) == 0

        api.latency_s = 0
        assert rig.wooshq.counts()["now_sending"] == 0
        for status in map(rig.wooshq.status, ids):
            assert status is not None
            assert [a["outcome"] for a in status.attempts] == ["unknown"]
            assert "worker was lost" not in status.attempts[0]["error"]

    def test_it_finishes_the_calls_in_progress_and_leaves_the_rest(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 0.3
        worker = rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(1000))
        wait_until(lambda: len(api.calls) > 100)

        worker.send_signal(signal.SIGTERM)

        assert worker.wait(GENEROUS_S) == 0
        rig.start_worker()
        assert {s.state for s in rig.ended([i for i in report.ids if i])} == {"sent"}
        assert set(api.accepted.values()) == {1}


@pytest.mark.settings(api_token="")
def test_a_log_at_info_says_what_waits_and_for_what(rig: Rig) -> None:
    rig.start_worker()
    rig.wooshq.enqueue(an_intent(lane="transactional"))
    wait_until(lambda: any(event.get("transactional_token") == 1 for event in rig.events("waiting")), saw=rig.logs)


def test_a_log_at_info_says_what_became_of_messages_in_the_words_of_their_status(rig: Rig) -> None:
    rig.start_worker()
    rig.ended([rig.wooshq.enqueue(an_intent()) for _ in range(20)])
    wait_until(lambda: sum(event.get("sent", 0) for event in rig.events("settled")) == 20, saw=rig.logs)
