"""Intents: how many are accepted and sent a second, their latency and their cost in CPU, compared with the plain version."""

from __future__ import annotations

import statistics
import time

from benchmarks.baselines.plain_rate import empty_rate, sending_rate
from benchmarks.bench import APPLICATION, Bench, wait
from benchmarks.client.loop import bare_aiohttp
from benchmarks.latency import latencies_ms
from benchmarks.measure import Profile, cpu_s, percentile
from benchmarks.report import Figures, median_of
from benchmarks.workload import intents
from wooshq import Settings, Wooshq


def run(out: Figures, *, quick: bool) -> None:
    many, singles, plain, idle, rounds = (3000, 600, 150, 100, 2) if quick else (10_000, 2000, 400, 300, 3)
    with Bench() as bench:
        _accepting(out, bench, many, rounds)
        with bench.worker() as worker:
            _sending(out, bench, worker.pid, many)
            _idle(out, bench, idle)
        _plain(out, bench, plain)
        _one_by_one(out, bench, singles, rounds)


def _accepting(out: Figures, bench: Bench, many: int, rounds: int) -> None:
    """Only accepting: no worker reads this namespace."""
    aside = Settings(_env_file=None, application=APPLICATION, redis_url="embedded", data_dir=bench.folder, namespace="aside")  # type: ignore[call-arg]
    in_batches: list[float] = []
    one_by_one: list[float] = []
    with Wooshq(aside) as wooshq:
        for at in range(rounds):
            started = time.perf_counter()
            wooshq.enqueue_many(intents(f"m{at}-", many))
            in_batches.append(many / (time.perf_counter() - started))
            started = time.perf_counter()
            for one in intents(f"s{at}-", many // 10):
                wooshq.enqueue(one)
            one_by_one.append(many // 10 / (time.perf_counter() - started))
    out.add("`enqueue_many`: intents accepted a second", statistics.median(in_batches), goal="20,000", note=median_of(in_batches))
    out.add("`enqueue`: intents accepted a second", statistics.median(one_by_one), goal="1,000", note=median_of(one_by_one))


def _sending(out: Figures, bench: Bench, pid: int, many: int) -> None:
    sent = lambda: bench.wooshq.counts().get("sent", 0)  # noqa: E731
    before, used = sent(), cpu_s(pid)
    started = time.perf_counter()
    bench.wooshq.enqueue_many(intents("u", many))
    wait(lambda: sent() - before >= many)
    took = time.perf_counter() - started
    arrived, counts = bench.arrived(), bench.wooshq.counts()
    # From the first call to the last: the worker already sends while the others are accepted.
    rate = many / (arrived["last_at"] - arrived["first_at"])
    out.keep("sent_per_s", rate)
    out.add(f"{many:,} intents: sent a second by one worker", rate, note=f"accepted and sent in {took:.1f} s")
    cpu_ms, bare_ms = (cpu_s(pid) - used) / many * 1000, bare_aiohttp(bench, many).cpu_ms
    out.add("CPU of the worker, ms per intent", cpu_ms, note=f"the bare aiohttp loop: {bare_ms:.2f}")
    out.add("CPU of the worker per intent / bare aiohttp loop", cpu_ms / bare_ms, goal="1.3")
    lost, doubled = many - arrived["served"], arrived["doubled"]
    out.add("lost, doubled, in doubt", f"{lost}, {doubled}, {counts.get('unknown', 0)}", goal="0, 0, 0")
    spy = Profile(pid, bench.folder, seconds=5)
    bench.wooshq.enqueue_many(intents("p", 3 * many))
    out.profile("The worker while it sends intents with one recipient each, accepted in batches of 100", spy.read())
    wait(lambda: sent() - before >= 4 * many)


def _idle(out: Figures, bench: Bench, n: int) -> None:
    latencies = latencies_ms(bench, n, pause_s=0.03)
    out.add("idle: `enqueue` to arrival at the API, p50, ms", statistics.median(latencies), goal="10")
    out.add("idle: `enqueue` to arrival at the API, p99, ms", percentile(latencies, 0.99), goal="50", note=f"{n} intents")


def _plain(out: Figures, bench: Bench, n: int) -> None:
    rate, cpu_ms = sending_rate(bench, n)
    out.add("the plain version: messages sent a second", rate, note=f"{cpu_ms:.1f} ms of CPU per message")
    out.add("wooshq / plain version", out.kept("sent_per_s") / rate, goal="80")


def _one_by_one(out: Figures, bench: Bench, n: int, rounds: int) -> None:
    """One Celery message for each intent, compared with one Celery message for each empty task. Producer and worker run at the same time."""
    ours, empty, cpu_ms = [], [], []
    for at in range(rounds):
        with bench.worker() as worker:
            before, used = bench.wooshq.counts()["sent"], cpu_s(worker.pid)
            started = time.perf_counter()
            for one in intents(f"o{at}-", n):
                bench.wooshq.enqueue(one)
            wait(lambda before=before: bench.wooshq.counts()["sent"] - before >= n)  # type: ignore[misc]
            ours.append(n / (time.perf_counter() - started))
            cpu_ms.append((cpu_s(worker.pid) - used) / n * 1000)
        empty.append(empty_rate(bench, n))
    out.add(
        "intents enqueued one by one: sent a second",
        statistics.median(ours),
        note=f"{median_of(ours)}; {statistics.median(cpu_ms):.2f} ms of CPU per intent",
    )
    out.add("empty tasks in the same Celery: run a second", statistics.median(empty), note=median_of(empty))
    out.add("intents / empty tasks", statistics.median(ours) / statistics.median(empty), goal="0.7")
