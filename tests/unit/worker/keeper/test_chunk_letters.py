"""Letters of recipients that a lost worker was sending to: their reason, their attempts, and parts that a script can file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from wooshq.jobs.units import Unit
from wooshq_schemas import parse_template
from wooshq_worker.api.attempt import Attempt
from wooshq_worker.jobs.failed_calls import FailedCalls
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.keeper.chunk_letters import in_parts, letters_of

UNITS = [Unit("users", None, (), ("a", "b")), Unit("users", None, (("city", "Bonn"),), ("c",))]


def a_job(body: str = "Hi") -> JobInfo:
    template = parse_template({"message": {"push": {"title": "Sale", "body": body}}}, application="AAAAA-BBBBB")
    return JobInfo("01a20c48-e4c7-7776-9c22-18a93bbdff2f", template, "AAAAA-BBBBB", "dead_letter", None, float("inf"))


def test_only_a_recipient_that_lost_enough_workers_is_poison() -> None:
    letters = list(letters_of(a_job(), UNITS, {1: 1, 2: 5}, FailedCalls(""), poison_after=5))
    assert [(json.loads(letter.body)["to"]["users"], letter.reason, letter.code) for letter in letters] == [
        (["b"], "unknown", "WORKER_LOST"),
        (["c"], "poison", "WORKER_LOST"),
    ]
    assert "5 workers" in letters[1].detail
    assert json.loads(letters[1].payload)["transactional"]["users"]["list"] == ["c"]


def test_a_letter_lists_the_failed_calls_of_its_recipient_and_the_lost_one() -> None:
    failed = FailedCalls("")
    failed.add([(0, 1)], [Attempt(datetime(2026, 5, 1, tzinfo=UTC), "retry", 503, "UNAVAILABLE", 1.0, "away")])
    stored = FailedCalls(failed.to_json())
    first, last = letters_of(a_job(), UNITS, {0: 1, 2: 1}, stored, poison_after=5)
    assert [attempt["code"] for attempt in first.attempts] == ["UNAVAILABLE", "WORKER_LOST"]
    assert [attempt["code"] for attempt in last.attempts] == ["WORKER_LOST"]


def test_parts_are_bounded_in_number_and_in_bytes() -> None:
    many = Unit("users", None, (), tuple(f"u{i}" for i in range(120)))
    letters = list(letters_of(a_job(), [many], dict.fromkeys(range(120), 1), FailedCalls(""), poison_after=5))
    assert [len(part) for part in in_parts(letters)] == [50, 50, 20]
    large = list(letters_of(a_job("x" * 500_000), [many], dict.fromkeys(range(12), 1), FailedCalls(""), poison_after=5))
    parts = list(in_parts(large))
    assert [letter for part in parts for letter in part] == large
    assert max(map(len, parts)) <= 5


def test_no_letters_make_no_part() -> None:
    assert list(in_parts([])) == []
