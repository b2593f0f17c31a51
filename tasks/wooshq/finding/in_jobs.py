"""
What the ledger knows of single recipients of fan-out jobs. It keeps those who were not reached, are in doubt, are dead, or wait. Those who were
sent to it keeps only until their chunk has ended.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wooshq.finding.meets import job_fits
from wooshq.jobs.show import Job, in_doubt_page, read_jobs
from wooshq.jobs.units import unpack
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, text
from wooshq.ledger.states import Mark
from wooshq.ledger.steps import Ask, Steps
from wooshq.search.tree import Tree

_CHUNKS: Final = 20
"""Chunks that one page reads: up to 5 MB."""
_PAGE: Final = 5000
_OUTCOMES: Final = {mark: mark.name.lower() for mark in Mark} | {Mark.AGAIN: "retrying"}


@dataclass(frozen=True)
class InJob(Result):
    """
    What is known of a recipient of a job. outcome: `waiting`, `sending`, `retrying`, `sent`, `dead`, `unknown` (to Pushwoosh), `expired` or
    `cancelled`; None if only a doubt is on record: after that, the recipient was sent to, or is one of the dead letters. in_doubt: causes; the
    recipient may have received the message, or received it twice.
    """

    identifier: str
    job: str
    application: str
    campaign: str
    outcome: str | None
    in_doubt: tuple[str, ...]
    at: str | None  #: when the job was accepted


@dataclass(frozen=True, slots=True)
class Recipients:
    """found: on record. sent_if_listed: jobs that sent to recipients who are not kept any more."""

    found: tuple[InJob, ...]
    sent_if_listed: tuple[str, ...]


def recipients_of_jobs(keys: Keys, tree: Tree, identifiers: frozenset[str]) -> Steps[Recipients]:
    """Where these identifiers are among the recipients of the jobs that fit the tree."""
    ids = [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("jobs"), 0, -1)]))[0]]
    found: list[InJob] = []
    sent_if_listed: list[str] = []
    for start in range(0, len(ids), 500):
        for job_id, (job, row) in (yield from read_jobs(keys, ids[start : start + 500])).items():
            if not any(job_fits(job_id, row, job.state, tree, recipient=one) for one in identifiers):
                continue
            known, some_are_gone = yield from _of_job(keys, job, identifiers)
            found += known
            if some_are_gone and len(known) < len(identifiers):
                sent_if_listed.append(job_id)
    return Recipients(tuple(found), tuple(sent_if_listed))


def _of_job(keys: Keys, job: Job, identifiers: frozenset[str]) -> Steps[tuple[list[InJob], bool]]:
    outcomes, some_are_gone = yield from marks_of(keys, job, identifiers)
    for one in (yield from _unknown(keys, job.id, identifiers)):
        outcomes.setdefault(one, Mark.UNKNOWN)
    doubts = yield from _doubts(keys, job.id, identifiers)
    return [
        InJob(
            one, job.id, job.application, job.campaign, _OUTCOMES[outcomes[one]] if one in outcomes else None, doubts.get(one, ()),
            job.accepted_at,
        )
        for one in sorted(outcomes.keys() | doubts.keys())
    ], some_are_gone  # fmt: skip


def marks_of(keys: Keys, job: Job, identifiers: frozenset[str]) -> Steps[tuple[dict[str, Mark], bool]]:
    """Their marks, as far as chunks are kept; and whether some who were sent to are not."""
    found: dict[str, Mark] = {}
    some_are_gone = False
    for start in range(0, job.chunks, _CHUNKS):
        numbers = range(start, min(start + _CHUNKS, job.chunks))
        answers = yield Ask([c for n in numbers for c in (("HGET", keys.chunk(job.id, n), "data"), ("GET", keys.marks(job.id, n)))])
        for data, marks in zip(answers[::2], answers[1::2], strict=True):
            if data is None:
                some_are_gone = some_are_gone or marks is None or Mark.SENT in text(marks)
            elif marks is not None:
                found.update(_marked(data, text(marks), identifiers))
    return found, some_are_gone


def _marked(data: bytes, marks: str, identifiers: frozenset[str]) -> Iterator[tuple[str, Mark]]:
    packed = zlib.decompress(data)
    if not any(json.dumps(one, ensure_ascii=False).encode() in packed for one in identifiers):
        return  # most chunks: they need not be read
    listed = (one for unit in unpack(data) for one in unit.identifiers)
    for one, mark in zip(listed, marks, strict=True):
        if one in identifiers:
            yield one, Mark(mark)


def _unknown(keys: Keys, job_id: str, identifiers: frozenset[str]) -> Steps[set[str]]:
    found: set[str] = set()
    at = 0
    while True:
        page: Sequence[bytes] = (yield Ask([("LRANGE", keys.job_part(job_id, "unknown"), at, at + _PAGE - 1)]))[0]
        found.update(one for one in map(text, page) if one in identifiers)
        if len(page) < _PAGE:
            return found
        at += _PAGE


def _doubts(keys: Keys, job_id: str, identifiers: frozenset[str]) -> Steps[dict[str, tuple[str, ...]]]:
    found: dict[str, tuple[str, ...]] = {}
    start: str | None = "0-0"  # the job is there: it was read
    while start is not None:
        page = yield from in_doubt_page(keys, job_id, start)
        for one in page.items:
            if one.identifier in identifiers:
                found[one.identifier] = (*found.get(one.identifier, ()), one.cause)
        start = page.following
    return found
