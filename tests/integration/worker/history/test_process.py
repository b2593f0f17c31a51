"""The process that writes the history: it is there while its worker is, comes back if it dies, and ends with its worker, however that ends."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.ledger.keys import Keys
from wooshq_worker.doctor.history import check
from wooshq_worker.keeper.history import watch
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.keeper.history.watch import HistoryProcess
from wooshq_worker.ledger_client import LedgerClient


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path / "rig", api.url)
    yield made
    made.close()


def process_of(rig: Rig, n: int = 0) -> int:
    """The n-th process of the first worker, once it runs."""
    wait_until(lambda: len(rig.events("history_process_started")) > n, saw=rig.logs)
    return int(rig.events("history_process_started")[n]["process"])


def is_there(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def send(rig: Rig, n: int = 1) -> None:
    """Messages whose rows only the history has in the end."""
    ids = [one for one in rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(n)).ids if one]
    rig.ended(ids)
    with rig.redis() as server:
        wait_until(lambda: not server.exists(*(Keys("wq").intent(one) for one in ids)), saw=rig.logs)
    assert all(rig.status(one).state == "sent" for one in ids)


class WhenAWorkerRuns:
    def test_a_process_of_its_own_writes_the_history_and_the_doctor_names_it(self, rig: Rig) -> None:
        worker = rig.start_worker()
        send(rig, 5)
        process = process_of(rig)
        parent = (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[1]
        assert int(parent) == worker.pid
        assert any(f":{worker.pid}:" in finding.says for finding in check(rig.wooshq) if finding.what == "events")

    def test_one_that_dies_comes_back(self, rig: Rig) -> None:
        rig.start_worker()
        first = process_of(rig)
        os.kill(first, signal.SIGKILL)
        second = process_of(rig, 1)
        assert first != second
        send(rig)
        (died,) = rig.events("history_process_died")
        assert (died["process"], died["status"]) == (first, -signal.SIGKILL)


class WhenItIsStarted:
    """A worker that ends soon needs no second process, and few ends can wait for one."""

    @pytest.fixture
    async def given(self, wooshq: Wooshq, redis_url: str) -> AsyncIterator[HistoryProcess]:
        client = LedgerClient(redis_url, "the test's Redis")
        await client.do(EventLedger(wooshq.settings).listen(wooshq.settings.events_max_bytes))
        yield HistoryProcess(wooshq.settings, client)
        await client.close()

    async def test_it_comes_at_once_if_many_ends_wait(self, given: HistoryProcess, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "_FIRST_AFTER_S", math.inf)
        with redis.Redis.from_url(redis_url) as server:
            server.hset(Keys("wq").fixed("telling"), "bytes", 100_000)
        await given._until_it_pays()  # the test's own timeout ends it

    async def test_few_wait_for_some_time(self, given: HistoryProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "_FIRST_AFTER_S", 0.3)
        began = time.monotonic()
        await given._until_it_pays()
        assert time.monotonic() - began >= 0.3

    async def test_a_worker_that_ends_does_not_wait_for_it(self, given: HistoryProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "_FIRST_AFTER_S", math.inf)
        await given.stop()
        await given._until_it_pays()


class WhenAWorkerEnds:
    def test_its_process_ends_with_it(self, rig: Rig) -> None:
        worker = rig.start_worker()
        process = process_of(rig)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert not is_there(process)
        assert not rig.events("history_process_killed")

    def test_also_after_it_was_killed(self, rig: Rig) -> None:
        worker = rig.start_worker()
        process = process_of(rig)
        rig.kill(worker)
        wait_until(lambda: not is_there(process))


def test_without_a_history_there_is_no_such_process(tmp_path: Path, api: StandIn) -> None:
    rig = Rig(tmp_path / "rig", api.url, history_url="off")
    try:
        worker = rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent())])
        children = [task.read_text() for task in (Path("/proc") / str(worker.pid) / "task").glob("*/children")]
        assert "".join(children) == ""
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
        assert not rig.events("history_process_started")
    finally:
        rig.close()
