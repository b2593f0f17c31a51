"""Transactional intents while a job runs flat out, and while both are held to a ceiling."""

from __future__ import annotations

import statistics
import threading

from benchmarks.bulk import PERSONAL, persons
from benchmarks.machine import Bench, percentile
from benchmarks.main_job import arrivals_after
from benchmarks.report import Figures


def run(out: Figures, *, quick: bool) -> None:
    n = 50 if quick else 300
    with Bench() as bench, bench.worker():
        _say(out, "idle", arrivals_after(bench, n, pause_s=0.1), n, goal="")
    with Bench() as bench, bench.worker():
        with _Flood(bench):
            latencies = arrivals_after(bench, n, pause_s=0.1)
        _say(out, "a personalised job runs flat out", latencies, n)
        out.add("calls meanwhile, the most in a second", bench.account()["most_in_a_second"])
    with Bench(rate_per_s=100) as bench, bench.worker():
        with _Flood(bench):
            latencies = arrivals_after(bench, n, pause_s=0.1)
        _say(out, "the same, all held to 100 calls a second", latencies, n)
        out.add(
            "calls meanwhile, the most in a second",
            bench.account()["most_in_a_second"],
            goal="100",
            note="10 a second of them transactional",
        )


class _Flood:
    """A job without end, fed by a thread. A context manager."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._ended = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def __enter__(self) -> _Flood:
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
            job = self._bench.wooshq.fan_out(PERSONAL, persons(20_000, first=first))
            first += 20_000
            while not self._ended.wait(0.2) and job.show().left > 10_000:
                if job.show().sent > 0:
                    self._begun.set()


def _say(out: Figures, when: str, latencies: list[float], n: int, goal: str = "250") -> None:
    out.add(f"{when}: enqueue → arrival at the API, p50, ms", statistics.median(latencies))
    out.add(f"{when}: p99, ms", percentile(latencies, 0.99), goal=goal, note=f"{n} intents, one every 100 ms")
