"""Intents that wait for a gate: they are released when it opens, as many in a round as the rate allows."""

from __future__ import annotations

from wooshq.ledger.gates import may_leave, read
from wooshq.ledger.replies import ms, text
from wooshq_worker.keeper.duty import PAGE, DutyContext


async def release_held(context: DutyContext) -> None:
    """Put held intents whose gates are open back into their lanes; of a gate that is being tested, only its probes."""
    keys, settings = context.intents.keys, context.settings
    applications, time_, gates = await context.client.ask(
        ("SMEMBERS", keys.fixed("held_applications")), ("TIME",), ("HGETALL", keys.fixed("gates"))
    )
    if not applications:
        return
    now_ms = ms(time_)
    known = read(gates, now_ms)
    most = max(1, int(settings.release_per_s * settings.keeper_tick_s))
    for application in map(text, applications):
        await _release(context, application, may_leave(known, application, now_ms, probes=settings.probes, most=most))


async def _release(context: DutyContext, application: str, n: int) -> None:
    ledger = context.intents
    while n > 0:
        page = min(n, PAGE)
        (members,) = await context.client.ask(("ZRANGE", ledger.keys.held(application), 0, page - 1))
        await context.broker.publish(await context.client.do(ledger.release(application, [text(i) for i in members])))
        n -= page
        if len(members) < page:
            return
