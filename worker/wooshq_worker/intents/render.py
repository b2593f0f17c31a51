"""Render: a claim becomes a request that is ready to be sent, or the reason why it cannot. Asks nobody."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import structlog

from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.settings import Settings
from wooshq_schemas import Intent, IntentInvalid, NewerModel, load_stored, render

log = structlog.get_logger("wooshq.batch")

#: How long an intent that a newer wooshq accepted waits before a worker looks at it again.
_NEWER_WAITS_MS = 5000


@dataclass(frozen=True, slots=True)
class Ready:
    """
    A claim with its request. Moments are monotonic, computed from the ledger's clock: this machine's clock may be wrong.

    lease_until: after it no request may be written. too_old_at: after it no further attempt is planned.
    """

    claim: Claim
    payload: dict[str, Any]
    body: bytes
    token: str
    on_unknown: str
    lease_until: float
    too_old_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class NoToken:
    """No API token is set for the application of this claim."""

    claim: Claim

    @property
    def why(self) -> str:
        return f"no token is set for the application {self.claim.application}: set PUSHWOOSH_API_TOKEN and restart the worker"


Rendered: TypeAlias = Ready | NoToken | Settlement
"""Settlement: it cannot be sent, and this is how it ends."""


class Renderer:
    """Renders claims with the settings of this process."""

    def __init__(self, settings: Settings) -> None:
        self._s = settings
        self._tokens = {app: token.get_secret_value() for app, token in settings.api_tokens.items()}
        self._token = settings.api_token.get_secret_value() if settings.api_token else None

    def render(self, claim: Claim, *, now_ms: int, asked_at: float) -> Rendered:
        """now_ms: the ledger's clock at the claim. asked_at: monotonic, just before the claim. Never raises."""
        try:
            intent = load_stored(claim.body, claim.version, platforms=self._s.platform_table)
            payload = render(intent, now=datetime.fromtimestamp(now_ms / 1000, UTC), platforms=self._s.platform_table)
            token = self._tokens.get(claim.application) or self._token
            return NoToken(claim) if token is None else self._ready(claim, intent, payload, token, now_ms, asked_at)
        except NewerModel:
            return Settlement(claim, Event.FAILED, wait_ms=_NEWER_WAITS_MS)
        except IntentInvalid as error:
            detail = "; ".join(str(problem) for problem in error.problems)[:500]
            return Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=detail)
        except Exception as error:  # a bug in wooshq: only this intent ends, and the others go on
            log.error("render_failed", intent_id=claim.intent_id, error=type(error).__name__, exc_info=True)
            return Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=f"rendering failed ({type(error).__name__})")

    def _ready(self, claim: Claim, intent: Intent, payload: dict[str, Any], token: str, now_ms: int, asked_at: float) -> Ready:
        return Ready(
            claim=claim,
            payload=payload,
            body=json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(),
            token=token,
            on_unknown=intent.on_unknown or self._s.on_unknown,
            lease_until=asked_at + self._s.lease_s - self._s.http_total_s,
            too_old_at=asked_at + (claim.accepted_at_ms - now_ms) / 1000 + self._s.max_age_s,
            expires_at=None if claim.expires_at_ms is None else asked_at + (claim.expires_at_ms - now_ms) / 1000,
        )
