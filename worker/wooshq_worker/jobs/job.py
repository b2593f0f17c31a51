"""A job as a worker knows it: its template, its application, its deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from wooshq.jobs.units import Unit, letter_id_of
from wooshq.ledger.chunks import DeadRecipient
from wooshq.ledger.states import Reason
from wooshq.settings import Settings
from wooshq_schemas import Template


@dataclass(frozen=True, slots=True)
class JobInfo:
    """
    expires_at: monotonic seconds. max_age_s: recipients that were retried for so long are not retried again. has_rollout: the job is sent in
    roll-out steps. trace: the context of who started it, see `wooshq.tracing`; '' for none.

    unknown_resends: how often a recipient may be sent to again after calls without an answer; 0 if `on_unknown` is `dead_letter`.
    """

    id: str
    template: Template
    application: str
    unknown_resends: int
    expires_at: float | None
    max_age_s: float
    has_rollout: bool = False
    trace: str = ""

    @classmethod
    def from_row(cls, job_id: str, row: Mapping[str, str], settings: Settings, *, now_ms: int, asked_at: float) -> Self:
        """
        The job of a row of the ledger. now_ms: the ledger's clock when the row was read. asked_at: the same moment, monotonic.

        Raises NewerModel or IntentInvalid if this version cannot read the template.
        """
        return cls(
            id=job_id,
            template=Template.load_stored(row["template"], int(row["v"]), platforms=settings.platform_table),
            application=row["app"],
            unknown_resends=settings.unknown_resends if row.get("on_unknown", settings.on_unknown) == "resend" else 0,
            expires_at=asked_at + (float(row["expires"]) - now_ms) / 1000 if "expires" in row else None,
            max_age_s=settings.max_age_s,
            has_rollout="steps" in row,
            trace=row.get("trace", ""),
        )

    def dead_letter(
        self,
        unit: Unit,
        identifier: str,
        *,
        reason: Reason,
        detail: str,
        code: str,
        payload: bytes,
        attempts: Sequence[Mapping[str, Any]],
        trace: str = "",
    ) -> DeadRecipient:
        """The dead letter of one recipient. trace: the context of its last call."""
        return DeadRecipient(
            intent_id=letter_id_of(self.id, unit.to, identifier),
            body=self.template.intent(unit.to, identifier, locale=unit.locale, placeholders=unit.placeholders).to_json(),
            application=self.application,
            reason=str(reason),
            detail=detail,
            code=code,
            payload=payload.decode(),
            attempts=attempts,
            locale=unit.locale,
            trace=trace,
        )
