"""When do an application's gates shut, for how long, and what do they let through to test the API?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.ledger.walker import Walker
from tests.rig import APPLICATION
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import new_id
from wooshq.ledger.gates import Gate, Heard
from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event, Mark

WELL = Heard(well=1)
ODD = Heard(not_understood=1, not_understood_people=1, sample="the API's answers are not understood: {}")


@pytest.fixture
def walk(redis_url: str) -> Iterator[Walker]:
    watched = WatchedLedger(redis_url)
    yield Walker(watched)
    watched.close()


def heard(walk: Walker, *reports: Heard) -> list[str]:
    """What the gates did, in all of these reports."""
    return [event for one in reports for event in walk.do(walk.ledger.gates.report(APPLICATION, one))]


def gate(walk: Walker) -> Gate:
    """The only gate that is not open."""
    (found,) = walk.do(walk.ledger.gates.every())
    assert isinstance(found, Gate)
    return found


def kept(walk: Walker, name: str) -> dict[str, Any]:
    return json.loads(walk.watched.redis.hget(walk.keys.fixed("gates"), f"{name}|{APPLICATION}"))  # type: ignore[no-any-return]


def its_time_comes(walk: Walker, name: str) -> None:
    now = {**kept(walk, name), "until_ms": 1}
    walk.watched.redis.hset(walk.keys.fixed("gates"), f"{name}|{APPLICATION}", json.dumps(now))


def taken(walk: Walker, intent_id: str) -> str:
    claim = walk.taken_now(intent_id)
    return "stays" if claim is None else "probe" if claim.probe else "go"


def probed(walk: Walker, name: str, answer: Heard) -> list[str]:
    """The time of a gate comes, and its probe gets this answer."""
    its_time_comes(walk, name)
    assert taken(walk, walk.accepted()) == "probe"
    return heard(walk, answer)


class WhenAnswersAreNotUnderstood:
    def test_three_of_them_shut_the_gate_and_it_shows_one(self, walk: Walker) -> None:
        assert heard(walk, ODD, ODD) == []
        assert heard(walk, ODD) == ["shut answers"]
        assert (gate(walk).gate, gate(walk).why) == ("answers", ODD.sample)

    def test_good_answers_in_between_change_nothing(self, walk: Walker) -> None:
        """A server of four has the upgrade, or all of them: the people in doubt are as many."""
        assert heard(walk, ODD, WELL, WELL, ODD, WELL, ODD) == ["shut answers"]

    def test_one_call_to_many_recipients_is_enough(self, walk: Walker) -> None:
        few = Heard(not_understood=1, not_understood_people=49, sample="x")
        assert heard(walk, few, few) == []
        assert heard(walk, Heard(not_understood=1, not_understood_people=100, sample="x")) == ["shut answers"]

    def test_after_ten_minutes_without_one_they_are_forgotten(self, walk: Walker) -> None:
        heard(walk, ODD, ODD)
        failures, field = walk.keys.fixed("failures"), f"answers|{APPLICATION}"
        seen = json.loads(walk.watched.redis.hget(failures, field))
        walk.watched.redis.hset(failures, field, json.dumps({**seen, "at": seen["at"] - 601_000}))
        assert heard(walk, ODD, ODD) == []
        assert heard(walk, ODD) == ["shut answers"]

    def test_its_probes_are_further_and_further_apart(self, walk: Walker) -> None:
        heard(walk, ODD, ODD, ODD)
        waits = [kept(walk, "answers")["wait_ms"]]
        for _ in range(12):
            assert probed(walk, "answers", ODD) == ["shut answers"]
            waits.append(kept(walk, "answers")["wait_ms"])
        assert waits[:4] == [2000, 4000, 8000, 16000]
        assert waits[-1] == waits[-2] == 120 * 30_000, "an hour"

    def test_if_it_opens_and_shuts_again_it_stays_shut_for_longer(self, walk: Walker) -> None:
        heard(walk, ODD, ODD, ODD)
        assert probed(walk, "answers", WELL) == ["opened answers"]
        assert heard(walk, WELL, ODD) == ["shut answers"]
        assert kept(walk, "answers")["wait_ms"] == 4000

    def test_a_person_who_opens_it_starts_anew(self, walk: Walker) -> None:
        heard(walk, ODD, ODD, ODD)
        assert walk.do(walk.ledger.gates.open("answers", APPLICATION))
        assert heard(walk, ODD, ODD) == []
        assert heard(walk, ODD) == ["shut answers"]
        assert kept(walk, "answers")["wait_ms"] == 2000

    def test_they_do_not_count_for_the_circuit(self, walk: Walker) -> None:
        assert heard(walk, *[ODD] * 30) == ["shut answers"]


class WhenAnswersAreLost:
    def test_a_thousand_recipients_in_doubt_shut_the_circuit_however_few_the_calls(self, walk: Walker) -> None:
        assert heard(walk, Heard(failed=1, in_doubt=999)) == []
        assert heard(walk, Heard(failed=1, in_doubt=1)) == ["shut circuit"]
        assert gate(walk).why == "2 failures in a row, 1000 recipients in doubt"

    def test_a_good_answer_in_between_starts_anew(self, walk: Walker) -> None:
        assert heard(walk, Heard(failed=1, in_doubt=999), WELL, Heard(failed=1, in_doubt=999)) == []

    def test_probes_that_may_leave_somebody_in_doubt_are_rarer(self, walk: Walker) -> None:
        lost, refused = Heard(failed=20, in_doubt=20), Heard(failed=20)
        for failure, longest in ((lost, 300_000), (refused, 30_000)):
            heard(walk, failure)
            for _ in range(10):
                probed(walk, "circuit", failure)
            assert kept(walk, "circuit")["wait_ms"] == longest


class WhenAGateIsTestedWhoseProbesMayLeaveSomebodyInDoubt:
    def test_one_probe_goes_at_a_time(self, walk: Walker) -> None:
        heard(walk, ODD, ODD, ODD)
        its_time_comes(walk, "answers")
        assert [taken(walk, walk.accepted()) for _ in range(3)] == ["probe", "stays", "stays"]
        walk.do(walk.ledger.gates.open("answers", APPLICATION))
        heard(walk, Heard(failed=20))
        its_time_comes(walk, "circuit")
        assert [taken(walk, walk.accepted()) for _ in range(3)] == ["probe", "probe", "stays"], "nothing was accepted: as the setting says"

    def test_an_intent_in_doubt_is_not_sent_again_while_another_one_waits(self, walk: Walker) -> None:
        doubted, fresh = walk.accepted(), walk.accepted(lane="bulk")
        self.in_doubt(walk, doubted)
        heard(walk, ODD, ODD, ODD)
        its_time_comes(walk, "answers")
        assert walk.do(walk.ledger.take("transactional", 1, token=new_id(), taker="a")).claims == []
        assert taken(walk, fresh) == "probe"

    def test_it_is_the_probe_if_nothing_else_waits(self, walk: Walker) -> None:
        first, second = walk.accepted(), walk.accepted()
        for intent_id in (first, second):
            self.in_doubt(walk, intent_id)
        heard(walk, ODD, ODD, ODD)
        assert taken(walk, second) == "stays"
        its_time_comes(walk, "answers")
        assert taken(walk, first) == "probe"

    @pytest.mark.parametrize("marks", ["....", "rrrr", "r.r."])
    def test_a_shared_call_goes_to_one_recipient(self, walk: Walker, marks: str) -> None:
        name, token = walk.sending()
        back = [(Mark.AGAIN if mark == "r" else Mark.WAITING, place, place) for place, mark in enumerate(marks)]
        walk.recorded(name, token, back, accepted=1)
        heard(walk, ODD, ODD, ODD)
        its_time_comes(walk, "answers")
        assert walk.begun(name, token, "0-1,2-3") == "go"
        assert walk.watched.redis.get(walk.keys.marks(name.job_id, 0)).decode() == "s" + marks[1:]

    def test_a_chunk_with_nobody_but_recipients_in_doubt_comes_after_the_others(self, walk: Walker) -> None:
        for end in ("back", "due"):
            name, token = walk.sending()
            walk.recorded(name, token, [(Mark.AGAIN, 0, 3)], end=end, wait_ms=1, log="[]", behind=True)
            if end == "due":
                walk.time_comes("chunk_due", str(name))
                walk.do(walk.jobs.chunks.due(name))
            assert walk.watched.redis.zscore(walk.keys.job_part(name.job_id, "queued"), 0) == 1e9
            token = walk.taken(name)
            walk.recorded(name, token, end="back", log="[]")
            assert walk.watched.redis.zscore(walk.keys.job_part(name.job_id, "queued"), 0) == 0

    @staticmethod
    def in_doubt(walk: Walker, intent_id: str) -> None:
        claim = walk.claimed(intent_id)
        assert walk.do(walk.ledger.settle([Settlement(claim, Event.HANDED_BACK, doubt="the answer was lost")])) == [True]
