"""A job whose workers, Redis and producer are killed: everybody is reached, and recipients who may have been reached twice are named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, personal
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.jobs.show import Job
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.steps import Ask, Steps

#: What the broker lost is looked for soon, so that a test need not wait long for it.
pytestmark = pytest.mark.stand_in(latency_s=0.05)


def shown(rig: Rig, job_id: str) -> Job:
    return rig.wooshq.bulk.show(job_id)


def assert_everybody_was_reached(rig: Rig, api: StandIn, job_id: str, n: int) -> Job:
    job = shown(rig, job_id)
    assert (job.state, job.sent, job.total, job.left) == ("done", n, n, 0), job.to_json()
    assert len(api.accepted) == n
    recount = rig.wooshq.bulk.recount(job_id)
    assert {name: recount[name] for name in ("total", "sent", "dead")} == {"total": n, "sent": n, "dead": 0}
    return job


def assert_doubles_are_named(rig: Rig, api: StandIn, job: Job) -> None:
    """Each recipient who got it twice is in doubt, as often; the job's count says how many are in doubt."""
    doubts = [one.identifier for one in rig.wooshq.bulk.in_doubt(job.id)]
    for person, times in api.accepted.items():
        assert doubts.count(person) >= times - 1, person
    assert sum(api.accepted.values()) - len(api.accepted) <= job.unknown == len(doubts)


class WhenWorkersAreKilled:
    @pytest.mark.parametrize("shared", [False, True], ids=["each their own call", "calls of many"])
    def test_everybody_is_reached_and_only_those_in_doubt_twice(self, rig: Rig, api: StandIn, shared: bool) -> None:
        n = 8000
        people: Any = ({"user": f"u{i}", "name": i // 20} for i in range(n)) if shared else personal(n)
        made = rig.wooshq.fan_out(PERSONAL, people)
        for _ in range(8):
            worker = rig.start_worker()
            reached = len(api.calls)
            wait_until(lambda reached=reached: len(api.calls) > reached + (30 if shared else 500))
            rig.kill(worker)
        api.latency_s = 0  # suspects go out one by one
        rig.start_worker()
        made.wait(GENEROUS_S)
        job = assert_everybody_was_reached(rig, api, made.id, n)
        assert_doubles_are_named(rig, api, job)

    @pytest.mark.settings(lease_s=8.0, http_total_s=5.0, http_read_s=5.0, short_retry_s=0.5)
    def test_a_worker_that_was_only_paused_sends_nothing_that_another_took_over(self, rig: Rig, api: StandIn) -> None:
        """SIGSTOP past its leases (known faults F14, F15)."""
        sleeper = rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(4000))
        wait_until(lambda: len(api.calls) > 200)
        os.kill(sleeper.pid, signal.SIGSTOP)
        rig.start_worker()
        made.wait(GENEROUS_S)
        os.kill(sleeper.pid, signal.SIGCONT)
        later = rig.wooshq.fan_out(PERSONAL, ({"user": f"v{i}", "name": i} for i in range(1000)))
        later.wait(GENEROUS_S)
        del api.accepted["nobody"]
        assert len(api.accepted) == 5000
        assert_doubles_are_named(rig, api, shown(rig, made.id))
        assert sleeper.poll() is None

    def test_a_recipient_that_kills_the_worker_every_time_ends_as_poison_and_the_others_go_out(self, rig: Rig, api: StandIn) -> None:
        made = rig.wooshq.fan_out(PERSONAL, [*personal(20), {"user": "poison", "name": "x"}, *personal(40)])
        worker = rig.start_worker()
        killed = 0

        def kill_at_the_poison() -> bool:
            nonlocal killed, worker
            if sum(call.recipients == ["poison"] for call in api.calls) > killed:
                killed += 1
                rig.kill(worker)
                worker = rig.start_worker()
            return shown(rig, made.id).is_final

        wait_until(kill_at_the_poison, saw=made.show, every_s=0.005)
        job = shown(rig, made.id)
        assert (job.sent, job.dead, job.total) == (40, 1, 41)
        (letter,) = rig.wooshq.dead_letters.list()
        assert letter.reason == "poison"
        assert killed <= rig.wooshq.settings.poison_after
        del api.accepted["poison"]
        assert len(api.accepted) == 40

    def test_thousands_in_doubt_of_a_long_message_become_letters_in_parts(self, rig: Rig, api: StandIn) -> None:
        """All of them in one script would be hundreds of MB, which Redis refuses (known faults R: proto-max-bulk-len)."""
        api.latency_s = 1.0
        long = {"message": {"email": {"subject": "News", "body": "x" * 30_000}}, "on_unknown": "dead_letter"}
        proof = rig.wooshq.fan_out(long, ["first"])
        worker = rig.start_worker()
        proof.wait(GENEROUS_S)
        made = rig.wooshq.fan_out(long, (f"u{i}" for i in range(6000)))
        wait_until(lambda: len(api.calls) >= 3, saw=made.show)
        rig.kill(worker)
        rig.start_worker()
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent + job.dead) == ("done", 6000), job
        assert job.dead == job.unknown >= 1000
        assert len(rig.wooshq.dead_letters.list(bulk=made.id, reason="unknown")) == job.dead
        assert max(api.accepted.values()) == 1


