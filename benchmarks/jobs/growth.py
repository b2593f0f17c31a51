"""Time and memory for jobs of growing size, and the plot of both (docs/fan-out.png)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.jobs.command import Measurement, measured_fanout
from benchmarks.report import Figures

PLOT = Path(__file__).parents[2] / "docs" / "fan-out.png"


def run(out: Figures, *, quick: bool) -> None:
    sizes = (1000, 10_000) if quick else (10_000, 100_000, 1_000_000)
    measured: dict[bool, dict[int, Measurement]] = {True: {}, False: {}}
    for shared in (True, False):
        for n in sizes:
            with Bench() as bench, bench.worker() as worker:
                done = measured[shared][n] = measured_fanout(bench, worker.pid, n, shared=shared)
            what = "with the same content" if shared else "personalised"
            memory = f"peak memory: producer {done.producer_mb:.0f}, worker {done.worker_mb:.0f}, Redis {done.redis_mb:.0f} MB"
            out.add(f"{n:,} recipients {what}, s", done.took_s, note=f"calls: {done.calls:,}; {memory}")
    if not quick:
        _plot(measured)


def _plot(measured: dict[bool, dict[int, Measurement]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), dpi=120, layout="constrained")
    for shared, colour in ((True, "tab:blue"), (False, "tab:orange")):
        what = "same content, 1,000 recipients per call" if shared else "personalised, one call per recipient"
        sizes = list(measured[shared])
        done = list(measured[shared].values())
        time.plot(sizes, [one.took_s for one in done], "o-", color=colour, label=what)
        first, last = sizes[0], sizes[-1]
        rate = done[-1].took_s / last
        time.plot([first, last], [first * rate, last * rate], ":", color=colour, alpha=0.6, label=f"{1 / rate:,.0f} recipients/s")
        for name, style, values in (
            ("producer", "s--", [one.producer_mb for one in done]),
            ("worker", "o-", [one.worker_mb for one in done]),
            ("Redis", "^:", [one.redis_mb for one in done]),
        ):
            memory.plot(sizes, values, style, color=colour, label=f"{name}, {'same content' if shared else 'personalised'}")
    for axes, title, unit in ((time, "Time to the last accepted call", "s"), (memory, "Peak memory", "MB")):
        axes.set(xscale="log", title=title, xlabel="recipients", ylabel=unit)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=8)
    time.set_yscale("log")
    memory.set_ylim(0, 160)
    figure.savefig(PLOT)
