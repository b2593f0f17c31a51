"""Killed at any moment: nothing is lost, and what may be doubled is on record."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import redis

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn

FAST = {"lease_s": 4, "http_total_s": 2.0, "http_read_s": 1.5, "http_connect_s": 1.0, "short_retry_s": 0.5, "republish_after_s": 1.0}


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn(latency_s=0.05) as stand_in:
        yield stand_in


@pytest.fixture
def rig(tmp_path: Path, api: StandIn) -> Iterator[Rig]:
    made = Rig(tmp_path, api.url, **FAST)
    yield made
    made.close()


def unknowns(rig: Rig) -> int:
    return rig.wooshq.counts().get("unknown", 0)


def assert_doubles_are_on_record(rig: Rig, api: StandIn, ids: Mapping[str, str | None]) -> None:
    """Each person who got a message twice has an attempt that is recorded as unknown; nobody else has."""
    for person in (person for person, times in api.accepted.items() if times > 1):
        status = rig.wooshq.status(ids[person] or "")
        assert status is not None
        assert [a["outcome"] for a in status.attempts].count("unknown") >= api.accepted[person] - 1, (person, status.attempts)
    assert sum(api.accepted.values()) - len(api.accepted) <= unknowns(rig)


class WhenWorkersAreKilled:
    def test_none_is_lost_and_only_what_is_reported_unknown_is_doubled(self, rig: Rig, api: StandIn) -> None:
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(5000))
        for _ in range(8):
            worker = rig.start_worker()
            reached = len(api.calls)
            wait_until(lambda reached=reached: len(api.calls) > reached + 300, within_s=60)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        rig.start_worker()

        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 5000, within_s=180, saw=rig.wooshq.counts)

        assert len(api.accepted) == 5000 == report.accepted
        assert_doubles_are_on_record(rig, api, dict(zip((f"u{i}" for i in range(5000)), report.ids, strict=True)))
        assert rig.wooshq.dead_letters.list() == []

    def test_one_that_was_only_paused_sends_nothing_that_another_took_over(self, rig: Rig, api: StandIn) -> None:
        """SIGSTOP past its leases, as a frozen machine is; another worker takes over; then it goes on (known faults F14, F15)."""
        sleeper = rig.start_worker()
        people = [f"u{i}" for i in range(600)]
        report = rig.wooshq.enqueue_many(map(an_intent, people))
        wait_until(lambda: len(api.calls) > 50)
        os.kill(sleeper.pid, signal.SIGSTOP)
        rig.start_worker()
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) >= 600 - 16, within_s=90, saw=rig.wooshq.counts)

        os.kill(sleeper.pid, signal.SIGCONT)

        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 600, within_s=90, saw=rig.wooshq.counts)
        wait_until(lambda: rig.wooshq.counts()["now_sending"] == 0, saw=rig.wooshq.counts)
        assert len(api.accepted) == 600
        assert_doubles_are_on_record(rig, api, dict(zip(people, report.ids, strict=True)))
        assert sleeper.poll() is None

    def test_one_that_kills_its_worker_every_time_ends_as_poison_and_the_others_go_out(self, rig: Rig, api: StandIn) -> None:
        """The worker is killed whenever the poison's call arrives, as if it had done it."""
        rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(20))
        poison = rig.wooshq.enqueue(an_intent("poison"))
        killed = 0
        worker = rig.start_worker()
        seen = 0
        ends = time.monotonic() + 150
        while (rig.wooshq.status(poison) or {"state": ""})["state"] != "dead":
            assert time.monotonic() < ends, rig.wooshq.status(poison)
            calls = sum(call.recipients == ["poison"] for call in api.calls)
            if calls > seen:
                seen = calls
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait()
                killed += 1
                worker = rig.start_worker()
            time.sleep(0.005)

        assert (rig.wooshq.status(poison) or {"reason": ""})["reason"] in ("poison",)
        assert killed <= rig.wooshq.settings.poison_after
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 20, saw=rig.wooshq.counts)


class WhenTheBrokerForgets:
    def test_flushed_it_costs_nothing_but_time(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(500))
        rig.wooshq.flush()
        url = rig.wooshq.installation.places.broker_url.replace("redis+socket://", "unix://").replace("virtual_host=", "db=")
        with redis.Redis.from_url(url) as broker:
            broker.flushdb()
        rig.start_worker()
        wait_until(lambda: rig.wooshq.counts().get("sent", 0) == 500, within_s=60, saw=rig.wooshq.counts)
        assert set(api.accepted.values()) == {1}


class WhenRedisIsKilled:
    def test_what_was_accepted_survives_and_is_sent(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(2000))
        wait_until(lambda: len(api.calls) > 200)
        embedded = rig.wooshq.installation.places.embedded
        assert embedded is not None
        with redis.Redis.from_url(embedded.url) as server:
            os.kill(int(server.info("server")["process_id"]), signal.SIGKILL)
        time.sleep(1.0)  # an outage, not a wait: the worker must live through it

        revived = Rig(rig.folder, api.url, **FAST)  # whoever comes next starts the server again on the same files

        wait_until(lambda: revived.wooshq.counts().get("sent", 0) == report.accepted, within_s=120, saw=revived.wooshq.counts)
        assert len(api.accepted) == 2000
        assert sum(api.accepted.values()) - 2000 <= unknowns(revived)
        revived.close()


class WhenRedisIsFull:
    def test_what_is_in_the_lanes_is_neither_lost_nor_taken_for_rubbish(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        wait_until(lambda: "ready" in rig.logs(), saw=rig.logs)
        os.kill(worker.pid, signal.SIGSTOP)
        ids = []
        for n in range(20):
            ids.append(rig.wooshq.enqueue(an_intent(f"u{n}")))
            rig.wooshq.flush()
        embedded = rig.wooshq.installation.places.embedded
        assert embedded is not None
        with redis.Redis.from_url(embedded.url) as server:
            server.config_set("maxmemory", 1)
            os.kill(worker.pid, signal.SIGCONT)
            time.sleep(2.0)  # the outage
            server.config_set("maxmemory", 0)

        assert {s.state for s in rig.ended(ids)} == {"sent"}
        assert sum(api.accepted.values()) - 20 <= unknowns(rig)
        assert rig.wooshq.dead_letters.list() == []
        assert worker.poll() is None
