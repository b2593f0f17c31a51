"""One client in a process of its own: its calls a second, and its CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Final, NamedTuple

from benchmarks.bench import ROOT, Bench
from benchmarks.workload import PERSONAL

#: Calls that a worker makes for jobs at once, with the default settings.
CONCURRENCY: Final = 204


class Measured(NamedTuple):
    """cpu_ms: of a call. exited_well: some clients crash when the interpreter ends."""

    per_s: float
    cpu_ms: float
    exited_well: bool


def client_loop(bench: Bench, client: str, loop: str, n: int) -> Measured:
    """client: a name in `clients.CLIENTS`. loop: `asyncio` or `uvloop`."""
    url = bench.http2_url if "HTTP/2" in client else bench.api_url
    env = {**os.environ, **bench.trust, "BENCH_API": url, "BENCH_TEMPLATE": json.dumps(PERSONAL)}
    command = [sys.executable, "-m", "benchmarks.client.clients", client, loop, str(n), str(CONCURRENCY)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=600, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return Measured(**json.loads(done.stdout), exited_well=done.returncode == 0)


def bare_aiohttp(bench: Bench, n: int) -> Measured:
    """The loop that wooshq's own CPU is compared with: aiohttp on asyncio's event loop, with prepared bodies, and nothing else."""
    return client_loop(bench, "aiohttp", "asyncio", n)
