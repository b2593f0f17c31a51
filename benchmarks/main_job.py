"""The main job beside the plain version, in one run on one broker: rates, CPU a message, latency, and where the CPU goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.machine import Bench, Profile, cpu_s, percentile, process, wait
from benchmarks.report import Figures
from wooshq import Settings, Wooshq


def intent(user: str, n: int) -> dict[str, Any]:
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": f"Order {n} left"}}}


def intents(prefix: str, n: int) -> Iterator[dict[str, Any]]:
    return (intent(f"{prefix}{i}", i) for i in range(n))


def run(out: Figures, *, quick: bool) -> None:
    many, singles, plain, idle, rounds = (3000, 600, 150, 100, 2) if quick else (10_000, 2000, 400, 300, 3)
    with Bench() as bench:
        _accepting(out, bench, many, rounds)
        with bench.worker() as worker:
            _sending(out, bench, worker.pid, many)
            _idle(out, bench, idle)
        _beside_plain(out, bench, plain)
        _one_by_one(out, bench, singles, rounds)


def _accepting(out: Figures, bench: Bench, many: int, rounds: int) -> None:
    """In a namespace that no worker looks at: accepting alone."""
    aside = Settings(_env_file=None, application="AAAAA-BBBBB", data_dir=bench.folder, namespace="aside")  # type: ignore[call-arg]
    rates: list[float] = []
    singly: list[float] = []
    with Wooshq(aside) as wooshq:
        for at in range(rounds):
            started = time.perf_counter()
            wooshq.enqueue_many(intents(f"m{at}-", many))
            rates.append(many / (time.perf_counter() - started))
            started = time.perf_counter()
            for one in intents(f"s{at}-", many // 10):
                wooshq.enqueue(one)
            singly.append(many // 10 / (time.perf_counter() - started))
    out.add("`enqueue_many`, intents accepted a second", statistics.median(rates), goal="20,000", note=_spread(rates))
    out.add("`enqueue` one by one, a second", statistics.median(singly), goal="1,000", note=_spread(singly))


def _spread(values: list[float]) -> str:
    return f"median of {len(values)}: {', '.join(f'{value:,.0f}' for value in values)}"


def _sending(out: Figures, bench: Bench, pid: int, many: int) -> None:
    sent = lambda: bench.wooshq.counts().get("sent", 0)  # noqa: E731
    before, used = sent(), cpu_s(pid)
    started = time.perf_counter()
    bench.wooshq.enqueue_many(intents("u", many))
    wait(lambda: sent() - before >= many)
    took = time.perf_counter() - started
    account, counts = bench.account(), bench.wooshq.counts()
    # The first one is sent while the others are accepted: what one worker sends, from its first call to its last.
    rate = many / (account["last_at"] - account["first_at"])
    out.keep("sent_per_s", rate)
    out.add(f"{many:,} intents, sent by one worker, a second", rate, note=f"accepted and sent in {took:.1f} s")
    out.add("CPU of the worker, ms an intent", (cpu_s(pid) - used) / many * 1000)
    lost, doubled = many - account["served"], account["doubled"]
    out.add("lost, doubled, unknown", f"{lost}, {doubled}, {counts.get('unknown', 0)}", goal="0, 0, 0")
    spy = Profile(pid, bench.folder, seconds=5)
    bench.wooshq.enqueue_many(intents("p", 3 * many))
    out.profile("The worker while it sends intents of one recipient each, accepted by the hundred", spy.read())
    wait(lambda: sent() - before >= 4 * many)


def _idle(out: Figures, bench: Bench, n: int) -> None:
    latencies = arrivals_after(bench, n, pause_s=0.03)
    out.add("idle: enqueue → arrival at the API, p50, ms", statistics.median(latencies), goal="10")
    out.add("idle: enqueue → arrival at the API, p99, ms", percentile(latencies, 0.99), goal="50", note=f"{n} intents")


def arrivals_after(bench: Bench, n: int, *, pause_s: float) -> list[float]:
    """ms from the call of `enqueue` to the request's arrival at the API, of n transactional intents."""
    bench.reset()
    at: dict[str, float] = {}
    due = time.monotonic()
    for i in range(n):
        due += pause_s
        time.sleep(max(0.0, due - time.monotonic()))
        at[f"timed-{i}"] = time.time()
        bench.wooshq.enqueue(intent(f"timed-{i}", i))
    arrived: list[list[Any]] = []

    def all_arrived() -> bool:
        nonlocal arrived
        arrived = bench.account()["arrivals"]
        return len(arrived) >= n

    wait(all_arrived, every_s=0.2)
    return [(when - at[user]) * 1000 for user, when in arrived]


