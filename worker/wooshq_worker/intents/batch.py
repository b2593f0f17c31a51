"""An intent's way through a worker: claim, render, admit, deliver, settle. Its fate never depends on its neighbours."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import CLAIM_BYTES, Claim, IntentLedger, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid, NewerModel, load_stored, render
from wooshq_worker.api.backoff import Backoff, wait_before
from wooshq_worker.api.deliver import Delivery, ShortRetries, Withheld, deliver
from wooshq_worker.api.secrets import secrets_of_body
from wooshq_worker.api.transport import Api
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown
from wooshq_worker.intents.settler import Settler
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.batch")

#: How long an intent of a newer model's is left alone before somebody looks at it again.
_NEWER_WAITS_MS = 5000


@dataclass(frozen=True, slots=True)
class Ready:
    """
    A claim with the request that it becomes. Moments are monotonic, reckoned from the ledger's clock: this machine's may be wrong.

    lease_until: after it nothing may be written any more. too_old_at: after it no further attempt is planned.
    """

    claim: Claim
    payload: dict[str, Any]
    body: bytes
    token: str
    on_unknown: str
    lease_until: float
    too_old_at: float
    expires_at: float | None


class Batches:
    """What a worker process needs to send: made once, used by every batch."""

    def __init__(self, settings: Settings, ledger: IntentLedger, client: LedgerClient, api: Api, settler: Settler) -> None:
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._api = api
        self._settler = settler
        self._short = ShortRetries(tries=settings.short_tries, total_s=settings.short_retry_s)
        self._backoff = Backoff(base_s=settings.backoff_base_s, ceiling_s=settings.backoff_ceiling_s)
        self._tokens = {app: token.get_secret_value() for app, token in settings.api_tokens.items()}
        self._token = settings.api_token.get_secret_value() if settings.api_token else None
        self._gates = settler.gates
        self.bytes_held = 0
        """Of the requests under way, once as values and once as text."""
        self.stopping = False

    async def send(self, ids: Sequence[str], done: Callable[[int], None], claimed: Callable[[Sequence[str]], None]) -> None:
        """
        Send what of `ids` may go now. done: gives back slots as the calls end. claimed: from now on the leases look after all but
        these, for which the claim had no room.

        Raises LedgerUnavailable where nothing could be claimed; then nothing was sent either.
        """
        token = uuid.uuid4().hex
        asked_at = time.monotonic()
        self.bytes_held += CLAIM_BYTES  # as much as may come
        try:
            claims = await self._client.do_until_answered(lambda: self._ledger.claim(ids, token))  # one round trip
        finally:
            self.bytes_held -= CLAIM_BYTES
        claimed(claims.left)
        done(len(claims.refused) + len(claims.left))
        if not claims.claimed:
            return
        ready = self._rendered(claims.claimed, claims.now_ms, asked_at, done)  # pure, but for what is settled at once
        # gather would hold back what came first until the last came; each settles for itself
        size = 2 * sum(len(one.body) for one in ready)
        self.bytes_held += size
        try:
            sending = [asyncio.create_task(self._one(one, wait_s, done)) for one, wait_s in await self._admitted(ready, token, done)]
            for task in sending:
                await task
        finally:
            self.bytes_held -= size

    async def _admitted(self, ready: Sequence[Ready], token: str, done: Callable[[int], None]) -> list[tuple[Ready, float]]:
        """Who may go, and in how many seconds. One round trip; raises LedgerUnavailable."""
        if not ready:
            return []
        asked_at = time.monotonic()
        try:
            admissions = await self._client.do_until_answered(lambda: self._ledger.admit([r.claim for r in ready], token))
        except LedgerUnavailable:  # nothing was written to the API: they go back as soon as the ledger is there
            for one in ready:
                self._settler.add(Settlement(one.claim, Event.HANDED_BACK))
            raise
        going = []
        for one, admission in zip(ready, admissions, strict=True):
            if admission.outcome in ("go", "probe"):
                self._gates.admitted(one.claim.application, asked_at, probe=admission.outcome == "probe")
                going.append((one, admission.wait_ms / 1000))
                continue
            if admission.outcome == "wait":  # no slot under the ceiling: it waits where waiting costs nothing
                self._settler.add(Settlement(one.claim, Event.FAILED, wait_ms=admission.wait_ms))
            log.debug("not_admitted", intent_id=one.claim.intent_id, outcome=admission.outcome)
            done(1)
        return going

    def _rendered(self, claims: Sequence[Claim], now_ms: int, asked_at: float, done: Callable[[int], None]) -> list[Ready]:
        now = datetime.fromtimestamp(now_ms / 1000, UTC)
        ready = []
        for claim in claims:
            refused: Settlement
            try:
                intent = load_stored(claim.body, claim.version, platforms=self._s.platform_table)
                payload = render(intent, now=now, platforms=self._s.platform_table)
                token = self._tokens.get(claim.application) or self._token
                if token is None:
                    why = f"no token is set for the application {claim.application}: set PUSHWOOSH_API_TOKEN and restart the worker"
                    refused = Settlement(claim, Event.SHUT, gate="token")
                    self._gates.shut(claim.application, "token", why)
                else:
                    ready.append(
                        Ready(
                            claim=claim,
                            payload=payload,
                            body=json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(),
                            token=token,
                            on_unknown=intent.on_unknown or self._s.on_unknown,
                            lease_until=asked_at + self._s.lease_s - self._s.http_total_s,
                            too_old_at=asked_at + (claim.accepted_at_ms - now_ms) / 1000 + self._s.max_age_s,
                            expires_at=None if claim.expires_at_ms is None else asked_at + (claim.expires_at_ms - now_ms) / 1000,
                        )
                    )
                    continue
            except NewerModel:
                refused = Settlement(claim, Event.FAILED, wait_ms=_NEWER_WAITS_MS)
            except IntentInvalid as error:
                refused = Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail="; ".join(str(p) for p in error.problems)[:500])
            except Exception as error:  # a bug of ours: this one is set aside with what is known, the others go on
                log.error("render_failed", intent_id=claim.intent_id, error=type(error).__name__, exc_info=True)
                refused = Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail=f"could not be rendered ({type(error).__name__})")
            self._settler.add(refused)
            done(1)
        return ready

    async def _one(self, ready: Ready, wait_s: float, done: Callable[[int], None]) -> None:
        """One intent's calls. Never raises: its lease looks after what a bug of ours leaves, and the neighbours go on."""
        try:
            if wait_s:
                await asyncio.sleep(wait_s)
            await self._deliver(ready)
        except Exception as error:
            log.error("send_failed", intent_id=ready.claim.intent_id, error=type(error).__name__, exc_info=True)
        finally:
            done(1)

    async def _deliver(self, ready: Ready) -> None:
        claim = ready.claim
        delivery = await deliver(
            lambda: self._api.call(ready.body, ready.token, leaves_within_s=_rest(ready.expires_at)),
            policy=self._short,
            retry_after_ceiling_s=self._s.retry_after_ceiling_s,
            may_go=lambda: self._may_go(ready),
            on_verdict=lambda verdict: self._gates.on_verdict(claim.application, verdict),
            secrets=lambda: secrets_of_body(ready.payload, ready.token),
        )
        self._settler.add(self._settlement(ready, delivery))
        if not isinstance(delivery.verdict, Sent):
            verdict = delivery.verdict
            log.warning(
                f"intent_{verdict.outcome}",
                intent_id=claim.intent_id,
                attempts=claim.attempts + len(delivery.attempts),
                code=getattr(verdict, "code", None),
                latency_ms=delivery.attempts[-1].latency_ms if delivery.attempts else None,
            )

    def _may_go(self, ready: Ready) -> str | None:
        """Asked just before a request is written: a reason to let it be."""
        at = time.monotonic()
        if at >= ready.lease_until:
            return "lease"
        if ready.expires_at is not None and at >= ready.expires_at:
            return "expired"
        if (gate := self._gates.gate_shut_for(ready.claim.application)) is not None:
            return f"gate {gate}"
        return "stopping" if self.stopping else None

    def _settlement(self, ready: Ready, delivery: Delivery) -> Settlement:
        """The verdict as a move of the ledger."""
        claim, verdict = ready.claim, delivery.verdict
        attempts = [dict(a.as_dict()) for a in delivery.attempts]
        match verdict:
            case Sent():
                return Settlement(
                    claim, Event.ACCEPTED, attempts, message_code=verdict.message_code, unknown_identifiers=verdict.unknown_identifiers
                )
            case Withheld():
                if verdict.why == "expired":
                    return Settlement(claim, Event.EXPIRE, attempts)
                if verdict.why.startswith("gate "):
                    return Settlement(claim, Event.SHUT, attempts, gate=verdict.why[5:])
                return Settlement(claim, Event.HANDED_BACK, attempts)
            case Dead():
                return self._dead(ready, attempts, Reason(verdict.reason), verdict.code, verdict.detail)
            case Hold():
                return Settlement(claim, Event.SHUT, attempts, gate=verdict.gate)
            case Retry():
                return self._again(ready, attempts, verdict.code, verdict.detail, verdict.not_before_s, doubt=None)
            case Unknown():
                if ready.on_unknown == "dead_letter":
                    return self._dead(ready, attempts, Reason.UNKNOWN, verdict.code, verdict.detail, doubt=verdict.doubt)
                return self._again(ready, attempts, verdict.code, verdict.detail, verdict.not_before_s, doubt=verdict.doubt)

    def _dead(
        self, ready: Ready, attempts: Sequence[dict[str, Any]], reason: Reason, code: str, detail: str, doubt: str | None = None
    ) -> Settlement:
        return Settlement(
            ready.claim, Event.GIVEN_UP, attempts, doubt=doubt, reason=reason, detail=detail, code=code, payload=ready.body.decode()
        )

    def _again(
        self, ready: Ready, attempts: Sequence[dict[str, Any]], code: str, detail: str, not_before_s: float | None, doubt: str | None
    ) -> Settlement:
        """Later, unless it is too old: exponential, full jitter, and never before the API's own "not before"."""
        claim = ready.claim
        if time.monotonic() >= ready.too_old_at:
            return self._dead(ready, attempts, Reason.EXHAUSTED, code, detail, doubt)
        dice = random.random()
        wait_s = wait_before(claim.rounds + 2, self._backoff, jitter=dice) if attempts else dice
        if not_before_s:
            # Spread over what follows, so that not everyone stands at the door in the same second.
            wait_s = max(wait_s, not_before_s + 0.05 + dice * min(5.0, not_before_s / 4))
        return Settlement(claim, Event.FAILED, attempts, doubt=doubt, wait_ms=int(wait_s * 1000) + 1)


def _rest(ends: float | None) -> float | None:
    return None if ends is None else ends - time.monotonic()
