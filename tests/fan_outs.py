"""What the tests of fan-outs share: whom one goes to, and that its counters add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.rig import Rig
from wooshq.jobs.show import Job

TEMPLATE: dict[str, Any] = {"message": {"push": {"title": "Sale"}}, "campaign": "spring"}


def people(n: int) -> Iterator[str]:
    """Users who all get the same request."""
    return (f"u{i}" for i in range(n))


def personal(n: int) -> Iterator[dict[str, str]]:
    """Recipients who share their request with nobody."""
    return ({"user": f"u{i}", "name": f"N{i}"} for i in range(n))


def adds_up(rig: Rig, job: Job) -> bool:
    """Whether the job's counters are what its chunks say, and make up its total."""
    recount = rig.wooshq.bulk.recount(job.id)
    same = all(recount[name] == job[name] for name in ("total", "sent", "dead", "unknown_identifiers", "expired"))
    return same and job.total == job.sent + job.dead + job.unknown_identifiers + job.expired + job.cancelled + job.left
