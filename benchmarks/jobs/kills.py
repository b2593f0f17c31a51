"""A worker is killed several times during a personalised job: how many recipients receive the message twice, and how many are in doubt."""

from __future__ import annotations

import signal
import time

from benchmarks.bench import Bench, process, wait
from benchmarks.jobs.totals import adds_up
from benchmarks.report import Figures
from benchmarks.workload import PERSONAL, personal_recipients

#: Short timeouts, so that a lease ends soon after its worker.
SHORT = {"lease_s": 4, "http_total_s": 2.0, "http_read_s": 1.5, "http_connect_s": 1.0, "short_retry_s": 0.5}


def run(out: Figures, *, quick: bool) -> None:
    n, kills, pace_s = (4000, 2, 0.3) if quick else (40_000, 8, 1.0)
    with Bench(**SHORT) as bench:
        job = bench.wooshq.fan_out(PERSONAL, personal_recipients(n))
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
        took, done, arrived = time.monotonic() - started, job.show(), bench.arrived()
        named = {one.identifier for one in bench.wooshq.bulk.in_doubt(job.id)}
    assert adds_up(done), done
    out.add(
        f"{n:,} personalised recipients, worker killed {killed} times: recipients reached",
        arrived["served"],
        goal=f"{n:,}",
        note=f"{took:.0f} s",
    )
    out.add("messages received a second time", arrived["doubled"], goal="at most the next row")
    out.add("recipients in doubt, as reported by wooshq", done.unknown, note=f"{len(named):,} listed by identifier")
