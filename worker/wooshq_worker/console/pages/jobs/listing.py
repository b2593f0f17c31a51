"""The page Jobs: every fan-out, its numbers and how far it is."""

from __future__ import annotations

from typing import Final

from wooshq.jobs.show import Job
from wooshq_worker.console.api.cursors import page_of_newest
from wooshq_worker.console.pages.shell.charts import parts
from wooshq_worker.console.pages.shell.registry import Page, Shown
from wooshq_worker.console.pages.shell.visit import Visit

_MOST: Final = 50
PARTS: Final = (
    ("sent", "sent", "good"),
    ("unknown_identifiers", "unknown to the API", "doubt"),
    ("dead", "dead letters", "bad"),
    ("expired", "expired", "quiet"),
    ("cancelled", "cancelled", "quiet"),
    ("left", "left", "run"),
)
"""(attribute of a job, its words, tone): they add up to `total`."""


def bar(job: Job) -> object:
    """What became of its recipients, as one bar."""
    counts = [(words, float(getattr(job, name)), tone) for name, words, tone in PARTS]
    label = ", ".join(f"{getattr(job, name):,} {words}" for name, words, _ in PARTS if getattr(job, name))
    return parts(counts, f"Of {job.total:,} recipients: {label or 'nothing yet'}")


async def view(visit: Visit) -> Shown:
    """Jobs, the newest first."""
    after = visit.asked("after") or None
    jobs, following = await page_of_newest(lambda most: visit.client.bulk.list(most=most), after, _MOST)
    return Shown(
        {
            "jobs": [(job, bar(job)) for job in jobs],
            "following": visit.url(after=following) if following else "",
            "first": visit.url(after=None) if after else "",
        },
        command="wooshq bulk list",
        curl=visit.curl("GET", f"/v1/bulk?limit={_MOST}"),
    )


page = Page("jobs", "/jobs", "Jobs", view, "jobs.html", letter="j", live=("jobs",))
