"""What a worker reports about jobs: one log line a job and ten seconds, and each kind of dead letter to Sentry."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from wooshq.ledger.chunks import ChunkRecord
from wooshq.ledger.states import COUNTER_OF, FINAL_MARKS, Mark
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.observe.metrics.measures import Measures, off
from wooshq_worker.observe.sentry import Reporter

log = structlog.get_logger("wooshq.bulk")

_EVERY_S: Final = 10.0


class JobLog:
    """Counts what was recorded in the ledger."""

    def __init__(self, report_kind: Reporter, measures: Measures = off, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._report_kind = report_kind
        self._measures = measures
        self._monotonic = monotonic
        self._jobs: dict[str, Counter[str]] = {}
        self._stopped: set[str] = set()
        self._not_logged: dict[str, Counter[str]] = {}
        self._logged_at: dict[str, float] = {}  #: job → monotonic

    def recorded(self, job: JobInfo, record: ChunkRecord) -> None:
        """A record is in the ledger."""
        counts = self._jobs.setdefault(job.id, Counter())
        for mark, first, last in record.marks:
            if mark in FINAL_MARKS:
                counts[COUNTER_OF[Mark(mark)]] += last - first + 1
        counts["calls"] += record.calls
        counts["in_doubt"] += sum(len(doubt.identifiers) for doubt in record.doubts)
        for letter in record.letters:
            self._report_kind(kind="dead_letter", reason=letter.reason, code=letter.code, application=job.application, lane="bulk")
        if record.stop is not None:
            self.stopped(job)

    def stopped(self, job: JobInfo) -> None:
        """The job has stopped: because of a record of this worker, or of all workers together."""
        if job.id not in self._stopped:
            self._stopped.add(job.id)
            log.warning("job_stopped", job_id=job.id, application=job.application)
            self._report_kind(kind="job_stopped", reason="refused", code="", application=job.application, lane="bulk")

    def write(self, *, ends: bool = False) -> None:
        """Measure what was recorded since the last time, and log it: a second after a job's first record, and then every ten. ends: log all."""
        now = self._monotonic()
        for job_id, counts in self._jobs.items():
            self._measures.recorded({name: n for name, n in counts.items() if name != "calls"})
            self._not_logged.setdefault(job_id, Counter()).update(counts)
        self._stopped.intersection_update({*self._jobs, *self._not_logged})
        self._jobs.clear()
        for job_id in list(self._not_logged):
            if ends or now - self._logged_at.get(job_id, -_EVERY_S) >= _EVERY_S:
                shown = {name: n for name, n in sorted(self._not_logged.pop(job_id).items()) if n}
                if shown:
                    log.info("fanned_out", job_id=job_id, **shown)
                    self._logged_at[job_id] = now
        self._logged_at = {job_id: at for job_id, at in self._logged_at.items() if now - at < _EVERY_S}
