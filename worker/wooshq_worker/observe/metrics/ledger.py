"""What the ledger says, as metrics: the truth about all workers together. One process of an installation exports it, see docs/metrics.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import Metric as Family

from wooshq.gates.waiting import Backlog, Why
from wooshq.jobs.running import Running, idle_since_ms
from wooshq.ledger.gates import GateName
from wooshq.ledger.keys import LANES
from wooshq.ledger.states import Reason
from wooshq.overview.facts import Facts
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import one, values

HEALTHY_S: Final = 1.0
"""Younger than this is not overdue: a worker takes what it has no slot for a moment later."""
EVENTS: Final = ("accepted", "sent", "dead", "expired", "cancelled", "retrying", "late", "replayed", "bulk_jobs", "bulk_sent")
"""The fields of `counts` that are exported. Those in doubt and those that were sent again by hand are doubles."""
DOUBLES: Final = {"unknown": "no_answer", "resent": "resent"}
"""Fields of `counts` → the cause of a possible double."""


def ledger_metrics(ledger: Facts) -> Iterator[Family]:
    """The metrics of `names.OF_THE_LEDGER`."""
    backlog = ledger.backlog
    yield values(names.OLDEST_DUE, {(lane,): _oldest_due_s(ledger, lane) for lane in LANES})
    yield from _waiting(backlog)
    yield one(names.RETRYING, backlog.retrying)
    yield one(names.SENDING, backlog.sending)
    yield one(names.UNREAD, backlog.unread)
    yield values(names.EVENTS, {(event,): ledger.counts.get(event, 0) for event in EVENTS})
    yield values(names.DEAD, {(reason,): ledger.counts.get(f"dead_{reason}", 0) for reason in map(str, Reason)})
    yield one(names.LETTERS, ledger.letters)
    yield values(names.DOUBLES, {(cause,): ledger.counts.get(event, 0) for event, cause in DOUBLES.items()})
    yield from _gates(ledger)
    yield one(names.KEEPERS, ledger.keeper_age_s is not None)
    yield values(names.KEEPER_AGE, {} if ledger.keeper_age_s is None else {(): ledger.keeper_age_s})
    yield from _jobs(ledger.jobs)
    yield from _history(ledger)


def _oldest_due_s(ledger: Facts, lane: str) -> float:
    """Zero while the lane is well."""
    found = ledger.backlog.oldest_due_s(lane)
    if lane == "bulk" and (since := idle_since_ms(ledger.jobs)) is not None:
        found = max(found, (ledger.backlog.now_ms - since) / 1000)
    return found if found >= HEALTHY_S else 0.0


def _waiting(backlog: Backlog) -> Iterator[Family]:
    largest = Counter[str]()
    for found in backlog.waiting:
        largest[found.application] += found.n
    named = {application for application, _ in largest.most_common(names.MOST_APPLICATIONS)}
    waiting: Counter[tuple[str, str, str]] = Counter()
    oldest: dict[tuple[str, str], float] = {(lane, str(why)): 0.0 for lane in LANES for why in Why}
    for found in backlog.waiting:
        waiting[found.lane, found.application if found.application in named else names.OTHER, str(found.why)] += found.n
        if found.since_ms is not None:
            key = (found.lane, str(found.why))
            oldest[key] = max(oldest[key], (backlog.now_ms - found.since_ms) / 1000)
    yield values(names.WAITING, waiting)
    yield values(names.WAITING_OLDEST, oldest)


def _gates(ledger: Facts) -> Iterator[Family]:
    shut = Counter(gate.gate for gate in ledger.gates)
    yield values(names.GATES_SHUT, {(name,): shut[name] for name in GateName})
    longest = sorted(ledger.gates, key=lambda gate: gate.since_ms)[: names.MOST_APPLICATIONS]
    now_ms = ledger.backlog.now_ms
    yield values(
        names.GATE_SHUT_SECONDS,
        {(gate.gate, gate.application, gate.lane or ""): max(0.0, (now_ms - gate.since_ms) / 1000) for gate in longest},
    )


def _jobs(jobs: Sequence[Running]) -> Iterator[Family]:
    states = Counter(job.state for job in jobs)
    yield values(names.JOBS, {(state,): states[state] for state in ("feeding", "running", "paused", "stopped")})
    shown = jobs[: names.MOST_JOBS]
    yield values(names.JOB_PROGRESS, {(job.id, outcome): n for job in shown for outcome, n in job.outcomes.items()})


def _history(ledger: Facts) -> Iterator[Family]:
    """Nothing if nobody keeps a history."""
    telling = ledger.telling
    if "heard|history" not in telling:
        return
    since_ms = ledger.stream_since_ms
    yield one(names.HISTORY_LAG, 0.0 if since_ms is None else max(0.0, (ledger.backlog.now_ms - since_ms) / 1000))
    yield one(names.HISTORY_WAITING, ledger.stream_length)
    yield one(names.HISTORY_UNTOLD, float(telling.get("untold") or 0))
    yield one(names.HISTORY_REFUSED, float(telling.get("aside") or 0))
