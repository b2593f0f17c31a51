"""How many messages a second the plain version sends, and how many empty tasks a second its Celery runs."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.baselines import plain
from benchmarks.bench import Bench, process, wait
from benchmarks.measure import cpu_s


def sending_rate(bench: Bench, n: int) -> tuple[float, float]:
    """Messages a second and ms of CPU per message. All tasks are in the queue before the worker starts."""
    task = plain.app_on(bench.broker_url).tasks["send"]
    for i in range(n):
        task.delay(f"plain-{i}")
    with _plain_worker(bench) as worker:
        wait(lambda: _left(bench) < n)
        rest, started, used = _left(bench), time.perf_counter(), cpu_s(worker.pid)
        wait(lambda: _left(bench) == 0)
        return rest / (time.perf_counter() - started), (cpu_s(worker.pid) - used) / rest * 1000


def empty_rate(bench: Bench, n: int) -> float:
    """Empty tasks a second. The worker runs them while they are produced."""
    task = plain.app_on(bench.broker_url).tasks["empty"]
    with _plain_worker(bench):
        task.delay()
        wait(lambda: _left(bench) == 0)
        started = time.perf_counter()
        for _ in range(n):
            task.delay()
        wait(lambda: _left(bench) == 0)
        return n / (time.perf_counter() - started)


def _plain_worker(bench: Bench) -> Any:
    env = {**bench.trust, "BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}
    return process("-m", "celery", "-A", "benchmarks.baselines.plain", "worker", "-l", "error", env=env)


def _left(bench: Bench) -> int:
    """Tasks in the queue and in progress."""
    return int(bench.redis.llen("plain")) + int(bench.redis.hlen("unacked"))  # type: ignore[arg-type]
