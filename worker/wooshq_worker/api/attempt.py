"""One call of the API, as it is stored and shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypedDict

from wooshq_worker.api.verdict import Sent, Verdict


class AttemptRecord(TypedDict):
    """An attempt as JSON. at: RFC 3339, UTC."""

    at: str
    outcome: Literal["sent", "retry", "dead", "hold", "unknown"]
    http_status: int | None
    code: str | None
    latency_ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """at: aware UTC, before the call. code: of the verdict; None if it was sent. error: scrubbed, for a person."""

    at: datetime
    outcome: Literal["sent", "retry", "dead", "hold", "unknown"]
    http_status: int | None
    code: str | None
    latency_ms: float
    error: str | None

    def as_dict(self) -> AttemptRecord:
        return {
            "at": f"{self.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z",
            "outcome": self.outcome,
            "http_status": self.http_status,
            "code": self.code,
            "latency_ms": self.latency_ms,
            "error": self.error,
        }


def attempt_of(verdict: Verdict, *, at: datetime, http_status: int | None, took_s: float) -> Attempt:
    """The attempt that ended in `verdict`. at: before the call."""
    latency_ms = round(took_s * 1000, 1)
    if isinstance(verdict, Sent):
        return Attempt(at, "sent", http_status, None, latency_ms, None)
    return Attempt(at, verdict.outcome, http_status, verdict.code, latency_ms, verdict.detail)
