"""The overview: what is wrong now, and how everything is, at one moment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from wooshq.gates.waiting import Why
from wooshq.jobs.show import Job, read_jobs
from wooshq.ledger.gates import EVERY, Gate, GateName
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import Result, moment
from wooshq.ledger.steps import Steps
from wooshq.letters.replays.show import standing_replays
from wooshq.overview.facts import RedisState, read_facts, read_pulse, read_receivers, read_redis
from wooshq.overview.finding import Finding, Kind, Severity
from wooshq.overview.lanes import LaneNow, lane_now
from wooshq.overview.words import duration, several
from wooshq.overview.workers import Worker, WorkerState
from wooshq.overview.wrong import held_back, outward, standing, stores, work
from wooshq.overview.wrong.seen import Seen
from wooshq.settings import Settings

MOST_JOBS: Final = 20
"""Jobs that are shown: the newest of those that have not ended."""
MOST_REPLAYS: Final = 100
"""Replays that are looked at, whether they are paused or stopped: the newest."""
_MOST_CEILINGS: Final = 5
_REDIS_KEPT_S: Final = 10.0
"""Redis is asked for its own state this often: memory grows slowly, and some users of Redis may not ask."""

_RULES: Final = (
    work.no_worker,
    held_back.gates_shut,
    work.workers_unwell,
    work.overdue,
    work.dead_rising,
    stores.redis,
    stores.outboxes,
    stores.spools,
    stores.history,
    outward.webhooks,
    outward.missed,
    work.keeper_late,
    standing.jobs_stopped,
    standing.replays_stopped,
    held_back.ceilings,
    held_back.paused,
    standing.paused,
    standing.between_steps,
)


@dataclass(frozen=True)
class RunningJob(Result):
    """A job that has not ended, in short; `wooshq bulk show` has all of it. rate: recipients that ended in the last second."""

    id: str
    state: str
    application: str
    campaign: str
    total: int
    sent: int
    dead: int
    left: int
    rate: float
    left_s: float | None
    waiting_for: str
    why: str
    by: str


@dataclass(frozen=True)
class Overview(Result):
    """
    Everything at one moment. at: by the ledger's clock. is_well: nothing is wrong; there may be notices. says: one sentence about all, with its proof.
    findings: the worst first.

    letters: dead letters that are kept, in every state. retrying: failed messages that wait for their next attempt. unread: applications whose queues
    were not looked at, because a lane has more than 200. gates: those that are not open; a pause is the gate `hand`.
    redis_used_bytes, redis_most_bytes: None if Redis does not say, or has no limit.
    """

    at: str | None
    is_well: bool
    says: str
    findings: tuple[Finding, ...]
    lanes: tuple[LaneNow, ...]
    gates: tuple[Gate, ...]
    workers: tuple[Worker, ...]
    jobs: tuple[RunningJob, ...]
    retrying: int
    sending: int
    letters: int
    unread: int
    keeper_age_s: float | None
    redis_used_bytes: int | None
    redis_most_bytes: int | None
    at_ms: int = field(default=0, metadata={"shown": False})


class Kept:
    """What is kept from one overview to the next one of the same client."""

    def __init__(self) -> None:
        self._redis = RedisState()
        self._read_at: float | None = None

    def redis(self) -> Steps[RedisState]:
        """How Redis is, read a moment ago."""
        now = time.monotonic()
        if self._read_at is None or now - self._read_at >= _REDIS_KEPT_S:
            self._redis, self._read_at = (yield from read_redis()), now
        return self._redis


def read_overview(ledger: IntentLedger, settings: Settings, kept: Kept) -> Steps[Overview]:
    """See `Wooshq.overview`."""
    return overview_of((yield from read_all(ledger, settings, kept)))


def read_all(ledger: IntentLedger, settings: Settings, kept: Kept) -> Steps[Seen]:
    """Twelve round trips, and two more if anybody receives events; their number does not depend on how much there is."""
    keys = ledger.keys
    facts = yield from read_facts(keys)
    pulse = yield from read_pulse(keys, facts.backlog.now_ms)
    ids = [job.id for job in facts.jobs[:MOST_JOBS]]
    jobs = [job for job, _ in (yield from read_jobs(keys, ids)).values() if not job.is_final] if ids else []
    slowed = list(dict.fromkeys(found.application for found in facts.backlog.waiting if found.why is Why.SLOT))[:_MOST_CEILINGS]
    learned = {app: rate for app, (rate, _) in (yield from ledger.gates.learned(slowed)).items()}
    receivers = yield from read_receivers(settings, pulse.subscribers, facts.backlog.now_ms)
    replays = yield from standing_replays(keys, MOST_REPLAYS)
    redis = yield from kept.redis()
    lanes = [lane_now(lane, facts.backlog, facts.jobs, pulse.rates[lane], pulse.workers, settings) for lane in LANES]
    return Seen(facts, pulse, redis, jobs, lanes, settings, learned, receivers, replays)


def findings_of(seen: Seen) -> list[Finding]:
    """What is wrong, the worst first. Pure."""
    return sorted(chain.from_iterable(rule(seen) for rule in _RULES), key=lambda finding: finding.order)


def overview_of(seen: Seen) -> Overview:
    """Pure."""
    findings = findings_of(seen)
    wrong = [finding for finding in findings if finding.severity != Severity.NOTICE]
    facts = seen.facts
    return Overview(
        at=moment(seen.now_ms),
        is_well=not wrong,
        says=". ".join(_sentences(seen, findings, wrong)) + ".",
        findings=tuple(findings),
        lanes=tuple(seen.lanes),
        gates=tuple(facts.gates),
        workers=tuple(seen.pulse.workers),
        jobs=tuple(_running(job) for job in seen.jobs),
        retrying=facts.backlog.retrying,
        sending=facts.backlog.sending,
        letters=facts.letters,
        unread=facts.backlog.unread,
        keeper_age_s=None if facts.keeper_age_s is None else round(facts.keeper_age_s, 3),
        redis_used_bytes=seen.redis.used,
        redis_most_bytes=seen.redis.most or None,
        at_ms=seen.now_ms,
    )


def _sentences(seen: Seen, findings: Sequence[Finding], wrong: Sequence[Finding]) -> Iterator[str]:
    """Whether all is well, and how one can tell."""
    critical = sum(finding.severity == Severity.CRITICAL for finding in wrong)
    if not wrong:
        yield _well(seen, findings)
    elif not critical:
        yield f"{several(len(wrong), 'thing')} {'needs' if len(wrong) == 1 else 'need'} a look"
    else:
        more = len(wrong) - critical
        rest = f", {more:,} more {'needs' if more == 1 else 'need'} a look" if more else ""
        yield f"{several(critical, 'thing')} {'is' if critical == 1 else 'are'} wrong now{rest}"
    sent = [rate.sent_at_ms for rate in seen.pulse.rates.values() if rate.sent_at_ms is not None]
    ago_s = seen.ago_s(max(sent, default=0))
    yield (
        "No message was sent yet" if not sent else f"The last message was sent {f'{duration(ago_s)} ago' if ago_s >= 1 else 'a moment ago'}"
    )
    waiting, oldest_s = sum(lane.waiting for lane in seen.lanes), max(lane.oldest_due_s for lane in seen.lanes)
    if not waiting:
        yield "Nothing waits"
    else:
        due = f"the oldest that may leave for {duration(oldest_s)}" if oldest_s else "and none of them may leave now"
        yield f"{several(waiting, 'message')} {'waits' if waiting == 1 else 'wait'}, {due}"
    fine = sum(worker.state == WorkerState.FINE for worker in seen.pulse.workers)
    yield f"{several(fine, 'worker')} {'is' if fine == 1 else 'are'} ready" if fine else "No worker is ready"


def _well(seen: Seen, findings: Sequence[Finding]) -> str:
    """Nothing is wrong. Whether anything is sent at all: people may have paused it."""
    if any(gate.gate == GateName.HAND and gate.application == EVERY and gate.lane is None for gate in seen.facts.gates):
        return "Nothing is sent: people paused everything"
    waiting = sum(lane.waiting for lane in seen.lanes)
    held = sum(found.n for found in seen.facts.backlog.waiting if found.why is Why.PAUSED)
    if waiting and held == waiting:
        return "Nothing that waits is sent: people paused it"
    return "Nothing is wrong, and something is paused" if any(one.kind == Kind.PAUSED for one in findings) else "All is well"


def _running(job: Job) -> RunningJob:
    return RunningJob(
        id=job.id,
        state=job.state,
        application=job.application,
        campaign=job.campaign,
        total=job.total,
        sent=job.sent,
        dead=job.dead,
        left=job.left,
        rate=job.rate,
        left_s=None if job.left_s is None else round(job.left_s, 1),
        waiting_for=job.waiting_for,
        why=job.why,
        by=job.by,
    )
