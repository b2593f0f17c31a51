"""Everybody gets the same answer, all day: a handful of people are in doubt, nobody gets copies, and a gate says what is wrong."""

from __future__ import annotations

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import APPLICATION, GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn

NOT_UNDERSTOOD = Reply(200, {"outcome": {"id": "X"}})


def calls_for_each(api: StandIn) -> dict[str, int]:
    """How often each recipient was part of a call."""
    times: dict[str, int] = {}
    for call in api.calls:
        for recipient in call.recipients:
            times[recipient] = times.get(recipient, 0) + 1
    return times


class WhenNoAnswerEverSaysWhetherItWasAccepted:
    def test_an_intent_is_sent_again_once_and_then_it_is_a_dead_letter(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True)
        rig.start_worker()

        (status,) = rig.ended([rig.wooshq.enqueue(an_intent("a"))])

        assert (status.state, status.reason) == ("dead", "unknown")
        assert calls_for_each(api) == {"a": 2}
        assert [attempt["outcome"] for attempt in status.attempts] == ["unknown"] * 2
        assert rig.wooshq.counts()["unknown"] == 2

    def test_a_recipient_of_a_job_is_sent_to_again_once_and_then_has_a_dead_letter(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if call.recipients == ["u3"] else None
        rig.start_worker()
        job = rig.wooshq.fan_out(PERSONAL, personal(20)).wait(GENEROUS_S)
        assert (job.sent, job.dead, job.unknown) == (19, 1, 2)
        assert calls_for_each(api) == {f"u{i}": 2 if i == 3 else 1 for i in range(20)}
        (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
        assert (letter.reason, letter.attempts) == ("unknown", 2)
        assert adds_up(rig, job)


class WhenAnswersAreNotUnderstood:
    """After an upgrade of the server, every message is accepted, and the answer has the code where nobody looks."""

    @pytest.mark.settings(concurrency=4, breaker_open_s=0.1)
    def test_a_handful_of_people_are_in_doubt_and_nobody_is_sent_to_twice(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: NOT_UNDERSTOOD
        rig.start_worker()
        ids = list(rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(100)).ids)

        wait_until(lambda: sum(gate.state == "testing" for gate in rig.wooshq.gates()), saw=rig.wooshq.gates)
        wait_until(lambda: len(api.calls) >= 8, saw=lambda: len(api.calls))
        assert set(calls_for_each(api).values()) == {1}, "each probe goes to somebody who was not sent to yet"
        (gate,) = rig.wooshq.gates()
        assert (gate.gate, gate.application) == ("answers", APPLICATION)
        assert '{"outcome": {"id": "X"}}' in gate.why
        assert len(api.calls) <= 4 + 12, "those in progress, and probes that are twice as far apart each time"
        assert rig.status(ids[-1] or "").state == "held"
        assert f"the gate answers of {APPLICATION}: the API's answers are not understood" in (rig.status(ids[-1] or "").waiting_for or "")

        api.answer = lambda call, n: None
        rig.wooshq.open_gate("answers", APPLICATION)

        assert {status.state for status in rig.ended(i for i in ids if i)} == {"sent"}
        doubted = rig.wooshq.counts()["unknown"]
        assert sum(calls_for_each(api).values()) == 100 + doubted

    @pytest.mark.settings(breaker_open_s=0.1)
    def test_the_first_shared_call_of_a_job_is_enough(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: NOT_UNDERSTOOD
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(3000))
        wait_until(lambda: len(api.calls) >= 4, saw=made.show)
        assert [len(call.recipients) for call in api.calls[:4]] == [1000, 1, 1, 1]
        assert set(calls_for_each(api).values()) == {1}
        assert "the gate answers" in made.show().waiting_for

        api.answer = lambda call, n: None
        rig.wooshq.open_gate("answers", APPLICATION)

        job = made.wait(GENEROUS_S)
        assert (job.sent, job.dead) == (3000, 0)
        assert max(calls_for_each(api).values()) == 2
        assert adds_up(rig, job)


class WhenTheAnswersOfSharedCallsAreLost:
    @pytest.mark.settings(breaker_open_s=0.1)
    def test_a_thousand_people_in_doubt_are_enough_and_the_circuit_is_tested_with_one(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n <= 3 else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(3000)).wait(GENEROUS_S)
        assert [len(call.recipients) for call in api.calls[:4]] == [1000, 1, 1, 1]
        assert (job.sent, job.dead, job.unknown) == (3000, 0, 1002)
        assert max(calls_for_each(api).values()) == 2


class WhenAFirewallRefusesEverything:
    @pytest.mark.settings(concurrency=4, breaker_open_s=0.1)
    def test_the_circuit_opens_and_the_others_wait(self, rig: Rig, api: StandIn) -> None:
        """An answer that the API did not write does not show that the API works."""
        api.answer = lambda call, n: Reply(406, "Not acceptable! See incident 4711.")
        rig.start_worker()
        ids = list(rig.wooshq.enqueue_many(an_intent(f"u{i}") for i in range(300)).ids)
        wait_until(rig.wooshq.gates, saw=rig.wooshq.counts)
        assert rig.wooshq.gates()[0].gate == "circuit"
        wait_until(lambda: rig.status(ids[-1] or "").state == "held")
        assert rig.wooshq.counts()["dead"] <= 60

        api.answer = lambda call, n: None

        assert rig.ended([ids[-1] or ""])[0].state == "sent"
