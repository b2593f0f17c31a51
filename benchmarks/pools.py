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
            out.add(f"a task in the pool {pool}, a second", rate, note=f"{cpu_ms:.2f} ms of CPU a message")
        for one in intents("w", many):
            bench.wooshq.enqueue(one)
        with process("-m", "wooshq_worker", "worker", env=bench.env, log=bench.folder / "worker.log") as worker:
            sent = lambda: bench.wooshq.counts().get("sent", 0)  # noqa: E731
            wait(lambda: sent() > 0)
            first, started, used = sent(), time.perf_counter(), cpu_s(worker.pid)
            wait(lambda: sent() >= many)
            n, took = many - first, time.perf_counter() - started
            cpu_ms = (cpu_s(worker.pid) - used) / n * 1000
            out.add("wooshq: ids handed to the event loop, without a pool, a second", n / took, note=f"{cpu_ms:.2f} ms of CPU a message")


def _through(bench: Bench, options: tuple[str, ...], n: int) -> tuple[float, float]:
    pooled.app.conf.broker_url = bench.broker_url
    for i in range(n):
        pooled.send.delay(f"u{i}")
    bench.reset()
    env = {"BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}
    with process("-m", "celery", "-A", "benchmarks.pooled", "worker", "-l", "error", *options, env=env) as worker:
        calls = lambda: bench.account()["calls"]  # noqa: E731
        wait(lambda: calls() > 0, every_s=0.05)
        first, started, used = calls(), time.perf_counter(), cpu_s(worker.pid)
        wait(lambda: calls() >= n, every_s=0.05)
        return (n - first) / (time.perf_counter() - started), (cpu_s(worker.pid) - used) / (n - first) * 1000
