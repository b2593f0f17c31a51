"""What the tests of jobs share: a template, recipients, and a check that the counters of a job add up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.rig import Rig
from wooshq.jobs.show import Job

TEMPLATE: dict[str, Any] = {"message": {"push": {"title": "Sale"}}, "campaign": "spring"}
PERSONAL: dict[str, Any] = {"message": {"push": {"title": "Sale for {name}"}}, "campaign": "spring"}


def people(n: int) -> Iterator[str]:
    """Users that all get the same request."""
    return (f"u{i}" for i in range(n))


def personal(n: int) -> Iterator[dict[str, str]]:
    """Recipients for PERSONAL: each needs a request of its own."""
    return ({"user": f"u{i}", "name": f"N{i}"} for i in range(n))


def adds_up(rig: Rig, job: Job) -> bool:
    """Whether the counters of a job agree with its chunks, and add up to its total."""
    recount = rig.wooshq.bulk.recount(job.id)
    same = all(recount[name] == job[name] for name in ("total", "sent", "dead", "unknown_identifiers", "expired"))
    return same and job.total == job.sent + job.dead + job.unknown_identifiers + job.expired + job.cancelled + job.left
