"""Where jobs are: their rows as records, their counters held against their chunks, and what is kept of single recipients."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from wooshq.errors import JobUnknown
from wooshq.intents.status import as_row
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms, text
from wooshq.ledger.states import COUNTER_OF, FINAL_MARKS, JobState, Mark
from wooshq.ledger.steps import Ask, Steps
from wooshq.results import Result, moment

_PAGE: Final = 500


@dataclass(frozen=True)
class Job(Result):
    """
    The object of `wooshq bulk show`. Counters are of recipients, but for `calls`; rate: recipients that ended in the last second.

    unknown: how many may have got it twice, or may have; no part of the sum. `asked` is what adds up: sent + dead + unknown_identifiers +
    expired + cancelled + left.
    """

    id: str
    state: str  #: `feeding` while it runs and recipients still come
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
    cancelled: int = field(default=0, metadata={"shown": False})
    sending: int = field(default=0, metadata={"shown": False})
    left: int = field(default=0, metadata={"shown": False})
    """Who has not ended: waiting, being sent to, or to be sent to again."""
    calls_needed: int = field(default=0, metadata={"shown": False})
    """The fewest calls that reach everybody, as their requests are."""
    refused: int = field(default=0, metadata={"shown": False})
    """Rows that were no recipients."""
    duplicates: int = field(default=0, metadata={"shown": False})
    """Recipients that came more than once, and were taken once."""
    application: str = field(default="", metadata={"shown": False})
    campaign: str = field(default="", metadata={"shown": False})
    why: str = field(default="", metadata={"shown": False})
    """Of one that is paused or stopped."""
    waiting_for: str = field(default="", metadata={"shown": False})
    """Of one that runs: the gate that holds its calls back."""
    step: str = field(default="", metadata={"shown": False})
    """Of a roll-out: `1 of 3`."""
    goes_on_at: str | None = field(default=None, metadata={"shown": False})
    chunks: int = field(default=0, metadata={"shown": False})
    chunks_done: int = field(default=0, metadata={"shown": False})
    source: str = field(default="", metadata={"shown": False})

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.ended_at is not None

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more happens to it unless somebody says so: it has ended, or is held and nobody is being sent to."""
        return self.is_final or (self.state in ("paused", "stopped") and self.sending == 0 and self.goes_on_at is None)

    @property
    def gone_out(self) -> int:
        """How many were reached, or may have been: what a pause or a cancel came too late for."""
        return self.sent + self.unknown_identifiers + self.sending

    @property
    def left_s(self) -> float | None:
        """Seconds until it ends, at the rate of the last second; None where nothing moves."""
        return self.left / self.rate if self.rate > 0 else None


def show(keys: Keys, job_id: str) -> Steps[Job]:
    """A job. Raises JobUnknown."""
    flat, time, gates = yield Ask([("HGETALL", keys.job(job_id)), ("TIME",), ("HGETALL", keys.fixed("gates"))])
    row = as_row(flat)
    if not row:
        raise JobUnknown("no job has this id: it may be mistyped, or ended longer ago than WOOSHQ_RETENTION_S")
    return _job(job_id, row, ms(time), as_row(gates))


def every(keys: Keys, *, most: int | None = None) -> Steps[list[Job]]:
    """Jobs, the newest first, at most `most`; those that are forgotten leave the list."""
    found: list[Job] = []
    at = 0
    while most is None or len(found) < most:
        ids = [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("jobs"), at, at + _PAGE - 1)]))[0]]
        if not ids:
            break
        *rows, time, gates = yield Ask([*(("HGETALL", keys.job(i)) for i in ids), ("TIME",), ("HGETALL", keys.fixed("gates"))])
        gone = []
        for job_id, flat in zip(ids, rows, strict=True):
            if row := as_row(flat):
                found.append(_job(job_id, row, ms(time), as_row(gates)))
            else:
                gone.append(job_id)
        if gone:
            yield Ask([("ZREM", keys.fixed("jobs"), *gone)])
        at += len(ids) - len(gone)
    return found[:most]


