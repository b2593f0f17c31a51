"""Intents that came through the broker as `wooshq.submit`: into the ledger, as what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import structlog

from wooshq.client import Wooshq
from wooshq.errors import Conflict, IntentInvalid
from wooshq.intents.accept import accept_one
from wooshq.intents.entry import entry_of
from wooshq.ledger.entry import Entry
from wooshq.ledger.states import Reason
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.submit")


@dataclass(frozen=True, slots=True)
class Submitted:
    """
    A message of the broker. intent_id: follows from the message, so that one that is delivered again is the same intent again.

    body: the task's argument. raw: the message's own bytes, kept where there is none. why: what is wrong with the message.
    """

    intent_id: str
    body: object
    raw: bytes
    why: str | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    """What is kept as a dead letter instead."""

    body: str
    reason: Reason
    detail: str


class Submit:
    """Accepts what is an intent, and keeps what is none as a dead letter, to be mended and replayed."""

    def __init__(self, wooshq: Wooshq, client: LedgerClient) -> None:
        self._wooshq = wooshq
        self._client = client

    async def take(self, submitted: Submitted) -> None:
        """Raises LedgerUnavailable; then it was not taken, or its answer was lost. Taking it again makes no second one."""
        looked_at = self._look_at(submitted)
        if isinstance(looked_at, Entry):
            try:
                intent_id = await self._client.do(accept_one(self._wooshq.ledger, looked_at))
            except Conflict as error:
                looked_at = _Refused(looked_at.body, Reason.INVALID, str(error))
            else:
                self._wooshq.installation.publisher.hand_over(looked_at.lane, [intent_id])
                return
        await self._file(submitted.intent_id, looked_at)

    def _look_at(self, submitted: Submitted) -> Entry | _Refused:
        most = self._wooshq.settings.max_intent_bytes
        if submitted.why is not None:
            return _Refused(submitted.raw[:most].decode("utf-8", "backslashreplace"), Reason.INVALID, submitted.why)
        # ASCII: a lone surrogate stays an escape, is refused as such, and can be kept
        text = json.dumps(submitted.body)
        if len(text) > most:
            return _Refused(text[:most], Reason.TOO_LARGE, f"{len(text)} bytes of JSON")
        try:
            entry = entry_of(text, self._wooshq.settings)
        except IntentInvalid as error:
            return _Refused(text, Reason.INVALID, "; ".join(str(p) for p in error.problems)[:500])
        named = isinstance(submitted.body, dict) and "id" in submitted.body
        return entry if named else replace(entry, intent_id=submitted.intent_id)

    async def _file(self, intent_id: str, refused: _Refused) -> None:
        body, detail = (text.encode("utf-8", "replace").decode() for text in (refused.body, refused.detail))
        application = self._wooshq.settings.application or ""
        filed = await self._client.do(
            self._wooshq.ledger.letters.file(intent_id, body, refused.reason, detail, lane="transactional", application=application)
        )
        log.warning("submit_rejected", letter_id=intent_id, reason=str(refused.reason), filed=filed)
