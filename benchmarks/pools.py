"""Which Celery pool? The same client and event loop fed through each of them, one message a task, beside wooshq, which uses none."""

from __future__ import annotations

import time

from benchmarks import pooled
from benchmarks.machine import Bench, cpu_s, process, wait
from benchmarks.main_job import intents
from benchmarks.report import Figures


def run(out: Figures, *, quick: bool) -> None:
    few, many = (60, 600) if quick else (200, 3000)
    with Bench() as bench:
        for pool, options, n in (
            ("prefork, as by default", ("-P", "prefork"), few),
            ("solo", ("-P", "solo"), few),
            ("threads, 256 of them", ("-P", "threads", "-c", "256"), many),
        ):
            rate, cpu_ms = _through(bench, options, n)
            out.add(f"a task in the pool {pool}, a second", rate, note=f"{cpu_ms:.2f} ms of CPU a message, without a ledger")
        with bench.worker() as worker:
            used, started = cpu_s(worker.pid), time.perf_counter()
            for one in intents("w", many):
                bench.wooshq.enqueue(one)
            wait(lambda: bench.account()["calls"] >= many, every_s=0.05)
            took, cpu_ms = time.perf_counter() - started, (cpu_s(worker.pid) - used) / many * 1000
            note = f"{cpu_ms:.2f} ms of CPU a message, the ledger included"
            out.add("wooshq: ids handed to the event loop, without a pool, a second", many / took, note=note)


def _through(bench: Bench, options: tuple[str, ...], n: int) -> tuple[float, float]:
    """Messages a second, produced while they are worked off, and CPU ms a message."""
    pooled.app.conf.broker_url = bench.broker_url
    env = {"BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}
    calls = lambda: bench.account()["calls"]  # noqa: E731
    bench.reset()
    with process("-m", "celery", "-A", "benchmarks.pooled", "worker", "-l", "error", *options, env=env) as worker:
        pooled.send.delay("first")
        wait(lambda: calls() == 1, every_s=0.05)
        used, started = cpu_s(worker.pid), time.perf_counter()
        for i in range(n):
            pooled.send.delay(f"u{i}")
        wait(lambda: calls() > n, every_s=0.05)
        return n / (time.perf_counter() - started), (cpu_s(worker.pid) - used) / n * 1000
