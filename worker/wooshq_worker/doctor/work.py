"""Is a worker running, and what waits?"""

from __future__ import annotations

from collections.abc import Iterator

from wooshq.client import Wooshq
from wooshq.ledger.gates import EVERY
from wooshq_worker.doctor.finding import Finding


def check(wooshq: Wooshq) -> Iterator[Finding]:
    """Raises LedgerUnavailable."""
    if wooshq.do(wooshq.ledger.has_keeper()):
        yield Finding("worker", "ok", "at least one is running")
    else:
        yield Finding("worker", "warn", "no worker is running", "Start one: wooshq worker")
    counts = wooshq.counts()
    queued = counts["now_queued_transactional"] + counts["now_queued_bulk"]
    parts = (
        (queued, "queued"),
        (counts["now_sending"], "being sent"),
        (counts["now_retrying"], "to be retried"),
        (counts["now_held"], "held"),
    )
    yield Finding("backlog", "ok", ", ".join(f"{n} {what}" for n, what in parts if n) or "nothing is waiting")
    for gate in wooshq.gates():
        application = "every application" if gate.application == EVERY else gate.application
        says = f"{gate.gate} is {gate.state} for {application} since {gate.since}: {gate.why}"
        yield Finding("gate", "warn", says, f"Fix the cause. To open it at once: wooshq gates open {gate.gate}")
