"""A Redis that is full for ledger and broker alike: workers send what is in it, and then there is room again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.fan_outs import PERSONAL, personal
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn, refusal
from wooshq import NotAccepted

pytestmark = [pytest.mark.stand_in(latency_s=0.01), pytest.mark.settings(short_retry_s=0.5)]

INTENTS, RECIPIENTS = 60, 200
#: More than the messages that a lane's channel may hold, so that each of them must be acknowledged.
PAYLOAD = "y" * 20_000


@contextmanager
def full(rig: Rig) -> Iterator[redis.Redis]:
    """The installation's only Redis, with a limit just below what it uses."""
    with rig.redis() as server:
        server.config_set("maxmemory", used_by(server) - 300_000)
        yield server
        server.config_set("maxmemory", 0)


def used_by(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])


def forget_what_ended(server: redis.Redis) -> None:
    """What time does: every key that is kept for a while is gone."""
    for key in server.scan_iter():
        if server.pttl(key) > 0:
            server.pexpire(key, 1)


def fill(rig: Rig) -> None:
    """Intents, each in a broker message of its own, and a job."""
    for n in range(INTENTS):
        rig.wooshq.enqueue(an_intent(f"i{n}", meta_data={"x": PAYLOAD}))
        rig.wooshq.flush()
    rig.wooshq.fan_out(PERSONAL, personal(RECIPIENTS))
    rig.wooshq.flush()


def drains(rig: Rig, api: StandIn, server: redis.Redis) -> None:
    """All is sent, each once; memory falls; and accepting works again. The limit stays as it is."""
    used = used_by(server)
    with pytest.raises(NotAccepted):
        rig.wooshq.enqueue(an_intent("too much"))
    api.answer = lambda call, n: None
    wait_until(
        lambda: len(api.accepted) == INTENTS + RECIPIENTS,
        saw=lambda: (len(api.accepted), rig.wooshq.counts(), rig.logs()[-2000:]),
    )
    assert set(api.accepted.values()) == {1}
    enough = used - 0.8 * INTENTS * len(PAYLOAD)
    wait_until(lambda: forget_what_ended(server) or used_by(server) < enough, saw=lambda: (used_by(server), used), every_s=0.2)
    (status,) = rig.ended([rig.wooshq.enqueue(an_intent("there is room"))])
    assert status.state == "sent"


class WhenRedisIsFull:
    def test_what_waits_in_the_lanes_is_sent(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        wait_until(lambda: "ready" in rig.logs(), saw=rig.logs)
        os.kill(worker.pid, signal.SIGSTOP)
        fill(rig)
        with full(rig) as server:
            os.kill(worker.pid, signal.SIGCONT)
            drains(rig, api, server)
        assert worker.poll() is None

    def test_what_waited_for_the_api_is_sent_also_by_a_worker_that_starts_meanwhile(self, rig: Rig, api: StandIn) -> None:
        """The usual way in which a Redis fills: the API is down, gates hold everything, and producers go on."""
        api.answer = lambda call, n: refusal(503, 14, "unavailable")
        first = rig.start_worker()
        fill(rig)
        wait_until(lambda: rig.wooshq.counts()["now_held"] > INTENTS / 2, saw=rig.wooshq.counts)
        rig.kill(first)
        with full(rig) as server:
            second = rig.start_worker()
            drains(rig, api, server)
        assert second.poll() is None
