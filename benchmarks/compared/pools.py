"""Celery pools: one message per task through each pool, compared with wooshq, which uses no pool."""

from __future__ import annotations

import time

from benchmarks.baselines import pooled
from benchmarks.bench import Bench, process, wait
from benchmarks.measure import cpu_s
from benchmarks.report import Figures
from benchmarks.workload import intents


def run(out: Figures, *, quick: bool) -> None:
    few, many = (60, 600) if quick else (200, 3000)
    with Bench() as bench:
        for pool, options, n in (
            ("prefork (the default)", ("-P", "prefork"), few),
            ("solo", ("-P", "solo"), few),
            ("threads (256)", ("-P", "threads", "-c", "256"), many),
        ):
            rate, cpu_ms = _rate_in(bench, options, n)
            out.add(f"pool {pool}: messages a second", rate, note=f"{cpu_ms:.2f} ms of CPU per message, without a ledger")
        with bench.worker() as worker:
            used, started = cpu_s(worker.pid), time.perf_counter()
            for one in intents("w", many):
                bench.wooshq.enqueue(one)
            wait(lambda: bench.arrived()["calls"] >= many, every_s=0.05)
            took, cpu_ms = time.perf_counter() - started, (cpu_s(worker.pid) - used) / many * 1000
            note = f"{cpu_ms:.2f} ms of CPU per message, with the ledger"
            out.add("wooshq, without a pool: messages a second", many / took, note=note)


def _rate_in(bench: Bench, options: tuple[str, ...], n: int) -> tuple[float, float]:
    """Messages a second and ms of CPU per message. The worker sends while they are produced."""
    pooled.app.conf.broker_url = bench.broker_url
    env = {**bench.trust, "BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}
    calls = lambda: bench.arrived()["calls"]  # noqa: E731
    bench.reset()
    with process("-m", "celery", "-A", "benchmarks.baselines.pooled", "worker", "-l", "error", *options, env=env) as worker:
        pooled.send.delay("first")
        wait(lambda: calls() == 1, every_s=0.05)
        used, started = cpu_s(worker.pid), time.perf_counter()
        for i in range(n):
            pooled.send.delay(f"u{i}")
        wait(lambda: calls() > n, every_s=0.05)
        return n / (time.perf_counter() - started), (cpu_s(worker.pid) - used) / n * 1000
