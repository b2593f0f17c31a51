"""Bad recipients hidden in shared calls that the API refuses without a word about whom."""

from __future__ import annotations

import random
import time
from math import log2

from benchmarks.bulk import SHARED, adds_up
from benchmarks.machine import Bench
from benchmarks.report import Figures


def run(out: Figures, *, quick: bool) -> None:
    n, k = (10_000, 20) if quick else (100_000, 200)
    bad = random.Random(7).sample(range(n), k)
    with Bench() as bench, bench.worker():
        bench.refuse([f"user-{i}" for i in bad])
        started = time.monotonic()
        job = bench.wooshq.fan_out(SHARED, (f"user-{i}" for i in range(n))).wait()
        took, account = time.monotonic() - started, bench.account()
        letters = len(bench.wooshq.dead_letters.list(bulk=job.id))
    assert adds_up(job), job
    out.add(f"{k} bad among {n:,} recipients: dead letters", letters, goal=str(k), note=f"{took:.1f} s")
    out.add("sent once", account["served"] - account["doubled"], goal=f"{n - k:,}", note=f"{account['doubled']} twice")
    per_call = 1000 * k / n
    bound = job.calls_needed + 2 * k * (log2(1000 / per_call) + 2)
    out.add("calls", job.calls, note=f"{job.calls_needed:,} without the bad ones; halving needs at most about {bound:,.0f}")
