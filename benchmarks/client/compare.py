"""The HTTP clients: CPU per call over TLS 1.3, on asyncio's event loop and on uvloop."""

from __future__ import annotations

import statistics

from benchmarks.bench import Bench
from benchmarks.client.clients import CLIENTS
from benchmarks.client.loop import CONCURRENCY, Measured, client_loop
from benchmarks.report import Figures


def run(out: Figures, *, quick: bool) -> None:
    calls, rounds = (3000, 1) if quick else (6000, 3)
    both = [(client, loop) for client in CLIENTS for loop in ("asyncio", "uvloop")]
    measured: dict[tuple[str, str], list[Measured]] = {one: [] for one in both}
    with Bench(http2=True) as bench:
        for _ in range(rounds):
            for one in both:
                measured[one].append(client_loop(bench, *one, calls))
    floor = _cpu_ms(measured["aiohttp", "asyncio"])
    for (client, loop), found in measured.items():
        values = sorted(one.cpu_ms for one in found)
        crashes = sum(not one.exited_well for one in found)
        note = f"{values[0]:.3f}–{values[-1]:.3f}; {_cpu_ms(found) / floor:.2f} of aiohttp on asyncio"
        out.add(
            f"{client}, {loop}: ms of CPU per call",
            f"{_cpu_ms(found):.3f}",
            note=note + (f"; {crashes} crashes at exit" if crashes else ""),
        )
    print(f"  {calls:,} calls, {CONCURRENCY} at once, median of {rounds}")


def _cpu_ms(found: list[Measured]) -> float:
    return statistics.median(one.cpu_ms for one in found)
