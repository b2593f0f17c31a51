"""Fan-out jobs in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from wooshq.ledger.chunks import ChunkLedger
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import text as _text
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to start. rollout: for each step, how many recipients in all; the last one is for everybody. rate: calls a second."""

    id: str
    template: str
    digest: str
    application: str
    list_limit: int
    idempotency_key: str | None = None
    on_unknown: str = "resend"
    campaign: str = ""
    ttl_ms: int | None = None
    expires_at_ms: int | None = None
    rate: float | None = None
    rollout: Sequence[int] = ()
    stop_at: float | None = None
    step_wait_ms: int | None = None
    source: str = ""
    columns: frozenset[str] = frozenset()
    """The placeholders that are sent."""
    rows: str = ""
    """How rows are read: `RowRules.as_text`."""
    first: int | None = None
    """How many recipients it takes, from the beginning; None for all."""
    trace: str = ""
    """The context of who starts it, see `wooshq.tracing`; "" for none."""


class JobLedger:
    """Every script that moves a job, with the settings that bound it. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self.chunks = ChunkLedger(settings)
        self._retention_ms = int(settings.retention_s * 1000)
        self._dead_ms = int(settings.dead_retention_s * 1000)

    def open(self, job: NewJob) -> Steps[str]:
        """
        Begin a job. '' if it is new. The id of the job that was accepted before, with '!' before it if that job has another template.
        """
        k = self.keys
        row = k.job(job.id)
        idem = k.idempotency(f"bulk {job.application}", job.idempotency_key) if job.idempotency_key is not None else row
        fields: dict[str, Any] = {
            "template": job.template,
            "v": MODEL_VERSION,
            "app": job.application,
            "limit": job.list_limit,
            "on_unknown": job.on_unknown,
            "campaign": job.campaign or None,
            "rate": job.rate,
            "stop_at": job.stop_at,
            "step_wait": job.step_wait_ms,
            "source": job.source or None,
            "columns": json.dumps(sorted(job.columns)),
            "rows": job.rows or None,
            "first": job.first,
            "trace": job.trace or None,
        }
        pairs = [part for name, value in fields.items() if value is not None for part in (name, value)]
        ttl, expires = ("" if value is None else value for value in (job.ttl_ms, job.expires_at_ms))
        args = (job.id, job.digest, self._retention_ms, ttl, expires, " ".join(map(str, job.rollout)), *pairs)
        return _text(
            (
                yield RunScript(
                    "jobs/open", (row, k.fixed("jobs"), k.fixed("stepping"), k.fixed("counts"), idem, k.fixed("job_expiry")), args
                )
            )
        )

    def answers(self) -> Steps[None]:
        """Raises LedgerUnavailable if the ledger is out of reach."""
        yield Ask([("TIME",)])

    def wait_for_room(self, job_id: str, within_s: float) -> Steps[bool]:
        """Wait until a chunk has ended. False if none did."""
        return (yield Ask([("BLPOP", self.keys.job_part(job_id, "room"), within_s)]))[0] is not None

    def fed(self, job_id: str, *, refused: int, duplicates: int, chunks: int) -> Steps[str]:
        """No more recipients come. chunks: how many the stream made. The job's state, 'gone', or 'short' if the job has more chunks."""
        k = self.keys
        keys = (k.job(job_id), k.job_part(job_id, "unknown"), k.job_part(job_id, "doubts"), k.fixed("stepping"))
        return _text((yield RunScript("jobs/fed", keys, (job_id, self._retention_ms, refused, duplicates, chunks))))

    def end_rollout_step(self, job_id: str) -> Steps[str]:
        """End a step of a roll-out if all its recipients have ended. See the script for what it returns."""
        k = self.keys
        keys = (k.job(job_id), k.fixed("turns"), k.fixed("stepping"), k.job_part(job_id, "queued"))
        return _text((yield RunScript("jobs/end_rollout_step", keys, (job_id,))))

    def move(self, job_id: str, event: Literal["pause", "resume", "cancel"], why: str = "", by: str = "") -> Steps[tuple[str, bool, int]]:
        """Pause, resume or cancel a job: (its state now or 'gone', whether this call moved it, chunks that are queued)."""
        k = self.keys
        keys = (
            k.job(job_id),
            k.job_part(job_id, "queued"),
            k.fixed("turns"),
            k.fixed("ending"),
            k.fixed("stepping"),
            k.job_part(job_id, "unknown"),
            k.job_part(job_id, "doubts"),
            k.fixed("changes"),
        )
        state, moved, queued = yield RunScript("jobs/move", keys, (job_id, event, why, self._retention_ms, by))
        return _text(state), bool(moved), int(queued)

    def set_rate(self, job_id: str, rate: float | None, why: str, by: str) -> Steps[str]:
        """Change a job's own ceiling, None for none: 'set', 'ended' (nothing was changed) or 'gone'."""
        keys = (self.keys.job(job_id), self.keys.fixed("changes"))
        return _text((yield RunScript("jobs/set_rate", keys, (job_id, "" if rate is None else rate, why, by))))
