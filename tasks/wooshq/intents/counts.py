"""How many intents are in which state."""

from __future__ import annotations

from wooshq.ledger.gates import holds, read
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.steps import Ask, Steps


def read_counts(keys: Keys) -> Steps[dict[str, int]]:
    """See `Wooshq.counts`."""
    events, sending, retrying, time, gates, *rings = yield Ask(
        [
            ("HGETALL", keys.fixed("counts")),
            ("ZCARD", keys.fixed("leases")),
            ("ZCARD", keys.fixed("due")),
            ("TIME",),
            ("HGETALL", keys.fixed("gates")),
            *(("ZRANGE", keys.ring(lane), 0, -1) for lane in LANES),
        ]
    )
    found = {name: int(value) for name, value in as_row(events).items()}
    queues = [(lane, text(application)) for lane, ring in zip(LANES, rings, strict=True) for application in ring]
    sets = [*(keys.suspects(lane) for lane in LANES), *(keys.queue(*queue) for queue in queues)]
    sizes = yield Ask([("ZCARD", name) for name in sets])
    suspects, sizes = sizes[: len(LANES)], sizes[len(LANES) :]
    now = {f"now_queued_{lane}": int(n) for lane, n in zip(LANES, suspects, strict=True)} | {"now_held": 0}
    known = read(gates, ms(time))
    for (lane, application), size in zip(queues, sizes, strict=True):
        now["now_held" if holds(known, application, lane) else f"now_queued_{lane}"] += int(size)
    return found | now | {"now_sending": int(sending), "now_retrying": int(retrying)}