def _beside_plain(out: Figures, bench: Bench, n: int) -> None:
    rate, cpu_ms = drained(bench, "send", n)
    out.add("the plain version, a second", rate, note=f"{cpu_ms:.1f} ms of CPU a message")
    out.add("ratio", out.kept("sent_per_s") / rate, goal="80")


def _one_by_one(out: Figures, bench: Bench, n: int, rounds: int) -> None:
    """Each in turn, producer and worker both at work: an intent a Celery message, a no-op task a Celery message."""
    ours, no_ops, cpu_ms = [], [], []
    for at in range(rounds):
        with bench.worker() as worker:
            before, used = bench.wooshq.counts()["sent"], cpu_s(worker.pid)
            started = time.perf_counter()
            for one in intents(f"o{at}-", n):
                bench.wooshq.enqueue(one)
            wait(lambda before=before: bench.wooshq.counts()["sent"] - before >= n)  # type: ignore[misc]
            ours.append(n / (time.perf_counter() - started))
            cpu_ms.append((cpu_s(worker.pid) - used) / n * 1000)
        no_ops.append(moved(bench, n))
    out.add(
        "enqueued one by one, a second to the end",
        statistics.median(ours),
        note=f"{_spread(ours)}; {statistics.median(cpu_ms):.2f} ms of CPU each",
    )
    out.add("no-op tasks of the same Celery, a second to the end", statistics.median(no_ops), note=_spread(no_ops))
    out.add("ratio", statistics.median(ours) / statistics.median(no_ops), goal="0.7")


def _plain_worker(bench: Bench) -> Any:
    env = {"BENCH_BROKER": bench.broker_url, "BENCH_API": bench.api_url}
    return process("-m", "celery", "-A", "benchmarks.plain", "worker", "-l", "error", env=env)


def _left(bench: Bench) -> int:
    return int(bench.redis.llen("plain")) + int(bench.redis.hlen("unacked"))  # type: ignore[arg-type]


def drained(bench: Bench, name: str, n: int) -> tuple[float, float]:
    """Tasks a second of the plain app, prefork as by default, and CPU ms a task; they wait in the queue when the worker starts."""
    from benchmarks import plain

    task = plain.made(bench.broker_url).tasks[name]
    for i in range(n):
        task.delay(*((f"plain-{i}",) if name == "send" else ()))
    with _plain_worker(bench) as worker:
        wait(lambda: _left(bench) < n)
        rest, started, used = _left(bench), time.perf_counter(), cpu_s(worker.pid)
        wait(lambda: _left(bench) == 0)
        return rest / (time.perf_counter() - started), (cpu_s(worker.pid) - used) / rest * 1000


def moved(bench: Bench, n: int) -> float:
    """No-op tasks a second, produced while they are worked off."""
    from benchmarks import plain

    task = plain.made(bench.broker_url).tasks["nothing"]
    with _plain_worker(bench):
        task.delay()
        wait(lambda: _left(bench) == 0)
        started = time.perf_counter()
        for _ in range(n):
            task.delay()
        wait(lambda: _left(bench) == 0)
        return n / (time.perf_counter() - started)
