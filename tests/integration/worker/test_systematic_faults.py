"""Everybody gets the same answer, all day: a handful of people are in doubt, nobody gets copies, and a gate says what is wrong."""

from __future__ import annotations

import pytest

from tests.fan_outs import TEMPLATE, adds_up, personal
from tests.rig import GENEROUS_S, Rig, an_intent
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
    @pytest.mark.parametrize(("resends", "calls"), [(1, 2), (0, 1), (3, 4)])
    def test_an_intent_is_sent_again_once_and_then_it_is_a_dead_letter(self, rig: Rig, api: StandIn, resends: int, calls: int) -> None:
        rig.env["WOOSHQ_UNKNOWN_RESENDS"] = str(resends)
        api.answer = lambda call, n: Reply(cut=True)
        rig.start_worker()

        (status,) = rig.ended([rig.wooshq.enqueue(an_intent("a"))])

        assert (status.state, status.reason) == ("dead", "unknown")
        assert calls_for_each(api) == {"a": calls}
        assert [attempt["outcome"] for attempt in status.attempts] == ["unknown"] * calls
        assert rig.wooshq.counts()["unknown"] == calls

    def test_a_recipient_of_a_job_is_sent_to_again_once_and_then_has_a_dead_letter(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(cut=True) if call.recipients == ["u3"] else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, personal(20)).wait(GENEROUS_S)
        assert (job.sent, job.dead, job.unknown) == (19, 1, 2)
        assert calls_for_each(api) == {f"u{i}": 2 if i == 3 else 1 for i in range(20)}
        (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
        assert (letter.reason, letter.attempts) == ("unknown", 2)
        assert adds_up(rig, job)
