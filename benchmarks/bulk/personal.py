"""A personalised fan-out beside the plain version and beside the bare client loop, and where the rest goes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

from benchmarks.bulk import PERSONAL, persons
from benchmarks.machine import ROOT, Bench, Profile, cpu_s, peak_mb
from benchmarks.main_job import drained
from benchmarks.report import Figures

CONCURRENCY = 204  #: of calls that a worker makes for jobs at once, by its settings


def run(out: Figures, *, quick: bool) -> None:
    n, loop_n, rounds, plain = (10_000, 5000, 1, 150) if quick else (100_000, 30_000, 3, 400)
    bare, bare_cpu_ms, ours, ours_cpu_ms = [], [], [], []
    with Bench() as bench:
        for at in range(rounds):
            loop = _bare(bench, loop_n)
            bare.append(loop["per_s"])
            bare_cpu_ms.append(loop["cpu_ms"])
            with bench.worker() as worker:
                used, started = cpu_s(worker.pid), time.time()
                job = bench.wooshq.fan_out(PERSONAL, persons(n)).wait()
                account = bench.account()
                ours.append(n / (account["last_at"] - started))
                ours_cpu_ms.append((cpu_s(worker.pid) - used) / n * 1000)
                assert (job.sent, account["served"], account["doubled"], account["calls"]) == (n, n, 0, n), job
                if at == rounds - 1:
                    out.add("peak memory of the worker, MB", peak_mb(worker.pid))
                    spy = Profile(worker.pid, bench.folder, seconds=3 if quick else 8)
                    bench.wooshq.fan_out(PERSONAL, persons(max(n // 3, 10_000), first=n)).wait()
                    out.profile("The worker while it sends one call each", spy.read())
        plain_rate, plain_cpu_ms = drained(bench, "send", plain)
    rate, loop_rate = statistics.median(ours), statistics.median(bare)
    said = lambda values: f"median of {len(values)}: {', '.join(f'{value:,.0f}' for value in values)}"  # noqa: E731
    out.add(f"{n:,} personalised recipients, a second, from `fan_out`'s start", rate, note=said(ours))
    out.add("the bare client loop, a second", loop_rate, note=f"{said(bare)}; {loop_n:,} calls, {CONCURRENCY} at once, bodies ready")
    out.add("ratio to the bare loop", rate / loop_rate, goal="0.8")
    out.add("the plain version, a second", plain_rate, note=f"{plain_cpu_ms:.1f} ms of CPU a message")
    out.add("ratio to the plain version", rate / plain_rate, goal="100")
    out.add(
        "CPU of the worker, ms a recipient", statistics.median(ours_cpu_ms), note=f"the bare loop: {statistics.median(bare_cpu_ms):.2f}"
    )


def _bare(bench: Bench, n: int) -> dict[str, float]:
    env = {**os.environ, "BENCH_API": bench.api_url, "BENCH_TEMPLATE": json.dumps(PERSONAL)}
    command = [sys.executable, "-m", "benchmarks.bare", str(n), str(CONCURRENCY)]
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True, timeout=600).stdout
    return json.loads(said)  # type: ignore[no-any-return]
