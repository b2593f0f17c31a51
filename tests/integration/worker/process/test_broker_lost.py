"""A worker loses its broker while it holds messages that are not acknowledged. The ledger is on another server, and stays."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn

QUEUES = 3  #: two lanes, and Celery's own queue for `wooshq.submit`


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def rig(tmp_path: Path, api: StandIn, redis_url: str, broker: Server) -> Iterator[Rig]:
    """The one slot of its worker is taken, so the messages that the worker holds stay unacknowledged."""
    made = Rig(tmp_path / "rig", api.url, redis_url=redis_url, broker_url=f"redis://127.0.0.1:{broker.port}/0", concurrency=1)
    yield made
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


def open_files(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.mark.stand_in(latency_s=2.0)
class WhenTheBrokerIsLost:
    def test_a_worker_with_unacknowledged_messages_connects_again_and_leaves_no_connection_open(self, rig: Rig, broker: Server) -> None:
        worker = rig.start_worker()
        files = 0
        for n in range(8):
            for m in range(2):
                rig.wooshq.enqueue(an_intent(f"u{n}-{m}"))
                rig.wooshq.flush()
            wait_until(lambda: holds_messages(broker) and len(waiting_for_messages(broker)) == QUEUES, saw=rig.logs)

            lose_all(broker, worker)

            wait_until(lambda: len(waiting_for_messages(broker)) == QUEUES or worker.poll() is not None, saw=rig.logs)
            assert worker.poll() is None, rig.logs()
            files = files or open_files(worker.pid)
        wait_until(lambda: open_files(worker.pid) <= files + 3, saw=lambda: (files, open_files(worker.pid)))
