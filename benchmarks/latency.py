"""How long an intent takes from `enqueue` to its arrival at the API."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.bench import Bench, wait
from benchmarks.workload import an_intent


def latencies_ms(bench: Bench, n: int, *, pause_s: float) -> list[float]:
    """Enqueues n transactional intents, one every `pause_s` seconds. Returns for each the ms from `enqueue` to the arrival of its call."""
    bench.reset()
    enqueued_at: dict[str, float] = {}
    due = time.monotonic()
    for i in range(n):
        due += pause_s
        time.sleep(max(0.0, due - time.monotonic()))
        enqueued_at[f"timed-{i}"] = time.time()
        bench.wooshq.enqueue(an_intent(f"timed-{i}", i))
    arrived: list[list[Any]] = []

    def all_arrived() -> bool:
        nonlocal arrived
        arrived = bench.arrived()["arrivals"]
        return len(arrived) >= n

    wait(all_arrived, every_s=0.2)
    return [(at - enqueued_at[user]) * 1000 for user, at in arrived]
