"""Intents of lost workers: their leases have ended, so they go back into their lanes or end."""

from __future__ import annotations

import json

import structlog

from wooshq.ledger.intents import read_rows
from wooshq.ledger.states import State
from wooshq_worker.keeper.duty import PAGE, DutyContext
from wooshq_worker.observe.few import few

log = structlog.get_logger("wooshq.keeper")


async def take_over_intents(context: DutyContext) -> None:
    """Take over the intents whose lease has ended."""
    ledger = context.intents
    ids = await context.client.do(ledger.come_due("leases", PAGE))
    if not ids:
        return
    bodies = await context.client.do(ledger.bodies(ids))
    on_unknown = {i: wanted for i, body in zip(ids, bodies, strict=True) if (wanted := _on_unknown(body))}
    queued = await context.client.do(ledger.take_over(ids, on_unknown))
    ended = [i for i in ids if i not in set(queued)]
    rows = (await context.client.do(read_rows(ledger.keys, ended))).rows if ended else []
    dead = [(i, row.get("reason"), row.get("app")) for i, row in zip(ended, rows, strict=True) if row.get("state") == State.DEAD]
    few(log.warning, "leases_taken_over", n=len(ids), queued=len(queued), dead=len(dead))
    for intent_id, reason, application in dead:
        few(log.warning, "intent_dead", {"reason": reason, "code": "WORKER_LOST", "application": application}, intent_id=intent_id)


def _on_unknown(body: str | None) -> str | None:
    """The intent's own `on_unknown`, which only its body has; None if it has none."""
    if body is None or "on_unknown" not in body:
        return None
    try:
        wanted = json.loads(body).get("on_unknown")
    except (ValueError, AttributeError):
        return None
    return wanted if wanted in ("resend", "dead_letter") else None
