"""One content for a million recipients: the time of the whole command, and the peak memory of producer, worker and Redis."""

from __future__ import annotations

import random

from benchmarks.bench import Bench
from benchmarks.jobs.command import measured_fanout
from benchmarks.report import Figures
from benchmarks.workload import PERSONAL, SHARED


def run(out: Figures, *, quick: bool) -> None:
    n = 100_000 if quick else 1_000_000
    with Bench() as bench, bench.worker() as worker:
        done = measured_fanout(bench, worker.pid, n, shared=True)
        out.add(
            f"{n:,} recipients with the same content: from the start of the command to the last accepted call, s", done.took_s, goal="30"
        )
        out.add("calls made, minimum number of calls", f"{done.calls:,}, {done.needed:,}", goal=f"{n // 1000:,}")
        out.add("peak memory of the producer, MB", done.producer_mb, goal="150")
        out.add("peak memory of the worker, MB", done.worker_mb, goal="150")
        out.add("peak memory of Redis for the job, MB", done.redis_mb, note="the job is fed while it is sent")
    for shared in (True, False):
        _ledger_cost(out, n if shared else n // 5, shared=shared)


def _ledger_cost(out: Figures, n: int, *, shared: bool) -> None:
    """A job without a worker, so that all recipients are in the ledger at once. Random identifiers: they compress worst."""
    dice = random.Random(7)
    recipients = [{"user": dice.randbytes(10).hex()} | ({} if shared else {"name": f"N{i}"}) for i in range(n)]
    with Bench(bulk_open_chunks=10_000) as bench:
        before = _used(bench)
        job = bench.wooshq.fan_out(SHARED if shared else PERSONAL, recipients)
        held = _used(bench) - before
        job.cancel()
        after = _used(bench) - before
    own = sum(len(value) for one in recipients for value in one.values())
    what = "with the same content" if shared else "personalised"
    out.add(
        f"{n:,} waiting recipients, {what}: Redis memory per recipient, bytes",
        held / n,
        note=f"the data of a recipient itself: {own / n:.1f}",
    )
    out.add(
        "the same, without the data of the recipient, bytes", (held - own) / n, goal="50", note=f"after the end of the job: {after / n:.1f}"
    )


def _used(bench: Bench) -> int:
    return int(bench.redis.info("memory")["used_memory"])  # type: ignore[index]
