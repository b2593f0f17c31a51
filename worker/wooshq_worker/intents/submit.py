"""Submit: take an intent that came through the broker into the ledger, or keep it as a dead letter."""

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
from wooshq_worker.observe.few import few

log = structlog.get_logger("wooshq.submit")


@dataclass(frozen=True, slots=True)
class Submitted:
    """
    A broker message. intent_id: computed from the message, so that a message that is delivered again is the same intent.

    body: the task's argument. raw: the message's own bytes, kept if there is no argument. why: what is wrong with the message, although
    it may carry an intent: then the intent is kept, so that it can be replayed.
    """

    intent_id: str
    body: object
    raw: bytes
    why: str | None = None


@dataclass(frozen=True, slots=True)
class _Refused:
    """What is kept as a dead letter."""

    body: str
    reason: Reason
    detail: str


class Submit:
    """Accepts valid intents. Keeps everything else as a dead letter, to be fixed and replayed."""

    def __init__(self, wooshq: Wooshq, client: LedgerClient) -> None:
        self._wooshq = wooshq
        self._client = client

    async def take(self, submitted: Submitted) -> None:
        """Raises LedgerUnavailable: it may or may not have been taken. Taking it again does not duplicate it."""
        checked = self._check(submitted)
        if isinstance(checked, Entry):
            try:
                accepted = await self._client.do(accept_one(self._wooshq.ledger, checked))
            except Conflict as error:
                checked = _Refused(checked.body, Reason.INVALID, str(error))
            else:
                for lane in accepted.bells:
                    self._wooshq.installation.ring(lane)
                return
        await self._file(submitted.intent_id, checked)

    def _check(self, submitted: Submitted) -> Entry | _Refused:
        most = self._wooshq.settings.max_intent_bytes
        if submitted.why is not None and submitted.body is None:
            return _Refused(submitted.raw[:most].decode("utf-8", "backslashreplace"), Reason.INVALID, submitted.why)
        # ASCII: a lone surrogate stays an escape. The intent is refused because of it, and can still be kept.
        text = json.dumps(submitted.body)
        if len(text) > most:
            return _Refused(text[:most], Reason.TOO_LARGE, f"{len(text)} bytes of JSON; the limit is {most}")
        if submitted.why is not None:
            return _Refused(text, Reason.INVALID, submitted.why)
        try:
            entry = entry_of(text, self._wooshq.settings)
        except IntentInvalid as error:
            return _Refused(text, Reason.INVALID, "; ".join(str(problem) for problem in error.problems)[:500])
        has_id = isinstance(submitted.body, dict) and "id" in submitted.body
        return entry if has_id else replace(entry, intent_id=submitted.intent_id)

    async def _file(self, letter_id: str, refused: _Refused) -> None:
        body, detail = (text.encode("utf-8", "replace").decode() for text in (refused.body, refused.detail))
        application = self._wooshq.settings.application or ""
        filed = await self._client.do(
            self._wooshq.ledger.letters.file(letter_id, body, refused.reason, detail, lane="transactional", application=application)
        )
        few(log.warning, "submit_rejected", {"reason": str(refused.reason)}, letter_id=letter_id, filed=filed)