class WhenAChunkCannotBeRead:
    def test_the_keeper_does_everything_else(self, rig: Rig, api: StandIn) -> None:
        damaged = rig.wooshq.fan_out(PERSONAL, personal(10))
        keys = rig.wooshq.bulk.ledger.keys
        name = ChunkName(damaged.id, 0)
        rig.wooshq.do(rig.wooshq.bulk.ledger.chunks.take(name, "lost"))
        rig.wooshq.do(_ask(("HSET", keys.chunk(damaged.id, 0), "data", b"?"), ("ZADD", keys.fixed("chunk_leases"), 1, str(name))))
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent("u1"))
        rig.ended([intent_id])
        lost = rig.wooshq.fan_out(PERSONAL, personal(10))
        with rig.broker() as broker:
            broker.flushdb()
        assert lost.wait(GENEROUS_S).sent == 10
        assert rig.events("chunk_not_taken_over")


def _ask(*commands: tuple[Any, ...]) -> Steps[list[Any]]:
    return (yield Ask(list(commands)))  # type: ignore[no-any-return]


class WhenRedisIsKilled:
    def test_feeding_goes_on_and_everybody_is_reached(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(4000))
        wait_until(lambda: len(api.calls) > 400)
        with rig.redis() as server:
            os.kill(int(server.info("server")["process_id"]), signal.SIGKILL)
        wait_until(lambda: rig.events("ledger_unavailable"), saw=rig.logs)
        revived = Rig(rig.folder, api.url)
        wait_until(lambda: shown(revived, made.id).is_final, saw=lambda: shown(revived, made.id).to_json())
        job = assert_everybody_was_reached(revived, api, made.id, 4000)
        assert_doubles_are_named(revived, api, job)
        revived.close()


class WhenTheBrokerForgets:
    def test_a_flushed_broker_costs_nothing_but_time(self, rig: Rig, api: StandIn) -> None:
        made = rig.wooshq.fan_out(PERSONAL, personal(2000))
        with rig.broker() as broker:
            broker.flushdb()
        rig.start_worker()
        made.wait(GENEROUS_S)
        assert_everybody_was_reached(rig, api, made.id, 2000)
        assert set(api.accepted.values()) == {1}


class WhenTheProducerIsKilled:
    def test_resume_adds_everybody_once_however_often_the_producer_is_killed(self, rig: Rig, api: StandIn, tmp_path: Path) -> None:
        template = tmp_path / "template.json"
        template.write_text(json.dumps(TEMPLATE))
        people = tmp_path / "people.ndjson"
        n = 120_000
        people.write_text("".join(f'{{"user": "u{i}", "city": "c{i % 3}"}}\n' for i in range(n)))
        rig.start_worker()

        def start(*args: str) -> subprocess.Popen[bytes]:
            return rig.start("fanout", *args, "--recipients", str(people), "--detach", stderr=subprocess.DEVNULL)

        process = start("--template", str(template))
        assert process.stdout is not None
        job_id = process.stdout.readline().decode().strip()
        for more in range(1, 5):
            wait_until(lambda more=more: shown(rig, job_id).total >= more * n // 6)
            process.kill()
            process.wait()
            process = start("--resume", job_id)
        assert process.wait(GENEROUS_S) == 0
        wait_until(lambda: shown(rig, job_id).is_final, saw=lambda: shown(rig, job_id).to_json())
        job = assert_everybody_was_reached(rig, api, job_id, n)
        assert set(api.accepted.values()) == {1}
        assert job.calls == job.calls_needed == n // 1000
