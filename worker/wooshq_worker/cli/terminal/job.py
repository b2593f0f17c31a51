"""A fan-out job for people: in a line, in a sentence, in full."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from wooshq import Wooshq
from wooshq.jobs.show import Job
from wooshq.ledger.states import JobState
from wooshq_worker.cli.terminal.no_worker import NoWorkerYet
from wooshq_worker.cli.terminal.out import field, say, several, short

#: A job without a call for this long, although nothing holds it: perhaps no worker is running.
_NO_CALL_S: Final = 10.0


def line(job: Job) -> str:
    """For a progress bar: at most about 60 characters."""
    parts = [f"{job.sent:,} sent"]
    parts += [f"{n:,} {name}" for n, name in ((job.dead, "dead"), (job.unknown, "in doubt"), (job.retrying, "to retry")) if n]
    if job.state == "feeding":
        parts.append(f"{job.total:,} read so far")
    elif job.state in ("paused", "stopped"):
        parts.append(job.state)
    elif job.waiting_for:
        parts.append("held by a gate")
    elif job.left_s is not None and job.left:
        parts.append(f"{job.rate:,.0f}/s, {_duration(job.left_s)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def sentence(job: Job) -> str:
    """State, counters, speed and calls."""
    parts = [f"{job.sent:,} of {job.total:,} sent"]
    parts += [
        f"{n:,} {name}"
        for n, name in (
            (job.dead, "dead"),
            (job.unknown_identifiers, "unknown to the API"),
            (job.expired, "expired"),
            (job.cancelled, "cancelled"),
            (job.left, "left"),
        )
        if n
    ]
    doubt = f" {job.unknown:,} in doubt: they may have received the message, even twice." if job.unknown else ""
    why = f" {job.why}." if job.why else ""
    return f"{job.state}{_speed(job)}: {', '.join(parts)}; {_at_least(job)}{several(job.calls, 'call')} (minimum {job.calls_needed:,}).{doubt}{why}"


def _at_least(job: Job) -> str:
    """Nobody knows how many calls a lost worker made before it could record them."""
    return "at least " if job.workers_lost else ""


def _speed(job: Job) -> str:
    """For a job that is done; a job that was held or cancelled has no meaningful speed."""
    if job.state != JobState.DONE or not (job.accepted_at and job.ended_at and job.sent):
        return ""
    took_s = max(0.001, (datetime.fromisoformat(job.ended_at) - datetime.fromisoformat(job.accepted_at)).total_seconds())
    return f" in {took_s:,.1f} s" + (f" ({job.sent / took_s:,.0f}/s)" if took_s >= 1 else "")


def full(job: Job) -> None:
    """Print everything about it, one field per line."""
    field("id", job.id)
    state = f"{job.state} (step {job.step})" if job.step else job.state
    by = f" by {job.by}" if job.by else ""
    field("state", f"{state}{by}: {job.why}" if job.why else state)
    if job.goes_on_at:
        field("continues at", f"{short(job.goes_on_at)} UTC")
    if job.waiting_for:
        field("waits for", job.waiting_for)
    if job.state == "feeding":
        field("feeding", f"not finished. If its command has ended, continue: wooshq fanout --resume {job.id} --recipients FILE")
    field("recipients", f"{job.total:,}")
    for name, n in (
        ("sent", job.sent),
        ("dead letters", job.dead),
        ("unknown to the API", job.unknown_identifiers),
        ("expired", job.expired),
        ("cancelled", job.cancelled),
        ("left", job.left),
    ):
        field(f"  {name}", f"{n:,}")
    field("in doubt", f"{job.unknown:,} (may have received it, even twice)" if job.unknown else "0")
    field("calls", f"{_at_least(job)}{job.calls:,} (minimum {job.calls_needed:,})")
    if job.rate:
        left = f", {job.left_s:,.0f} s left" if job.left_s is not None else ""
        field("rate", f"{job.rate:,.0f} recipients/s{left}")
    if job.limit is not None:
        field("limit", f"{job.limit:g} calls/s")
    if job.refused or job.duplicates:
        field("not accepted", f"{several(job.refused, 'bad row')}, {several(job.duplicates, 'duplicate')}")
    field("started", f"{short(job.accepted_at)} UTC")
    if job.ended_at:
        field("ended", f"{short(job.ended_at)} UTC")


class NoCallYet:
    """Says once that a job makes no calls although nothing holds it, and sooner if no worker is running."""

    def __init__(self, wooshq: Wooshq) -> None:
        self._no_worker_yet = NoWorkerYet(wooshq)
        self._since = time.monotonic()
        self._said = False

    def look(self, job: Job) -> None:
        """job: its current state."""
        if not job.is_at_rest:
            self._no_worker_yet.look()
        has_begun = job.total - job.left or job.sending or job.calls
        if has_begun or job.waiting_for or job.state not in ("running", "feeding") or not job.total:
            self._since = time.monotonic()
        elif not self._said and time.monotonic() - self._since > _NO_CALL_S:
            self._said = True
            say(f"No call was made in {_NO_CALL_S:.0f} s. Check if a worker is running: wooshq doctor")
