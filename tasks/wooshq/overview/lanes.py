"""A lane at a glance: what waits and why, how old, how long the way is, what ends a minute, and when it will be empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from wooshq.gates.waiting import Backlog, Why
from wooshq.jobs.running import Running, idle_since_ms
from wooshq.ledger.replies import Result, moment
from wooshq.overview.rates import Ends, Rates
from wooshq.overview.workers import Worker
from wooshq.settings import Settings

_NEARLY: Final = 0.9
"""A lane whose workers make so many of the calls that they may make at once has no slot left: what waits there waits for that."""
NO_WORKER: Final = "no_worker"
BUSY: Final = "busy"
"""In place of `worker`: why what nothing holds back is still there."""
_SAYS: Final = {
    NO_WORKER: "no worker takes them",
    BUSY: "every call of the workers is in use",
    Why.WORKER: "a worker takes them now",
    Why.SLOT: "their application's rate",
    Why.PAUSED: "paused by a person",
    Why.SUSPECT: "sent apart: they were held by lost workers",
    Why.CIRCUIT: "the gate circuit: the API fails",
    Why.TOKEN: "the gate token: the API refuses it",
    Why.APPLICATION: "the gate application: the API does not know it",
    Why.NOT_BEFORE: "the gate not_before: the API asked for a wait",
    Why.ANSWERS: "the gate answers: they are not understood",
}


@dataclass(frozen=True)
class Reason(Result):
    """
    Why messages of a lane wait. why: `paused`, `slot` (the rate), the name of a gate, `suspect`, and if nothing holds them back: `no_worker`, `busy` (every
    call that the workers may make at once is in progress) or `worker` (one takes them now). says: the same in words. n: messages. since: since when
    the oldest waits.
    """

    why: str
    says: str
    n: int
    since: str | None


@dataclass(frozen=True)
class LaneNow(Result):
    """
    A lane. waiting: single messages; jobs have their own numbers. oldest_due_s: for how long the one has waited that should have left first; target_s: what
    it should be at most. p50_s, p99_s: from accepted to sent, of the last five minutes; None if none was sent.

    sent, retried, dead, expired: in the last minute, recipients of jobs included; drain_s: until what waits and may leave has left, at that rate; None if
    nothing leaves. The lists have the last 60 minutes (and the one that has begun), and the last 24 hours in tens of minutes, the oldest first.
    """

    lane: str
    waiting: int
    reasons: tuple[Reason, ...]
    oldest_due_s: float
    target_s: float
    p50_s: float | None
    p99_s: float | None
    sent: float
    retried: float
    dead: float
    expired: float
    drain_s: float | None
    last_sent_at: str | None
    workers: int
    in_flight: int
    slots: int
    sent_by_minute: tuple[int, ...]
    retried_by_minute: tuple[int, ...]
    dead_by_minute: tuple[int, ...]
    sent_by_ten_minutes: tuple[int, ...]
    dead_by_ten_minutes: tuple[int, ...]
    due: int = field(default=0, metadata={"shown": False})
    """Messages that nothing holds back."""
    oldest_due_ms: int | None = field(default=None, metadata={"shown": False})


def lane_now(lane: str, backlog: Backlog, jobs: Sequence[Running], rates: Rates, workers: Sequence[Worker], settings: Settings) -> LaneNow:
    """Pure."""
    mine = [worker for worker in workers if worker.is_alive and lane in worker.lanes]
    busy = sum(worker.busy[lane][0] for worker in mine if lane in worker.busy)
    slots = sum(worker.busy[lane][1] for worker in mine if lane in worker.busy)
    waiting = [found for found in backlog.waiting if found.lane == lane]
    due = sum(found.n for found in waiting if found.why is Why.WORKER)
    may_leave = due + sum(found.n for found in waiting if found.why is Why.SLOT)
    leaves = rates.a_minute("left_the_lane") / 60
    idle_ms = idle_since_ms(jobs) if lane == "bulk" else None
    oldest_s = max(backlog.oldest_due_s(lane), 0.0 if idle_ms is None else (backlog.now_ms - idle_ms) / 1000)
    return LaneNow(
        lane=lane,
        waiting=sum(found.n for found in waiting),
        reasons=tuple(_reasons(backlog, lane, has_worker=bool(mine), is_full=bool(slots) and busy >= _NEARLY * slots)),
        oldest_due_s=round(oldest_s, 3),
        target_s=settings.target_transactional_s if lane == "transactional" else settings.target_bulk_s,
        p50_s=_rounded(rates.way_s(0.5)),
        p99_s=_rounded(rates.way_s(0.99)),
        sent=round(rates.a_minute("all_sent"), 1),
        retried=round(rates.a_minute("retried"), 1),
        dead=round(rates.a_minute("all_dead"), 1),
        expired=round(rates.a_minute("expired"), 1),
        drain_s=0.0 if not may_leave else round(may_leave / leaves, 1) if leaves else None,
        last_sent_at=moment(rates.sent_at_ms),
        workers=len(mine),
        in_flight=busy,
        slots=slots,
        sent_by_minute=_each(rates.minutes, "all_sent"),
        retried_by_minute=_each(rates.minutes, "retried"),
        dead_by_minute=_each(rates.minutes, "all_dead"),
        sent_by_ten_minutes=_each(rates.tens, "all_sent"),
        dead_by_ten_minutes=_each(rates.tens, "all_dead"),
        due=due,
        oldest_due_ms=backlog.now_ms - int(oldest_s * 1000) if oldest_s else None,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _each(ends: Iterable[Ends], counter: str) -> tuple[int, ...]:
    return tuple(getattr(one, counter) for one in ends)


def _reasons(backlog: Backlog, lane: str, *, has_worker: bool, is_full: bool) -> Iterable[Reason]:
    """What waits for most messages first."""
    n: Counter[str] = Counter()
    since: dict[str, int] = {}
    for found in backlog.waiting:
        if found.lane != lane:
            continue
        why = str(found.why)
        if found.why is Why.WORKER:
            why = NO_WORKER if not has_worker else BUSY if is_full else why
        n[why] += found.n
        if found.since_ms is not None:
            since[why] = min(found.since_ms, since.get(why, found.since_ms))
    return (Reason(why, _SAYS[why], many, moment(since.get(why))) for why, many in n.most_common())
