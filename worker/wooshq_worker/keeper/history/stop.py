"""Groups of the events that no worker reads any more are given up; with the last one, ends are not told any more."""

from __future__ import annotations

from typing import Final

import structlog

from wooshq.events.ledger import GROUP, SubscriberLedger
from wooshq.history.store import history_url
from wooshq.settings.history_url import OFF
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.keeper.history.ledger import HISTORY, EventLedger

log = structlog.get_logger("wooshq.history")

_AFTER_S: Final = 600.0
"""A worker that reads the events says so every ten seconds. During a deployment there may be workers of both kinds."""


async def stop_telling(context: DutyContext) -> None:
    """A worker never gives up what it reads itself, and what webhooks and hooks wait for: it may have been away for long."""
    mine = [] if history_url(context.settings) == OFF else [HISTORY]
    if await context.client.do(SubscriberLedger(context.settings).count()):
        mine.append(GROUP)
    for group in await context.client.do(EventLedger(context.settings).stop(_AFTER_S, mine)):
        hint = "no worker has read its events for ten minutes; without a history, what has ended stays in Redis for WOOSHQ_RETENTION_S"
        log.info("events_given_up", group=group, hint=hint)
