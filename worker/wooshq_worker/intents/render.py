"""Render: a claim becomes a request that is ready to be sent, or the reason why it cannot. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import structlog
from pydantic_core import to_json

from wooshq.intents.schedule import held_by_pushwoosh, schedule_in
from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.settings import Settings
from wooshq_schemas import Intent, IntentInvalid, NewerModel, load_stored, render

log = structlog.get_logger("wooshq.batch")

#: How long an intent that a newer wooshq accepted waits before a worker looks at it again.
_NEWER_WAITS_MS = 5000


class TakenAt(NamedTuple):
    """When a batch was taken: on the ledger's clock, and on this process's monotonic one. This machine's own clock may be wrong."""

    utc: datetime
    ms: int
    monotonic: float

    @classmethod
    def of(cls, ms: int, monotonic: float) -> TakenAt:
        """ms: of the ledger. monotonic: just before it was asked."""
        return cls(datetime.fromtimestamp(ms / 1000, UTC), ms, monotonic)

    def monotonic_of(self, at_ms: int) -> float:
        """A moment of the ledger's clock, on the monotonic one."""
        return self.monotonic + (at_ms - self.ms) / 1000


@dataclass(frozen=True, slots=True)
class Ready:
    """
    A claim with its request. Moments are monotonic.

    taken_at: when the claim was taken. on_unknown: `dead_letter` also if the intent was sent again as often as it may be. lease_until: after it no request may be written.
    too_old_at: after it no further attempt is planned. held_ms: how long Pushwoosh holds the message until its schedule.
    """

    claim: Claim
    payload: dict[str, Any]
    body: bytes
    token: str
    on_unknown: str
    lease_until: float
    too_old_at: float
    expires_at: float | None
    held_ms: int = 0
    taken_at: float = 0.0


@dataclass(frozen=True, slots=True)
class NoToken:
    """No API token is set for the application of this claim."""

    claim: Claim


Rendered: TypeAlias = Ready | NoToken | Settlement
"""Settlement: it cannot be sent, and this is how it ends."""


class Renderer:
    """Renders claims with the settings of this process."""

    def __init__(self, settings: Settings) -> None:
        self._platforms = settings.platform_table
        self._on_unknown = settings.on_unknown
        self._unknown_resends = settings.unknown_resends
        self._max_age_s = settings.max_age_s
        # The last request of a claim must be answered, or have timed out, while the lease lasts.
        self._send_within_s = settings.lease_s - settings.http_total_s
        self._tokens = {app: token.get_secret_value() for app, token in settings.api_tokens.items()}
        self._token = settings.api_token.get_secret_value() if settings.api_token else None

    def render(self, claim: Claim, at: TakenAt) -> Rendered:
        """Never raises."""
        try:
            intent = load_stored(claim.body, claim.version, platforms=self._platforms)
            payload = render(intent, now=at.utc, platforms=self._platforms)
            if claim.token_of:
                return self._with_token_of(claim, intent, payload, at)
            token = self._tokens.get(claim.application) or self._token
            return NoToken(claim) if token is None else self._ready(claim, intent, payload, token, at)
        except NewerModel:
            return Settlement(claim, Event.FAILED, wait_ms=_NEWER_WAITS_MS, waits_for="a worker of the version that accepted it")
        except IntentInvalid as error:
            detail = "; ".join(str(problem) for problem in error.problems)[:500]
            return Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=detail)
        except Exception as error:  # a bug in wooshq: only this intent ends, and the others go on
            log.error("render_failed", intent_id=claim.intent_id, error=type(error).__name__, exc_info=True)
            return Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=f"rendering failed ({type(error).__name__})")

    def _with_token_of(self, claim: Claim, intent: Intent, payload: dict[str, Any], at: TakenAt) -> Rendered:
        """The token of another application, as a replay's recipe says. One that is not set is the recipe's fault: it shuts no gate."""
        token = self._tokens.get(claim.token_of)
        if token is None:
            detail = f"the token of {claim.token_of}, which the replay names, is not set in the worker (PUSHWOOSH_API_TOKENS)"
            return Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=detail)
        return self._ready(claim, intent, payload, token, at)

    def _ready(self, claim: Claim, intent: Intent, payload: dict[str, Any], token: str, at: TakenAt) -> Ready:
        return Ready(
            claim=claim,
            payload=payload,
            body=to_json(payload),
            token=token,
            on_unknown=(intent.on_unknown or self._on_unknown) if claim.doubts < self._unknown_resends else "dead_letter",
            lease_until=at.monotonic + self._send_within_s,
            too_old_at=at.monotonic_of(at.ms if claim.failed_at_ms is None else claim.failed_at_ms + claim.waited_ms) + self._max_age_s,
            expires_at=None if claim.expires_at_ms is None else at.monotonic_of(claim.expires_at_ms),
            held_ms=0 if intent.schedule is None and intent.request is None else _held_ms(payload, at.ms),
            taken_at=at.monotonic,
        )


def _held_ms(payload: dict[str, Any], now_ms: int) -> int:
    held = held_by_pushwoosh(schedule_in({"request": payload}), now_ms)
    return 0 if held is None else max(0, held.until_ms - now_ms)
