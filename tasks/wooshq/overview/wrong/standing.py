"""Jobs and replays that stand still: people paused them, they stopped by themselves, or a roll-out waits for its next step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wooshq.jobs.show import Job
from wooshq.ledger.states import ReplayState
from wooshq.letters.replays.show import Replay
from wooshq.overview.finding import Act, Does, Finding, Kind, Severity
from wooshq.overview.words import several, some_of
from wooshq.overview.wrong.seen import Seen

_NAMED: Final = 3
"""Jobs, and replays, in one state that get a finding each. All others share one."""


def paused(seen: Seen) -> Iterator[Finding]:
    """Jobs and replays that people paused."""
    jobs = [job for job in seen.jobs if job.state == "paused" and not _is_between_steps(job)]
    for job in jobs[:_NAMED]:
        says = f"{job.by or 'Somebody'} paused the job {job.id[:13]}: {job.why}. {_left(job.left, 'recipient')}"
        yield Finding(Kind.PAUSED, Severity.NOTICE, says, "It waits until you resume it.", None, (_resume_job(job.id),))
    if more := [job.id for job in jobs[_NAMED:]]:
        yield _more(Kind.PAUSED, Severity.NOTICE, "job", more, "paused", "wooshq bulk list", "/jobs?state=paused")
    replays = [replay for replay in seen.replays if replay.state == ReplayState.PAUSED]
    for replay in replays[:_NAMED]:
        why = f": {replay.note}" if replay.note else ""
        says = f"The replay {replay.id[:13]} is paused{why}. {_left(replay.waiting, 'letter')}"
        yield Finding(Kind.PAUSED, Severity.NOTICE, says, "It waits until you resume it.", None, (_resume_replay(replay), _look(replay)))
    if more := [replay.id for replay in replays[_NAMED:]]:
        yield _more(Kind.PAUSED, Severity.NOTICE, "replay", more, "paused", "wooshq replays list", "/replays")


def between_steps(seen: Seen) -> Iterator[Finding]:
    """Roll-outs whose step has ended: the next one waits for somebody, or for its time."""
    for job in [job for job in seen.jobs if _is_between_steps(job)][:_NAMED]:
        when = f"The next step starts by itself at {job.goes_on_at[11:19]} UTC." if job.goes_on_at else "The next step waits for you."
        says = f"The roll-out of the job {job.id[:13]} is between its steps: {job.why}."
        hint = f"{when} Look at what the step before did. Resuming starts the next step at once."
        yield Finding(Kind.NEXT_STEP, Severity.NOTICE, says, hint, None, (_resume_job(job.id, "Start the next step"),))


def _is_between_steps(job: Job) -> bool:
    """A roll-out pauses itself after a step: nobody's name is on it."""
    return job.state == "paused" and bool(job.step) and not job.by


def jobs_stopped(seen: Seen) -> Iterator[Finding]:
    """Jobs that stopped by themselves: the API refuses too much."""
    jobs = [job for job in seen.jobs if job.state == "stopped"]
    for job in jobs[:_NAMED]:
        yield Finding(
            Kind.JOB_STOPPED,
            Severity.WARNING,
            f"The job {job.id[:13]} stopped by itself: {job.why}. {_left(job.left, 'recipient')}",
            "Mend what the API refuses. Then resume it, or cancel it.",
            None,
            (Act("Look at the job", f"wooshq bulk show {job.id}", page=f"/jobs/{job.id}"), _resume_job(job.id)),
        )
    if more := [job.id for job in jobs[_NAMED:]]:
        yield _more(Kind.JOB_STOPPED, Severity.WARNING, "job", more, "stopped", "wooshq bulk list", "/jobs?state=stopped")


def replays_stopped(seen: Seen) -> Iterator[Finding]:
    """Replays that stopped by themselves: too many letters failed again."""
    replays = [replay for replay in seen.replays if replay.state == ReplayState.STOPPED]
    for replay in replays[:_NAMED]:
        yield Finding(
            Kind.REPLAY_STOPPED,
            Severity.WARNING,
            f"The replay {replay.id[:13]} stopped by itself: {replay.note}. {_left(replay.waiting, 'letter')}",
            "Look at what the API answered. Then resume it, or cancel it and replay with another recipe.",
            None,
            (_look(replay), _resume_replay(replay)),
        )
    if more := [replay.id for replay in replays[_NAMED:]]:
        yield _more(Kind.REPLAY_STOPPED, Severity.WARNING, "replay", more, "stopped", "wooshq replays list", "/replays")


def _left(n: int, of: str) -> str:
    return f"{several(n, of)} {'is' if n == 1 else 'are'} left."


def _more(kind: Kind, severity: Severity, what: str, ids: list[str], state: str, command: str, page: str) -> Finding:
    says = f"{several(len(ids), f'more {what}')} {'is' if len(ids) == 1 else 'are'} {state}: {some_of([one[:13] for one in ids])}."
    return Finding(kind, severity, says, "Look at each of them.", None, (Act(f"Show the {what}s", command, page=page),))


def _resume_job(job_id: str, label: str = "Resume the job") -> Act:
    return Act(
        label,
        f"wooshq bulk resume {job_id}",
        page=f"/jobs/{job_id}",
        path=f"/v1/bulk/{job_id}/resume",
        does=Does.RESUME_JOB,
        named={"job": job_id},
    )


def _look(replay: Replay) -> Act:
    return Act("Look at the replay", f"wooshq replays show {replay.id}", page=f"/replays/{replay.id}")


def _resume_replay(replay: Replay) -> Act:
    return Act(
        "Resume the replay",
        f"wooshq replays resume {replay.id}",
        page=f"/replays/{replay.id}",
        path=f"/v1/replays/{replay.id}/resume",
        does=Does.RESUME_REPLAY,
        named={"replay": replay.id},
    )
