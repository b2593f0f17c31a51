"""Jobs whose time has come: rounds of chunks are due, roll-out steps end, cancelled and expired jobs are swept."""

from __future__ import annotations

from typing import Final

import structlog

from wooshq.jobs.calls import sweep
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.replies import text
from wooshq_worker.keeper.duty import DutyContext

log = structlog.get_logger("wooshq.bulk")

_PAGE: Final = 50


async def queue_due_chunks(context: DutyContext) -> None:
    """Put chunks whose next round is due back into their queues."""
    queued = 0
    for member in await context.client.do(context.intents.come_due("chunk_due", _PAGE)):
        queued += await context.client.do(context.jobs.chunks.due(ChunkName.of(member)))
    await context.broker.call_turns(queued)


async def end_rollout_steps(context: DutyContext) -> None:
    """Judge roll-out steps whose recipients have all ended, and begin the steps that need not wait any longer."""
    begun = 0
    for job_id in await _members(context, "stepping"):
        outcome = await context.client.do(context.jobs.end_rollout_step(job_id))
        if outcome != "waits":
            log.info("job_step", job_id=job_id, then=outcome)
            begun += outcome in ("running", "last")
    await context.broker.call_turns(begun)


async def sweep_cancelled_jobs(context: DutyContext) -> None:
    """Mark the recipients of cancelled jobs that were not sent to."""
    for job_id in await _members(context, "ending"):
        if await _sweep(context, job_id):
            await context.client.ask(("SREM", context.jobs.keys.fixed("ending"), job_id))


async def sweep_expired_jobs(context: DutyContext) -> None:
    """Mark the recipients of expired jobs that were not sent to."""
    for job_id in await context.client.do(context.intents.come_due("job_expiry", _PAGE)):
        if await _sweep(context, job_id):
            await context.client.ask(("ZREM", context.jobs.keys.fixed("job_expiry"), job_id))


async def _sweep(context: DutyContext, job_id: str) -> bool:
    """Sweep the chunks of a job that no worker holds. Whether no chunk of it is left, or can come."""
    await context.client.do(sweep(context.jobs, job_id))
    (row,) = await context.client.ask(("HMGET", context.jobs.keys.job(job_id), "state", "fed", "chunks", "chunks_done"))
    state, fed, chunks, done = row
    return state is None or (chunks == done and (fed is not None or text(state) == "cancelled"))


async def _members(context: DutyContext, name: str) -> list[str]:
    (members,) = await context.client.ask(("SMEMBERS", context.jobs.keys.fixed(name)))
    return [text(member) for member in members]
