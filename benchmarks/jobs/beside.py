"""The latency of transactional intents while a job runs, without and with a limit on calls a second."""

from __future__ import annotations

import statistics
import threading

from benchmarks.bench import Bench
from benchmarks.latency import latencies_ms
from benchmarks.measure import percentile
from benchmarks.report import Figures
from benchmarks.workload import PERSONAL, personal_recipients


def run(out: Figures, *, quick: bool) -> None:
    n = 50 if quick else 300
    with Bench() as bench, bench.worker():
        _add(out, "idle", latencies_ms(bench, n, pause_s=0.1), n, goal="")
    with Bench() as bench, bench.worker():
        with _EndlessJob(bench):
            latencies = latencies_ms(bench, n, pause_s=0.1)
        _add(out, "a personalised job without a limit", latencies, n)
        out.add("most calls within one second", bench.arrived()["most_in_a_second"])
    with Bench(rate_per_s=100) as bench, bench.worker():
        with _EndlessJob(bench):
            latencies = latencies_ms(bench, n, pause_s=0.1)
        _add(out, "the same, limit 100 calls a second", latencies, n)
        out.add(
            "most calls within one second",
            bench.arrived()["most_in_a_second"],
            goal="100",
            note="about 10 of them transactional",
        )


class _EndlessJob:
    """Jobs one after the other, fed by a thread. A context manager."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> _EndlessJob:
        self._thread.start()
        self._begun.wait(60)
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        for job in self._bench.wooshq.bulk.list():
            self._bench.wooshq.bulk.cancel(job.id)
        self._thread.join(60)

    def _feed(self) -> None:
        first = 0
        while not self._ended.is_set():
            job = self._bench.wooshq.fan_out(PERSONAL, personal_recipients(20_000, first=first))
            first += 20_000
            while not self._ended.wait(0.2) and job.show().left > 10_000:
                if job.show().sent > 0:
                    self._begun.set()


def _add(out: Figures, when: str, latencies: list[float], n: int, goal: str = "250") -> None:
    out.add(f"{when}: `enqueue` to arrival at the API, p50, ms", statistics.median(latencies))
    out.add(
        f"{when}: `enqueue` to arrival at the API, p99, ms", percentile(latencies, 0.99), goal=goal, note=f"{n} intents, one every 100 ms"
    )
