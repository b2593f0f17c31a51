"""`drain` sends what was enqueued: real rendering, gates, verdicts and retries, against the sandbox, with a clock that moves and never waits."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

import wooshq
import wooshq.aio
from tests.rig import an_intent, some_settings
from wooshq import Wooshq
from wooshq.intents.status import Status
from wooshq.testing import Outbox

HOUR_S, DAY_S = 3600.0, 86400.0
TEMPLATE = {"message": {"push": {"body": "Hi {name}"}}}


@pytest.fixture(autouse=True)
def _no_network_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("neither the network nor a sleep")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    monkeypatch.setattr(time, "sleep", refuse)


def status(intent_id: str) -> Status:
    found = wooshq.status(intent_id)
    assert found is not None
    return found


def people(n: int) -> list[dict[str, str]]:
    return [{"user": f"u{i}", "name": f"n{i}"} for i in range(n)]


class WhenTheApiAccepts:
    def test_what_was_enqueued_arrives_as_it_is_sent_in_production(self, box: Outbox) -> None:
        intent_id = wooshq.enqueue(an_intent("u1"))
        box.drain()
        (call,) = box.sandbox.calls
        assert (call.recipients, call.application, call.accepted) == (("u1",), "TESTS-TESTS", True)
        assert '"title":"Hi"' in call.raw.decode()
        assert (status(intent_id).state, status(intent_id).message_codes) == ("sent", [call.message_code])

    def test_draining_again_sends_nothing_again(self, box: Outbox) -> None:
        wooshq.enqueue_many(an_intent(f"u{n}") for n in range(150))
        box.drain()
        box.drain(for_s=HOUR_S)
        assert (box.sandbox.count, box.sandbox.doubled, len(box)) == (150, 0, 150)

    def test_a_fan_out_reaches_each_recipient(self, box: Outbox) -> None:
        job = wooshq.fan_out(TEMPLATE, people(25))
        box.drain()
        assert (job.show().state, job.show().sent) == ("done", 25)
        assert sorted(name for call in box.sandbox.accepted for name in call.recipients) == sorted(f"u{i}" for i in range(25))
        assert [one.job_id for one in box] == [job.id] * 25, "the outbox lists them also after the ledger forgot them"

    async def test_it_works_in_a_running_event_loop(self, box: Outbox) -> None:
        intent_id = await wooshq.aio.enqueue(an_intent())
        box.drain()
        found = await wooshq.aio.status(intent_id)
        assert found is not None
        assert found.state == "sent"

    def test_every_namespace_that_enqueued_is_drained(self, box: Outbox) -> None:
        with Wooshq(some_settings(namespace="other")) as other:
            intent_id = other.enqueue(an_intent("u2"))
            wooshq.enqueue(an_intent("u1"))
            box.drain()
            found = other.status(intent_id)
            assert found is not None
            assert (found.state, box.sandbox.count) == ("sent", 2)

    def test_the_worker_has_the_settings_of_the_environment(self, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUSHWOOSH_API_TOKEN", "another-token")
        box.sandbox.set_tokens({"another-token": None})
        intent_id = wooshq.enqueue(an_intent())
        box.drain()
        assert status(intent_id).state == "sent"


class WhenTheApiFails:
    def test_a_message_is_retried_when_its_time_comes(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "status", "status": 503, "first": 3})  # as many calls as one attempt makes
        intent_id = wooshq.enqueue(an_intent())
        box.drain()
        assert (status(intent_id).state, box.sandbox.count) == ("retrying", 3)
        box.drain(for_s=HOUR_S)
        assert (status(intent_id).state, [one["outcome"] for one in status(intent_id).attempts]) == ("sent", ["retry"] * 3 + ["sent"])

    def test_it_becomes_a_dead_letter_that_can_be_replayed(self, box: Outbox) -> None:
        box.sandbox.refuse(["u1"])
        intent_id = wooshq.enqueue(an_intent("u1"))
        box.drain()
        (letter,) = box.letters()
        assert (letter.reason, letter.intent_id) == ("rejected", intent_id)
        box.sandbox.refuse([])
        wooshq.dead_letters.replay(letter.id)
        box.drain()
        assert status(status(intent_id).replays[0]).state == "sent"

    def test_many_letters_are_replayed_slice_after_slice_and_at_their_rate(self, box: Outbox) -> None:
        everybody = [f"u{n}" for n in range(150)]
        box.sandbox.refuse(everybody)
        wooshq.enqueue_many(map(an_intent, everybody))
        box.drain()
        box.sandbox.refuse([])
        done = wooshq.dead_letters.replay(reason="rejected", rate=1)
        box.drain()
        assert 0 < wooshq.replays.show(done.id or "").sent < 150, "the rest waits for its time"
        box.drain(for_s=600)
        assert (wooshq.replays.show(done.id or "").state, wooshq.replays.show(done.id or "").sent) == ("done", 150)

    def test_retries_end_at_the_maximum_age(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "status", "status": 503})
        intent_id = wooshq.enqueue(an_intent())
        box.drain(for_s=4 * DAY_S)
        assert (status(intent_id).state, status(intent_id).reason) == ("dead", "exhausted")

    def test_a_lost_answer_is_unknown(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "cut_after", "first": 1})
        intent_id = wooshq.enqueue(an_intent(on_unknown="dead_letter"))
        box.drain()
        assert (status(intent_id).reason, len(box.sandbox.accepted)) == ("unknown", 1)

    def test_a_refused_token_shuts_the_gate_and_nothing_is_lost(self, box: Outbox) -> None:
        box.sandbox.set_tokens({})
        ids = [wooshq.enqueue(an_intent(f"u{n}")) for n in range(3)]
        box.drain()
        assert [gate.gate for gate in wooshq.gates()] == ["token"]
        assert box.letters() == []
        box.sandbox.reset()
        box.drain(for_s=HOUR_S)
        assert [status(i).state for i in ids] == ["sent"] * 3

    def test_retry_after_is_kept(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "status", "status": 429, "retry_after": 600, "first": 1})
        intent_id = wooshq.enqueue(an_intent())
        box.drain(for_s=590)
        assert (status(intent_id).state, box.sandbox.count) == ("retrying", 1)
        box.drain(for_s=60)
        assert status(intent_id).state == "sent"

    @pytest.mark.parametrize(
        "fault",
        [
            {"effect": "hang"},
            {"effect": "cut_before"},
            {"effect": "cut_before", "how": "accept"},
            {"effect": "cut_before", "how": "reset"},
            {"effect": "cut_middle", "how": "headers"},
            {"effect": "cut_middle", "how": "stall"},
            {"effect": "cut_after", "how": "reset"},
            {"effect": "drip"},
            {"effect": "drop_keepalive"},
            {"effect": "latency", "latency_s": 5.0},
            {"effect": "redirect"},
            {"effect": "rate_limit", "per_s": 1, "skip": 0},
            {"effect": "garbage", "how": "status_line"},
            {"effect": "garbage", "how": "endless"},
            {"effect": "garbage", "how": "huge_body"},
            {"effect": "garbage", "how": "gzip_bomb"},
        ],
        ids=lambda fault: "-".join(map(str, fault.values())),
    )
    def test_every_fault_of_the_sandbox_can_strike_and_be_outlived(self, box: Outbox, fault: dict[str, Any]) -> None:
        limit = {} if fault["effect"] == "rate_limit" else {"first": 1}
        box.sandbox.set_faults({**fault, **limit})
        ids = [wooshq.enqueue(an_intent(f"u{n}")) for n in range(3)]
        began = time.monotonic()
        box.drain(for_s=2 * HOUR_S)
        assert time.monotonic() - began < 300, "it waited for real"
        assert {status(i).state for i in ids} == {"sent"}
        assert box.sandbox.never_struck == []

    def test_a_job_goes_on_without_the_recipients_that_are_refused(self, box: Outbox) -> None:
        box.sandbox.refuse(["u3"])
        job = wooshq.fan_out(TEMPLATE, people(6))
        box.drain()
        assert (job.show().sent, job.show().dead, len(box.letters())) == (5, 1, 1)
        box.sandbox.refuse([])
        wooshq.bulk.retry_failed(job.id)
        box.drain()
        assert sorted(name for call in box.sandbox.accepted for name in call.recipients) == [f"u{i}" for i in range(6)]


class WhenTheClockMoves:
    def test_an_intent_expires(self, box: Outbox) -> None:
        late, in_time = wooshq.enqueue(an_intent("late", ttl_s=60)), wooshq.enqueue(an_intent("in time", ttl_s=600))
        box.advance(61)
        box.drain()
        assert (status(late).state, status(in_time).state, box.sandbox.count) == ("expired", "sent", 1)

    def test_a_roll_out_waits_for_its_next_step(self, box: Outbox) -> None:
        job = wooshq.fan_out(TEMPLATE, people(10), steps=[2, 10], total=10, step_wait_s=HOUR_S)
        box.drain()
        assert job.show().sent == 2
        box.drain(for_s=HOUR_S + 60)
        assert (job.show().state, job.show().sent) == ("done", 10)

    def test_a_rate_is_kept_on_that_clock(self, box: Outbox) -> None:
        job = wooshq.fan_out(TEMPLATE, people(30), rate=1)
        box.drain(for_s=600)
        first, *_, last = (call.at for call in box.sandbox.calls)
        assert (job.show().sent, last - first > 25) == (30, True)

    def test_it_stops_at_each_moment_at_which_something_comes_due(self, box: Outbox) -> None:
        box.sandbox.set_faults({"effect": "status", "status": 503, "until_s": HOUR_S})
        intent_id = wooshq.enqueue(an_intent())
        box.drain(for_s=2 * HOUR_S)
        moments = [datetime.fromisoformat(one["at"]) for one in status(intent_id).attempts]
        gaps_s = [(after - before).total_seconds() for before, after in pairwise(moments)]
        assert (status(intent_id).state, max(gaps_s) <= 601) == ("sent", True), "the longest backoff is ten minutes"
        assert (moments[-1] - moments[0]).total_seconds() > HOUR_S - 60

    def test_a_message_with_a_schedule_can_be_cancelled_until_then(self, box: Outbox) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + DAY_S))
        intent_id = wooshq.enqueue(an_intent(schedule={"at": at}))
        box.drain()
        assert wooshq.cancel(intent_id) == "cancelling"
        box.drain()
        assert [one.cancelled for one in box.sandbox.cancels] == [True]

    def test_dead_letters_are_forgotten_after_their_time(self, box: Outbox) -> None:
        box.sandbox.refuse(["u1"])
        wooshq.enqueue(an_intent("u1"))
        box.drain()
        box.advance(31 * DAY_S)
        box.drain()
        assert box.letters() == []

    def test_draining_too_far_says_so_and_does_not_hang(self, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.in_process.draining._MOST_ROUNDS", 3)
        box.sandbox.set_tokens({})
        wooshq.enqueue(an_intent())
        with pytest.raises(RuntimeError, match="Drain for a shorter time"):
            box.drain(for_s=DAY_S)


class WhenIntentsAreManyAndMixed:
    def test_none_disturbs_the_others(self, box: Outbox) -> None:
        box.sandbox.refuse(["bad"])
        box.sandbox.set_faults({"effect": "status", "status": 500, "recipient": "shaky", "first": 4})
        ids = {name: wooshq.enqueue(an_intent(name)) for name in ("good", "bad", "shaky", "fine")}
        asyncio.run(wooshq.aio.enqueue(an_intent("async")))
        box.drain(for_s=HOUR_S)
        assert {name: status(i).state for name, i in ids.items()} == {"good": "sent", "bad": "dead", "shaky": "sent", "fine": "sent"}


class WhenTheTestHasFrozenTheClock:
    def test_the_ledgers_clock_follows_it_and_moves_all_the_same(self, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
        frozen = 1_924_992_000.5  # in 2031, for `monotonic` too, as freezegun does it
        monkeypatch.setattr(time, "time", lambda: frozen)
        monkeypatch.setattr(time, "monotonic", lambda: frozen)
        box.sandbox.set_faults({"effect": "status", "status": 503, "first": 4})
        intent_id = wooshq.enqueue(an_intent())
        assert (status(intent_id).accepted_at or "").startswith("2031-01-01T00:00:00")
        box.drain(for_s=HOUR_S)
        assert status(intent_id).state == "sent"
