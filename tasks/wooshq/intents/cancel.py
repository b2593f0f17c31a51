"""Cancel an intent that has not been sent."""

from __future__ import annotations

from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.steps import Steps


def cancel_intent(ledger: IntentLedger, intent_id: str) -> Steps[str | None]:
    """See `Wooshq.cancel`."""
    application = (yield from ledger.fields([intent_id], "app"))[0][0]
    state = yield from ledger.cancel(intent_id, application or "")
    return None if state == "gone" else state
