"""The HTTP API: messages posted one by one against the same framework that only checks bodies; and 100,000 as lines, in constant memory."""

from __future__ import annotations

import json
import secrets
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator

import httpx

from benchmarks.bench import ROOT, Bench, process
from benchmarks.measure import cpu_s, peak_mb
from benchmarks.report import Figures
from benchmarks.workload import intents

_TOKEN = "bench-" + secrets.token_urlsafe(32)
_CONNECTIONS = (8, 64, 256)


def run(out: Figures, *, quick: bool) -> None:
    each, rounds = (2000, 3) if quick else (8000, 5)
    with Bench() as bench:
        settings = {
            "PYTHONPATH": ":".join(str(ROOT / layer) for layer in ("schemas", "tasks", "worker")),
            "WOOSHQ_REDIS_URL": "embedded",
            "WOOSHQ_DATA_DIR": str(bench.folder),
            "PUSHWOOSH_APPLICATION": "AAAAA-BBBBB",
            "WOOSHQ_CONSOLE_TOKEN": _TOKEN,
            "WOOSHQ_CONSOLE_RATE_PER_S": "1000000",
            "WOOSHQ_LOG_LEVEL": "WARNING",
        }
        with (
            process("-m", "wooshq_worker", "console", "--port", "0", env=settings) as ours,
            process("-m", "benchmarks.baselines.no_op", env=settings) as no_op,
        ):
            ports = {"ours": _port(ours), "no_op": _port(no_op)}
            for connections in _CONNECTIONS:
                _one_by_one(out, {"ours": ours.pid, "no_op": no_op.pid}, ports, connections, each, rounds)
            _lines(out, ours.pid, ports["ours"], 10_000 if quick else 100_000)


def _port(server: subprocess.Popen[bytes]) -> int:
    """Both print their address on their first line."""
    assert server.stdout is not None
    return int(server.stdout.readline().decode().strip().rpartition(":")[2])


def _one_by_one(out: Figures, pids: dict[str, int], ports: dict[str, int], connections: int, n: int, rounds: int) -> None:
    """Both sides in turn. The first round is not counted."""
    rates: dict[str, list[float]] = {"ours": [], "no_op": []}
    cpu: dict[str, list[float]] = {"ours": [], "no_op": []}
    for turn in range(rounds + 1):
        for side in ("no_op", "ours"):
            before = cpu_s(pids[side])
            accepted, took_s = _load(ports[side], connections, n // connections, f"{connections}-{turn}")
            assert accepted == n // connections * connections
            if turn:
                rates[side].append(accepted / took_s)
                cpu[side].append((cpu_s(pids[side]) - before) / accepted * 1000)
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates["no_op"], strict=True)]
    of = f"{connections} connections"
    out.add(
        f"{of}: messages accepted a second", statistics.median(rates["ours"]), note=f"{statistics.median(cpu['ours']):.3f} ms of CPU each"
    )
    out.add(f"{of}: a no-op a second", statistics.median(rates["no_op"]), note=f"{statistics.median(cpu['no_op']):.3f} ms of CPU each")
    spread = f"{min(ratios):.2f}–{max(ratios):.2f}, {rounds} rounds"
    out.add(f"{of}: ratio", statistics.median(ratios), goal="0.8", note=spread)
    shares = [theirs / mine for mine, theirs in zip(cpu["ours"], cpu["no_op"], strict=True)]
    out.add(f"{of}: ratio by the server's own CPU", statistics.median(shares), note=f"{min(shares):.2f}–{max(shares):.2f}")


def _load(port: int, connections: int, each: int, run: str) -> tuple[int, float]:
    command = [sys.executable, "-m", "benchmarks.client.posting", str(port), _TOKEN, str(connections), str(each), run]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=300)
    accepted, took_s = json.loads(done.stdout)
    return accepted, took_s


def _lines(out: Figures, pid: int, port: int, n: int) -> None:
    """A tenth of them first: its peak is what the server needs for any number."""
    few, many = n // 10, n
    _post_lines(port, few, "few")
    before = peak_mb(pid)
    started = time.perf_counter()
    _post_lines(port, many, "many")
    took_s = time.perf_counter() - started
    out.add(f"{many:,} as lines: accepted a second", many / took_s)
    out.add(f"{many:,} as lines: more memory than {few:,} need, MB", peak_mb(pid) - before, goal="0", note=f"peak {peak_mb(pid):.0f} MB")


def _post_lines(port: int, n: int, run: str) -> None:
    def body() -> Iterator[bytes]:
        lines: list[bytes] = []
        for one in intents(f"{run}-", n):
            lines.append(json.dumps(one).encode() + b"\n")
            if len(lines) == 500:
                yield b"".join(lines)
                lines.clear()
        yield b"".join(lines)

    headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/x-ndjson"}
    with httpx.stream("POST", f"http://127.0.0.1:{port}/v1/intents", content=body(), headers=headers, timeout=300) as answer:
        (last,) = deque(answer.iter_lines(), maxlen=1)
    closing = json.loads(last)
    assert (closing["done"], closing["accepted"]) == (True, n), closing
