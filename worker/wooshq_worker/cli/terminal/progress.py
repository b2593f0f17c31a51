"""The progress bar of a fan-out job."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from wooshq.jobs.show import Job
from wooshq_worker.cli.terminal.job import line
from wooshq_worker.cli.terminal.out import people

_EVERY_S = 0.2


class JobProgress:
    """A bar on standard error; nothing if that is not a terminal. A context manager."""

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
        """Whether the bar is old enough to be drawn again."""
        return not self._progress.disable and time.monotonic() - self._at >= _EVERY_S

    def show(self, job: Job) -> None:
        """Draw the current state of the job."""
        self._at = time.monotonic()
        self._progress.start()  # not earlier: lines that a command prints before would land inside the bar
        ended = job.total - job.left
        self._progress.update(self._bar, description=line(job), completed=ended, total=job.total if job.state != "feeding" else None)
