"""Where jobs are: their rows as results, their counters checked against their chunks, and what is kept of single recipients."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final, Generic, TypeVar

from wooshq.errors import JobUnknown
from wooshq.ledger.gates import Gate, GateName, holds, read
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, moment, ms, text
from wooshq.ledger.states import COUNTER_OF, FINAL_MARKS, JobState, Mark
from wooshq.ledger.steps import Ask, Flow, Steps, in_history
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules

T = TypeVar("T")
_PAGE: Final = 500
_PAGE_OF_DOUBTS: Final = 20
_LEFT: Final = "<left>"
"""In the reason that `end_rollout_step.lua` writes: the number of recipients that are left. It changes while a job is fed."""
NO_SUCH_JOB: Final = "no job has this id. Check the id (wooshq bulk list). The job may have ended longer ago than WOOSHQ_RETENTION_S"


@dataclass(frozen=True)
class Job(Result):
    """
    The object of `wooshq bulk show`. Counters count recipients, except `calls`. rate: recipients that ended in the last second.

    unknown: recipients in doubt; they are also counted elsewhere. The sum is: total = sent + dead + unknown_identifiers + expired +
    cancelled + left.
    """

    id: str
    state: str  #: `feeding` while it runs and recipients are still being added
    total: int
    sent: int
    dead: int
    retrying: int
    unknown: int
    unknown_identifiers: int
    expired: int
    calls: int
    rate: float
    accepted_at: str | None
    ended_at: str | None
    workers_lost: int = field(default=0, metadata={"shown": False})
    """How often a worker was lost while calls were in progress. `calls` does not count those calls: there were at least so many."""
    cancelled: int = 0
    sending: int = field(default=0, metadata={"shown": False})
    left: int = 0
    """Recipients that have not ended: waiting, being sent to, or to be retried."""
    calls_needed: int = field(default=0, metadata={"shown": False})
    """The minimum number of calls that reach all recipients."""
    refused: int = field(default=0, metadata={"shown": False})
    """Rows that are not recipients."""
    duplicates: int = field(default=0, metadata={"shown": False})
    """Recipients that came more than once; each was taken once."""
    application: str = field(default="", metadata={"shown": False})
    campaign: str = field(default="", metadata={"shown": False})
    why: str = ""
    """Why it is paused or stopped, or was cancelled."""
    by: str = field(default="", metadata={"shown": False})
    """Who paused or cancelled it."""
    limit: float | None = field(default=None, metadata={"shown": False})
    """Its own limit, in calls a second; None for none."""
    waiting_for: str = field(default="", metadata={"shown": False})
    """The gate that holds its calls back, while it runs."""
    step: str = field(default="", metadata={"shown": False})
    """The roll-out step: `1 of 3`."""
    goes_on_at: str | None = field(default=None, metadata={"shown": False})
    """When the next roll-out step starts by itself."""
    is_fed: bool = field(default=True, metadata={"shown": False})
    """Whether all of its recipients are in the ledger. False while it is fed, and for a job that was cancelled before that."""
    chunks: int = field(default=0, metadata={"shown": False})
    chunks_done: int = field(default=0, metadata={"shown": False})
    source: str = field(default="", metadata={"shown": False})
    rows: RowRules = field(default=ALL_COLUMNS, metadata={"shown": False})
    """How its rows are read. Only the columns that it sends are read; all of them by a job of an earlier version."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more happens unless someone acts: it has ended, or it is paused or stopped and no call is in progress."""
        return self.is_final or (self.state in ("paused", "stopped") and self.sending == 0 and self.goes_on_at is None)

    @property
    def gone_out(self) -> int:
        """Recipients that were reached or may have been: a pause or a cancel came too late for them."""
        return self.sent + self.unknown_identifiers + self.sending

    @property
    def left_s(self) -> float | None:
        """Seconds until it ends, at the rate of the last second; None if nothing moves."""
        return self.left / self.rate if self.rate > 0 else None


