"""Whatever Python hands in, the answer is an id or a clear error."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import drawn, intents, json_values, odd_intents
from wooshq import Conflict, IntentInvalid, Wooshq

anything = json_values | odd_intents | intents | st.binary() | st.text() | st.integers() | st.none()


class WhenAnythingIsEnqueued:
    def test_the_answer_is_an_id_or_a_clear_error_and_nothing_is_lost(self, wooshq: Wooshq) -> None:
        seen = Counter[str]()

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(anything)
        def knock(value: Any) -> None:
            try:
                status = wooshq.status(wooshq.enqueue(value))
            except (IntentInvalid, Conflict) as error:
                assert str(error)
                seen[type(error).__name__] += 1
            else:
                assert status is not None
                assert status.state == "queued"
                seen["accepted"] += 1

        knock()
        assert seen["IntentInvalid"] > 0 < seen["accepted"]

    def test_each_of_many_is_accepted_or_reported(self, wooshq: Wooshq) -> None:
        some = drawn(anything, 300)
        report = wooshq.enqueue_many(some)
        assert report.accepted + report.refused == len(some) == len(report.ids)
        assert all((i is None) is (n in report.errors) for n, i in enumerate(report.ids))
        assert all(problem.problem for problems in report.errors.values() for problem in problems)
