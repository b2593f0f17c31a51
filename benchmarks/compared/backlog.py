"""A backlog drains: the same intents, enqueued one by one or in batches of 100, all of them before the worker starts."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

from benchmarks.bench import Bench, process, wait
from benchmarks.report import Figures, median_of
from benchmarks.workload import intents


def run(out: Figures, *, quick: bool) -> None:
    many, rounds = (3000, 2) if quick else (10_000, 3)
    singles: list[float] = []
    batches: list[float] = []
    with Bench() as bench:
        for at in range(rounds):
            singles.append(_drained(bench, intents(f"s{at}-", many), many, batch=1))
            batches.append(_drained(bench, intents(f"b{at}-", many), many, batch=100))
    out.add(f"{many:,} waiting intents, enqueued one by one: sent a second", statistics.median(singles), note=median_of(singles))
    out.add("the same, enqueued in batches of 100: sent a second", statistics.median(batches), note=median_of(batches))
    out.add("one by one / batches", statistics.median(singles) / statistics.median(batches), goal="0.9")


def _drained(bench: Bench, waiting: Any, n: int, *, batch: int) -> float:
    """Intents a second, from the first call to the last. The worker opens its connections meanwhile."""
    if batch == 1:
        for one in waiting:
            bench.wooshq.enqueue(one)
    else:
        while part := list(itertools.islice(waiting, batch)):
            bench.wooshq.enqueue_many(part)
    bench.reset()
    with process("-m", "wooshq_worker", "worker", env=bench.env, log=bench.folder / "worker.log"):
        wait(lambda: bench.arrived()["calls"] >= n, 120, every_s=0.1)
        arrived = bench.arrived()
        wait(lambda: bench.wooshq.counts().get("sending", 0) == 0, 30)
    return n / float(arrived["last_at"] - arrived["first_at"])
