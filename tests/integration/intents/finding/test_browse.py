"""What has not ended is listed in the order in which it goes on, at a cost that does not grow with how much there is."""

from __future__ import annotations

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn
from wooshq import Wooshq


def test_what_waits_longest_is_first_over_all_lanes_and_applications(wooshq: Wooshq) -> None:
    ids = [
        wooshq.enqueue(an_intent(f"u{n}", lane="bulk" if n % 2 else "transactional", application=f"APPL{n % 3}-XXXXX")) for n in range(9)
    ]
    assert {one.id for one in wooshq.browse("waiting")} == set(ids)
    ages = [one.accepted_at for one in wooshq.browse("waiting")]
    assert ages == sorted(ages, key=str)
    assert [one.accepted_at for one in wooshq.browse("waiting", most=4)] == ages[:4]


@pytest.mark.stand_in(latency_s=3600)
def test_what_a_worker_holds_is_under_way(rig: Rig, api: StandIn) -> None:
    intent_id = rig.wooshq.enqueue(an_intent())
    assert rig.wooshq.browse("under_way") == []
    rig.start_worker()
    wait_until(lambda: api.calls)
    assert [one.id for one in rig.wooshq.browse("under_way")] == [intent_id]
    assert rig.wooshq.browse("waiting") == []


@pytest.mark.settings(backoff_base_s=3600, backoff_ceiling_s=7200, short_tries=1, breaker_failures=1000)
def test_the_next_retry_is_first(rig: Rig, api: StandIn) -> None:
    api.answer = lambda call, n: Reply(503, {"code": 14, "message": "later", "status": "UNAVAILABLE"})
    ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(5)]
    rig.start_worker()
    wait_until(lambda: len(rig.wooshq.browse("retrying")) == len(ids))
    times = [one.next_attempt_at for one in rig.wooshq.browse("retrying")]
    assert times == sorted(times, key=str)


@pytest.mark.parametrize(
    "shelf, most, field",
    [("ended", 1, "shelf"), ("", 1, "shelf"), ("waiting", 0, "most"), ("waiting", 501, "most"), ("waiting", True, "most")],
)
def test_what_is_not_there_is_said(wooshq: Wooshq, shelf: str, most: int, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        wooshq.browse(shelf, most=most)
