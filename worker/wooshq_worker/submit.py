"""Intents that came through the broker as `wooshq.submit`: into the ledger, as what they are."""

from __future__ import annotations

import json
import uuid

import structlog

from wooshq.accept import accept_one, entry_of, new_id
from wooshq.client import Wooshq
from wooshq.errors import Conflict, IntentInvalid
from wooshq.ledger.states import Reason
from wooshq_worker.shared import LedgerClient

log = structlog.get_logger("wooshq.submit")


class Submit:
    """Accepts what is an intent, and keeps what is none as a dead letter `invalid`, to be mended and replayed."""

    def __init__(self, wooshq: Wooshq, client: LedgerClient) -> None:
        self._wooshq = wooshq
        self._client = client

    async def take(self, body: object, raw: bytes, why: str | None) -> None:
        """
        body: the task's argument. raw: the message's body, kept where there is no argument. why: what is wrong with the message.

        Raises LedgerUnavailable; then it was not taken. Taking it twice makes one: the broker may deliver it again.
        """
        settings = self._wooshq.settings
        if why is None:
            # ASCII: a lone surrogate stays an escape, is refused as such, and can be kept
            text = json.dumps(body)
            try:
                if len(text) > settings.max_intent_bytes:
                    await self._file(text[: settings.max_intent_bytes], Reason.TOO_LARGE, f"{len(text)} bytes of JSON")
                    return
                entry = entry_of(text, settings)
                intent_id = await self._client.do(accept_one(self._wooshq.ledger, entry))
            except IntentInvalid as error:
                await self._file(text, Reason.INVALID, "; ".join(str(p) for p in error.problems)[:500])
            except Conflict as error:
                await self._file(text, Reason.INVALID, str(error))
            else:
                self._wooshq.shared.publisher.hand_over(entry.lane, [intent_id])
            return
        kept = raw[: settings.max_intent_bytes].decode("utf-8", "backslashreplace")
        await self._file(kept, Reason.INVALID, why)

    async def _file(self, body: str, reason: Reason, detail: str) -> None:
        # The same message twice is one letter: the id follows from what it says.
        body, detail = (text.encode("utf-8", "replace").decode() for text in (body, detail))
        intent_id = str(uuid.uuid5(uuid.NAMESPACE_OID, body)) if body else new_id()
        application = self._wooshq.settings.application or ""
        filed = await self._client.do(
            self._wooshq.ledger.file(intent_id, body, reason, detail, lane="transactional", application=application)
        )
        log.warning("submit_rejected", letter_id=intent_id, reason=str(reason), filed=filed)
