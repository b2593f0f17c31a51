"""Intents and letters whose time has come: retries are due, intents expire, old letters are forgotten."""

from __future__ import annotations

import structlog

from wooshq_worker.keeper.duty import PAGE, PAGES, DutyContext

log = structlog.get_logger("wooshq.keeper")


async def queue_due_retries(context: DutyContext) -> None:
    """Put retries whose time has come back into their lanes."""
    ledger = context.intents
    for _ in range(PAGES):
        ids = await context.client.do(ledger.come_due("due", PAGE))
        if ids:
            await context.client.do(ledger.due(ids))
        if len(ids) < PAGE:
            return


async def expire_intents(context: DutyContext) -> None:
    """End intents that still wait after their `expires_at`."""
    ledger = context.intents
    ids = await context.client.do(ledger.come_due("expiry", PAGE))
    if not ids:
        return
    ended = await context.client.do(ledger.expire(ids))
    if ended:
        log.info("expired", n=len(ended), intent_ids=ended)


async def forget_old_letters(context: DutyContext) -> None:
    """Take letters whose retention is over out of the list of letters."""
    await context.client.do(context.intents.letters.trim(PAGE))
