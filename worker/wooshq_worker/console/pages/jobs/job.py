"""The page of one job: numbers that add up, its steps, and those who were not reached, are in doubt or unknown, as files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from wooshq.errors import JobUnknown
from wooshq.jobs.show import Job
from wooshq.jobs.unreached_lines import row_of
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.answers import Streamed
from wooshq_worker.console.pages.jobs.listing import PARTS, bar
from wooshq_worker.console.pages.shell.registry import Act, Done, File, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit

_STANDS_STILL: Final = ("paused", "stopped", "cancelled", "expired")
_OF_A_FILE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
FILES: Final = {
    "unreached": "Not reached: neither sent to nor in doubt. The next fan-out can read this file",
    "in-doubt": "In doubt: they may have received it, even twice",
    "unknown": "Identifiers that the API does not know: clean your list with them",
}


async def view(visit: Visit) -> Shown:
    """One job."""
    job = await _job(visit)
    rows = [(words, getattr(job, name), tone, _found(job, name)) for name, words, tone in PARTS]
    files = [
        (name, says, f"{visit.path}/files/{name}", count)
        for name, says in FILES.items()
        for count in [_count(job, name)]
        if count or (name == "unreached" and count is None)
    ]
    return Shown(
        {
            "job": job,
            "bar": bar(job),
            "rows": rows,
            "files": files,
            "may_pause": job.state in ("running", "feeding"),
            "may_resume": job.state in ("paused", "stopped"),
            "may_cancel": not job.is_final,
            "may_continue": job.state in _STANDS_STILL and job.cancelled + job.expired + job.left > 0,
            "may_retry": job.dead > 0,
            "at_least": "at least " if job.workers_lost else "",
        },
        command=f"wooshq bulk show {job.id}",
        curl=visit.curl("GET", f"/v1/bulk/{job.id}"),
        title=f"Job {job.id[:8]}",
    )


async def _job(visit: Visit) -> Job:
    try:
        return await visit.client.bulk.show(visit.parameter("id"))
    except JobUnknown as error:
        raise Refused(404, "unknown-id", "No job has this id", str(error)) from None


def _found(job: Job, name: str) -> str:
    """Where the recipients behind a number are listed."""
    return f"/messages?{urlencode({'q': f'job:{job.id} state:dead'})}" if name == "dead" and job.dead else ""


def _count(job: Job, name: str) -> int | None:
    """How many are in a file; None if that is known only after it was read."""
    if name == "unreached":
        return None if job.state in _STANDS_STILL else 0
    return job.unknown if name == "in-doubt" else job.unknown_identifiers


def _file(name: str) -> File:
    """One of the files of a job, NDJSON, as it is read."""

    async def run(visit: Visit) -> Response:
        job = await _job(visit)
        items = _items(visit, job.id, name)
        try:
            first = [await anext(items)]  # what is refused is a page, and not a broken file
        except StopAsyncIteration:
            first = []
        return Streamed(
            _lines(first, items), headers={**_OF_A_FILE, "Content-Disposition": f'attachment; filename="job-{job.id}-{name}.ndjson"'}
        )

    return File(name, run)


async def _items(visit: Visit, job_id: str, name: str) -> AsyncIterator[Mapping[str, Any]]:
    jobs = visit.client.bulk
    if name == "unreached":
        async for one in jobs.unreached(job_id):
            yield row_of(one)
    elif name == "in-doubt":
        async for doubt in jobs.in_doubt(job_id):
            yield dict(doubt)
    else:
        async for identifier in jobs.unknown_identifiers(job_id):
            yield {"identifier": identifier}


async def _lines(first: list[Mapping[str, Any]], rest: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
    for item in first:
        yield _line(item)
    async for item in rest:
        yield _line(item)


def _line(item: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(item, ensure_ascii=False)}\n".encode("utf-8", "backslashreplace")


async def pause(visit: Visit, form: Form) -> Done:
    """Pause it."""
    job = await visit.client.bulk.pause(visit.parameter("id"), form["why"] or "paused manually", by=visit.by)
    return _done(job, "No new call starts. Calls in progress end.")


async def resume(visit: Visit, form: Form) -> Done:
    """Go on, also with the next step of a roll-out."""
    return _done(await visit.client.bulk.resume(visit.parameter("id"), form["why"], by=visit.by), "It goes on.")


async def cancel(visit: Visit, form: Form) -> Done:
    """Cancel it."""
    job = await visit.client.bulk.cancel(visit.parameter("id"), form["why"], by=visit.by)
    return _done(job, f"It is cancelled. {job.gone_out:,} of {job.total:,} recipients were sent to or may have been.")


async def set_rate(visit: Visit, form: Form) -> Done:
    """Set its own limit, or take it back."""
    try:
        rate = float(form["rate"]) if form["rate"] else None
    except ValueError:
        raise ValueError("rate: is not a number of calls a second. Leave it empty for no limit of its own") from None
    job = await visit.client.bulk.set_rate(visit.parameter("id"), rate, why=form["why"], by=visit.by)
    return _done(job, "It has no limit of its own now." if job.limit is None else f"It makes at most {job.limit:g} calls a second.")


async def retry_failed(visit: Visit, form: Form) -> Done:
    """Replay its open dead letters."""
    done = await visit.client.bulk.retry_failed(visit.parameter("id"), in_doubt=form.is_on("in_doubt"))
    if done.id is None:
        return Done(visit.path.rsplit("/", 1)[0], f"Nothing to replay: all {done.selected:,} letters are left out.")
    return Done(f"/replays/{done.id}", f"{done.replayed:,} letters are replayed; {done.skipped + done.invalid:,} are left out.")


async def go_on(visit: Visit, form: Form) -> Done:
    """Start a job for those whom it did not reach."""
    made = await visit.client.bulk.continue_job(visit.parameter("id"), why=form["why"], by=visit.by)
    return Done(page.url(id=made.id), "This job sends to those whom the other one did not reach.")


def _done(job: Job, says: str) -> Done:
    return Done(page.url(id=job.id), says)


page = Page(
    "job",
    "/jobs/{id}",
    "Job",
    view,
    "job.html",
    parent="jobs",
    live=("state", "numbers", "acts"),
    acts=(
        Act("pause", pause),
        Act("resume", resume),
        Act("cancel", cancel),
        Act("rate", set_rate),
        Act("retry-failed", retry_failed),
        Act("continue", go_on),
    ),
    files=tuple(map(_file, FILES)),
)
