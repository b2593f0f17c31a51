"""Which calls a fault rule applies to."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_worker.sandbox.faults.fault import Fault, read_fault
from wooshq_worker.sandbox.faults.plan import FaultPlan


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hit(plan: FaultPlan, calls: int, application: str = "A", recipients: tuple[str, ...] = ("u",)) -> list[int]:
    """The numbers, from 1, of the calls that get a fault."""
    return [number for number in range(1, calls + 1) if plan.injection_for(application, recipients).fault is not None]


def a_plan(*rules: dict[str, Any], seed: int = 1, clock: Clock | None = None) -> FaultPlan:
    return FaultPlan([read_fault({"effect": "status", "status": 503, **rule}) for rule in rules], seed=seed, clock=clock or Clock())


class WhenARuleHasConditions:
    def test_without_conditions_it_applies_to_all_calls(self) -> None:
        assert hit(a_plan({}), 3) == [1, 2, 3]

    def test_nth_means_every_nth_call(self) -> None:
        assert hit(a_plan({"nth": 3}), 9) == [3, 6, 9]

    def test_first_means_only_so_many_calls(self) -> None:
        assert hit(a_plan({"first": 2}), 9) == [1, 2]

    def test_skip_leaves_out_the_first_calls(self) -> None:
        assert hit(a_plan({"skip": 2, "first": 1}), 9) == [3]

    def test_nth_and_first_combine(self) -> None:
        assert hit(a_plan({"nth": 2, "first": 2}), 9) == [2, 4]

    def test_application_means_only_calls_of_this_application(self) -> None:
        plan = a_plan({"application": "A"})
        assert hit(plan, 1, application="A") == [1]
        assert hit(plan, 1, application="B") == []

    def test_calls_that_do_not_match_are_not_counted_for_nth(self) -> None:
        plan = a_plan({"application": "A", "nth": 2})
        assert hit(plan, 5, application="B") == []
        assert hit(plan, 2, application="A") == [2]

    def test_recipient_means_only_calls_that_include_this_recipient(self) -> None:
        plan = a_plan({"recipient": "bad"})
        assert hit(plan, 1, recipients=("u", "bad")) == [1]
        assert hit(plan, 1, recipients=("u",)) == []

    def test_from_s_and_until_s_are_a_window(self) -> None:
        clock = Clock()
        plan = a_plan({"from_s": 10, "until_s": 20}, clock=clock)
        seen = []
        for now in (1000.0, 1009.9, 1010.0, 1019.9, 1020.0):
            clock.now = now
            seen.append(bool(hit(plan, 1)))
        assert seen == [False, False, True, True, False]

    def test_probability_gives_about_the_expected_number_of_calls(self) -> None:
        assert 2700 < len(hit(a_plan({"probability": 0.3}), 10_000)) < 3300

    def test_the_same_seed_chooses_the_same_calls(self) -> None:
        first, again, other = (hit(a_plan({"probability": 0.3}, seed=seed), 100) for seed in (7, 7, 8))
        assert first == again != other

    def test_another_rule_does_not_change_which_calls_are_chosen(self) -> None:
        alone = hit(a_plan({"probability": 0.3}), 100)
        beside = hit(a_plan({"probability": 0.3}, {"application": "B", "probability": 0.5}), 100)
        assert alone == beside

    def test_two_rules_choose_different_calls(self) -> None:
        plan = a_plan({"application": "A", "probability": 0.5}, {"application": "B", "probability": 0.5})
        assert hit(plan, 100, application="A") != hit(plan, 100, application="B")

    def test_the_first_rule_that_matches_decides(self) -> None:
        plan = a_plan({"status": 500, "first": 1}, {"status": 503})
        assert [plan.injection_for("A", ()).fault.status for _ in range(2)] == [500, 503]  # type: ignore[union-attr]

    def test_delays_add_up_before_the_effect(self) -> None:
        rules = [{"effect": "latency", "latency_s": 1}, {"effect": "latency", "latency_s": 2}]
        plan = FaultPlan([read_fault(rule) for rule in [*rules, {"effect": "hang", "latency_s": 3}]], seed=1, clock=Clock())
        injection = plan.injection_for("A", ())
        assert (injection.latency_s, injection.label) == (6, "hang")

    def test_a_delay_does_not_change_the_answer(self) -> None:
        plan = FaultPlan([Fault("latency", latency_s=(1, 2))], seed=1, clock=Clock())
        injection = plan.injection_for("A", ())
        assert injection.fault is None
        assert 1 <= injection.latency_s <= 2
        assert injection.label == "latency"

    def test_the_report_has_seen_and_hits(self) -> None:
        plan = a_plan({"nth": 2, "accepted": False})
        hit(plan, 5)
        assert plan.report() == [{"effect": "status", "nth": 2, "accepted": False, "status": 503, "seen": 5, "hits": 2}]


class WhenARateIsLimited:
    def test_no_window_of_a_second_has_more_calls(self) -> None:
        clock = Clock()
        plan = FaultPlan([Fault("rate_limit", per_s=5)], seed=1, clock=clock)
        passed = []
        for step in range(300):
            clock.now = 1000 + step / 100
            if plan.injection_for("A", ()).fault is None:
                passed.append(clock.now)
        assert len(passed) == 15
        assert all(later - earlier >= 1 for earlier, later in zip(passed, passed[5:], strict=False))

    def test_the_injection_says_how_long_to_wait(self) -> None:
        clock = Clock()
        plan = FaultPlan([Fault("rate_limit", per_s=1)], seed=1, clock=clock)
        plan.injection_for("A", ())
        clock.now += 0.25
        assert plan.injection_for("A", ()).wait_s == pytest.approx(0.75)

    def test_the_next_rule_applies_to_the_calls_it_lets_through(self) -> None:
        plan = FaultPlan([Fault("rate_limit", per_s=1), Fault("status", status=500)], seed=1, clock=Clock())
        assert [plan.injection_for("A", ()).label for _ in range(2)] == ["status", "rate_limit"]


class WhenConnectionsAreCutAtAccept:
    def test_only_new_connections_are_counted(self) -> None:
        plan = FaultPlan([Fault("cut_before", how="accept", nth=2)], seed=1, clock=Clock())
        assert hit(plan, 4) == []
        assert [plan.cuts_connection() for _ in range(4)] == [False, True, False, True]
