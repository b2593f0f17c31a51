"""Is a worker running, what waits, and are events delivered?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from wooshq.client import Wooshq
from wooshq.events.ledger import Figures, SubscriberLedger
from wooshq.events.webhook import Webhook
from wooshq.ledger.gates import EVERY, holds, read
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import ms, text
from wooshq.ledger.steps import Ask, Steps
from wooshq_worker.doctor.finding import Finding

_WAITS_LONG_S: Final = 60.0
"""A message that has been queued for longer than this, or an event that has waited so long, is a warning."""
_NEWS_S: Final = 86_400.0
"""For so long it is said that events were given up."""


def check(wooshq: Wooshq) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    if wooshq.do(wooshq.ledger.has_keeper()):
        yield Finding("worker", "ok", "at least one is running")
    else:
        yield Finding("worker", "warn", "no worker is running", "Start one: wooshq worker")
    counts = wooshq.counts()
    yield backlog(counts, wooshq.do(_longest_queued_s(wooshq.ledger.keys)))
    for gate in wooshq.gates():
        application = "every application" if gate.application == EVERY else gate.application
        says = f"{gate.gate} is {gate.state} for {application} since {gate.since}: {gate.why}"
        yield Finding("gate", "warn", says, f"Fix the cause. To open it at once: wooshq gates open {gate.gate}")
    yield from of_webhooks(wooshq.webhooks.list(), wooshq.do(SubscriberLedger(wooshq.settings).figures()), time.time())


def of_webhooks(webhooks: Sequence[Webhook], figures: Figures, now: float) -> Iterator[Finding]:
    """Nothing if nobody wants events. now: seconds since the epoch."""
    well = 0
    for one in webhooks:
        waits = f"; {one.waiting} events wait" if one.waiting else ""
        named = f"the {one.kind} {one.name}"
        if one.state == "paused":
            yield Finding("webhook", "warn", f"{named} is paused: {one.why_paused}{waits}", f"Resume it: wooshq webhooks resume {one.name}")
        elif one.is_failing:
            yield Finding(
                "webhook",
                "warn",
                f"{named} fails since {one.failing_since}: {one.failing_why}{waits}",
                f"See why: wooshq webhooks show {one.name}",
            )
        elif (late_s := _seconds_since(one.oldest_at, now)) > _WAITS_LONG_S:
            says = f"{named} is behind{waits}, the oldest for {late_s:.0f} s"
            yield Finding("webhook", "warn", says, "Does a worker run? See its log, and: wooshq webhooks")
        else:
            well += 1
        if one.dropped_at and _seconds_since(one.dropped_at, now) <= _NEWS_S:
            says = f"{named} did not get {one.dropped} events, which were given up; the last one at {one.dropped_at}"
            yield Finding("webhook", "warn", says, "They are not delivered any more. See why: wooshq webhooks")
    if well:
        yield Finding("webhook", "ok", f"{well} {'gets' if well == 1 else 'get'} events")
    if webhooks and figures.lag_s > _WAITS_LONG_S:
        says = f"what ended {figures.lag_s:.0f} s ago was not passed on yet"
        yield Finding("webhook", "warn", says, "A process beside each worker does it. Start a worker, or see its log")
    if figures.missed:
        yield Finding(
            "webhook",
            "warn",
            f"{figures.missed} ends were not told, because the stream of events was full",
            "Raise WOOSHQ_EVENTS_MAX_BYTES",
        )


def _seconds_since(at: str | None, now: float) -> float:
    return 0.0 if at is None else now - datetime.fromisoformat(at).timestamp()


def backlog(counts: Mapping[str, int], longest_s: float) -> Finding:
    """counts: as `Wooshq.counts` gives them. longest_s: how long the oldest queued message has waited."""
    queued = counts["now_queued_transactional"] + counts["now_queued_bulk"]
    held = counts["now_held"]
    parts = ((queued, "queued"), (counts["now_sending"], "being sent"), (counts["now_retrying"], "to be retried"), (held, "held"))
    says = ", ".join(f"{n} {what}" for n, what in parts if n) or "nothing is waiting"
    if longest_s > _WAITS_LONG_S:
        mend = "Start a worker, or more workers. `wooshq status ID` says what a message waits for"
        return Finding("backlog", "warn", f"{says}; the oldest queued message has waited for {longest_s:.0f} s", mend)
    if held:
        return Finding("backlog", "warn", says, "Held messages wait for a gate, and cost no attempt. See why: wooshq gates")
    return Finding("backlog", "ok", says)


def _longest_queued_s(keys: Keys) -> Steps[float]:
    """How long the oldest message has waited that no gate holds, in seconds."""
    time, gates, *rings = yield Ask([("TIME",), ("HGETALL", keys.fixed("gates")), *(("ZRANGE", keys.ring(lane), 0, -1) for lane in LANES)])
    now_ms = ms(time)
    known = read(gates, now_ms)
    queues = [
        keys.queue(lane, application)
        for lane, ring in zip(LANES, rings, strict=True)
        for application in map(text, ring)
        if holds(known, application, lane) is None
    ]
    oldest = (yield Ask([("ZRANGE", queue, 0, 0, "WITHSCORES") for queue in queues])) if queues else ()
    return max(((now_ms - _score(found)) / 1000 for found in oldest if found), default=0.0)


def _score(found: Sequence[Any]) -> float:
    """Of the first member, in any form in which redis-py gives it."""
    first = found[0]
    return float(first[1] if isinstance(first, (tuple, list)) else found[1])
