"""A fan-out's progress on a terminal: who was reached, how fast, how long it will take."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from wooshq.jobs.show import Job
from wooshq_worker.cli.terminal.out import people

_EVERY_S = 0.2


class JobProgress:
    """A line that tells of a job; where standard error is no terminal, nothing is shown. A context manager."""

    def __init__(self, *, shown: bool) -> None:
        columns = (BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(
            *columns, console=people, disable=not (shown and people.is_terminal), transient=True, redirect_stdout=False
        )
        self._bar = self._progress.add_task("", total=None)
        self._at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    @property
    def is_due(self) -> bool:
        """Whether it has been long enough since the last look."""
        return not self._progress.disable and time.monotonic() - self._at >= _EVERY_S

    def show(self, job: Job) -> None:
        """Where the job is now."""
        self._at = time.monotonic()
        self._progress.start()  # only now: what a command prints before it would stand in the middle of the line
        ended = job.total - job.left
        self._progress.update(self._bar, description=in_words(job), completed=ended, total=job.total if job.state != "feeding" else None)


def in_words(job: Job) -> str:
    """A job in one line of at most about 60 characters."""
    parts = [f"{job.sent:,} sent"]
    parts += [f"{n:,} {name}" for n, name in ((job.dead, "dead"), (job.unknown, "in doubt"), (job.retrying, "again")) if n]
    if job.state == "feeding":
        parts.append(f"of {job.total:,} so far")
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
