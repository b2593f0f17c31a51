"""Whatever the API answers, every intent ends where it can be explained."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import strategies as st

from tests.rig import Rig, an_intent
from tests.stand_in import Call, Reply, StandIn
from tests.strategies import drawn, json_values

statuses = st.sampled_from([200, 201, 204, 206, 301, 307, 400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 425, 429, 451, 499])
statuses |= st.sampled_from([500, 501, 502, 503, 504, 520, 521, 524, 525, 599])
bodies = (
    json_values.map(json.dumps)
    | st.text(max_size=30)
    | st.sampled_from(["", "<html><title>Login</title>", '{"message_code": ""}', "[" * 5000])
)
replies = st.builds(
    lambda status, body, wait: Reply(status, body, {} if wait is None else {"Retry-After": wait}),
    statuses,
    bodies,
    st.none() | st.sampled_from(["0", "-1", "abc", "1e12", "Thu, 01 Jan 1970 00:00:00 GMT"]),
)


class WhenTheApiAnswersAnything:
    @pytest.mark.settings(retry_after_ceiling_s=1.0, breaker_ceiling_s=1.0)
    def test_every_intent_ends_where_it_can_be_explained(self, rig: Rig, api: StandIn) -> None:
        """Each intent's first call gets one of the answers; a retry finds a healthy API."""
        answers = drawn(replies, 120)
        asked: Counter[str] = Counter()

        def answer(call: Call, n: int) -> Reply | None:
            who = call.recipients[0]
            asked[who] += 1
            return answers[int(who)] if asked[who] == 1 else None

        api.answer = answer
        worker = rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(str(n)) for n in range(len(answers)))

        ended = rig.ended(i for i in report.ids if i)

        assert {status.state for status in ended} <= {"sent", "dead"}
        for n, status in enumerate(ended):
            assert len(status.attempts) == asked[str(n)], "every call is on record"
            if status.state == "dead":
                assert status.reason in ("rejected", "too_large")
                assert status.detail
            calls = sum(attempt["outcome"] in ("sent", "unknown") for attempt in status.attempts)
            assert api.accepted[str(n)] <= calls
        assert worker.poll() is None
        assert "Traceback" not in rig.logs()
