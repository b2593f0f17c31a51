"""What a worker reports about jobs: one log line a second and job, and each kind of dead letter to Sentry."""

from __future__ import annotations

from collections import Counter

import structlog

from wooshq.ledger.chunks import ChunkRecord
from wooshq.ledger.states import COUNTER_OF, FINAL_MARKS, Mark
from wooshq_worker.jobs.job import JobInfo
from wooshq_worker.observe.metrics.measures import Measures, off
from wooshq_worker.observe.sentry import Reporter

log = structlog.get_logger("wooshq.bulk")


class JobLog:
    """Counts what was recorded in the ledger."""

    def __init__(self, report_kind: Reporter, measures: Measures = off) -> None:
        self._report_kind = report_kind
        self._measures = measures
        self._jobs: dict[str, Counter[str]] = {}
        self._stopped: set[str] = set()

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

    def write(self) -> None:
        """Log and measure what was recorded since the last time."""
        self._stopped.intersection_update(self._jobs)
        for job_id, counts in self._jobs.items():
            self._measures.recorded({name: n for name, n in counts.items() if name != "calls"})
            if shown := {name: n for name, n in sorted(counts.items()) if n}:
                log.info("fanned_out", job_id=job_id, **shown)
        self._jobs.clear()
