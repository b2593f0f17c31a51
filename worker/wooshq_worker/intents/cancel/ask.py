"""Ask the API to cancel messages: once for a command, or for ever in a worker."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from datetime import UTC, datetime
from typing import Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import CancelOutcome, IntentLedger, TakenCancel
from wooshq.settings import Settings
from wooshq_worker.api.backoff import Backoff
from wooshq_worker.api.transport import CANCEL, Api
from wooshq_worker.intents.cancel.judge import Judged, judge_cancel, outcome_of
from wooshq_worker.intents.cancel.table import ROW_OF, Seen
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.cancel")

_LOOK_EVERY_S: Final = 1.0
_MOST: Final = 16
"""Requests at the same time in one worker."""
_BACKOFF: Final = Backoff(base_s=2.0, ceiling_s=60.0)


async def ask_api(api: Api, cancel: TakenCancel, settings: Settings) -> CancelOutcome:
    """One request. Raises only CancelledError."""
    token = settings.token_for(cancel.application)
    if token is None:
        judged = Judged(ROW_OF[Seen.NO_TOKEN])
    else:
        secret = token.get_secret_value()
        outcome = await api.call(json.dumps({"message_code": cancel.message_code}).encode(), secret, path=CANCEL)
        judged = judge_cancel(outcome, now=datetime.now(UTC), retry_after_ceiling_s=settings.retry_after_ceiling_s, token=secret)
    return outcome_of(judged, cancel, now_ms=int(time.time() * 1000), backoff=_BACKOFF, jitter=random.random())


class Canceller:
    """Asks for what was noted in the ledger and has come due. Every worker has one; the ledger gives each cancellation to one of them."""

    def __init__(self, settings: Settings, ledger: IntentLedger, client: LedgerClient, api: Api) -> None:
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._api = api
        self._asking = 0
        self._stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited, or not recorded yet."""
        return self._asking > 0

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True

    async def run(self) -> None:
        """For ever. A round that fails does not end it."""
        while not self._stopping:
            try:
                await self.ask_due()
            except LedgerUnavailable:
                pass  # the client has logged it; leases bring back what was taken
            except Exception:
                log.error("cancel_round_failed", exc_info=True)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def ask_due(self) -> None:
        """One round. Raises LedgerUnavailable."""
        ids = await self._client.do(self._ledger.come_due("cancels", _MOST))
        if not ids:
            return
        token = uuid.uuid4().hex
        taken = await self._client.do_until_answered(lambda: self._ledger.take_cancels(ids, token))
        self._asking += len(taken)
        try:
            await asyncio.gather(*(self._ask(cancel) for cancel in taken))
        finally:
            self._asking -= len(taken)

    async def _ask(self, cancel: TakenCancel) -> None:
        outcome = await ask_api(self._api, cancel, self._s)
        while True:
            try:
                recorded = await self._client.do_until_answered(lambda: self._ledger.record_cancel(cancel, outcome))
            except LedgerUnavailable:  # an answer must not be lost: another request would get another one
                if self._stopping:
                    return
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                break
        log.info("cancel_asked", intent_id=cancel.intent_id, outcome=outcome.outcome, tries=cancel.tries, recorded=recorded)
