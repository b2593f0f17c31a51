"""Whether the work gets done: workers that are missing, deaf or lost, lanes that are late, messages that die."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from wooshq.ledger.replies import moment
from wooshq.overview.finding import Act, Finding, Kind, Severity
from wooshq.overview.lanes import LaneNow
from wooshq.overview.words import duration, several, some_of
from wooshq.overview.workers import Worker, WorkerState
from wooshq.overview.wrong.seen import Seen

_UNTAKEN_S: Final = 5.0
"""A worker takes what waits within much less than a second; a restart of the only one takes a few."""
_BAD: Final = 3.0
"""So many times later than its target, a lane is critical."""
_KEEPER_LATE_S: Final = 2.0
_FEW_DEAD: Final = 5
_RISEN: Final = 3.0
"""In five minutes: at least so many dead, and so many times more than in the hour before."""
_A_THIRD: Final = 1 / 3
_NEW_S: Final = 10.0

_A_WORKER: Final = Act("Start a worker", "wooshq worker")


def no_worker(seen: Seen) -> Iterator[Finding]:
    """Work waits, and no worker consumes its lane."""
    alive = [worker for worker in seen.pulse.workers if worker.is_alive]
    late = [lane for lane in seen.lanes if not lane.workers and lane.oldest_due_s >= _UNTAKEN_S]
    for lane in late:
        waits = f"{several(lane.due, 'message')} {'waits' if lane.due == 1 else 'wait'}" if lane.due else "jobs wait"
        yield Finding(
            Kind.NO_WORKER,
            Severity.CRITICAL,
            f"No worker takes the {lane.lane} lane: {waits}, the oldest for {duration(lane.oldest_due_s)}.",
            "Start a worker, or one that consumes this lane (-Q)." if alive else "Start a worker: none is running.",
            moment(lane.oldest_due_ms),
            (_A_WORKER, Act("Check the installation", "wooshq doctor", page="/settings")),
            lane.oldest_due_ms,
        )
    if not alive and not late:
        yield Finding(
            Kind.NO_WORKER,
            Severity.WARNING,
            "No worker is running. Nothing has waited for one yet.",
            "Start a worker: what is accepted from now on waits for it.",
            None,
            (_A_WORKER,),
        )


def overdue(seen: Seen) -> Iterator[Finding]:
    """The oldest message that may leave waits for longer than its lane's target, although there are workers."""
    for lane in seen.lanes:
        if not lane.workers or lane.oldest_due_s <= lane.target_s:
            continue
        is_full = lane.slots > 0 and lane.in_flight >= 0.9 * lane.slots
        full = f" All {lane.slots:,} calls that the workers may make at once are in progress." if is_full else ""
        drains = f" It will be empty in {duration(lane.drain_s)} at this rate." if lane.drain_s else ""
        yield Finding(
            Kind.OVERDUE,
            Severity.CRITICAL if lane.oldest_due_s > _BAD * lane.target_s else Severity.WARNING,
            f"The oldest message of the {lane.lane} lane has waited for {duration(lane.oldest_due_s)}; its target is {duration(lane.target_s)}. "
            f"{several(lane.due, 'message')} may leave.{full}{drains}",
            "Start another worker." if is_full else "Look at the workers: they have room, and do not take it.",
            moment(lane.oldest_due_ms),
            (_A_WORKER if is_full else Act("Look at the workers", page="/#workers"), _search(lane)),
            lane.oldest_due_ms,
        )


def _search(lane: LaneNow) -> Act:
    query = f"state:queued lane:{lane.lane}"
    return Act("Show what waits", f"wooshq find '{query}'", page=f"/messages?q={query.replace(' ', '+').replace(':', '%3A')}")


