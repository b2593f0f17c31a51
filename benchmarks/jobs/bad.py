"""Bad recipients in shared calls. The API refuses such a call and does not say which recipient is bad."""

from __future__ import annotations

import random
import time
from math import log2

from benchmarks.bench import Bench
from benchmarks.jobs.totals import adds_up
from benchmarks.report import Figures
from benchmarks.workload import SHARED


def run(out: Figures, *, quick: bool) -> None:
    n, k = (10_000, 20) if quick else (100_000, 200)
    bad = random.Random(7).sample(range(n), k)
    with Bench() as bench, bench.worker():
        bench.refuse([f"user-{i}" for i in bad])
        started = time.monotonic()
        job = bench.wooshq.fan_out(SHARED, (f"user-{i}" for i in range(n))).wait()
        took, arrived = time.monotonic() - started, bench.arrived()
        letters = len(bench.wooshq.dead_letters.list(bulk=job.id))
    assert adds_up(job), job
    out.add(f"{k} bad recipients among {n:,}: dead letters", letters, goal=str(k), note=f"{took:.1f} s")
    out.add(
        "recipients that received the message once",
        arrived["served"] - arrived["doubled"],
        goal=f"{n - k:,}",
        note=f"{arrived['doubled']} twice",
    )
    per_call = 1000 * k / n
    bound = job.calls_needed + 2 * k * (log2(1000 / per_call) + 2)
    out.add("calls", job.calls, note=f"{job.calls_needed:,} without bad recipients; halving needs at most about {bound:,.0f}")
