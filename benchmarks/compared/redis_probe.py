"""
What intents cost Redis, measured with the wooshq that PYTHONPATH names: this one, or the version before.

Started by `redis_cost.py`, with a server and an API that both versions use. Imports only what both have. Prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import redis

from wooshq import Settings, Wooshq

_BYTES = 130


def an_intent(i: int) -> dict[str, Any]:
    """An intent whose JSON has 130 bytes."""
    intent: dict[str, Any] = {"to": {"users": [f"user-{i}"]}, "message": {"push": {"title": "Hi", "body": ""}}}
    missing = _BYTES - len(json.dumps(intent, separators=(",", ":")))
    intent["message"]["push"]["body"] = f"Order {i} left our house, and will be with you on Monday morning."[:missing].ljust(missing, ".")
    return intent


def waiting_bytes(server: redis.Redis, many: int) -> tuple[float, float]:
    """Bytes of a waiting intent: by the server's used memory, and by the keys' MEMORY USAGE."""
    with Wooshq(Settings(_env_file=None, namespace="waiting")) as wooshq:  # type: ignore[call-arg]
        wooshq.enqueue_many(an_intent(i) for i in range(100))  # whatever exists once
        used, keys = used_memory(server), keys_bytes(server)
        wooshq.enqueue_many(an_intent(i) for i in range(100, 100 + many))
        return (used_memory(server) - used) / many, (keys_bytes(server) - keys) / many


def used_memory(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])  # type: ignore[index]


def keys_bytes(server: redis.Redis) -> int:
    """Of all databases: the ledger's, and the broker's."""
    total, settings = 0, server.connection_pool.connection_kwargs
    for name in server.info("keyspace"):
        with redis.Redis(unix_socket_path=settings["path"], db=int(name.removeprefix("db"))) as one:
            keys = list(one.scan_iter(count=1000))
            for at in range(0, len(keys), 1000):
                pipe = one.pipeline(transaction=False)
                for key in keys[at : at + 1000]:
                    pipe.memory_usage(key, samples=0)
                total += sum(size or 0 for size in pipe.execute())
    return total


def sent_cost(server: redis.Redis, many: int) -> tuple[float, float]:
    """µs of the server's CPU for an intent, accepted in batches and sent, and commands."""
    worker = subprocess.Popen([sys.executable, "-m", "wooshq_worker", "worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with Wooshq(Settings(_env_file=None)) as wooshq:  # type: ignore[call-arg]
            send(wooshq, 512)
            cpu, commands = cpu_s(server), commands_run(server)
            send(wooshq, many)
            return (cpu_s(server) - cpu) / many * 1e6, (commands_run(server) - commands) / many
    finally:
        worker.terminate()
        worker.wait(30)


def send(wooshq: Wooshq, n: int) -> None:
    before, ends = wooshq.counts().get("sent", 0), time.monotonic() + 60
    wooshq.enqueue_many(an_intent(i) for i in range(n))
    while wooshq.counts().get("sent", 0) - before < n:
        if time.monotonic() > ends:
            raise SystemExit("not sent within 60 s")
        time.sleep(0.2)


def cpu_s(server: redis.Redis) -> float:
    cpu: Any = server.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


def commands_run(server: redis.Redis) -> int:
    """With those that scripts call."""
    stats: Any = server.info("commandstats")
    return sum(int(one["calls"]) for one in stats.values())


if __name__ == "__main__":
    at, waiting, many = redis.Redis.from_url(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    memory, keys = waiting_bytes(at, waiting)
    cpu_us, commands = sent_cost(at, many)
    print(json.dumps({"memory": memory, "keys": keys, "cpu_us": cpu_us, "commands": commands}))