def _job(job_id: str, row: Mapping[str, str], now_ms: int, gates: Mapping[str, str]) -> Job:
    def n(name: str) -> int:
        return int(float(row.get(name) or 0))

    ended = sum(n(COUNTER_OF[mark]) for mark in FINAL_MARKS)
    state = row["state"]
    stale = now_ms - n("w_at") > 5000
    recent = n("w_n") * 1000 / max(1000, now_ms - n("w_at"))
    steps = row.get("steps", "").split()
    return Job(
        id=job_id,
        state="feeding" if state == JobState.RUNNING and "fed" not in row else state,
        total=n("total"),
        sent=n("sent"),
        dead=n("dead"),
        retrying=n("retrying"),
        unknown=n("unknown"),
        unknown_identifiers=n("unknown_identifiers"),
        expired=n("expired"),
        calls=n("calls"),
        rate=0.0 if stale or "ended" in row or state != JobState.RUNNING else round(max(float(row.get("w_rate") or 0), recent), 1),
        accepted_at=moment(row.get("at")),
        ended_at=moment(row.get("ended")),
        cancelled=n("cancelled"),
        sending=n("sending"),
        left=n("total") - ended,
        calls_needed=n("needed"),
        refused=n("refused"),
        duplicates=n("duplicates"),
        application=row.get("app", ""),
        campaign=row.get("campaign", ""),
        why=row.get("why", ""),
        waiting_for=_holds(row, gates) if state == JobState.RUNNING and "ended" not in row else "",
        step=f"{row['step']} of {len(steps)}" if steps and "allow" in row else "",
        goes_on_at=moment(row.get("goes_on")),
        chunks=n("chunks"),
        chunks_done=n("chunks_done"),
        source=row.get("source", ""),
    )


def _holds(row: Mapping[str, str], gates: Mapping[str, str]) -> str:
    for field_, raw in gates.items():
        gate, _, application = field_.partition("|")
        if application in ("*", row.get("app")):
            return f"the gate {gate}: {json.loads(raw)['why']}"
    return ""


def recount(keys: Keys, job_id: str) -> Steps[dict[str, int]]:
    """
    The job's counters as its chunks' marks have them: `total`, `waiting` and the fields of `COUNTER_OF`.

    Raises JobUnknown where the job, or the marks of a chunk, are no longer kept.
    """
    row = as_row((yield Ask([("HGETALL", keys.job(job_id))]))[0])
    if not row:
        raise JobUnknown("no job has this id")
    counts: Counter[str] = Counter()
    for start in range(0, int(row["chunks"]), _PAGE):
        numbers = range(start, min(start + _PAGE, int(row["chunks"])))
        for raw in (yield Ask([("GET", keys.marks(job_id, n)) for n in numbers])):
            if raw is None:
                raise JobUnknown("some of its chunks are no longer kept, so that it cannot be counted again")
            counts.update(text(raw))
    named = {name: counts[mark] for mark, name in COUNTER_OF.items()}
    return {"total": counts.total(), "waiting": counts[Mark.WAITING], **named}


def unknown_identifiers(keys: Keys, job_id: str) -> Iterator[Steps[list[str]]]:
    """Pages of identifiers that the API did not know; ends with an empty one."""
    at = 0
    while True:
        yield _page_of_list(keys, job_id, at)
        at += _PAGE


def _page_of_list(keys: Keys, job_id: str, at: int) -> Steps[list[str]]:
    raw = (yield Ask([("LRANGE", keys.job_part(job_id, "unknown"), at, at + _PAGE - 1)]))[0]
    return [text(one) for one in raw]


@dataclass(frozen=True)
class InDoubt(Result):
    """A recipient who may have got the message twice, or may have: when that was, and why."""

    at: str | None
    cause: str
    identifier: str


def in_doubt(keys: Keys, job_id: str, after: str = "0") -> Steps[tuple[list[InDoubt], str | None]]:
    """A page of recipients in doubt, the oldest first, and where the next one begins; None after the last."""
    raw = (yield Ask([("XRANGE", keys.job_part(job_id, "doubts"), f"({after}" if after != "0" else "-", "+", "COUNT", 20)]))[0]
    found: list[InDoubt] = []
    last = None
    for entry in raw:
        last = text(entry[0])
        fields = as_row(entry[1])
        found += [InDoubt(moment(fields["at"]), fields["cause"], who) for who in json.loads(fields["who"])]
    return found, last


def sweep(ledger: JobLedger, job_id: str, *, most: int = 50) -> Steps[int]:
    """
    Mark recipients of the chunks that nobody holds, of a job that was cancelled or whose time is over, `most` chunks at a time; how many
    chunks were looked at.
    """
    keys = ledger.keys
    queued, due = yield Ask([("ZRANGE", keys.job_part(job_id, "queued"), 0, most - 1), ("ZRANGE", keys.fixed("chunk_due"), 0, 999)])
    names = [ChunkName(job_id, int(n)) for n in queued]
    names += [name for member in due if (name := ChunkName.of(member)).job_id == job_id][: most - len(names)]
    for name in names:
        yield from ledger.chunks.sweep(name)
    return len(names)
