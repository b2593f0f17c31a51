"""A ceiling is one for all workers together, and it leaves room for the transactional lane."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def most_in_a_second(calls: list[Call]) -> int:
    at = sorted(call.at for call in calls)
    return max(sum(start <= other < start + 1.0 for other in at) for start in at)


class WhenAnApplicationHasACeiling:
    def test_workers_together_keep_it_and_waste_little_of_it(self, tmp_path: Path, api: StandIn) -> None:
        rig = Rig(tmp_path, api.url, rate_per_s=50, transactional_share=0.5)
        for _ in range(3):
            rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"b{n}", lane="bulk") for n in range(100))
        report = rig.wooshq.enqueue_many(an_intent(f"t{n}") for n in range(100))
        statuses = rig.ended((i for i in report.ids if i), within_s=60)
        wait_until(lambda: api.accepted.total() == 200)
        took = max(call.at for call in api.calls) - min(call.at for call in api.calls)
        rig.close()

        assert most_in_a_second(api.calls) <= 50 + 6
        assert 3.5 <= took <= 20
        assert {len(status.attempts) for status in statuses} == {1}, "waiting for a slot costs no attempt"
        assert set(api.accepted.values()) == {1}

    def test_a_full_bulk_lane_does_not_hold_up_a_one_time_code(self, tmp_path: Path, api: StandIn) -> None:
        rig = Rig(tmp_path, api.url, rate_per_s=40)
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"b{n}", lane="bulk") for n in range(400))
        wait_until(lambda: len(api.calls) > 20)
        waited = []
        for n in range(10):
            started = time.monotonic()
            rig.wooshq.enqueue(an_intent(f"code-{n}"))
            wait_until(lambda n=n: api.accepted[f"code-{n}"])
            waited.append(time.monotonic() - started)
            time.sleep(0.2)  # the rhythm of the codes: five a second, and eight are kept for them
        rig.close()
        assert sorted(waited)[len(waited) // 2] < 1.0, waited


class WhenTheApiSaysThatItIsTooMuch:
    def test_all_workers_wait_together_then_slow_down_together(self, tmp_path: Path, api: StandIn) -> None:
        limited: list[float] = []

        def once(call: Call, n: int) -> Reply | None:
            if n < 600 or limited:
                return None
            limited.append(time.monotonic())
            return refusal(429, 8, "slow down", Retry_After="2")

        api.answer = once
        rig = Rig(tmp_path, api.url, concurrency=32, release_per_s=100_000)
        rig.start_worker()
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(3000))
        wait_until(lambda: api.accepted.total() == 3000, within_s=120, saw=rig.wooshq.counts)
        rig.close()

        at = sorted(call.at - limited[0] for call in api.calls)
        assert not [one for one in at if 0.7 < one < 2.0], "what was on the wire is there by then; nobody calls before the time named"
        began = min(at)
        before = sum(one < 0 for one in at) / -began
        first = next(one for one in at if one >= 2.0)
        after = sum(first <= one < first + 2.0 for one in at) / 2.0
        assert after < before, "and then fewer calls than it was too much of"
        assert set(api.accepted.values()) == {1}
