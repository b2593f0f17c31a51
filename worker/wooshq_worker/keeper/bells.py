"""Work waits in a lane, and no worker knows of it: a retry has come due, a gate has opened, or the broker lost a bell."""

from __future__ import annotations

from wooshq_worker.keeper.duty import DutyContext


async def ring_bells(context: DutyContext) -> None:
    """Ring the bell of each lane that has intents which may leave now, unless a worker is awake or a bell is on its way."""
    for lane in await context.client.do(context.intents.ring()):
        await context.broker.ring(lane)
