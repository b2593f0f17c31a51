"""A rate is one for all workers together, and it leaves room for the transactional lane."""

from __future__ import annotations

import time

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, assert_rate_was_kept, refusal


class WhenAnApplicationHasARate:
    @pytest.mark.settings(rate_per_s=25, transactional_share=0.5)
    def test_workers_together_keep_it_and_waste_little_of_it(self, rig: Rig, api: StandIn) -> None:
        for _ in range(3):
            rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"b{n}", lane="bulk") for n in range(40))
        report = rig.wooshq.enqueue_many(an_intent(f"t{n}") for n in range(40))
        statuses = rig.ended(i for i in report.ids if i)
        wait_until(lambda: api.accepted.total() == 80)

        assert_rate_was_kept(api.calls, rate=25)
        assert {len(status.attempts) for status in statuses} == {1}, "waiting for a slot costs no attempt"
        assert set(api.accepted.values()) == {1}

    @pytest.mark.settings(rate_per_s=20, short_tries=1)
    def test_waiting_for_a_slot_is_not_a_failure_and_makes_no_later_wait_longer(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(503, 14, "unavailable") if call.recipients == ["late"] else None
        rig.wooshq.enqueue_many(an_intent(f"b{n}", lane="bulk") for n in range(30))
        late = rig.wooshq.enqueue(an_intent("late", lane="bulk"))
        rig.start_worker()
        waiting: set[str | None] = set()
        row = rig.wooshq.ledger.keys.intent(late)

        def has_failed() -> bool:
            status = rig.status(late)
            waiting.add(status.waiting_for)
            return bool(status.attempts)

        wait_until(has_failed)
        assert rig.redis().hget(row, "rounds") == b"1"
        assert "a slot: its application makes as many calls a second as it may" in waiting
        api.answer = lambda call, n: None
        assert rig.ended([late])[0].state == "sent"

    @pytest.mark.settings(rate_per_s=20)
    def test_a_full_bulk_lane_does_not_hold_up_a_one_time_code(self, rig: Rig, api: StandIn) -> None:
        """The bulk lane has work for half a minute; each code passes it, although others are a part of the same rate."""
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"b{n}", lane="bulk") for n in range(600))
        wait_until(lambda: len(api.calls) > 10)
        overtaken = []
        for n in range(5):
            before = len(api.calls)
            rig.wooshq.enqueue(an_intent(f"code-{n}"))
            wait_until(lambda n=n: api.accepted[f"code-{n}"])
            overtaken.append(sum(call.recipients[0].startswith("b") for call in api.calls[before:]))
        assert sorted(overtaken)[len(overtaken) // 2] < 20, "about a second of the bulk lane"
        assert api.accepted.total() < 605


class WhenTheApiSaysThatItIsTooMuch:
    @pytest.mark.settings(concurrency=32)
    def test_all_workers_wait_together_then_slow_down_together(self, rig: Rig, api: StandIn) -> None:
        limited: list[float] = []

        def once(call: Call, n: int) -> Reply | None:
            if n < 600 or limited:
                return None
            limited.append(time.monotonic())
            return refusal(429, 8, "slow down", Retry_After="2")

        api.answer = once
        rig.start_worker()
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(3000))
        wait_until(lambda: api.accepted.total() == 3000, saw=rig.wooshq.counts)

        at = sorted(call.at - limited[0] for call in api.calls)
        assert not any(1.0 < one < 2.0 for one in at), "only calls that were taken before all workers knew of the answer"
        earlier = [one for one in at if one < 0]
        before = max(200 / (last - first) for first, last in zip(earlier, earlier[200:], strict=False))
        first = next(one for one in at if one >= 2.0)
        after = sum(first <= one < first + 2.0 for one in at) / 2.0
        assert after < before, "fewer calls than before"
        assert set(api.accepted.values()) == {1}
