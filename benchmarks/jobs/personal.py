"""A personalised job, compared with the plain version and with a bare aiohttp loop, and where the CPU goes."""

from __future__ import annotations

import statistics
import time

from benchmarks.baselines.plain_rate import sending_rate
from benchmarks.bench import Bench
from benchmarks.client.loop import CONCURRENCY, bare_aiohttp
from benchmarks.measure import Profile, cpu_s, peak_mb
from benchmarks.report import Figures, median_of
from benchmarks.workload import PERSONAL, personal_recipients


def run(out: Figures, *, quick: bool) -> None:
    n, loop_n, rounds, plain = (10_000, 5000, 1, 150) if quick else (100_000, 30_000, 3, 400)
    bare, bare_cpu_ms, ours, ours_cpu_ms = [], [], [], []
    with Bench() as bench:
        for at in range(rounds):
            loop = bare_aiohttp(bench, loop_n)
            bare.append(loop.per_s)
            bare_cpu_ms.append(loop.cpu_ms)
            with bench.worker() as worker:
                used, started = cpu_s(worker.pid), time.time()
                job = bench.wooshq.fan_out(PERSONAL, personal_recipients(n)).wait()
                arrived = bench.arrived()
                ours.append(n / (arrived["last_at"] - started))
                ours_cpu_ms.append((cpu_s(worker.pid) - used) / n * 1000)
                assert (job.sent, arrived["served"], arrived["doubled"], arrived["calls"]) == (n, n, 0, n), job
                if at == rounds - 1:
                    out.add("peak memory of the worker, MB", peak_mb(worker.pid))
                    spy = Profile(worker.pid, bench.folder, seconds=3 if quick else 8)
                    bench.wooshq.fan_out(PERSONAL, personal_recipients(max(n // 3, 10_000), first=n)).wait()
                    out.profile("The worker while it sends one call per recipient", spy.read())
        plain_rate, plain_cpu_ms = sending_rate(bench, plain)
    rate, loop_rate = statistics.median(ours), statistics.median(bare)
    out.add(f"{n:,} personalised recipients: sent a second, from the start of `fan_out`", rate, note=median_of(ours))
    out.add("the bare aiohttp loop: calls a second", loop_rate, note=f"{median_of(bare)}; {loop_n:,} calls, {CONCURRENCY} at once")
    out.add("wooshq / bare aiohttp loop", rate / loop_rate, goal="0.8")
    out.add("the plain version: messages sent a second", plain_rate, note=f"{plain_cpu_ms:.1f} ms of CPU per message")
    out.add("wooshq / plain version", rate / plain_rate, goal="100")
    cpu_ms, loop_cpu_ms = statistics.median(ours_cpu_ms), statistics.median(bare_cpu_ms)
    out.add("CPU of the worker, ms per recipient", cpu_ms, note=f"the bare aiohttp loop: {loop_cpu_ms:.2f}")
    out.add("CPU of the worker per recipient / bare aiohttp loop", cpu_ms / loop_cpu_ms, goal="1.0")
