"""Replays of dead letters: their letters become intents, as fast as their brakes allow. Whoever started a replay may be gone."""

from __future__ import annotations

import structlog

from wooshq.ledger.replies import text
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.run import run_replay
from wooshq_worker.keeper.duty import PAGES, DutyContext

log = structlog.get_logger("wooshq.replays")


async def run_replays(context: DutyContext) -> None:
    """One round of every replay that was started and has not ended."""
    ledger = ReplayLedger(context.settings)
    (ids,) = await context.client.ask(("ZRANGE", ledger.keys.fixed("replaying"), 0, -1))
    for replay_id in map(text, ids):
        for _ in range(PAGES):
            done = await context.client.do(run_replay(ledger, context.settings, replay_id))
            if done.state != "running" and (done.did or done.state == "done"):
                log.info("replay", replay_id=replay_id, state=done.state)
            if not done.did:
                break
