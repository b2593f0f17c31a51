"""What can be wrong: a closed list of kinds, how bad each finding is, in a sentence, and the acts that fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from wooshq.ledger.replies import Result


class Kind(StrEnum):
    """What can be wrong, or worth a look: a closed vocabulary."""

    GATE_SHUT = "gate_shut"  #: the API's answers shut a gate, or a person did
    NO_WORKER = "no_worker"  #: work waits, and no worker takes it
    WORKER_DEAF = "worker_deaf"  #: a worker runs and takes nothing
    WORKER_NOT_READY = "worker_not_ready"  #: a worker runs and cannot send
    WORKER_LOST = "worker_lost"  #: a worker vanished
    OVERDUE = "overdue"  #: the oldest message of a lane waits for longer than its target
    DEAD_RISING = "dead_rising"  #: more messages die than before
    OUTBOX_BEHIND = "outbox_behind"
    SPOOL_BEHIND = "spool_behind"
    HISTORY_BEHIND = "history_behind"
    HISTORY_ELSEWHERE = "history_elsewhere"  #: what has ended is in two databases, of which everybody reads one
    HISTORY_REFUSES = "history_refuses"  #: its database refuses records, which were set aside
    REDIS_FULL = "redis_full"  #: it is near its memory limit, or over it
    REDIS_EVICTS = "redis_evicts"  #: it may delete messages when its memory is full
    REDIS_NOT_DURABLE = "redis_not_durable"  #: it keeps nothing on disk, or cannot write it
    PAUSED = "paused"  #: a person paused an application, a lane, a job or a replay
    JOB_STOPPED = "job_stopped"  #: a job stopped by itself
    REPLAY_STOPPED = "replay_stopped"  #: a replay stopped by itself
    NEXT_STEP = "next_step"  #: a roll-out waits between two of its steps
    WEBHOOK_PAUSED = "webhook_paused"  #: a webhook gets no events: wooshq paused it, or a person
    WEBHOOK_FAILING = "webhook_failing"  #: a webhook or a hook of an app takes no events
    WEBHOOK_BEHIND = "webhook_behind"  #: events wait for a webhook or a hook, or are not made at all
    EVENTS_MISSED = "events_missed"  #: what has ended was not told to somebody, and will not be
    KEEPER_LATE = "keeper_late"  #: nobody queues retries that are due, and takes over from lost workers
    CEILING = "ceiling"  #: messages wait because their application may make no more calls a second


class Severity(StrEnum):
    """How bad it is: the worst one first."""

    CRITICAL = "critical"  #: messages do not leave, or may be lost
    WARNING = "warning"  #: it gets worse if nobody acts
    NOTICE = "notice"  #: as somebody wanted it, or it mends itself


ORDER = {severity: n for n, severity in enumerate(Severity)}


class Does(StrEnum):
    """Acts that can be carried out from the overview itself. Each is a public call; `Act.named` has its arguments."""

    OPEN_GATE = "open_gate"  #: gate, application
    RESUME = "resume"  #: application, lane
    RESUME_JOB = "resume_job"  #: job
    RESUME_REPLAY = "resume_replay"  #: replay
    RESUME_WEBHOOK = "resume_webhook"  #: webhook


@dataclass(frozen=True)
class Act(Result):
    """
    What can be done. label: words for a button or a link. command: on the command line; None if there is none.

    does, named: what the console can do at once (see `Does`), with which arguments. path: HTTP call that does the same. page: of the console, where to
    look.
    """

    label: str
    command: str | None = None
    page: str | None = None
    path: str | None = None
    does: str | None = None
    named: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding(Result):
    """
    Something that is wrong, or that somebody wants to know. kind, severity: see there. says: a sentence with numbers. hint: what to do, in
    words. since: when it began, if that is known. acts: the one that fits best first.
    """

    kind: str
    severity: str
    says: str
    hint: str
    since: str | None
    acts: tuple[Act, ...] = ()
    since_ms: int | None = field(default=None, metadata={"shown": False})

    @property
    def order(self) -> tuple[int, int]:
        """The worst first; of these, what began first."""
        return ORDER[Severity(self.severity)], self.since_ms if self.since_ms is not None else 1 << 62
