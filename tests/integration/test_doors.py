"""Whatever comes in at a door, the answer is clear: never a traceback, nothing lost, no worker ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig import APPLICATION, Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn
from tests.strategies import intents, json_values, odd_intents
from wooshq import Conflict, IntentInvalid, Settings, Wooshq
from wooshq.installation.celery_app import SUBMIT

anything = json_values | odd_intents | intents | st.binary() | st.text() | st.integers() | st.none()
lines = st.one_of(st.binary(max_size=60), json_values.map(json.dumps).map(str.encode), intents.map(json.dumps).map(str.encode)).map(
    lambda raw: raw.replace(b"\n", b" ").replace(b"\r", b" ")
)


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path, api.url)
    yield made
    made.close()


def drawn(strategy: st.SearchStrategy[Any], n: int) -> list[Any]:
    """`n` examples of a strategy, the same ones in every run."""
    found: list[Any] = []

    @settings(max_examples=n, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


class WhenPythonIsTheDoor:
    def test_anything_is_an_id_or_a_clear_error_and_is_not_lost(self, redis_url: str, broker_url: str) -> None:
        with Wooshq(Settings(_env_file=None, application=APPLICATION, redis_url=redis_url, broker_url=broker_url)) as wooshq:  # type: ignore[call-arg]
            accepted, seen = 0, Counter[str]()

            @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
            @given(anything)
            def knock(value: Any) -> None:
                nonlocal accepted
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

    def test_many_at_once_are_each_accepted_or_named(self, redis_url: str, broker_url: str) -> None:
        with Wooshq(Settings(_env_file=None, application=APPLICATION, redis_url=redis_url, broker_url=broker_url)) as wooshq:  # type: ignore[call-arg]
            some = drawn(anything, 300)
            report = wooshq.enqueue_many(some)
        assert report.accepted + report.refused == len(some) == len(report.ids)
        assert all((i is None) is (n in report.errors) for n, i in enumerate(report.ids))
        assert all(problem.problem for problems in report.errors.values() for problem in problems)


class WhenTheCommandLineIsTheDoor:
    def test_every_line_gets_an_id_or_its_errors(self, rig: Rig) -> None:
        some = [line for line in drawn(lines, 300) if line.strip()]

        done = rig.cli("send", "--json", stdin=b"\n".join(some))

        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert [answer["line"] for answer in said] == list(range(1, len(some) + 1))
        assert all(("id" in answer) is not bool(answer.get("errors")) for answer in said)
        assert b"Traceback" not in done.stderr
        assert done.returncode == 1
        linted = rig.cli("lint", "--json", stdin=b"\n".join(some))
        assert len(linted.stdout.splitlines()) == len(some)
        assert b"Traceback" not in linted.stderr

    @pytest.mark.parametrize("command", [("dead", "edit", "x", "--patch", "-"), ("send", "-"), ("lint", "-")])
    def test_bytes_that_are_no_text_are_no_crash(self, rig: Rig, command: tuple[str, ...]) -> None:
        done = rig.cli(*command, stdin=bytes(range(256)) * 4)
        assert done.returncode in (1, 2)
        assert b"Traceback" not in done.stderr


class WhenSubmitIsTheDoor:
    def test_whatever_is_submitted_is_sent_or_a_dead_letter(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        some = drawn(json_values | odd_intents | intents.filter(lambda intent: "id" not in intent), 150)
        # What says the same is one letter, for the broker may deliver a message twice; an intent without an id is one each.
        with Celery("shop", broker=rig.wooshq.installation.places.broker_url, set_as_current=False) as shop:
            for value in some:
                shop.send_task(SUBMIT, args=[value], queue="transactional")
        last = rig.wooshq.enqueue(an_intent("last"))

        rig.ended([last])
        kept = {json.dumps(value) for value in some}

        def taken() -> int:
            counts = rig.wooshq.counts()
            return counts.get("accepted", 0) - 1 + len(rig.wooshq.dead_letters.list(reason="invalid"))

        wait_until(lambda: taken() >= len(kept), saw=lambda: (taken(), len(kept), rig.logs()[-2000:]))
        assert worker.poll() is None
        assert "Traceback" not in rig.logs()


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


class WhenTheApiIsTheDoor:
    def test_whatever_it_answers_every_intent_is_where_it_can_be_explained(self, rig: Rig, api: StandIn) -> None:
        """An answer for each intent's first call; what may be tried again then finds a healthy API."""
        answers = drawn(replies, 120)
        asked: Counter[str] = Counter()

        def answer(call: Call, n: int) -> Reply | None:
            who = call.recipients[0]
            asked[who] += 1
            return answers[int(who)] if asked[who] == 1 else None

        api.answer = answer
        rig.env["WOOSHQ_RETRY_AFTER_CEILING_S"] = "1"
        rig.env["WOOSHQ_BREAKER_CEILING_S"] = "1"
        worker = rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(str(n)) for n in range(len(answers)))

        ended = rig.ended((i for i in report.ids if i), within_s=240)

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
