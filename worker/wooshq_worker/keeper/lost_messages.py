"""Intents whose message the broker lost, or never received because the producer ended between accept and publish."""

from __future__ import annotations

import structlog

from wooshq.ledger.intents import Taken
from wooshq.ledger.keys import LANES
from wooshq_worker.keeper.duty import PAGE, PAGES, DutyContext

log = structlog.get_logger("wooshq.keeper")


async def publish_lost(context: DutyContext) -> None:
    """Publish intents again that have been queued for too long."""
    for lane in LANES:
        await _publish_lost(context, lane)


async def _publish_lost(context: DutyContext, lane: str) -> None:
    ledger = context.intents
    (oldest,) = await context.client.ask(("ZRANGE", ledger.keys.queued(lane), 0, 0))
    if not oldest:
        return
    is_empty = await context.broker.is_empty(lane)
    ids = await context.client.do(ledger.stale(lane, lane_is_empty=is_empty, limit=PAGE * PAGES))
    if not ids:
        return
    log.info("published_again", lane=lane, n=len(ids))
    taken = Taken()
    rows = await context.client.do(ledger.fields(ids, "lost"))
    for i, (lost,) in zip(ids, rows, strict=True):
        ledger.sort(taken, i, lane, int(lost or 0))
    await context.broker.publish(taken)
