"""arq: an async job, its own retries (`Retry`), one httpx.AsyncClient for the worker."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from urllib.parse import urlsplit

import httpx
from arq import Retry, create_pool
from arq.connections import RedisSettings

from benchmarks.baselines.request import HEADERS, LIMITS, URL, body


async def send(ctx: dict[str, Any], user: str) -> None:
    try:
        (await ctx["client"].post(URL, json=body(user), headers=HEADERS)).raise_for_status()
    except httpx.HTTPError:
        raise Retry(defer=ctx["job_try"] * 5) from None


async def startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = httpx.AsyncClient(limits=LIMITS)


async def shutdown(ctx: dict[str, Any]) -> None:
    await ctx["client"].aclose()


class WorkerSettings:
    functions = (send,)
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = RedisSettings(unix_socket_path=urlsplit(os.environ["BENCH_REDIS"]).path)
    max_jobs = int(os.environ.get("BENCH_AT_ONCE", "10"))  # arq's default
    max_tries = 3
    keep_result = 0


async def enqueue(n: int) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for i in range(n):
        await pool.enqueue_job("send", f"arq-{i}")
    await pool.aclose()


if __name__ == "__main__":
    import sys

    asyncio.run(enqueue(int(sys.argv[1])))
