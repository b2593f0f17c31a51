"""Events for the world outside, as metrics: who fails, how old what waits is, what was counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from prometheus_client.core import Metric as Family

from wooshq.events.ledger import Figures
from wooshq.events.webhook import Webhook
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import one, values

STATES: Final = ("active", "failing", "paused")


def event_metrics(webhooks: Sequence[Webhook], figures: Figures, now_ms: int) -> Iterator[Family]:
    """The metrics of events."""
    states = Counter("failing" if hook.state == "active" and hook.is_failing else hook.state for hook in webhooks)
    oldest = [
        datetime.fromisoformat(hook.oldest_at).timestamp() * 1000
        for hook in webhooks
        if hook.state == "active" and hook.oldest_at is not None
    ]
    yield values(names.WEBHOOKS, {(state,): states[state] for state in STATES})
    yield one(names.WEBHOOK_OLDEST, max(0.0, (now_ms - min(oldest)) / 1000) if oldest else 0.0)
    yield values(names.DELIVERIES, {(result,): n for result, n in figures.deliveries.items()})
    yield one(names.EVENTS_LAG, figures.lag_s)
    yield one(names.EVENTS_MISSED, figures.missed)
