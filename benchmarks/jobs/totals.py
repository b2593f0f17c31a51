"""The check that the counts of a job add up."""

from __future__ import annotations

from wooshq.jobs.show import Job


def adds_up(job: Job) -> bool:
    return job.total == job.sent + job.dead + job.unknown_identifiers + job.expired + job.cancelled + job.left
