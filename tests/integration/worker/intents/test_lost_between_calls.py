"""A worker is lost between two calls of one attempt: every call of the API is on record, and nothing that was refused is in doubt."""

from __future__ import annotations

import pytest

from tests.rig import Rig, an_intent, read_row, wait_until
from tests.stand_in import Reply, StandIn, refusal

REFUSED = refusal(503, 14, "unavailable", Retry_After="20")


def row_of(rig: Rig, intent_id: str) -> dict[str, str]:
    return read_row(rig.redis(), rig.wooshq.ledger.keys.intent(intent_id))


@pytest.mark.settings(lease_s=120.0, short_retry_s=30.0, short_tries=3, on_unknown="dead_letter", suspect_after=4)
class WhenAWorkerIsLostBetweenTwoCalls:
    def test_the_call_before_is_on_record_and_the_message_is_not_in_doubt(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: REFUSED
        worker = rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: "n" in row_of(rig, intent_id))
        assert (row_of(rig, intent_id)["state"], "begun" in row_of(rig, intent_id)) == ("sending", False)

        api.answer = lambda call, n: None
        rig.kill(worker)
        rig.start_worker()

        (status,) = rig.ended([intent_id])
        assert (status.state, [attempt["outcome"] for attempt in status.attempts]) == ("sent", ["retry", "sent"])
        assert len(api.calls) == 2
        assert rig.wooshq.counts().get("unknown", 0) == 0

    def test_if_the_second_call_is_in_progress_it_is_in_doubt_and_both_are_on_record(self, rig: Rig, api: StandIn) -> None:
        quick = refusal(503, 14, "unavailable")
        api.answer = lambda call, n: quick if n == 1 else Reply(after_s=60.0)
        worker = rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: len(api.calls) == 2)
        rig.kill(worker)
        api.answer = lambda call, n: None
        rig.start_worker()

        (status,) = rig.ended([intent_id])
        assert (status.state, status.reason) == ("dead", "unknown")
        assert [(attempt["outcome"], attempt["code"]) for attempt in status.attempts] == [
            ("retry", "UNAVAILABLE"),
            ("unknown", "WORKER_LOST"),
        ]

    def test_calls_of_an_attempt_that_ends_well_are_on_record_once(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(503, 14, "unavailable") if n <= 2 else None
        rig.start_worker()
        (status,) = rig.ended([rig.wooshq.enqueue(an_intent())])
        assert [attempt["outcome"] for attempt in status.attempts] == ["retry", "retry", "sent"]
        assert len(api.calls) == 3
