"""Which fault rules are valid, and whether the API accepts the message of a call with a fault."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq_worker.sandbox.bad_control import BadControl
from wooshq_worker.sandbox.faults.fault import EFFECTS, WAYS, read_fault


class WhenARuleIsNotValid:
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
    def test_it_is_refused_and_the_problem_names_the_field(self, rule: Any, problem: str) -> None:
        with pytest.raises(BadControl) as error:
            read_fault(rule)
        assert problem in [text.partition(":")[0].rpartition(".")[2] for text in error.value.problems]

    def test_all_problems_are_reported_at_once(self) -> None:
        with pytest.raises(BadControl) as error:
            read_fault({"effect": "status", "nth": 0, "probability": 2}, "faults[3]")
        assert len(error.value.problems) == 3
        assert all(problem.startswith("faults[3].") for problem in error.value.problems)


class WhenAnEffectIsChosen:
    def test_every_effect_with_a_how_has_its_ways(self) -> None:
        assert set(WAYS) == {effect for effect, shaped_by in EFFECTS.items() if "how" in shaped_by}

    @pytest.mark.parametrize(
        "rule, accepted",
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
    def test_the_message_is_accepted_as_usual_for_the_effect_unless_the_rule_says_otherwise(
        self, rule: dict[str, Any], accepted: bool
    ) -> None:
        assert read_fault(rule).accepts_message is accepted
