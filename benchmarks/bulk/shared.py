"""One content for a million: the command from its start to the last accepted call, and what everybody holds meanwhile."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bulk import PERSONAL, SHARED
from benchmarks.machine import ROOT, Bench, Watched, peak_mb
from benchmarks.report import Figures


@dataclass(frozen=True, slots=True)
class Run:
    """One command, to the last call. Times in s, memory in MB."""

    took_s: float
    calls: int
    needed: int
    producer_mb: float
    worker_mb: float
    redis_mb: float  #: above what it held before


def command(bench: Bench, worker: int, n: int, *, shared: bool) -> Run:
    """`wooshq fanout` on a file of n recipients. worker: its process id."""
    file, template = bench.folder / "people.csv", bench.folder / "template.json"
    template.write_text(json.dumps(SHARED if shared else PERSONAL))
    _write(file, n, shared=shared)
    bench.reset()
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_"))}, **bench.env}
    words = ["-m", "wooshq_worker", "fanout", "--template", str(template), "--recipients", str(file), "--json"]
    with Watched(bench.redis) as watched:
        started = time.time()
        with subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as producer:
            producer_mb = 0.0
            while producer.poll() is None:
                producer_mb = max(producer_mb, _peak(producer.pid))
                time.sleep(0.02)
            assert producer.stdout is not None
            job = json.loads(producer.stdout.read())
    account = bench.account()
    assert (job["state"], job["sent"], account["served"], account["doubled"]) == ("done", n, n, 0), job
    needed = bench.wooshq.bulk.show(job["id"]).calls_needed
    return Run(account["last_at"] - started, account["calls"], needed, producer_mb, peak_mb(worker), watched.peak_mb - watched.before_mb)


def _peak(pid: int) -> float:
    try:
        return peak_mb(pid)
    except OSError:  # it has just ended
        return 0.0


def _write(file: Path, n: int, *, shared: bool) -> None:
    with file.open("w") as out:
        out.write("user\n" if shared else "user,name\n")
        out.writelines(f"user-{i}\n" if shared else f"user-{i},N{i}\n" for i in range(n))


def run(out: Figures, *, quick: bool) -> None:
    n = 100_000 if quick else 1_000_000
    with Bench() as bench, bench.worker() as worker:
        done = command(bench, worker.pid, n, shared=True)
        out.add(f"{n:,} recipients of one content: from the command's start to the last accepted call, s", done.took_s, goal="30")
        out.add("calls made, needed", f"{done.calls:,}, {done.needed:,}", goal=f"{n // 1000:,}")
        out.add("peak memory of the producer, MB", done.producer_mb, goal="150")
        out.add("peak memory of the worker, MB", done.worker_mb, goal="150")
        out.add("Redis memory at the peak, above what it held before, MB", done.redis_mb, note="the job fed while it is sent")
    for shared in (True, False):
        _cost(out, n if shared else n // 5, shared=shared)


def _cost(out: Figures, n: int, *, shared: bool) -> None:
    """A job that nobody works off: all of its recipients are in the ledger at once. Identifiers without a pattern, as hashes are."""
    chance = random.Random(7)
    people = [{"user": chance.randbytes(10).hex()} if shared else {"user": chance.randbytes(10).hex(), "name": f"N{i}"} for i in range(n)]
    with Bench(bulk_open_chunks=10_000) as bench:
        before = _used(bench)
        job = bench.wooshq.fan_out(SHARED if shared else PERSONAL, people)
        held = _used(bench) - before
        job.cancel()
        after = _used(bench) - before
    own = sum(len(value) for one in people for value in one.values())
    what = "of one content" if shared else "personalised"
    out.add(
        f"Redis memory a recipient {what}, all of them waiting, bytes", held / n, note=f"{n:,} recipients; their own data: {own / n:.1f}"
    )
    out.add("beside the recipient's own data, bytes", (held - own) / n, goal="50", note=f"{after / n:.1f} once the job has ended")


def _used(bench: Bench) -> int:
    return int(bench.redis.info("memory")["used_memory"])  # type: ignore[index]
