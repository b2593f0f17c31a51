"""Each finding of the overview, made to happen: real workers that stop, an API that fails, a Redis that is full."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, Rig, an_intent, change_moments, read_row, wait_until
from tests.stand_in import StandIn, refusal
from wooshq import Wooshq
from wooshq.overview.finding import Finding
from wooshq.overview.workers import WorkerState
from wooshq_worker.keeper.history.ledger import EventLedger

LONG_MS = 3_600_000


def kinds(wooshq: Wooshq) -> dict[str, str]:
    """Kind → how bad it is."""
    return {finding.kind: finding.severity for finding in wooshq.overview().findings}


def comes(wooshq: Wooshq, kind: str) -> Finding:
    """Wait for a finding."""
    seen: list[Finding] = []

    def is_there() -> bool:
        seen[:] = wooshq.overview().findings
        return any(finding.kind == kind for finding in seen)

    wait_until(is_there, saw=lambda: [finding.says for finding in seen], every_s=0.1, within_s=60)
    return next(finding for finding in seen if finding.kind == kind)


def goes(wooshq: Wooshq, kind: str) -> None:
    """Wait until a finding is gone."""
    wait_until(lambda: kind not in kinds(wooshq), saw=lambda: kinds(wooshq), every_s=0.1)


def a_worker(rig: Rig, *options: str) -> subprocess.Popen[bytes]:
    """One that has said that it is fine."""
    before = {worker.id for worker in rig.wooshq.overview().workers}
    started = rig.start_worker(*options)
    wait_until(
        lambda: any(w.state == WorkerState.FINE and w.id not in before for w in rig.wooshq.overview().workers), saw=rig.logs, every_s=0.1
    )
    return started


def an_hour_passes(rig: Rig, *intents: str) -> None:
    """These intents were accepted an hour ago."""
    keys, server = rig.wooshq.ledger.keys, rig.redis()
    for intent_id in intents:
        at = int(read_row(server, keys.intent(intent_id))["at"])
        change_moments(server, keys.intent(intent_id), at=at - LONG_MS)


def is_silent_for(rig: Rig, seconds: float) -> None:
    """Every worker gave its last sign of life so much earlier."""
    keys, server = rig.wooshq.ledger.keys, rig.redis()
    for worker in server.zrange(keys.fixed("workers"), 0, -1):
        server.zincrby(keys.fixed("workers"), -seconds * 1000, worker)


class WhenAllIsWell:
    def test_there_is_no_finding_and_the_proof_says_when_the_last_message_was_sent(self, rig: Rig) -> None:
        a_worker(rig)
        rig.ended([rig.wooshq.enqueue(an_intent())])
        wait_until(lambda: sum(lane.sent for lane in rig.wooshq.overview().lanes) == 1, every_s=0.1)
        found = rig.wooshq.overview()
        assert (found.is_well, found.findings) == (True, ())
        assert found.says.startswith("All is well. The last message was sent ")
        assert found.says.endswith(" ago. Nothing waits. 1 worker is ready.")
        (worker,) = found.workers
        assert worker.last_take_at is not None
        assert worker.lanes == ("transactional", "bulk")
        assert (worker.in_flight, worker.slots, worker.a_minute, worker.is_keeper) == (0, 256, 1, True)
        assert found.lanes[0].p50_s is not None
        assert found.lanes[0].sent_by_minute[-1] + found.lanes[0].sent_by_minute[-2] == 1


class WhenNobodyConsumes:
    def test_it_is_critical_until_a_worker_comes(self, rig: Rig) -> None:
        assert kinds(rig.wooshq) == {"no_worker": "warning"}
        an_hour_passes(rig, rig.wooshq.enqueue(an_intent()))
        found = comes(rig.wooshq, "no_worker")
        assert found.says == "No worker takes the transactional lane: 1 message waits, the oldest for 1 h."
        a_worker(rig)
        goes(rig.wooshq, "no_worker")

    def test_a_lane_without_a_worker_is_found_although_the_other_one_has_some(self, rig: Rig) -> None:
        a_worker(rig, "-Q", "transactional")
        an_hour_passes(rig, rig.wooshq.enqueue(an_intent(lane="bulk")))
        assert "bulk lane" in comes(rig.wooshq, "no_worker").says


class WhenAWorkerStops:
    def test_one_that_hangs_is_lost_and_one_that_goes_on_is_not(self, rig: Rig) -> None:
        worker = a_worker(rig)
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            is_silent_for(rig, 30)
            found = comes(rig.wooshq, "worker_lost")
            assert f"{worker.pid} on " in found.says
            assert found.since is not None
            assert [one.state for one in rig.wooshq.overview().workers] == [WorkerState.LOST]
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        goes(rig.wooshq, "worker_lost")

    def test_one_that_is_killed_is_lost_and_one_that_is_told_to_end_is_not(self, rig: Rig) -> None:
        killed, ended = a_worker(rig), a_worker(rig)
        ended.send_signal(signal.SIGTERM)
        ended.wait()
        killed.kill()
        killed.wait()
        assert [worker.pid for worker in rig.wooshq.overview().workers] == [killed.pid]
        is_silent_for(rig, 30)
        assert comes(rig.wooshq, "worker_lost").says.startswith(f"Worker {killed.pid} on ")
        is_silent_for(rig, 1000)
        assert rig.wooshq.overview().workers == (), "after a while it is no news"

    def test_one_that_receives_nothing_is_deaf(self, rig: Rig) -> None:
        rig.env["CELERY_RDBSIG"] = "1"
        worker = a_worker(rig)
        os.kill(worker.pid, signal.SIGUSR2)  # Celery's thread waits for somebody to debug it; the engine goes on
        rig.wooshq.enqueue(an_intent())
        found = comes(rig.wooshq, "worker_deaf")
        assert "has received nothing for" in found.says
        assert found.hint == "A deaf worker ends itself after 60 s, and its supervisor starts it again."

    @pytest.mark.settings(api_token="")
    def test_one_without_a_token_cannot_send(self, rig: Rig) -> None:
        rig.start_worker()
        found = comes(rig.wooshq, "worker_not_ready")
        assert found.severity == "critical"
        assert "PUSHWOOSH_API_TOKEN is not set" in found.says


class WhenTheApiFails:
    @pytest.mark.stand_in(answer=lambda call, n: refusal(401, 16, "no such token"))
    def test_a_refused_token_is_critical_and_opening_the_gate_mends_it(self, rig: Rig, api: StandIn) -> None:
        a_worker(rig)
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(3))
        found = comes(rig.wooshq, "gate_shut")
        assert found.severity == "critical"
        assert found.says.startswith(f"The API refuses the token for {APPLICATION}: ")
        wait_until(lambda: "3 messages wait behind it." in comes(rig.wooshq, "gate_shut").says, every_s=0.1)
        api.answer = lambda call, n: None
        (act,) = found.acts
        assert act.command is not None
        assert rig.cli(*act.command.split()[1:]).returncode == 0
        goes(rig.wooshq, "gate_shut")

    @pytest.mark.stand_in(answer=lambda call, n: refusal(400, 3, "the title is too long"))
    def test_messages_that_die_are_found_with_their_share(self, rig: Rig) -> None:
        a_worker(rig)
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(7))
        wait_until(lambda: "7 messages died" in str([f.says for f in rig.wooshq.overview().findings]), every_s=0.1)
        found = comes(rig.wooshq, "dead_rising")
        assert found.severity == "critical"
        assert "100% of those that ended" in found.says
        assert sum(rig.wooshq.overview().lanes[0].dead_by_minute) == 7


class WhenPeopleHoldSomethingBack:
    def test_pauses_of_lanes_and_jobs_are_notices_that_name_the_person(self, rig: Rig) -> None:
        a_worker(rig)
        rig.wooshq.pause(lane="bulk", why="codes first", by="ana")
        job = rig.wooshq.fan_out({"message": {"push": {"title": "Hi"}}}, [{"user": f"u{n}"} for n in range(3)])
        job.pause("noon", by="bob")
        said = sorted(finding.says for finding in rig.wooshq.overview().findings)
        assert said == [
            "ana paused the bulk lane of all applications: codes first. Nothing waits behind it yet.",
            f"bob paused the job {job.id[:13]}: noon. 3 recipients are left.",
        ]
        assert rig.wooshq.overview().is_well
        (running,) = rig.wooshq.overview().jobs
        assert (running.id, running.state, running.left, running.by) == (job.id, "paused", 3, "bob")

    @pytest.mark.settings(rate_per_s=0.5, target_transactional_s=1)
    def test_a_ceiling_that_makes_a_lane_late_is_a_notice(self, rig: Rig) -> None:
        a_worker(rig)
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(20))
        found = comes(rig.wooshq, "ceiling")
        assert found.severity == "notice"
        assert found.says.startswith(f"The ceiling of {APPLICATION} (0.5 calls a second) holds back ")
        assert [reason.why for reason in rig.wooshq.overview().lanes[0].reasons] == ["slot"]


class WhenAStoreIsInTrouble:
    def test_a_redis_that_is_nearly_full_evicts_or_keeps_nothing_is_found(self, rig: Rig) -> None:
        a_worker(rig)
        server = rig.redis()
        info: Any = server.info("memory")
        server.config_set("maxmemory", int(info["used_memory"] * 1.02))
        server.config_set("maxmemory-policy", "allkeys-lru")
        server.config_set("appendonly", "no")
        try:
            with Wooshq(rig.wooshq.settings) as another:
                found = kinds(another)
        finally:
            server.config_set("maxmemory", 0)
            server.config_set("maxmemory-policy", "noeviction")
            server.config_set("appendonly", "yes")
        assert found.keys() >= {"redis_evicts", "redis_not_durable", "redis_full"}
        assert set(found.values()) <= {"critical", "warning"}

    @pytest.mark.settings(history_url="off")
    def test_a_history_that_takes_nothing_is_behind(self, rig: Rig) -> None:
        a_worker(rig)
        rig.wooshq.do(EventLedger(rig.wooshq.settings).listen(10**6))  # somebody keeps a history, and does not take what ends
        rig.ended([rig.wooshq.enqueue(an_intent())])
        keys, server = rig.wooshq.ledger.keys, rig.redis()
        assert kinds(rig.wooshq) == {}
        ((first, fields),) = server.xrange(keys.fixed("events"))
        server.delete(keys.fixed("events"))
        server.xadd(keys.fixed("events"), fields, id=f"{int(first.decode().partition('-')[0]) - LONG_MS}-0")
        found = comes(rig.wooshq, "history_behind")
        assert "The history is behind by 1 h: 1 entry waits for it." in found.says


class WhenTheCostIsCounted:
    def test_the_number_of_commands_does_not_depend_on_how_much_waits(self, wooshq: Wooshq, redis_url: str) -> None:
        def commands() -> int:
            with redis.Redis.from_url(redis_url) as server:
                wooshq.overview()
                assert wooshq.flush(), "no bell is rung any more"
                server.config_resetstat()
                wooshq.overview()
                stats: Any = server.info("commandstats")
            return sum(int(one["calls"]) for name, one in stats.items() if not name.startswith(("cmdstat_config", "cmdstat_info")))

        wooshq.enqueue_many(an_intent(f"u{n}") for n in range(3))
        few = commands()
        wooshq.enqueue_many(an_intent(f"v{n}") for n in range(3000))
        assert commands() == few < 60
