"""Chunks wait, but the bulk lane is empty: the broker lost their turns, or a gate has opened."""

from __future__ import annotations

from typing import Final

from wooshq.ledger.gates import may_leave, read
from wooshq.ledger.replies import ms, text
from wooshq_worker.keeper.duty import DutyContext

_MOST_JOBS: Final = 1024


async def call_lost_turns(context: DutyContext) -> None:
    """Call a turn for each waiting chunk whose gates are open, if the bulk lane is empty."""
    keys = context.jobs.keys
    (members,) = await context.client.ask(("ZRANGE", keys.fixed("turns"), 0, _MOST_JOBS - 1))
    job_ids = [text(i) for i in members]
    if not job_ids:
        return
    *rows, time_, gates = await context.client.ask(
        *(command for i in job_ids for command in (("HGET", keys.job(i), "app"), ("ZCARD", keys.job_part(i, "queued")))),
        ("TIME",),
        ("HGETALL", keys.fixed("gates")),
    )
    now_ms = ms(time_)
    known = read(gates, now_ms)
    waiting = sum(
        int(chunks)
        for application, chunks in zip(rows[::2], rows[1::2], strict=True)
        if application is not None and may_leave(known, text(application), now_ms, probes=context.settings.probes, most=1, lane="bulk") > 0
    )
    if waiting and await context.broker.is_empty("bulk"):
        await context.broker.call_turns(waiting)
