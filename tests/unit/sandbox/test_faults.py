"""Which calls a rule strikes."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_worker.sandbox.faults import EFFECTS, WAYS, BadControl, Fault, FaultPlan, read_fault


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def struck(plan: FaultPlan, calls: int, application: str = "A", recipients: tuple[str, ...] = ("u",)) -> list[int]:
    """Numbers, from 1, of the calls that an effect strikes."""
    return [number for number in range(1, calls + 1) if plan.strike(application, recipients).fault is not None]


def a_plan(*rules: dict[str, Any], seed: int = 1, clock: Clock | None = None) -> FaultPlan:
    return FaultPlan([read_fault({"effect": "status", "status": 503, **rule}) for rule in rules], seed=seed, clock=clock or Clock())


class WhenARuleSaysWhichCalls:
    def test_without_conditions_it_strikes_all(self) -> None:
        assert struck(a_plan({}), 3) == [1, 2, 3]

    def test_every_nth(self) -> None:
        assert struck(a_plan({"nth": 3}), 9) == [3, 6, 9]

    def test_the_first_n(self) -> None:
        assert struck(a_plan({"first": 2}), 9) == [1, 2]

    def test_not_the_first_so_many(self) -> None:
        assert struck(a_plan({"skip": 2, "first": 1}), 9) == [3]

    def test_every_second_but_only_twice(self) -> None:
        assert struck(a_plan({"nth": 2, "first": 2}), 9) == [2, 4]

    def test_those_of_an_application(self) -> None:
        plan = a_plan({"application": "A"})
        assert struck(plan, 1, application="A") == [1]
        assert struck(plan, 1, application="B") == []

    def test_calls_of_others_do_not_count_towards_the_nth(self) -> None:
        plan = a_plan({"application": "A", "nth": 2})
        assert struck(plan, 5, application="B") == []
        assert struck(plan, 2, application="A") == [2]

    def test_those_with_a_recipient_among_many(self) -> None:
        plan = a_plan({"recipient": "bad"})
        assert struck(plan, 1, recipients=("u", "bad")) == [1]
        assert struck(plan, 1, recipients=("u",)) == []

    def test_those_of_a_window(self) -> None:
        clock = Clock()
        plan = a_plan({"from_s": 10, "until_s": 20}, clock=clock)
        seen = []
        for now in (1000.0, 1009.9, 1010.0, 1019.9, 1020.0):
            clock.now = now
            seen.append(bool(struck(plan, 1)))
        assert seen == [False, False, True, True, False]

    def test_by_chance_about_as_many_as_asked(self) -> None:
        assert 2700 < len(struck(a_plan({"probability": 0.3}), 10_000)) < 3300

    def test_chance_is_the_same_for_the_same_seed(self) -> None:
        first, again, other = (struck(a_plan({"probability": 0.3}, seed=seed), 100) for seed in (7, 7, 8))
        assert first == again != other

    def test_the_dice_of_one_rule_do_not_depend_on_the_others(self) -> None:
        alone = struck(a_plan({"probability": 0.3}), 100)
        beside = struck(a_plan({"probability": 0.3}, {"application": "B", "probability": 0.5}), 100)
        assert alone == beside

    def test_two_rules_do_not_throw_the_same_dice(self) -> None:
        plan = a_plan({"application": "A", "probability": 0.5}, {"application": "B", "probability": 0.5})
        assert struck(plan, 100, application="A") != struck(plan, 100, application="B")

    def test_the_first_that_matches_decides(self) -> None:
        plan = a_plan({"status": 500, "first": 1}, {"status": 503})
        assert [plan.strike("A", ()).fault.status for _ in range(2)] == [500, 503]  # type: ignore[union-attr]

    def test_waits_add_up_before_the_effect(self) -> None:
        rules = [{"effect": "latency", "latency_s": 1}, {"effect": "latency", "latency_s": 2}]
        plan = FaultPlan([read_fault(rule) for rule in [*rules, {"effect": "hang", "latency_s": 3}]], seed=1, clock=Clock())
        met = plan.strike("A", ())
        assert (met.latency_s, met.label) == (6, "hang")

    def test_a_wait_alone_leaves_the_answer_as_it_is(self) -> None:
        plan = FaultPlan([Fault("latency", latency_s=(1, 2))], seed=1, clock=Clock())
        met = plan.strike("A", ())
        assert met.fault is None
        assert 1 <= met.latency_s <= 2
        assert met.label == "latency"

    def test_it_reports_what_it_saw_and_struck(self) -> None:
        plan = a_plan({"nth": 2, "accepted": False})
        struck(plan, 5)
        assert plan.report() == [{"effect": "status", "nth": 2, "accepted": False, "status": 503, "seen": 5, "hits": 2}]


class WhenARateIsLimited:
    def test_no_window_of_a_second_holds_more(self) -> None:
        clock = Clock()
        plan = FaultPlan([Fault("rate_limit", per_s=5)], seed=1, clock=clock)
        passed = []
        for step in range(300):
            clock.now = 1000 + step / 100
            if plan.strike("A", ()).fault is None:
                passed.append(clock.now)
        assert len(passed) == 15
        assert all(later - earlier >= 1 for earlier, later in zip(passed, passed[5:], strict=False))

    def test_it_says_how_long_to_wait(self) -> None:
        clock = Clock()
        plan = FaultPlan([Fault("rate_limit", per_s=1)], seed=1, clock=clock)
        plan.strike("A", ())
        clock.now += 0.25
        assert plan.strike("A", ()).wait_s == pytest.approx(0.75)

    def test_what_it_lets_through_may_meet_the_next_rule(self) -> None:
        plan = FaultPlan([Fault("rate_limit", per_s=1), Fault("status", status=500)], seed=1, clock=Clock())
        assert [plan.strike("A", ()).label for _ in range(2)] == ["status", "rate_limit"]


class WhenAConnectionIsCutAtAccept:
    def test_only_new_connections_count(self) -> None:
        plan = FaultPlan([Fault("cut_before", how="accept", nth=2)], seed=1, clock=Clock())
        assert struck(plan, 4) == []
        assert [plan.strike_connection() for _ in range(4)] == [False, True, False, True]


class WhenARuleMakesNoSense:
    @pytest.mark.parametrize(
        "rule, problem",
        [
            ({}, "effect"),
            ({"effect": "explode"}, "effect"),
            ({"effect": "status"}, "status"),
            ({"effect": "status", "status": 99}, "status"),
            ({"effect": "status", "status": "503"}, "status"),
            ({"effect": "status", "status": 503, "for_s": 1}, "for_s"),
            ({"effect": "status", "status": 503, "retry_afer": 1}, "retry_afer"),
            ({"effect": "status", "status": 503, "retry_after": {"in": 5}}, "retry_after"),
            ({"effect": "status", "status": 503, "retry_after": None}, "retry_after"),
            ({"effect": "status", "status": 503, "headers": {"a": 1}}, "headers"),
            ({"effect": "status", "status": 503, "nth": 0}, "nth"),
            ({"effect": "status", "status": 503, "first": True}, "first"),
            ({"effect": "status", "status": 503, "skip": -1}, "skip"),
            ({"effect": "status", "status": 503, "probability": 2}, "probability"),
            ({"effect": "status", "status": 503, "application": 5}, "application"),
            ({"effect": "status", "status": 503, "until_s": -1}, "until_s"),
            ({"effect": "status", "status": 503, "accepted": "yes"}, "accepted"),
            ({"effect": "latency"}, "latency_s"),
            ({"effect": "latency", "latency_s": [2, 1]}, "latency_s"),
            ({"effect": "latency", "latency_s": [1]}, "latency_s"),
            ({"effect": "garbage", "how": "loud"}, "how"),
            ({"effect": "redirect", "status": 200}, "status"),
            ({"effect": "rate_limit"}, "per_s"),
            ({"effect": "cut_before", "how": "accept", "recipient": "u"}, "how"),
            ("status", "fault"),
        ],
    )
    def test_it_is_refused_and_the_field_is_named(self, rule: Any, problem: str) -> None:
        with pytest.raises(BadControl) as error:
            read_fault(rule)
        assert problem in [text.partition(":")[0].rpartition(".")[2] for text in error.value.problems]

    def test_every_problem_is_told_at_once(self) -> None:
        with pytest.raises(BadControl) as error:
            read_fault({"effect": "status", "nth": 0, "probability": 2}, "faults[3]")
        assert len(error.value.problems) == 3
        assert all(problem.startswith("faults[3].") for problem in error.value.problems)


class WhenTheTableOfEffectsIsRead:
    def test_each_way_belongs_to_an_effect_that_has_ways(self) -> None:
        assert set(WAYS) == {effect for effect, shaped_by in EFFECTS.items() if "how" in shaped_by}

    @pytest.mark.parametrize(
        "rule, made",
        [
            ({"effect": "status", "status": 503}, False),
            ({"effect": "status", "status": 201}, True),
            ({"effect": "status", "status": 504, "accepted": True}, True),
            ({"effect": "hang"}, False),
            ({"effect": "hang", "accepted": True}, True),
            ({"effect": "cut_before"}, False),
            ({"effect": "cut_middle"}, True),
            ({"effect": "cut_after"}, True),
            ({"effect": "cut_after", "accepted": False}, False),
            ({"effect": "drip"}, True),
            ({"effect": "garbage"}, True),
            ({"effect": "garbage", "how": "error_1_3"}, False),
            ({"effect": "redirect"}, False),
            ({"effect": "rate_limit", "per_s": 1}, False),
        ],
    )
    def test_a_message_is_made_where_it_would_be_in_life_unless_told_otherwise(self, rule: dict[str, Any], made: bool) -> None:
        assert read_fault(rule).makes_message is made
