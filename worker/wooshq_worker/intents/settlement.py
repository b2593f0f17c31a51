"""Which settlement follows from a delivery? Pure: clock and dice come in as arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event, Reason
from wooshq_worker.api.backoff import Backoff, wait_before, wait_until
from wooshq_worker.api.deliver import Delivery, Withheld
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown
from wooshq_worker.intents.render import Ready


def settlement_of(ready: Ready, delivery: Delivery, *, backoff: Backoff, now: float, jitter: float) -> Settlement:
    """now: monotonic. jitter: uniform in [0, 1)."""
    claim, verdict = ready.claim, delivery.verdict
    attempts: list[dict[str, Any]] = [dict(attempt.as_dict()) for attempt in delivery.attempts]
    if claim.probe:
        attempts = [{**attempt, "probe": True} for attempt in attempts]
    match verdict:
        case Sent():
            return Settlement(
                claim,
                Event.ACCEPTED,
                attempts,
                message_code=verdict.message_code,
                unknown_identifiers=verdict.unknown_identifiers,
                held_ms=ready.held_ms,
            )
        case Withheld():
            return _withheld(ready, verdict, attempts)
        case Dead():
            return _dead(ready, attempts, Reason(verdict.reason), verdict)
        case Hold():
            return Settlement(claim, Event.HANDED_BACK, attempts)
        case Unknown() if ready.on_unknown == "dead_letter":
            return _dead(ready, attempts, Reason.UNKNOWN, verdict)
        case Retry() | Unknown():
            if now >= ready.too_old_at:
                return _dead(ready, attempts, Reason.EXHAUSTED, verdict)
            wait_s = _wait_s(ready, verdict.not_before_s, backoff, jitter)
            return Settlement(claim, Event.FAILED, attempts, doubt=_doubt(verdict), wait_ms=int(wait_s * 1000) + 1)
        case _:
            assert_never(verdict)


def _withheld(ready: Ready, verdict: Withheld, attempts: Sequence[dict[str, Any]]) -> Settlement:
    if verdict.why == "expired":
        return Settlement(ready.claim, Event.EXPIRE, attempts)
    return Settlement(ready.claim, Event.HANDED_BACK, attempts)


def _dead(ready: Ready, attempts: Sequence[dict[str, Any]], reason: Reason, verdict: Dead | Retry | Unknown) -> Settlement:
    return Settlement(
        ready.claim,
        Event.GIVEN_UP,
        attempts,
        doubt=_doubt(verdict),
        reason=reason,
        detail=verdict.detail,
        code=verdict.code,
        payload=ready.body.decode(),
    )


def _wait_s(ready: Ready, not_before_s: float | None, backoff: Backoff, jitter: float) -> float:
    """Exponential with full jitter, and never before the API's own "not before"."""
    wait_s = wait_before(ready.claim.rounds + 2, backoff, jitter=jitter)
    return max(wait_s, wait_until(not_before_s, jitter=jitter)) if not_before_s else wait_s


def _doubt(verdict: Dead | Retry | Unknown) -> str | None:
    return verdict.doubt if isinstance(verdict, Unknown) else None
