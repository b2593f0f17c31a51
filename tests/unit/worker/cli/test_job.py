"""What a person reads about a job."""

from __future__ import annotations

from typing import Any

import pytest

from wooshq.jobs.show import Job
from wooshq_worker.cli.terminal.job import full, sentence


def a_job(**fields: Any) -> Job:
    counters = dict.fromkeys(("dead", "retrying", "unknown", "unknown_identifiers", "expired"), 0)
    given = {"id": "j", "state": "done", "total": 20, "sent": 20, "calls": 23, "calls_needed": 20, "rate": 0.0, **counters, **fields}
    return Job(accepted_at=None, ended_at=None, **given)


@pytest.mark.parametrize(("lost", "says"), [(0, "23 (minimum 20)"), (2, "at least 23 (minimum 20)")])
def test_calls_of_a_lost_worker_may_be_missing_in_the_number_of_calls(lost: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    job = a_job(workers_lost=lost)
    assert says.replace("23", "23 calls") in sentence(job)
    assert ("at least" in sentence(job)) == (lost > 0)
    full(job)
    assert says in capsys.readouterr().out