@dataclass(frozen=True)
class InDoubt(Result):
    """A recipient in doubt: when that happened, and why."""

    at: str | None
    cause: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a long answer. following: where the next page starts; None after the last."""

    items: list[T]
    following: str | None


def show_job(keys: Keys, job_id: str) -> Steps[Job]:
    """See `Jobs.show`."""
    flat, time, gates = yield Ask([("HGETALL", keys.job(job_id)), ("TIME",), ("HGETALL", keys.fixed("gates"))])
    row = as_row(flat)
    if not row:
        raise JobUnknown(NO_SUCH_JOB)
    return _job(job_id, row, ms(time), read(as_row(gates), ms(time)))


def find_job(keys: Keys, job_id: str) -> Flow[Job]:
    """See `Jobs.show`: also a job that the ledger does not keep any more, if the history has it."""
    try:
        return (yield from show_job(keys, job_id))
    except JobUnknown:
        kept = (yield from in_history([job_id], "job")).get(job_id)
        if kept is None:
            raise
    known = {one.name for one in fields(Job)}
    return Job(**{name: value for name, value in kept.shown.items() if name in known})


def list_jobs(keys: Keys, *, most: int | None) -> Steps[list[Job]]:
    """See `Jobs.list`. Jobs that are no longer kept are removed from the list."""
    found: list[Job] = []
    at = 0
    while most is None or len(found) < most:
        ids = [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("jobs"), at, at + _PAGE - 1)]))[0]]
        if not ids:
            break
        jobs = yield from read_jobs(keys, ids)
        found += [job for job, _ in jobs.values()]
        if gone := [i for i in ids if i not in jobs]:
            yield Ask([("ZREM", keys.fixed("jobs"), *gone)])
        at += len(ids) - len(gone)
    return found[:most]


def ended_job(job_id: str, row: Mapping[str, str]) -> Job:
    """A job that has ended, by its row."""
    return _job(job_id, row, int(float(row.get("ended") or 0)), ())


def read_jobs(keys: Keys, ids: Sequence[str]) -> Steps[dict[str, tuple[Job, Mapping[str, str]]]]:
    """Jobs by id, each with its row, in one round trip; without those that are not kept."""
    *rows, time, gates = yield Ask([*(("HGETALL", keys.job(i)) for i in ids), ("TIME",), ("HGETALL", keys.fixed("gates"))])
    shut = read(as_row(gates), ms(time))
    return {i: (_job(i, row, ms(time), shut), row) for i, row in zip(ids, map(as_row, rows), strict=True) if row}


def _job(job_id: str, row: Mapping[str, str], now_ms: int, gates: Sequence[Gate]) -> Job:
    def n(name: str) -> int:
        return int(float(row.get(name) or 0))

    left = n("total") - sum(n(COUNTER_OF[mark]) for mark in FINAL_MARKS)
    state = row["state"]
    stale = now_ms - n("w_at") > 5000
    recent = n("w_n") * 1000 / max(1000, now_ms - n("w_at"))
    steps = row.get("steps", "").split()
    later = _later(row)
    return Job(
        id=job_id,
        state="feeding" if state == JobState.RUNNING and "fed" not in row else state,
        total=n("total"),
        sent=n("sent") + later["sent"],
        dead=n("dead") + later["dead"],
        retrying=n("retrying"),
        unknown=n("unknown"),
        unknown_identifiers=n("unknown_identifiers") + later["unknown_identifiers"],
        expired=n("expired"),
        calls=n("calls"),
        rate=0.0 if stale or "ended" in row or state != JobState.RUNNING else round(max(float(row.get("w_rate") or 0), recent), 1),
        accepted_at=moment(row.get("at")),
        ended_at=moment(row.get("ended")),
        cancelled=n("cancelled"),
        sending=n("sending"),
        left=left,
        calls_needed=n("needed"),
        workers_lost=n("workers_lost"),
        refused=n("refused"),
        duplicates=n("duplicates"),
        application=row.get("app", ""),
        campaign=row.get("campaign", ""),
        why=row.get("why", "").replace(_LEFT, f"{left:,}"),
        by=row.get("by", ""),
        limit=float(row["rate"]) if "rate" in row else None,
        waiting_for=_gate_of(row, gates) if state == JobState.RUNNING and "ended" not in row else "",
        step=f"{row['step']} of {len(steps)}" if steps and "allow" in row else "",
        goes_on_at=moment(row.get("goes_on")),
        is_fed="fed" in row,
        chunks=n("chunks"),
        chunks_done=n("chunks_done"),
        source=row.get("source", ""),
        rows=rules_of(row),
    )


def _later(row: Mapping[str, str]) -> Counter[str]:
    """How its dead recipients changed the counters since: replays of their letters were sent. The marks stay as they were."""
    sent, unknown = (int(row.get(name) or 0) for name in ("sent_later", "unknown_later"))
    return Counter({"sent": sent, "unknown_identifiers": unknown, "dead": -sent - unknown})


def rules_of(row: Mapping[str, str]) -> RowRules:
    """How the rows of a job are read, by the job's row. A job of an earlier version has no columns in it: it sends all."""
    return RowRules.from_text(row.get("rows", ""), frozenset(json.loads(row["columns"])) if "columns" in row else None)


