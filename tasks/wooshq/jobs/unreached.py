"""Who was not reached by a job that was cancelled, has expired, or stands still: neither sent to nor in doubt. And the job that continues with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.errors import IntentInvalid, JobUnknown, Problem
from wooshq.gates.who import said
from wooshq.jobs.calls import cancel
from wooshq.jobs.show import NO_SUCH_JOB, Job, in_doubt_page, show_job
from wooshq.jobs.units import unpack
from wooshq.ledger.gates import note_act
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, ms, text, text_or_none
from wooshq.ledger.states import JobState, LetterState, Mark, Reason
from wooshq.ledger.steps import Ask, Flow, Steps
from wooshq.letters.edit import merge
from wooshq.letters.filter import selected
from wooshq.letters.find import each_page
from wooshq.letters.read import ReadLetter
from wooshq_schemas import Recipient
from wooshq_schemas.recipient_lists import LISTS

UNREACHED: Final = frozenset({Mark.WAITING, Mark.AGAIN, Mark.EXPIRED, Mark.CANCELLED})
_IN_DOUBT: Final = (Reason.UNKNOWN, Reason.POISON)
_CHUNKS: Final = 20
"""Chunks that one page reads: up to 5 MB."""


@dataclass(frozen=True)
class Unreached(Result):
    """
    A recipient that was not reached. why: `cancelled`, `expired`, `waiting` (for a job that stands still), or `dead` (it has a dead letter).
    """

    identifier: str
    to: str  #: the list in the request: `users`, `hwids` or `push_tokens`
    locale: str | None
    placeholders: dict[str, str]
    why: str

    @property
    def as_recipient(self) -> Recipient:
        return Recipient(self.identifier, self.to, self.locale, tuple(sorted(self.placeholders.items())))


def doubted_of(keys: Keys, job_id: str) -> Steps[frozenset[str]]:
    """Identifiers of recipients in doubt. Raises JobUnknown, and ValueError if recipients of the job are still being sent to."""
    check_stands_still((yield from show_job(keys, job_id)))
    found: set[str] = set()
    start: str | None = None
    while True:
        page = yield from in_doubt_page(keys, job_id, start)
        found.update(one.identifier for one in page.items)
        if (start := page.following) is None:
            return frozenset(found)


def check_stands_still(job: Job) -> None:
    """Raises ValueError if recipients of the job are still being sent to."""
    if job.ended_at is None and job.state not in (JobState.PAUSED, JobState.STOPPED, JobState.CANCELLED):
        raise ValueError(f"the job is {job.state}: pause or cancel it first (wooshq bulk pause {job.id})")
    if job.sending:
        raise ValueError(f"{job.sending} recipients of the job are being sent to just now; try again when their calls have ended")


def unreached_page(keys: Keys, job_id: str, start: int, doubted: frozenset[str]) -> Steps[tuple[list[Unreached], int | None]]:
    """
    One page of `Jobs.unreached`, without the dead, and the chunk where the next one begins; None after the last.

    Raises JobUnknown if recipients are no longer kept.
    """
    (chunks,) = yield Ask([("HGET", keys.job(job_id), "chunks")])
    if chunks is None:
        raise JobUnknown(NO_SUCH_JOB)
    numbers = range(start, min(start + _CHUNKS, int(chunks)))
    if not numbers:
        return [], None
    commands = [command for n in numbers for command in (("HGET", keys.chunk(job_id, n), "data"), ("GET", keys.marks(job_id, n)))]
    answers = yield Ask(commands)
    found: list[Unreached] = []
    for data, raw in zip(answers[::2], answers[1::2], strict=True):
        if raw is None:
            raise JobUnknown("some of its chunks are no longer kept, so nobody knows whom it did not reach")
        marks = text(raw)
        if any(mark in UNREACHED for mark in marks):
            if data is None:
                raise JobUnknown("some of its recipients are no longer kept: a version before this one ended them")
            found += (one for one in _of_chunk(data, marks) if one.identifier not in doubted)
    return found, numbers[-1] + 1 if numbers[-1] + 1 < int(chunks) else None


def _of_chunk(data: bytes, marks: str) -> Iterator[Unreached]:
    recipients = ((unit, identifier) for unit in unpack(data) for identifier in unit.identifiers)
    for (unit, identifier), mark in zip(recipients, marks, strict=True):
        if mark in UNREACHED and identifier:  # without one, the person was forgotten
            why = {Mark.EXPIRED: "expired", Mark.CANCELLED: "cancelled"}.get(Mark(mark), "waiting")
            yield Unreached(identifier, unit.to, unit.locale, dict(unit.placeholders), why)


def dead_recipients(keys: Keys, job_id: str, doubted: frozenset[str]) -> Flow[list[Unreached]]:
    """Recipients of the job that have an open dead letter and are not in doubt."""
    kept = as_row((yield Ask([("HGETALL", keys.job(job_id))]))[0])
    columns = json.loads(kept.get("columns", "[]"))
    letters: list[ReadLetter] = []

    def take(found: Any) -> bool:
        letters.extend(one for one in found if one.kept is not None and one.letter.reason not in _IN_DOUBT)
        return False

    yield from each_page(keys, selected({"bulk": job_id, "state": LetterState.OPEN}), take, oldest_first=True, bodies=True)
    locales = (yield Ask([("HGET", keys.intent(one.letter.id), "locale") for one in letters])) if letters else []
    made = (_of_letter(one, text_or_none(locale), columns) for one, locale in zip(letters, locales, strict=True))
    return [one for one in made if one is not None and one.identifier not in doubted]


def _of_letter(read: ReadLetter, locale: str | None, columns: list[str]) -> Unreached | None:
    assert read.kept is not None
    data = json.loads(read.kept.body)
    inner = data.get("request", {}).get("transactional", {}) if "request" in data else {}
    given = inner.get("dynamic_content_placeholders", {}) if inner else data.get("placeholders") or {}
    for name in LISTS:
        listed = inner.get(name, {}).get("list") if inner else (data.get("to") or {}).get(name)
        if listed:
            return Unreached(listed[0], name, locale, {column: given[column] for column in columns if column in given}, "dead")
    return None


# The job that continues


@dataclass(frozen=True, slots=True)
class Continued:
    """What a job continues with. template: of the new job, with a key of its own, so that it is one job however often it is asked for."""

    template: dict[str, Any]
    why: str
    by: str


def prepare_continue(ledger: JobLedger, job_id: str, patch: Mapping[str, Any] | None, why: str, by: str | None) -> Flow[Continued]:
    """
    Cancel a job that stands still, so that nobody resumes it, and make the template that goes on. patch: a JSON merge patch of the template.

    Raises JobUnknown, IntentInvalid, ValueError (its recipients are being sent to).
    """
    why, who = said(why, by)
    job = yield from show_job(ledger.keys, job_id)
    check_stands_still(job)
    if job.left + job.expired + job.cancelled == 0:
        raise ValueError("the job has left nobody out: there is nobody to continue with")
    if patch is not None and (not isinstance(patch, Mapping) or "idempotency_key" in patch):
        raise IntentInvalid([Problem("idempotency_key", "cannot be changed", "The job that continues has a key of its own")])
    if not job.is_final:
        yield from cancel(ledger, job_id, why or "another job continues", who)
    row, time = yield Ask([("HGETALL", ledger.keys.job(job_id)), ("TIME",)])
    template = json.loads(as_row(row)["template"])
    expires = template.get("expires_at")
    if expires is not None and datetime.fromisoformat(expires) <= datetime.fromtimestamp(ms(time) / 1000, UTC):
        del template["expires_at"]
    template = merge(template, patch or {})
    # One key whatever the patch: with another one, a second job would send to the same people again. That is refused as a conflict.
    template["idempotency_key"] = f"continues {job_id}"
    return Continued(template, why, who)


def note_continued(keys: Keys, job_id: str, new_id: str, total: int, continued: Continued) -> Steps[None]:
    """Write it into the audit log. A job that was asked for twice is noted twice."""
    by, why, result = continued.by, continued.why, f"job {new_id}"
    yield from note_act(keys, "continue", f"job {job_id}", why=why, by=by, count=total, result=result)
