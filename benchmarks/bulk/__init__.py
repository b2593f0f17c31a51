"""Fan-out: what a job costs, what it holds back, what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from wooshq.jobs.show import Job

PERSONAL: Final[dict[str, Any]] = {"message": {"push": {"title": "Hi {name}", "body": "Your order left"}}}
SHARED: Final[dict[str, Any]] = {"message": {"push": {"title": "Sale", "body": "Free delivery, today only"}}}


def persons(n: int, *, first: int = 0) -> Iterator[dict[str, str]]:
    """Recipients who share their request with nobody."""
    return ({"user": f"user-{i}", "name": f"N{i}"} for i in range(first, first + n))


def adds_up(job: Job) -> bool:
    return job.total == job.sent + job.dead + job.unknown_identifiers + job.expired + job.cancelled + job.left
