"""Recipients of a fan-out job who may have got its message twice: who was in doubt, and was not left at that."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from wooshq.finding.double import Double
from wooshq.finding.in_jobs import marks_of
from wooshq.jobs.show import InDoubt, Job, in_doubt_page, read_jobs
from wooshq.jobs.units import letter_id_of
from wooshq.ledger.keys import Keys
from wooshq.ledger.states import LetterState, Mark
from wooshq.ledger.steps import Steps
from wooshq.letters.read import ReadLetter, read_letters
from wooshq.search.narrow import ms_of
from wooshq_schemas.recipient_lists import LISTS

_PAGE: Final = 300
_ONCE: Final = frozenset({Mark.WAITING, Mark.AGAIN, Mark.EXPIRED, Mark.CANCELLED, Mark.UNKNOWN})
"""Recipients who were not sent to after a doubt."""


def cases_of_job(keys: Keys, job_id: str, since: datetime | None) -> Steps[list[Double]]:
    """The calls of a job that were in doubt, each with the recipients who may have got the message twice."""
    jobs = yield from read_jobs(keys, [job_id])
    if job_id not in jobs:
        return [_case(job_id, None, "calls without an answer, of a job that is no longer kept", None, ())]
    job, _ = jobs[job_id]
    doubts: list[InDoubt] = []
    start: str | None = "0-0"
    while start is not None:
        page = yield from in_doubt_page(keys, job_id, start)
        doubts += page.items
        start = page.following
    times = Counter(one.identifier for one in doubts)
    single = frozenset(who for who, n in times.items() if n == 1)
    once = yield from _once(keys, job, single)
    cases: dict[tuple[str | None, str], list[str]] = {}
    for one in doubts:
        if one.identifier not in once and (since is None or _is_since(one.at, since)):
            cases.setdefault((one.at, one.cause), []).append(one.identifier)
    return [_case(job_id, at, cause, job, tuple(who)) for (at, cause), who in cases.items()]


def _case(job_id: str, at: str | None, cause: str, job: Job | None, who: tuple[str, ...]) -> Double:
    return Double(
        kind="job",
        id=job_id,
        at=at,
        cause=cause,
        state=None if job is None else job.state,
        application=None if job is None else job.application,
        recipients=who,
        people=len(who),
        reached=None,
        attempts=[],
        kept_in="ledger",
    )


def _is_since(at: str | None, since: datetime) -> bool:
    return at is None or ms_of(datetime.fromisoformat(at)) >= ms_of(since)


def _once(keys: Keys, job: Job, identifiers: frozenset[str]) -> Steps[set[str]]:
    """Of recipients with one doubt, those who were not sent to again."""
    marks, _ = yield from marks_of(keys, job, identifiers)
    once = {who for who, mark in marks.items() if mark in _ONCE}
    rest = sorted(identifiers - once)
    for start in range(0, len(rest), _PAGE):
        some = rest[start : start + _PAGE]
        ids = [letter_id_of(job.id, kind, who) for who in some for kind in LISTS]
        states = [one.letter.state if isinstance(one, ReadLetter) else one for one in (yield from read_letters(keys, ids, bodies=False))]
        for n, who in enumerate(some):
            found = {*states[n * len(LISTS) : (n + 1) * len(LISTS)]}
            if found & {LetterState.OPEN, LetterState.DISCARDED}:
                once.add(who)
    return once
