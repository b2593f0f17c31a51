"""The jobs that have not ended: how far each is, and whether nobody works at it. Its cost has a bound, however many jobs there were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wooshq.ledger.gates import holds, read
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_pairs, ms, text, text_or_none
from wooshq.ledger.states import COUNTER_OF, FINAL_MARKS, JobState, Mark
from wooshq.ledger.steps import Ask, Steps

_NEWEST: Final = 100
"""Jobs that are looked at: the newest ones, and those that wait for a turn."""
_FINAL: Final = tuple(COUNTER_OF[mark] for mark in Mark if mark in FINAL_MARKS)
_FIELDS: Final = ("state", "app", "ended", "fed", "steps", "leased", "total", "at", "w_at", *_FINAL)


@dataclass(frozen=True, slots=True)
class Running:
    """
    A job that has not ended. outcomes: recipients by how they ended, and `left`.

    idle_since_ms: since when it has chunks that may be sent, and no worker holds one of them; None if that is not so.
    """

    id: str
    state: str
    outcomes: dict[str, int]
    idle_since_ms: int | None


def read_running(keys: Keys) -> Steps[list[Running]]:
    """The newest first; two round trips."""
    time, gates, newest, turns = yield Ask(
        [
            ("TIME",),
            ("HGETALL", keys.fixed("gates")),
            ("ZREVRANGE", keys.fixed("jobs"), 0, _NEWEST - 1),
            ("ZRANGE", keys.fixed("turns"), 0, _NEWEST - 1, "WITHSCORES"),
        ]
    )
    turn_of = {text(job): int(float(at)) for job, at in as_pairs(turns)}
    ids = list(dict.fromkeys([*map(text, newest), *turn_of]))
    rows = (yield Ask([("HMGET", keys.job(i), *_FIELDS) for i in ids])) if ids else ()
    shut = read(gates, ms(time))
    found = []
    for job_id, values in zip(ids, rows, strict=True):
        row = dict(zip(_FIELDS, map(text_or_none, values), strict=True))
        if row["state"] is None or row["ended"] is not None or row["state"] in (JobState.DONE, JobState.CANCELLED):
            continue
        may_run = row["state"] == JobState.RUNNING and row["steps"] is None and holds(shut, row["app"] or "", "bulk") is None
        is_idle = may_run and int(row["leased"] or 0) == 0
        found.append(
            Running(job_id, _state(row), _outcomes(row), _moved_at(row, turn_of[job_id]) if is_idle and job_id in turn_of else None)
        )
    return found


def _state(row: dict[str, str | None]) -> str:
    return "feeding" if row["state"] == JobState.RUNNING and row["fed"] is None else str(row["state"])


def _outcomes(row: dict[str, str | None]) -> dict[str, int]:
    ended = {name: int(row[name] or 0) for name in _FINAL}
    return {"left": max(0, int(row["total"] or 0) - sum(ended.values())), **ended}


def _moved_at(row: dict[str, str | None], turn_ms: int) -> int:
    """When something last happened in it: a turn (0 for a job that comes first), the last record, or its begin."""
    return int(max(turn_ms, float(row["w_at"] or 0), float(row["at"] or 0)))


def idle_since_ms(jobs: Sequence[Running]) -> int | None:
    """Since when the job is idle that has been idle longest."""
    return min((job.idle_since_ms for job in jobs if job.idle_since_ms is not None), default=None)