def _gate_of(row: Mapping[str, str], gates: Sequence[Gate]) -> str:
    gate = holds(gates, row.get("app", ""), "bulk")
    if gate is None:
        return ""
    return gate.in_words if gate.gate == GateName.HAND else f"the gate {gate.gate}: {gate.why}"


def recount_job(keys: Keys, job_id: str) -> Steps[dict[str, int]]:
    """See `Jobs.recount`. The counters are `total`, `waiting` and the fields of `COUNTER_OF`."""
    row = as_row((yield Ask([("HGETALL", keys.job(job_id))]))[0])
    if not row:
        raise JobUnknown(NO_SUCH_JOB)
    counts: Counter[str] = Counter()
    for start in range(0, int(row["chunks"]), _PAGE):
        numbers = range(start, min(start + _PAGE, int(row["chunks"])))
        for raw in (yield Ask([("GET", keys.marks(job_id, n)) for n in numbers])):
            if raw is None:
                raise JobUnknown("some of its chunks are no longer kept, so it cannot be counted again")
            counts.update(text(raw))
    later = _later(row)
    named = {name: counts[mark] + later[name] for mark, name in COUNTER_OF.items()}
    return {"total": counts.total(), "waiting": counts[Mark.WAITING], **named}


def unknown_identifiers_page(keys: Keys, job_id: str, start: str | None) -> Steps[Page[str]]:
    """One page of `Jobs.unknown_identifiers`. start: None for the first page, otherwise `following` of the page before."""
    if start is None:
        yield from show_job(keys, job_id)
    at = int(start or 0)
    raw = (yield Ask([("LRANGE", keys.job_part(job_id, "unknown"), at, at + _PAGE - 1)]))[0]
    return Page([text(one) for one in raw], str(at + _PAGE) if len(raw) == _PAGE else None)


def in_doubt_page(keys: Keys, job_id: str, start: str | None) -> Steps[Page[InDoubt]]:
    """One page of `Jobs.in_doubt`. start: None for the first page, otherwise `following` of the page before."""
    if start is None:
        yield from show_job(keys, job_id)
    after = "-" if start is None else f"({start}"
    raw = (yield Ask([("XRANGE", keys.job_part(job_id, "doubts"), after, "+", "COUNT", _PAGE_OF_DOUBTS)]))[0]
    found: list[InDoubt] = []
    last = None
    for entry in raw:
        last = text(entry[0])
        fields = as_row(entry[1])
        found += [InDoubt(moment(fields["at"]), fields["cause"], who) for who in json.loads(fields["who"])]
    return Page(found, last)
