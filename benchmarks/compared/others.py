"""
What one would pick instead: dramatiq, taskiq, arq, and plain Celery, as their documentation shows them, and wooshq in the same way.

Every message is in the queue before its worker starts, one enqueued after the other. The first fifth is not measured: it opens connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.baselines import plain
from benchmarks.bench import Bench, process, wait
from benchmarks.measure import cpu_s
from benchmarks.report import Figures
from benchmarks.workload import intents


@dataclass(frozen=True)
class Other:
    """worker: the arguments of Python that start it. producer: the module that enqueues."""

    name: str
    worker: Sequence[str]
    producer: str
    env: dict[str, str] = field(default_factory=dict)
    part: float = 1.0  #: of the messages: a slow one gets fewer


_DRAMATIQ: Final = ("-m", "dramatiq", "benchmarks.baselines.on_dramatiq", "--skip-logging")
_TASKIQ: Final = ("-m", "taskiq", "worker", "benchmarks.baselines.on_taskiq:broker", "--log-level", "ERROR")
_ARQ: Final = ("-m", "arq", "benchmarks.baselines.on_arq.WorkerSettings")
OTHERS: Final = (
    Other("dramatiq, 2 processes of 8 threads (its default)", _DRAMATIQ, "on_dramatiq", part=0.3),
    Other("dramatiq, 2 processes of 128 threads", (*_DRAMATIQ, "--threads", "128"), "on_dramatiq"),
    Other("taskiq, 2 processes of 100 tasks (its default)", _TASKIQ, "on_taskiq"),
    Other("arq, 10 jobs at once (its default)", _ARQ, "on_arq", part=0.2),
    Other("arq, 256 jobs at once", _ARQ, "on_arq", {"BENCH_AT_ONCE": "256"}),
)


def run(out: Figures, *, quick: bool) -> None:
    many = 1000 if quick else 5000
    with Bench() as bench:
        ours = _rate(bench, ("-m", "wooshq_worker", "worker"), lambda n: _enqueue_ours(bench, n), many, bench.env)
        _add(out, "wooshq, one process", ours, None)
        for other in OTHERS:
            _add(out, other.name, _of(bench, other, int(many * other.part)), ours)
        celery = _rate(bench, _CELERY, lambda n: _enqueue_plain(bench, n), many // 10, _env(bench))
        _add(out, "plain Celery, 2 processes (its default)", celery, ours)


_CELERY: Final = ("-m", "celery", "-A", "benchmarks.baselines.plain", "worker", "-l", "error")


def _env(bench: Bench) -> dict[str, str]:
    return {**bench.trust, "BENCH_REDIS": bench.redis_url, "BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}


def _of(bench: Bench, other: Other, n: int) -> tuple[float, float]:
    env = {**_env(bench), **other.env}

    def enqueue(n: int) -> None:
        with process("-m", f"benchmarks.baselines.{other.producer}", str(n), env=env, log=bench.folder / "other.log") as producer:
            if producer.wait(300) != 0:
                raise SystemExit(f"{other.producer} could not enqueue: {(bench.folder / 'other.log').read_text()[-500:]}")

    return _rate(bench, other.worker, enqueue, n, env)


def _rate(bench: Bench, worker: Sequence[str], enqueue: Callable[[int], None], n: int, env: dict[str, str]) -> tuple[float, float]:
    """Messages a second, and ms of CPU a message of all processes of the worker. n: messages."""
    calls = lambda: bench.arrived()["calls"]  # noqa: E731
    bench.reset()
    enqueue(n)
    with process(*worker, env=env, log=bench.folder / "other.log") as started:
        wait(lambda: calls() >= n // 5, 120, every_s=0.05)
        first, begun, used = calls(), time.time(), cpu_s(started.pid)
        wait(lambda: calls() >= n, 120, every_s=0.05)
        cpu_ms = (cpu_s(started.pid) - used) / (n - first) * 1000
        return (n - first) / (bench.arrived()["last_at"] - begun), cpu_ms


def _add(out: Figures, name: str, measured: tuple[float, float], ours: tuple[float, float] | None) -> None:
    rate, cpu_ms = measured
    beside = "" if ours is None else f"; wooshq: {ours[0] / rate:.1f} times the rate, {ours[1] / cpu_ms:.2f} of the CPU"
    out.add(f"{name}: messages a second", rate, note=f"{cpu_ms:.2f} ms of CPU per message{beside}")


def _enqueue_ours(bench: Bench, n: int) -> None:
    for one in intents("o", n):
        bench.wooshq.enqueue(one)


def _enqueue_plain(bench: Bench, n: int) -> None:
    task = plain.app_on(bench.broker_url).tasks["send"]
    for i in range(n):
        task.delay(f"plain-{i}")
