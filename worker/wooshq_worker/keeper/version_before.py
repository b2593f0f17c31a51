"""The ledger of the version before: its intents waited in other sets. They are moved once, and old producers may still add some."""

from __future__ import annotations

import structlog

from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import text
from wooshq_worker.keeper.duty import PAGE, PAGES, DutyContext

log = structlog.get_logger("wooshq.keeper")


async def take_in_old_intents(context: DutyContext) -> None:
    """Move intents that the version before queued or held into the queues."""
    keys = context.intents.keys
    held = keys.before_queues("held_applications")
    *lanes, applications = await context.client.ask(
        *(("EXISTS", keys.before_queues(f"queued:{lane}")) for lane in LANES),
        ("SMEMBERS", held),
    )
    for lane, is_there in zip(LANES, lanes, strict=True):
        if is_there:
            await _take_in(context, f"queued:{lane}")
    for application in map(text, applications):
        if await _take_in(context, f"held:{application}"):
            await context.client.ask(("SREM", held, application))


async def _take_in(context: DutyContext, name: str) -> bool:
    """Whether all were moved."""
    for _ in range(PAGES):
        n = await context.client.do(context.intents.take_in(name, PAGE))
        if n:
            log.info("taken_in", n=n)
        if n < PAGE:
            return True
    return False
