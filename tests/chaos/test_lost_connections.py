"""The connections to Redis are lost, again and again and at any moment: no worker ends, and nothing is lost or doubled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
import redis

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn

ROUNDS = 9


@contextmanager
def frozen(server: redis.Redis) -> Iterator[None]:
    """The server does nothing inside, as on a machine that swaps."""
    pid = int(server.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def cut(server: redis.Redis) -> None:
    """Close every other connection of the server."""
    server.client_kill_filter(_type="normal", skipme=True)


def reads_lanes(server: redis.Redis, queues: int = 3) -> bool:
    """Whether a worker waits for messages of all its queues: two lanes, and the one for `wooshq.submit`."""
    return sum(client["cmd"] == "brpop" for client in server.client_list()) >= queues


class WhenAllConnectionsToRedisAreLost:
    @pytest.mark.settings(concurrency=4)
    @pytest.mark.stand_in(latency_s=0.05)
    def test_a_worker_connects_again_whatever_comes_in_quick_succession(self, rig: Rig, api: StandIn) -> None:
        """Its few slots are full, so messages that it took from the broker are not acknowledged when it loses the connection."""
        dice = Random(33)
        worker = rig.start_worker()
        people = [f"u{n}" for n in range(200)]
        report = rig.wooshq.enqueue_many(map(an_intent, people))
        with rig.redis() as server:
            wait_until(lambda: api.calls and reads_lanes(server), saw=rig.logs)
            for n in range(ROUNDS):
                cut(server)
                if n % 3 == 1:
                    time.sleep(dice.uniform(0, 0.3))
                elif n % 3 == 2:
                    with frozen(server):
                        time.sleep(dice.uniform(0, 0.3))
                cut(server)
                wait_until(lambda: reads_lanes(server) or worker.poll() is not None, saw=rig.logs)
                assert worker.poll() is None, rig.logs()[-5000:]

        wait_until(lambda: rig.wooshq.counts().get("sent") == len(people), saw=rig.wooshq.counts)
        assert report.accepted == len(api.accepted) == len(people)
        assert sum(api.accepted.values()) - len(people) <= rig.wooshq.counts().get("unknown", 0)
