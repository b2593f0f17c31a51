"""
Two workers beside one: how many intents do they send for a second of their CPU?

The rate itself would say little: two workers, Redis and the API share the cores of one machine. If each worker had a core of its own, N workers
that send I intents with C seconds of CPU, of all of them together, would send N * I / C a second. So twice is reached if I / C does not fall.

It falls for every program when both cores of a small machine are busy (they share caches, and perhaps one physical core). The bare aiohttp loop,
once and twice at a time in the same run, shows how much of that is the machine's.
"""

from __future__ import annotations

import contextlib
import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.bench import Bench, wait
from benchmarks.client.loop import bare_aiohttp
from benchmarks.measure import cpu_s
from benchmarks.report import Figures, median_of
from benchmarks.workload import intents

_WARM: Final = 2000


def run(out: Figures, *, quick: bool) -> None:
    many, rounds = (4000, 2) if quick else (20_000, 3)
    per_s: dict[int, list[float]] = {1: [], 2: []}
    bare: dict[int, list[float]] = {1: [], 2: []}
    part: list[float] = []
    for _ in range(rounds):
        for workers in per_s:
            per_cpu_s, least = _measured(workers, many)
            per_s[workers].append(per_cpu_s)
            if workers == 2:
                part.append(least)
        for loops in bare:
            bare[loops].append(_bare(loops, many // 4))
    one, two = (statistics.median(per_s[n]) for n in (1, 2))
    out.add("one worker: intents sent for a second of its CPU", one, note=median_of(per_s[1]))
    note = f"{median_of(per_s[2])}; the one that had less to do used {statistics.median(part):.0%} of the CPU of both"
    out.add("two workers: intents sent for a second of the CPU of both", two, note=note)
    out.add("two workers / twice one worker, each with a core of its own", two / one, goal="0.9")
    machine = statistics.median(bare[2]) / statistics.median(bare[1])
    out.add("two bare aiohttp loops / twice one, by CPU in the same way", machine, note="what the machine leaves of twice")
    out.add("two workers / what the machine leaves of twice", two / one / machine)


def _bare(loops: int, n: int) -> float:
    """Calls for a CPU second of all loops together."""
    with Bench() as bench, ThreadPoolExecutor(loops) as at_once:
        measured = list(at_once.map(lambda _: bare_aiohttp(bench, n), range(loops)))
    return 1000 / statistics.mean(one.cpu_ms for one in measured)


def _measured(workers: int, many: int) -> tuple[float, float]:
    """Intents for a CPU second of all workers together, and the part of their CPU that the least busy one used."""
    with Bench() as bench, contextlib.ExitStack() as stack:
        pids = [stack.enter_context(bench.worker()).pid for _ in range(workers)]
        sent = lambda: bench.wooshq.counts().get("sent", 0)  # noqa: E731
        before = sent()
        bench.wooshq.enqueue_many(intents("w", _WARM))
        wait(lambda: sent() - before >= _WARM, every_s=0.1)
        used = [cpu_s(pid) for pid in pids]
        bench.wooshq.enqueue_many(intents("m", many))
        wait(lambda: sent() - before >= _WARM + many, every_s=0.1)
        spent = [cpu_s(pid) - was for pid, was in zip(pids, used, strict=True)]
        return many / sum(spent), min(spent) / sum(spent)
