"""How many intents are in which state."""

from __future__ import annotations

from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, text
from wooshq.ledger.steps import Ask, Steps

_NOW = ("now_queued_transactional", "now_queued_bulk", "now_sending", "now_retrying")


def read_counts(keys: Keys) -> Steps[dict[str, int]]:
    """See `Wooshq.counts`."""
    waiting = (*keys.queues, keys.fixed("leases"), keys.fixed("due"))
    events, *sizes, held = yield Ask(
        [("HGETALL", keys.fixed("counts")), *(("ZCARD", key) for key in waiting), ("SMEMBERS", keys.fixed("held_applications"))]
    )
    found = {name: int(value) for name, value in as_row(events).items()} | dict(zip(_NOW, map(int, sizes), strict=True))
    held_sizes = (yield Ask([("ZCARD", keys.held(text(application))) for application in held])) if held else []
    return found | {"now_held": sum(map(int, held_sizes))}
