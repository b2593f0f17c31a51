"""One call of a chunk from its start to its result, as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from wooshq.jobs.units import Unit
from wooshq_worker.api.secrets import secrets_of_call
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.plan import Call
from wooshq_worker.observe.scrub import scrub


@dataclass(frozen=True, slots=True)
class CallInProgress:
    """
    identifiers: in the order of the request's list. api_token: of the job's application. at: when the call started, by the ledger's clock;
    it becomes the schedule of a request whose template has none.
    """

    chunk: ActiveChunk
    call: Call
    unit: Unit
    identifiers: Sequence[str]
    api_token: str
    at: datetime

    @classmethod
    def start(cls, chunk: ActiveChunk, call: Call, api_token: str, at: float) -> Self:
        """at: monotonic."""
        plan = chunk.plan
        return cls(chunk, call, plan.unit(call), plan.identifiers(call), api_token, chunk.ledger_time(at))

    def body(self) -> bytes:
        """The request body for all recipients of the call."""
        return self.body_for(self.identifiers)

    def body_for(self, identifiers: Sequence[str]) -> bytes:
        """The request body for some of its recipients."""
        unit = self.unit
        return self.chunk.job.template.body(unit.to, identifiers, locale=unit.locale, placeholders=unit.placeholders, now=self.at)

    def secrets(self) -> frozenset[str]:
        """Texts that nothing may quote: the API token, the recipients, their values."""
        return secrets_of_call(self.identifiers, self.unit.placeholders, self.api_token)

    def scrub(self, text: str) -> str:
        """A text of the API without the secrets of this call."""
        return scrub(text, self.secrets())
