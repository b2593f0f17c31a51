"""A worker that is killed, eight times, in the middle of personalised recipients: who got it twice, and who is known to be in doubt."""

from __future__ import annotations

import signal
import time

from benchmarks.bulk import PERSONAL, adds_up, persons
from benchmarks.machine import Bench, process, wait
from benchmarks.report import Figures

#: A lease that ends soon after its worker.
FAST = {"lease_s": 4, "http_total_s": 2.0, "http_read_s": 1.5, "http_connect_s": 1.0, "short_retry_s": 0.5}


def run(out: Figures, *, quick: bool) -> None:
    n, kills, pace_s = (4000, 2, 0.3) if quick else (40_000, 8, 1.0)
    with Bench(**FAST) as bench:
        job = bench.wooshq.fan_out(PERSONAL, persons(n))
        started, killed = time.monotonic(), 0
        while not job.show().is_final:
            before = job.show().sent
            with process("-m", "wooshq_worker", "worker", env=bench.env, log=bench.folder / "worker.log") as worker:
                wait(lambda before=before: job.show().sent > before or job.show().is_final)  # type: ignore[misc]
                if killed < kills:
                    time.sleep(pace_s)
                    killed += not job.show().is_final
                    worker.send_signal(signal.SIGKILL)
                else:
                    wait(lambda: job.show().is_final)
        took, done, account = time.monotonic() - started, job.show(), bench.account()
        named = {one.identifier for one in bench.wooshq.bulk.in_doubt(job.id)}
    assert adds_up(done), done
    out.add(
        f"{n:,} personalised recipients, the worker killed {killed} times: served", account["served"], goal=f"{n:,}", note=f"{took:.0f} s"
    )
    out.add("calls that reached somebody again", account["doubled"], goal="at most the next")
    out.add("in doubt, as wooshq reports it", done.unknown, note=f"{len(named):,} people, by name")
