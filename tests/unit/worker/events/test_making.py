"""From what the ledger told to events, and when a delivery that failed is tried again."""

from __future__ import annotations

import time

import pytest

from wooshq.events.event import DeadMessages, EventType, GateMoved, Messages
from wooshq.events.ledger import Facts, Taken
from wooshq.events.stored import Stored
from wooshq_worker.events.answer import Answer
from wooshq_worker.events.deliverer import came_of, came_of_hook
from wooshq_worker.events.making import IDS, of_gate, of_letters, of_messages
from wooshq_worker.events.receiver import retry_after_s
from wooshq_worker.events.waits import TRIES_OF_A_HOOK, wait_s

EVENT = Stored("1-1", "a", "job.ended", "{}")


def a_fact(state: str = "sent", application: str = "A", lane: str = "bulk", reason: str = "", ended_ms: int = 1000) -> Facts:
    return Facts(state, application, lane, reason, ended_ms)


class WhenMessagesHaveEnded:
    def test_those_of_one_application_lane_and_reason_are_told_together(self) -> None:
        facts = {
            "1": a_fact(), "2": a_fact(ended_ms=3000), "3": a_fact(application="B"), "4": a_fact("dead", reason="rejected"),
            "5": a_fact("dead", reason="exhausted"), "6": a_fact("expired"), "7": a_fact("cancelled"),
        }  # fmt: skip
        ends = [(facts[one].state, one) for one in facts]
        made = list(of_messages(ends, facts))
        assert [(one.type, one.body.ids) for one in made if isinstance(one.body, Messages)] == [
            (EventType.MESSAGES_SENT, ("1", "2")),
            (EventType.MESSAGES_SENT, ("3",)),
            (EventType.MESSAGES_DEAD, ("4",)),
            (EventType.MESSAGES_DEAD, ("5",)),
            (EventType.MESSAGES_EXPIRED, ("6",)),
            (EventType.MESSAGES_CANCELLED, ("7",)),
        ]
        first = made[0].body
        assert isinstance(first, Messages)
        assert (first.count, first.first_at, first.last_at) == (2, "1970-01-01T00:00:01.000Z", "1970-01-01T00:00:03.000Z")
        assert [one.body.reason for one in made if isinstance(one.body, DeadMessages)] == ["rejected", "exhausted"]

    def test_one_of_which_nothing_is_known_any_more_is_told_all_the_same(self) -> None:
        (made,) = of_messages([("dead", "1")], {})
        assert made.body == DeadMessages(application=None, lane=None, count=1, ids=("1",), first_at=None, last_at=None, reason=None)

    def test_many_are_told_in_several_events(self) -> None:
        ids = [str(n) for n in range(IDS + 1)]
        made = list(of_messages([("sent", one) for one in ids], {}))
        assert [one.body.count for one in made if isinstance(one.body, Messages)] == [IDS, 1]


def test_letters_are_told_by_what_became_of_them_and_open_ones_are_not() -> None:
    facts = {"1": a_fact("closed"), "2": a_fact("discarded"), "3": a_fact("open"), "4": a_fact("closed")}
    made = {one.type: one.body for one in of_letters(facts, facts)}
    assert {kind: getattr(body, "ids", ()) for kind, body in made.items()} == {
        EventType.LETTERS_CLOSED: ("1", "4"),
        EventType.LETTERS_DISCARDED: ("2",),
    }


def test_a_gate_is_told_with_whose_it_is_and_another_form_is_left_out() -> None:
    made = of_gate("shut|circuit|A/bulk|hand|0", 1000)
    assert made is not None
    assert made.body == GateMoved(gate="circuit", application="A", lane="bulk", by_hand=True, at="1970-01-01T00:00:01.000Z", until=None)
    opened = of_gate("opened|token|*||0", 1000)
    assert opened is not None
    assert opened.type is EventType.GATE_OPENED
    assert of_gate("opened|token", 1000) is None


class WhenADeliveryFails:
    @pytest.mark.parametrize(
        ("tries", "least", "most"), [(1, 4.0, 6.0), (2, 12.0, 18.0), (5, 324.0, 486.0), (9, 11520.0, 17280.0), (100, 11520.0, 17280.0)]
    )
    def test_the_waits_grow_up_to_four_hours(self, tries: int, least: float, most: float) -> None:
        assert wait_s(tries, 0.0) == pytest.approx(least)
        assert wait_s(tries, 1.0) == pytest.approx(most)

    def test_the_receiver_may_ask_for_longer_but_not_for_days(self) -> None:
        assert wait_s(1, 0.5, asked_s=60.0) == 60.0
        assert wait_s(1, 0.5, asked_s=1.0) == 5.0
        assert wait_s(1, 0.5, asked_s=1e9) == 4 * 3600.0

    @pytest.mark.parametrize(("value", "seconds"), [(b"12", 12.0), (b"", None), (b"soon", None), (b"Thu, 01 Jan 1970 00:00:30 GMT", 20.0)])
    def test_retry_after_is_a_number_or_a_date(self, value: bytes, seconds: float | None) -> None:
        assert retry_after_s(value, 10.0) == seconds

    @pytest.mark.parametrize(
        ("answer", "result", "pauses"),
        [
            (Answer(204, 1.0), "delivered", False),
            (Answer(302, 1.0), "failed", False),
            (Answer(410, 1.0), "failed", True),
            (Answer(503, 1.0, "", 90.0), "failed", False),
            (Answer(None, 1.0, "no connection"), "failed", False),
        ],
    )
    def test_only_2xx_is_a_success_and_410_pauses(self, answer: Answer, result: str, pauses: bool) -> None:
        came = came_of(answer, Taken(EVENT, 0), time.time() * 1000, 0.5, 1000)
        assert (came.result, bool(came.pause)) == (result, pauses)
        assert came.wait_ms == (0 if result == "delivered" else 90_000 if answer.status == 503 else 5000)

    def test_a_hook_s_events_are_given_up_one_by_one(self) -> None:
        taken = [Taken(EVENT, 0), Taken(Stored("1-2", "a", "job.ended", "{}"), TRIES_OF_A_HOOK - 1)]
        over, again = came_of_hook(Answer(None, 1.0, "ValueError"), taken, 0.0, 0.5)
        assert (over.result, [event.entry for event, _ in over.deliveries]) == ("dropped", ["1-2"])
        assert (again.result, [event.entry for event, _ in again.deliveries]) == ("failed", ["1-1"])
        (came,) = came_of_hook(Answer(200, 1.0), taken, 0.0, 0.5)
        assert (came.result, len(came.deliveries)) == ("delivered", 2)
