"""Processes are killed at any moment: nothing is lost, and every message that may have been doubled is on record."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn

#: What the broker lost is looked for soon, so that a test need not wait long for it.
pytestmark = pytest.mark.stand_in(latency_s=0.05)


def unknowns(rig: Rig) -> int:
    return rig.wooshq.counts().get("unknown", 0)


def sent(rig: Rig) -> int:
    return rig.wooshq.counts().get("sent", 0)


def assert_doubles_are_on_record(rig: Rig, api: StandIn, ids: Mapping[str, str | None]) -> None:
    """Each recipient who got a message twice has an attempt that is recorded as unknown; nobody else has."""
    for person in (person for person, times in api.accepted.items() if times > 1):
        status = rig.status(ids[person] or "")
        assert [a["outcome"] for a in status.attempts].count("unknown") >= api.accepted[person] - 1, (person, status.attempts)
    assert sum(api.accepted.values()) - len(api.accepted) <= unknowns(rig)


class WhenWorkersAreKilled:
    def test_no_intent_is_lost_and_only_those_reported_unknown_are_doubled(self, rig: Rig, api: StandIn) -> None:
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(5000))
        for _ in range(8):
            worker = rig.start_worker()
            reached = len(api.calls)
            wait_until(lambda reached=reached: len(api.calls) > reached + 300)
            rig.kill(worker)
        rig.start_worker()

        wait_until(lambda: sent(rig) == 5000, saw=rig.wooshq.counts)

        assert len(api.accepted) == 5000 == report.accepted
        assert_doubles_are_on_record(rig, api, dict(zip((f"u{i}" for i in range(5000)), report.ids, strict=True)))
        assert rig.wooshq.dead_letters.list() == []

    @pytest.mark.settings(lease_s=4.5, http_total_s=4.0, http_read_s=4.0, http_connect_s=4.0, short_retry_s=0.4)
    def test_a_lease_that_ends_by_the_clock_is_taken_over(self, rig: Rig, api: StandIn) -> None:
        """The other tests end the leases of a killed worker themselves; this one waits for the clock."""
        api.latency_s = 3.0
        worker = rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: api.calls)
        worker.kill()
        worker.wait()
        api.latency_s = 0
        rig.start_worker()
        status = rig.ended([intent_id])[0]
        assert (status.state, status.attempts[0]["outcome"]) == ("sent", "unknown")

    @pytest.mark.settings(lease_s=8.0, http_total_s=5.0, http_read_s=5.0, short_retry_s=0.5)
    def test_a_worker_that_was_only_paused_sends_nothing_that_another_took_over(self, rig: Rig, api: StandIn) -> None:
        """SIGSTOP past its leases, as a frozen machine is; another worker takes over; then it goes on (known faults F14, F15)."""
        sleeper = rig.start_worker()
        people = [f"u{i}" for i in range(600)]
        report = rig.wooshq.enqueue_many(map(an_intent, people))
        wait_until(lambda: len(api.calls) > 50)
        os.kill(sleeper.pid, signal.SIGSTOP)
        rig.start_worker()
        wait_until(lambda: sent(rig) >= 600 - 16, saw=rig.wooshq.counts)

        os.kill(sleeper.pid, signal.SIGCONT)

        wait_until(lambda: sent(rig) == 600, saw=rig.wooshq.counts)
        wait_until(lambda: rig.wooshq.counts()["now_sending"] == 0, saw=rig.wooshq.counts)
        assert len(api.accepted) == 600
        assert_doubles_are_on_record(rig, api, dict(zip(people, report.ids, strict=True)))
        assert sleeper.poll() is None

    def test_an_intent_that_kills_its_worker_every_time_ends_as_poison_and_the_others_go_out(self, rig: Rig, api: StandIn) -> None:
        """The worker is killed whenever the poison's call arrives, as if it had done it."""
        rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(20))
        poison = rig.wooshq.enqueue(an_intent("poison"))
        killed = 0
        worker = rig.start_worker()

        def kill_at_the_poison() -> bool:
            nonlocal killed, worker
            if sum(call.recipients == ["poison"] for call in api.calls) > killed:
                killed += 1
                rig.kill(worker)
                worker = rig.start_worker()
            return rig.status(poison).state == "dead"

        wait_until(kill_at_the_poison, saw=lambda: rig.status(poison), every_s=0.005)

        assert rig.status(poison).reason == "poison"
        assert killed <= rig.wooshq.settings.poison_after
        wait_until(lambda: sent(rig) == 20, saw=rig.wooshq.counts)


class WhenTheBrokerForgets:
    def test_a_flushed_broker_costs_nothing_but_time(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(500))
        rig.wooshq.flush()
        with rig.broker() as broker:
            broker.flushdb()
        rig.start_worker()
        wait_until(lambda: sent(rig) == 500, saw=rig.wooshq.counts)
        assert set(api.accepted.values()) == {1}


class WhenRedisIsKilled:
    def test_what_was_accepted_survives_and_is_sent(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(2000))
        wait_until(lambda: len(api.calls) > 200)
        with rig.redis() as server:
            os.kill(int(server.info("server")["process_id"]), signal.SIGKILL)
        wait_until(lambda: rig.events("ledger_unavailable"), saw=rig.logs)  # the worker must live through it

        revived = Rig(rig.folder, api.url)  # the next installation starts the server again on the same files

        wait_until(lambda: sent(revived) == report.accepted, saw=revived.wooshq.counts)
        assert len(api.accepted) == 2000
        assert sum(api.accepted.values()) - 2000 <= unknowns(revived)
        revived.close()


class WhenRedisIsFull:
    def test_what_is_in_the_lanes_is_neither_lost_nor_filed_as_malformed(self, rig: Rig, api: StandIn) -> None:
        worker = rig.start_worker()
        wait_until(lambda: "ready" in rig.logs(), saw=rig.logs)
        os.kill(worker.pid, signal.SIGSTOP)
        ids = []
        for n in range(20):
            ids.append(rig.wooshq.enqueue(an_intent(f"u{n}")))
            rig.wooshq.flush()
        with rig.redis() as server:
            server.config_set("maxmemory", 1)
            os.kill(worker.pid, signal.SIGCONT)
            wait_until(lambda: sent(rig) or rig.logs().count("OOM ") + rig.logs().count("maxmemory") >= 2, saw=rig.logs)
            server.config_set("maxmemory", 0)

        assert {s.state for s in rig.ended(ids)} == {"sent"}
        assert sum(api.accepted.values()) - 20 <= unknowns(rig)
        assert rig.wooshq.dead_letters.list() == []
        assert worker.poll() is None