def workers_unwell(seen: Seen) -> Iterator[Finding]:
    """Workers that are deaf, cannot send, or vanished: a finding for each way."""
    workers = seen.pulse.workers
    deaf = [worker for worker in workers if worker.state == WorkerState.DEAF]
    if deaf:
        yield _of_workers(
            Kind.WORKER_DEAF,
            Severity.WARNING,
            deaf,
            "is deaf",
            f"A deaf worker ends itself after {duration(seen.settings.deaf_after_s)}, and its supervisor starts it again.",
            seen,
        )
    unready = [worker for worker in workers if worker.state == WorkerState.NOT_READY]
    if unready:
        all_of_them = not any(worker.state == WorkerState.FINE for worker in workers)
        severity = Severity.CRITICAL if all_of_them else Severity.WARNING
        yield _of_workers(Kind.WORKER_NOT_READY, severity, unready, "cannot send", "wooshq doctor finds the cause.", seen)
    lost = [worker for worker in workers if worker.state == WorkerState.LOST]
    if lost:
        hint = "What it held is taken over when its leases end. Look at its machine: it may have been killed (out of memory), or hang."
        yield _of_workers(Kind.WORKER_LOST, Severity.WARNING, lost, "vanished", hint, seen)


def _of_workers(kind: Kind, severity: Severity, workers: Sequence[Worker], verb: str, hint: str, seen: Seen) -> Finding:
    first = workers[0]
    since_ms = first.seen_ms - int(first.deaf_s * 1000) if kind is Kind.WORKER_DEAF else first.seen_ms
    if len(workers) == 1:
        held = (
            f" {several(first.in_flight, 'call')} {'was' if first.in_flight == 1 else 'were'} in progress."
            if kind is Kind.WORKER_LOST
            else ""
        )
        says = f"Worker {first.name} {verb}: {first.why}.{held}"
    else:
        plural = {"is deaf": "are deaf"}.get(verb, verb)
        says = f"{len(workers):,} workers {plural}: {some_of([worker.name for worker in workers])}. The first: {first.why}."
    known = kind in (Kind.WORKER_LOST, Kind.WORKER_DEAF)
    acts = (Act("Look at the workers", page="/#workers"),)
    return Finding(kind, severity, says, hint, moment(since_ms) if known else None, acts, since_ms if known else None)


def keeper_late(seen: Seen) -> Iterator[Finding]:
    """There are workers, and none of them is the keeper; or it does not come round."""
    age_s = seen.facts.keeper_age_s
    able = [
        worker
        for worker in seen.pulse.workers
        if worker.state == WorkerState.FINE and (worker.started_at or "") < str(moment(seen.now_ms - _NEW_S * 1000))
    ]
    if not able or (age_s is not None and age_s < _KEEPER_LATE_S):
        return
    says = "No worker is the keeper" if age_s is None else f"The keeper gave its last sign of life {duration(age_s)} ago"
    yield Finding(
        Kind.KEEPER_LATE,
        Severity.WARNING,
        f"{says}, although {several(len(able), 'worker')} {'is' if len(able) == 1 else 'are'} well. {several(seen.facts.backlog.retrying, 'retry', 'retries')} "
        "and what lost workers held wait for it.",
        "Its machine, or Redis, may be overloaded. If it stays so, restart the workers one by one.",
        None,
        (Act("Look at the workers", page="/#workers"),),
    )


def dead_rising(seen: Seen) -> Iterator[Finding]:
    """More messages died in the last minutes than usual, or a large part of all that ended."""
    rates = list(seen.pulse.rates.values())
    dead = sum(rate.in_recent("all_dead") for rate in rates)
    before = sum(rate.before_recent("all_dead") for rate in rates)
    ended = dead + sum(rate.in_recent("all_sent") for rate in rates)
    many = dead >= _FEW_DEAD and dead > _RISEN * before
    share = dead / ended if ended else 0.0
    if not many:
        return
    usual = f"{before:,.0f} died in 5 minutes" if before >= 1 else "hardly any died" if before else "none died"
    yield Finding(
        Kind.DEAD_RISING,
        Severity.CRITICAL if share >= _A_THIRD else Severity.WARNING,
        f"{several(dead, 'message')} died in the last 5 minutes, {share:.0%} of those that ended. In the hour before, {usual}.",
        "Look at the causes: each one says what the API answered, and what fits.",
        None,
        (
            Act("Look at the causes", "wooshq dead groups", page="/causes"),
            Act("Show the dead", "wooshq find 'state:dead since:5m'", page="/messages?q=state%3Adead+since%3A5m"),
        ),
    )
