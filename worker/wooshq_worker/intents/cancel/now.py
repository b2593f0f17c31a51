"""Cancel one sent intent from a command: ask the API now, and wait for the answer if a worker is asking already."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Final

from wooshq.client import Wooshq
from wooshq.intents.status import Status
from wooshq.ledger.intents import CancelOutcome, TakenCancel
from wooshq.settings import Settings
from wooshq_worker.api.transport import Api
from wooshq_worker.intents.cancel.ask import ask_api

_WORKER_ANSWERS_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.1


def cancel_now(wooshq: Wooshq, intent_id: str) -> Status | None:
    """
    Where the intent is after one request to the API. Call it after `Wooshq.cancel` returned `cancelling`.

    This process needs the API token. Without it, or if the API cannot be reached, the workers ask. Raises LedgerUnavailable.
    """
    ledger = wooshq.ledger
    taken = wooshq.do(ledger.take_cancels([intent_id], uuid.uuid4().hex))
    for cancel in taken:
        wooshq.do(ledger.record_cancel(cancel, asyncio.run(_ask(wooshq.settings, cancel))))
    ends = time.monotonic() + _WORKER_ANSWERS_WITHIN_S
    while True:
        found = wooshq.status(intent_id)
        is_asked = found is not None and found.cancel is not None and found.cancel["outcome"] == "asked"
        if taken or not is_asked or time.monotonic() > ends:
            return found
        time.sleep(_LOOK_EVERY_S)


async def _ask(settings: Settings, cancel: TakenCancel) -> CancelOutcome:
    async with Api.from_settings(settings) as api:
        return await ask_api(api, cancel, settings)
