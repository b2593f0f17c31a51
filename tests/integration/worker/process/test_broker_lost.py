"""A worker loses its broker while it holds messages that are not acknowledged. The ledger is on another server, and stays."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery

from tests.integration.installation.servers import Server
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.installation.celery_app import SUBMIT

pytestmark = pytest.mark.stand_in(latency_s=1.0)

QUEUES = 3  #: two lanes, and Celery's own queue for `wooshq.submit`


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def rig(tmp_path: Path, api: StandIn, redis_url: str, broker: Server) -> Iterator[Rig]:
    made = Rig(tmp_path / "rig", api.url, redis_url=redis_url, broker_url=f"redis://127.0.0.1:{broker.port}/0")
    yield made
    with redis.Redis.from_url(redis_url) as ledger:
        ledger.client_unpause()
    made.close()


def holds_messages(broker: Server) -> bool:
    with broker.client() as client:
        return bool(client.hlen("unacked"))


def waiting_for_messages(broker: Server) -> list[int]:
    """The ids of the worker's connections that wait for a message, the oldest first: that is the one of Celery's own consumer."""
    with broker.client() as client:
        return sorted(int(each["id"]) for each in client.client_list() if each["cmd"] == "brpop")


def lose_all(broker: Server, worker: subprocess.Popen[bytes]) -> None:
    """Close every connection at once, as the worker sees it. It notices the loss of Celery's own consumer last."""
    os.kill(worker.pid, signal.SIGSTOP)
    with broker.client() as client:
        for each in reversed(waiting_for_messages(broker)):
            client.client_kill_filter(_id=str(each))
        client.client_kill_filter(_type="normal", skipme=True)
    os.kill(worker.pid, signal.SIGCONT)


def hold_messages(rig: Rig, broker: Server, lane: str) -> subprocess.Popen[bytes]:
    """A worker that holds unacknowledged messages of this lane: intents that the ledger, which is busy, has not taken yet."""
    worker = rig.start_worker()
    wait_until(lambda: len(waiting_for_messages(broker)) == QUEUES, saw=rig.logs)
    with redis.Redis.from_url(rig.wooshq.installation.places.redis_url) as ledger:
        ledger.client_pause(600_000, all=False)
    with Celery("app", broker=f"redis://127.0.0.1:{broker.port}/0", set_as_current=False) as app:
        for n in range(2):
            app.send_task(SUBMIT, args=[an_intent(f"u{n}")], queue=rig.wooshq.installation.app.lanes[lane])
    wait_until(lambda: holds_messages(broker) and len(waiting_for_messages(broker)) == QUEUES, saw=rig.logs)
    return worker


def assert_a_clean_end(rig: Rig, worker: subprocess.Popen[bytes]) -> None:
    assert worker.wait(GENEROUS_S) == 0, rig.logs()
    lines = rig.logs().splitlines()
    assert [line for line in lines if not line.startswith("{") or "uncaught_error" in line or '"exception"' in line] == []
    assert rig.events("worker_drained") or rig.events("worker_not_drained")


class WhenTheBrokerIsLost:
    def test_a_worker_with_unacknowledged_messages_connects_again(self, rig: Rig, broker: Server) -> None:
        worker = hold_messages(rig, broker, "transactional")

        lose_all(broker, worker)

        wait_until(lambda: len(waiting_for_messages(broker)) == QUEUES or worker.poll() is not None, saw=rig.logs)
        assert worker.poll() is None, rig.logs()


class WhenAWorkerIsToldToEndAfterItLostTheBroker:
    @pytest.mark.parametrize("lane", ["transactional", "bulk"])
    def test_it_ends_cleanly_when_the_broker_is_just_back(self, rig: Rig, broker: Server, lane: str) -> None:
        worker = hold_messages(rig, broker, lane)
        lose_all(broker, worker)
        wait_until(lambda: len(waiting_for_messages(broker)) == QUEUES or worker.poll() is not None, saw=rig.logs)
        worker.send_signal(signal.SIGTERM)
        assert_a_clean_end(rig, worker)

    def test_it_ends_cleanly_when_the_broker_is_away(self, rig: Rig, broker: Server) -> None:
        worker = hold_messages(rig, broker, "bulk")
        broker.kill()
        worker.send_signal(signal.SIGTERM)
        assert_a_clean_end(rig, worker)

    def test_it_ends_cleanly_while_it_tries_to_connect_again(self, rig: Rig, broker: Server) -> None:
        worker = hold_messages(rig, broker, "transactional")
        broker.kill()
        wait_until(lambda: "Cannot connect" in rig.logs(), saw=rig.logs)
        worker.send_signal(signal.SIGTERM)
        assert_a_clean_end(rig, worker)

    def test_it_ends_cleanly_when_the_broker_is_frozen(self, rig: Rig, broker: Server) -> None:
        worker = hold_messages(rig, broker, "bulk")
        broker.process.send_signal(signal.SIGSTOP)
        worker.send_signal(signal.SIGTERM)
        assert_a_clean_end(rig, worker)

    def test_it_ends_cleanly_when_it_never_had_a_broker(self, rig: Rig, broker: Server) -> None:
        broker.kill()
        worker = rig.start_worker()
        wait_until(lambda: "Cannot connect" in rig.logs(), saw=rig.logs)
        worker.send_signal(signal.SIGTERM)
        assert_a_clean_end(rig, worker)
