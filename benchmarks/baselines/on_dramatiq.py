"""dramatiq: an actor on threads, its own retries, one httpx.Client for all threads of a process."""

from __future__ import annotations

import os

import dramatiq
import httpx
from dramatiq.brokers.redis import RedisBroker

from benchmarks.baselines.request import HEADERS, LIMITS, URL, body

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))
client = httpx.Client(limits=LIMITS)


@dramatiq.actor(max_retries=3)
def send(user: str) -> None:
    client.post(URL, json=body(user), headers=HEADERS).raise_for_status()


def enqueue(n: int) -> None:
    for i in range(n):
        send.send(f"dramatiq-{i}")


if __name__ == "__main__":
    import sys

    from benchmarks.baselines import on_dramatiq  # under its own name, which the worker knows

    on_dramatiq.enqueue(int(sys.argv[1]))
