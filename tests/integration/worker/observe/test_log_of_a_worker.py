"""At INFO a worker tells a person in ten seconds what it is doing, and an incident does not flood its log."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.fan_outs import TEMPLATE, people
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn, refusal


def counted(rig: Rig, event: str) -> int:
    """How many lines of an event there were, those that were left out included."""
    return sum(line.get("more", 1) for line in rig.events(event))


class WhenAWorkerStarts:
    @pytest.mark.settings(rate_per_s=50, environment="staging", metrics_address="0")
    def test_it_says_what_it_is_what_it_uses_and_where_it_is_seen(self, rig: Rig, api: StandIn) -> None:
        rig.env["WOOSHQ_RATES"] = '{"CCCCC-DDDDD": 5}'
        for name in ("shop", "crm", "oncall"):
            rig.wooshq.webhooks.add(name, f"https://{name}.example/hook")
        rig.wooshq.webhooks.pause("oncall", why="it is moved")
        rig.start_worker()
        wait_until(lambda: rig.events("worker_ready"), saw=rig.logs)

        (started,) = rig.events("worker_starts")

        assert (started["environment"], started["queues"]) == ("staging", ["transactional", "bulk", "celery"])
        assert (started["api"], started["application"], started["concurrency"]) == (api.url, "AAAAA-BBBBB", 256)
        assert (started["rate"], started["rates"]) == (50.0, {"CCCCC-DDDDD": 5.0})
        assert (started["broker"], started["history"].endswith("history.db")) == ("the same Redis, another database", True)
        assert started["tells"] == "2 webhooks, 1 paused"
        assert (started["tracing"], started["sentry"]) == ("off", "off")
        assert started["metrics"].startswith("http://127.0.0.1:")
        assert started["push_platforms"] == ["IOS", "ANDROID"]
        assert (len(rig.events("worker_is_root")) == 1) == (os.geteuid() == 0)
        assert not [line for line in rig.logs().splitlines() if not line.startswith("{")]

    def test_on_a_terminal_a_person_reads_it_under_a_title(self, rig: Rig) -> None:
        rig.env["WOOSHQ_LOG_FORMAT"] = "console"
        worker = rig.start_worker()
        wait_until(lambda: "worker_ready" in rig.logs(), saw=rig.logs)
        worker.send_signal(signal.SIGTERM)
        worker.wait()

        lines = [" ".join(line.split()) for line in rig.logs().splitlines()]

        (title,) = [n for n, line in enumerate(lines) if line.startswith("wooshq ")]
        assert [line.partition(" ")[0] for line in lines[title + 1 : title + 10]] == [
            "sends",
            "listens",
            "rate",
            "redis",
            "broker",
            "history",
            "tells",
            "push",
            "is",
        ]
        assert any("worker_drained" in line for line in lines)


class WhenAWorkerIsBusy:
    def test_one_line_now_and_then_says_how_much_and_how_fast(self, rig: Rig) -> None:
        rig.start_worker()
        rig.ended(rig.wooshq.enqueue_many(an_intent() for _ in range(300)).ids)
        wait_until(lambda: sum(event.get("sent", 0) for event in rig.events("settled")) == 300, saw=rig.logs)
        lines = rig.events("settled")
        assert all(line["over_s"] > 0 and line["per_s"] > 0 and "in_progress" in line for line in lines)
        assert len(lines) <= 2 + sum(line["over_s"] for line in lines) / 10

    def test_a_job_has_a_line_now_and_then(self, rig: Rig) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(5000))
        rig.wooshq.bulk.wait(job.id)
        wait_until(lambda: sum(event.get("sent", 0) for event in rig.events("fanned_out")) == 5000, saw=rig.logs)
        assert {event["job_id"] for event in rig.events("fanned_out")} == {job.id}


class WhenMessagesGetWorse:
    @pytest.mark.settings(short_tries=1, breaker_failures=100_000)
    def test_each_has_a_line_and_many_have_a_few(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, f"no {call.recipients}")
        worker = rig.start_worker()
        one = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: rig.events("intent_dead"), saw=rig.logs)
        (line,) = rig.events("intent_dead")
        assert {name: line[name] for name in ("intent_id", "reason", "code", "http_status", "application", "attempts")} == {
            "intent_id": one,
            "reason": "rejected",
            "code": "INVALID_ARGUMENT",
            "http_status": 400,
            "application": "AAAAA-BBBBB",
            "attempts": 1,
        }

        rig.ended(rig.wooshq.enqueue_many(an_intent(f"user-{n}") for n in range(200)).ids)
        worker.send_signal(signal.SIGTERM)
        worker.wait()

        assert counted(rig, "intent_dead") == 201
        assert len(rig.events("intent_dead")) < 50
        assert "user-" not in rig.logs()

    @pytest.mark.settings(short_tries=1, breaker_failures=3)
    def test_a_retry_and_a_gate_have_a_line_each(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(503, {}) if n <= 3 else None
        rig.start_worker()
        rig.ended(rig.wooshq.enqueue_many(an_intent() for _ in range(3)).ids)
        wait_until(lambda: rig.events("gate_opened"), saw=rig.logs)
        assert rig.events("intent_retrying")[0]["http_status"] == 503
        assert rig.events("intent_retrying")[0]["wait_s"] >= 0
        assert (rig.events("gate_shut")[0]["gate"], rig.events("gate_shut")[0]["application"]) == ("circuit", "AAAAA-BBBBB")
        assert rig.events("gate_opened")[0]["level"] == "info"


class WhenAWorkerIsLost:
    @pytest.mark.settings(suspect_after=1, poison_after=2)
    def test_the_next_one_says_what_it_took_over_and_what_is_poison(self, rig: Rig, api: StandIn) -> None:
        api.latency_s = 60
        intent_id = rig.wooshq.enqueue(an_intent())
        for n in range(2):
            worker = rig.start_worker()
            wait_until(lambda n=n: len(api.calls) == n + 1)
            rig.kill(worker)
        rig.start_worker()
        wait_until(lambda: rig.events("intent_dead"), saw=rig.logs)

        (line,) = rig.events("intent_dead")

        assert (line["intent_id"], line["reason"], line["code"]) == (intent_id, "poison", "WORKER_LOST")
        assert [(event["n"], event["queued"], event["dead"]) for event in rig.events("leases_taken_over")] == [(1, 1, 0), (1, 0, 1)]


class WhenRedisIsAway:
    def test_one_line_says_so_and_one_that_it_is_back(self, rig: Rig) -> None:
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent())])
        embedded = rig.wooshq.installation.places.embedded
        assert embedded is not None

        rig.redis().shutdown(save=True)
        wait_until(lambda: rig.events("ledger_back"), saw=rig.logs)
        rig.ended([rig.wooshq.enqueue(an_intent())])

        away, back = rig.events("ledger_unavailable"), rig.events("ledger_back")
        assert len(away) == len(back) >= 1
        assert all(event["after_s"] >= 0 for event in back)


def test_an_idle_worker_is_silent(rig: Rig) -> None:
    rig.start_worker()
    rig.ended([rig.wooshq.enqueue(an_intent())])
    wait_until(lambda: rig.events("settled"), saw=rig.logs)
    said = {json.loads(line)["event"] for line in rig.logs().splitlines()}
    assert said <= {
        "worker_starts",
        "worker_is_root",
        "worker_ready",
        "settled",
        "history_process_started",
        "history_swept",
        "push_platforms",
        "concurrency_lowered",
        "threads_are_short",
    }
