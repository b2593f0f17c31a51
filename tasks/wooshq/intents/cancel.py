"""
What an operator does to an intent that is under way: cancel it, have the API asked to cancel one that was sent and that Pushwoosh still
holds, or end the wait of a retry.
"""

from __future__ import annotations

import json

from wooshq.gates.who import said
from wooshq.intents.schedule import held_by_pushwoosh, schedule_in
from wooshq.ledger.intents import IntentLedger, read_rows
from wooshq.ledger.states import State
from wooshq.ledger.steps import Flow, Steps, in_history

CANCELLING = "cancelling"
"""What `cancel` returns if the API must be asked. It is no state: the intent stays `sent`."""


def cancel_intent(ledger: IntentLedger, intent_id: str, why: str, by: str | None) -> Flow[str | None]:
    """See `Wooshq.cancel`."""
    why, who = said(why, by or "")
    state = yield from ledger.cancel(intent_id, why, who)
    if state == State.SENT:
        state = yield from _cancel_sent(ledger, intent_id, why, who)
    if state == "gone":  # it may have ended, and have left the ledger
        kept = (yield from in_history([intent_id])).get(intent_id)
        return None if kept is None else str(kept.state)
    return state


def _cancel_sent(ledger: IntentLedger, intent_id: str, why: str, by: str) -> Steps[str]:
    """The API is asked by a worker, or by `wooshq cancel`: a web app has neither its token nor an HTTP client."""
    found = yield from read_rows(ledger.keys, [intent_id])
    (row,) = found.rows
    body, ended = row.get("body"), row.get("ended")
    held = held_by_pushwoosh(schedule_in(json.loads(body)), int(ended)) if body and ended else None
    if held is None or held.until_ms <= found.now_ms:
        return State.SENT
    answer = yield from ledger.ask_cancel(intent_id, held.until_ms, why, by)
    return CANCELLING if answer == "asked" else answer


def try_now(ledger: IntentLedger, intent_id: str, why: str, by: str | None) -> Flow[str | None]:
    """See `Wooshq.try_now`."""
    why, who = said(why, by)
    state = yield from ledger.try_now(intent_id, why, who)
    if state == "gone":
        kept = (yield from in_history([intent_id])).get(intent_id)
        return None if kept is None else str(kept.state)
    return state
