"""What is done with a job after it was started: pause, resume, cancel, wait, retry what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from wooshq.errors import JobUnknown
from wooshq.gates.limits import LimitName, checked
from wooshq.gates.who import said
from wooshq.jobs.show import NO_SUCH_JOB, Job, show_job
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.steps import Ask, CallTurns, Flow, Steps, until_at_rest
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.rules import Brakes, ReplayRules
from wooshq.letters.replays.start import Replayed, replay_letters
from wooshq.settings import Settings

_MOST_TURNS: Final = 100
"""Turns that are called at once. The keeper calls more if chunks wait and the lane is empty."""


def pause(ledger: JobLedger, job_id: str, why: str, by: str | None) -> Flow[Job]:
    """See `Jobs.pause`."""
    return (yield from _move(ledger, job_id, "pause", why, by))


def resume(ledger: JobLedger, job_id: str, why: str, by: str | None) -> Flow[Job]:
    """See `Jobs.resume`."""
    return (yield from _move(ledger, job_id, "resume", why, by))


def cancel(ledger: JobLedger, job_id: str, why: str, by: str | None) -> Flow[Job]:
    """See `Jobs.cancel`."""
    yield from _move(ledger, job_id, "cancel", why, by)
    while (yield from sweep(ledger, job_id)):
        pass
    return (yield from show_job(ledger.keys, job_id))


def _move(ledger: JobLedger, job_id: str, event: Literal["pause", "resume", "cancel"], why: str, by: str | None) -> Flow[Job]:
    state, moved, queued = yield from ledger.move(job_id, event, *said(why, by))
    if state == "gone":
        raise JobUnknown(NO_SUCH_JOB)
    if event == "resume" and moved:
        yield CallTurns(min(queued, _MOST_TURNS))
    return (yield from show_job(ledger.keys, job_id))


def set_rate(ledger: JobLedger, job_id: str, rate: float | None, why: str, by: str | None) -> Flow[Job]:
    """See `Jobs.set_rate`."""
    rate = None if rate is None else checked(LimitName.RATE, rate)
    if (yield from ledger.set_rate(job_id, rate, *said(why, by))) == "gone":
        raise JobUnknown(NO_SUCH_JOB)
    return (yield from show_job(ledger.keys, job_id))


def wait(ledger: JobLedger, job_id: str, within_s: float | None, watch: Callable[[Job], object]) -> Flow[Job]:
    """See `JobHandle.wait`."""
    return (yield from until_at_rest(lambda: show_job(ledger.keys, job_id), within_s, watch))


def retry_failed(
    ledger: JobLedger, settings: Settings, job_id: str, *, dry_run: bool, rate: float | None, in_doubt: bool, why: str, by: str | None
) -> Flow[Replayed]:
    """See `Jobs.retry_failed`."""
    yield from show_job(ledger.keys, job_id)
    brakes = Brakes.of(settings, rate)
    rules = ReplayRules(brakes=brakes, dry_run=dry_run, in_doubt=in_doubt, why=why or f"the failed recipients of job {job_id}", by=by)
    return (yield from replay_letters(ReplayLedger(settings), settings, (), {"bulk": job_id}, rules))


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
