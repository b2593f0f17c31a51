"""Answers and verdicts, as these tests need them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Cut, Outcome
from wooshq_worker.api.table import Then
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EXAMPLES = Path(__file__).parents[3] / "data" / "examples"
SUCCESS = {"result": {"message_code": "C3F8-1", "unknown_identifiers": ["user-2"]}}


def an_answer(
    status: int = 200,
    body: object = b"",
    *,
    headers: Mapping[str, Sequence[str] | str] | None = None,
    cut: Cut | None = None,
) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    listed = {name: [value] if isinstance(value, str) else list(value) for name, value in (headers or {}).items()}
    return Answer(status, listed, raw, cut)


def an_envelope(code: int, message: str = "no", details: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {"code": code, "message": message, "details": list(details)}


def a_violation(field: str, description: str) -> dict[str, Any]:
    """A detail of an envelope that names a field."""
    return {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field, "description": description}]}


def the_verdict(outcome: Outcome, *, ceiling_s: float = 3600, secrets: Sequence[str] = ()) -> Verdict:
    return judge(outcome, now=NOW, retry_after_ceiling_s=ceiling_s, secrets=lambda: secrets)


def then_of(verdict: Verdict) -> Then:
    """Which of the table's verdicts it is."""
    match verdict:
        case Sent():
            return Then.SENT
        case Retry(application_waits=True):
            return Then.RETRY_ALL
        case Retry(costs_attempt=False):
            return Then.RETRY_FREE
        case Retry():
            return Then.RETRY
        case Dead(reason="too_large"):
            return Then.TOO_LARGE
        case Dead():
            return Then.REJECTED
        case Hold(gate=gate):
            return Then(f"hold ({gate})")
        case Unknown(understood=False):
            return Then.NOT_UNDERSTOOD
        case Unknown():
            return Then.UNKNOWN
