"""Where no worker keeps a history any more, ends are not told any more."""

from __future__ import annotations

from typing import Final

import structlog

from wooshq.history.store import history_url
from wooshq.settings.history_url import OFF
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.keeper.history.ledger import EventLedger

log = structlog.get_logger("wooshq.history")

_AFTER_S: Final = 600.0
"""A worker with a history says so every ten seconds. During a deployment there may be workers of both kinds."""


async def stop_telling(context: DutyContext) -> None:
    """Only a worker without a history does this."""
    if history_url(context.settings) == OFF and await context.client.do(EventLedger(context.settings).stop(_AFTER_S)):
        log.info("history_off", hint="no worker has kept a history for ten minutes; what has ended stays in Redis for WOOSHQ_RETENTION_S")
