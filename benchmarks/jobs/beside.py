"""The latency of transactional intents while a job runs, without and with a limit on calls a second."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.bench import Bench, process, wait
from benchmarks.latency import latencies_ms
from benchmarks.measure import percentile
from benchmarks.report import Figures


def run(out: Figures, *, quick: bool) -> None:
    n = 50 if quick else 300
    with Bench() as bench, bench.worker():
        _add(out, "idle", latencies_ms(bench, n, pause_s=0.1), n, goal="")
    with Bench() as bench, bench.worker():
        with endless_job(bench):
            latencies = latencies_ms(bench, n, pause_s=0.1)
        _add(out, "a personalised job without a limit", latencies, n)
        out.add("most calls within one second", bench.arrived()["most_in_a_second"])
    with Bench(rate_per_s=100) as bench, bench.worker():
        with endless_job(bench):
            latencies = latencies_ms(bench, n, pause_s=0.1)
        _add(out, "the same, limit 100 calls a second", latencies, n)
        arrived = bench.arrived()
        out.add("most calls within one second", arrived["most_in_a_second"], goal="100", note="about 10 of them transactional")
        out.add("calls a second", (arrived["calls"] - 1) / (arrived["last_at"] - arrived["first_at"]), goal="95 to 100")


@contextmanager
def endless_job(bench: Bench) -> Iterator[None]:
    """Jobs one after the other, fed by a process of their own. The first one is being sent when the block begins."""
    with process("-m", "benchmarks.jobs.endless", env=bench.env, log=bench.folder / "endless.log"):
        wait(lambda: any(job.sent > 0 for job in bench.wooshq.bulk.list()), 60, every_s=0.1)
        yield
    for job in bench.wooshq.bulk.list():
        bench.wooshq.bulk.cancel(job.id)


def _add(out: Figures, when: str, latencies: list[float], n: int, goal: str = "25") -> None:
    out.add(f"{when}: `enqueue` to arrival at the API, p50, ms", statistics.median(latencies))
    out.add(
        f"{when}: `enqueue` to arrival at the API, p99, ms", percentile(latencies, 0.99), goal=goal, note=f"{n} intents, one every 100 ms"
    )
