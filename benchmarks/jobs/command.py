"""Runs `wooshq fanout` on a file, and measures it from the start of the command to the last accepted call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import ROOT, Bench
from benchmarks.measure import RedisMemory, peak_mb
from benchmarks.workload import PERSONAL, SHARED


@dataclass(frozen=True, slots=True)
class Measurement:
    """Time in seconds, memory in MB."""

    took_s: float
    calls: int
    needed: int
    producer_mb: float
    worker_mb: float
    redis_mb: float  #: more than before the command


def measured_fanout(bench: Bench, worker_pid: int, n: int, *, shared: bool) -> Measurement:
    """`wooshq fanout` with a file of n recipients: with the same content (shared) or personalised."""
    file, template = bench.folder / "recipients.csv", bench.folder / "template.json"
    template.write_text(json.dumps(SHARED if shared else PERSONAL))
    _write(file, n, shared=shared)
    bench.reset()
    env = {**{k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_"))}, **bench.env}
    command = ["-m", "wooshq_worker", "fanout", "--template", str(template), "--recipients", str(file), "--json"]
    with RedisMemory(bench.redis) as redis_memory:
        started = time.time()
        with subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as producer:
            producer_mb = 0.0
            while producer.poll() is None:
                producer_mb = max(producer_mb, _peak(producer.pid))
                time.sleep(0.02)
            assert producer.stdout is not None
            job = json.loads(producer.stdout.read())
    arrived = bench.arrived()
    assert (job["state"], job["sent"], arrived["served"], arrived["doubled"]) == ("done", n, n, 0), job
    needed = bench.wooshq.bulk.show(job["id"]).calls_needed
    return Measurement(
        took_s=arrived["last_at"] - started,
        calls=arrived["calls"],
        needed=needed,
        producer_mb=producer_mb,
        worker_mb=peak_mb(worker_pid),
        redis_mb=redis_memory.peak_mb - redis_memory.before_mb,
    )


def _peak(pid: int) -> float:
    try:
        return peak_mb(pid)
    except OSError:  # the process has just ended
        return 0.0


def _write(file: Path, n: int, *, shared: bool) -> None:
    with file.open("w") as out:
        out.write("user\n" if shared else "user,name\n")
        out.writelines(f"user-{i}\n" if shared else f"user-{i},N{i}\n" for i in range(n))
