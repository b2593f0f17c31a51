"""
Feeds personalised jobs one after the other, until it is ended. `python -m benchmarks.jobs.endless`, with the environment of a `Bench`.

A process of its own: a thread would hold the interpreter of the producer whose latency is measured, for up to 50 ms.
"""

from __future__ import annotations

import time

from benchmarks.workload import PERSONAL, personal_recipients
from wooshq import Settings, Wooshq

_AT_ONCE = 20_000

if __name__ == "__main__":
    with Wooshq(Settings(_env_file=None)) as wooshq:  # type: ignore[call-arg]
        first = 0
        while True:
            job = wooshq.fan_out(PERSONAL, personal_recipients(_AT_ONCE, first=first))
            first += _AT_ONCE
            while job.show().left > _AT_ONCE // 2:
                time.sleep(0.2)
