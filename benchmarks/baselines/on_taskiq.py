"""taskiq with taskiq-redis: an async task on a Redis stream, its own retries, one httpx.AsyncClient for each process."""

from __future__ import annotations

import asyncio
import os

import httpx
from taskiq import SimpleRetryMiddleware, TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from benchmarks.baselines.request import HEADERS, LIMITS, URL, body

broker = RedisStreamBroker(url=os.environ["BENCH_REDIS"]).with_middlewares(SimpleRetryMiddleware(default_retry_count=3))
clients: list[httpx.AsyncClient] = []


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def open_client(_: TaskiqState) -> None:
    clients.append(httpx.AsyncClient(limits=LIMITS))


@broker.task(task_name="send", retry_on_error=True)
async def send(user: str) -> None:
    answer = await clients[0].post(URL, json=body(user), headers=HEADERS)
    answer.raise_for_status()


async def enqueue(n: int) -> None:
    await broker.startup()
    for i in range(n):
        await send.kiq(f"taskiq-{i}")
    await broker.shutdown()


if __name__ == "__main__":
    import sys

    asyncio.run(enqueue(int(sys.argv[1])))
