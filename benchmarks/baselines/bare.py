"""The bare client loop: only the worker's HTTP client, with prepared bodies; no queue, no ledger. `python -m benchmarks.baselines.bare N CONCURRENCY`."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from wooshq import Settings
from wooshq_schemas import parse_template
from wooshq_worker.api.outcome import Answer
from wooshq_worker.api.transport import Api


async def _send(bodies: Iterator[bytes], api: Api) -> None:
    for body in bodies:
        answer = await api.call(body, "bench")
        assert isinstance(answer, Answer) and answer.status == 200, answer


async def main(n: int, concurrency: int) -> None:
    template = parse_template(json.loads(os.environ["BENCH_TEMPLATE"]), application="AAAAA-BBBBB")
    now = datetime.now(UTC)
    bodies = [template.body("users", [f"bare-{i}"], locale=None, placeholders=(("name", f"N{i}"),), now=now) for i in range(n)]
    settings = Settings(_env_file=None, base_url=os.environ["BENCH_API"], concurrency=concurrency)  # type: ignore[call-arg]
    async with Api.from_settings(settings) as api:
        await _send(iter(bodies[:concurrency]), api)  # warms up the client
        shared = iter(bodies)
        started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.gather(*(_send(shared, api) for _ in range(concurrency)))
        took, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(json.dumps({"per_s": n / took, "cpu_ms": cpu_s / n * 1000}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
