"""Intents and letters whose time has come: retries are due, intents expire, old letters are forgotten."""

from __future__ import annotations

import random
from typing import Final

import structlog

from wooshq.ledger.replies import text
from wooshq_worker.keeper.duty import PAGE, PAGES, DutyContext

log = structlog.get_logger("wooshq.keeper")

_CAUSES: Final = 5
_OF_A_CAUSE: Final = 50
"""Letters of a cause that one round looks at."""


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


async def count_letters(context: DutyContext) -> None:
    """Count letters by cause that a worker of the version before has filed, or that were filed before this version."""
    for _ in range(PAGES):
        if await context.client.do(context.intents.letters.count(PAGE)) == 0:
            return


async def tidy_causes(context: DutyContext) -> None:
    """Look at some causes: are their letters still open? Each round looks at others."""
    letters = context.intents.letters
    causes = letters.keys.fixed("causes")
    (n,) = await context.client.ask(("ZCARD", causes))
    if n:
        start = random.randrange(0, n, _CAUSES)
        (some,) = await context.client.ask(("ZRANGE", causes, start, start + _CAUSES - 1))
        await context.client.do(letters.tidy([text(one) for one in some], _OF_A_CAUSE))
