"""wooshq beside the plain version, in one run on one broker: rates, CPU a message, latency. `make bench`, or with --quick."""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from wooshq import Settings, Wooshq
from wooshq.embedded import EmbeddedRedis

ROOT = Path(__file__).parent.parent
QUICK = "--quick" in sys.argv
MANY, ONE_BY_ONE, PLAIN, IDLE = (3000, 1000, 150, 60) if QUICK else (10_000, 3000, 400, 200)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and of its children."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / TICKS
    return total


@contextmanager
def process(*command: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PUSHWOOSH_", "WOOSHQ_", "SENTRY_"))}
    started = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env={**clean, **env}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()


def wait(done: Callable[[], bool], within_s: float = 300) -> None:
    ends = time.monotonic() + within_s
    while not done():
        if time.monotonic() > ends:
            raise SystemExit("the benchmark did not come to an end")
        time.sleep(0.01)


def intent(n: int) -> dict[str, Any]:
    return {"to": {"users": [f"u{n}"]}, "message": {"push": {"title": "Hi", "body": f"Order {n} left"}}}


def main() -> None:
    out: dict[str, Any] = {"python": platform.python_version(), "cores": os.cpu_count()}
    folder = Path(tempfile.mkdtemp(prefix="wq-bench-"))
    sandbox = ("-m", "wooshq_worker.sandbox", "--port", "0", "--token", "bench", "--lean", "--latency-ms", "50")
    with EmbeddedRedis(folder) as embedded, process(*sandbox) as api:
        assert api.stdout is not None
        url = api.stdout.readline().decode().strip()
        settings = Settings(_env_file=None, application="AAAAA-BBBBB", data_dir=folder)
        env = {
            "PUSHWOOSH_API_TOKEN": "bench",
            "PUSHWOOSH_APPLICATION": "AAAAA-BBBBB",
            "PUSHWOOSH_BASE_URL": url,
            "WOOSHQ_DATA_DIR": str(folder),
        }
        with Wooshq(settings) as wooshq:
            started = time.perf_counter()
            wooshq.enqueue_many(intent(n) for n in range(MANY))
            out["accepted_many_per_s"] = round(MANY / (time.perf_counter() - started))
            with process("-m", "wooshq_worker", "worker", **env) as worker:
                sent = 0

                def all_sent() -> bool:
                    return wooshq.counts().get("sent", 0) >= sent

                sent = 1
                wait(all_sent)
                started, used, before = time.perf_counter(), cpu_s(worker.pid), wooshq.counts()["sent"]
                sent = MANY
                wait(all_sent)
                n, took = MANY - before, time.perf_counter() - started
                out["sent_per_s"], out["sent_cpu_ms"] = round(n / took), round((cpu_s(worker.pid) - used) / n * 1000, 3)
                used = cpu_s(worker.pid)
                started = time.perf_counter()
                for n in range(ONE_BY_ONE):
                    wooshq.enqueue(intent(n))
                out["accepted_one_by_one_per_s"] = round(ONE_BY_ONE / (time.perf_counter() - started))
                sent += ONE_BY_ONE
                wait(all_sent)
                out["one_by_one_per_s"] = round(ONE_BY_ONE / (time.perf_counter() - started))
                out["one_by_one_cpu_ms"] = round((cpu_s(worker.pid) - used) / ONE_BY_ONE * 1000, 3)
                latencies = []
                for n in range(IDLE):
                    time.sleep(0.03)
                    at = time.time()
                    intent_id = wooshq.enqueue(intent(n))
                    sent += 1
                    wait(all_sent)
                    status = wooshq.status(intent_id)
                    assert status is not None
                    left = status.attempts[0]["at"]
                    latencies.append((_epoch(left) - at) * 1000)
                out["idle_p50_ms"] = round(statistics.median(latencies), 1)
                out["idle_p99_ms"] = round(sorted(latencies)[int(len(latencies) * 0.99)], 1)
            counts = wooshq.counts()
            out["lost"], out["unknown"] = sent - counts["sent"], counts.get("unknown", 0)
        out |= plain(embedded.broker_url, url)
    out["ratio_to_plain"] = round(out["sent_per_s"] / out["plain_per_s"], 1)
    out["one_by_one_to_no_op"] = round(out["one_by_one_per_s"] / out["no_op_per_s"], 2)
    for name, value in out.items():
        print(f"{name:<28} {value}", file=sys.stderr)
    print(json.dumps(out))


def plain(broker: str, url: str) -> dict[str, Any]:
    """Rates of the plain version, and of no-op tasks, as seen by the length of their queue."""
    os.environ["BENCH_BROKER"], os.environ["BENCH_API"] = broker, url
    from benchmarks import plain as tasks

    out: dict[str, Any] = {}
    server = redis.Redis.from_url(broker.replace("redis+socket://", "unix://").replace("virtual_host=", "db="))
    for name, task, n, arguments in (("plain", tasks.send, PLAIN, ("u",)), ("no_op", tasks.nothing, 4 * PLAIN, ())):
        for _ in range(n):
            task.delay(*arguments)
        with process("-m", "celery", "-A", "benchmarks.plain", "worker", "-l", "error", BENCH_BROKER=broker, BENCH_API=url) as worker:

            def left() -> int:
                return int(server.llen("plain")) + int(server.hlen("unacked"))  # type: ignore[arg-type]

            wait(lambda n=n: left() < n)  # the first one is done: the worker is up
            rest, started, used = left(), time.perf_counter(), cpu_s(worker.pid)
            wait(lambda: left() == 0)
            out[f"{name}_per_s"] = round(rest / (time.perf_counter() - started), 1)
            out[f"{name}_cpu_ms"] = round((cpu_s(worker.pid) - used) / rest * 1000, 2)
    return out


def _epoch(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
