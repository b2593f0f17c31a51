"""Waiting is not failing: time for a gate, a slot or a turn costs neither a round of the backoff nor age."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.ledger.walker import HOUR_MS, Walker
from tests.rig import APPLICATION, an_intent
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import entry_of
from wooshq.intents.status import statuses_of
from wooshq.ledger.intents import Claim
from wooshq.ledger.letters import Replay
from wooshq.ledger.states import Event


@pytest.fixture
def walk(redis_url: str) -> Iterator[Walker]:
    watched = WatchedLedger(redis_url)
    yield Walker(watched)
    watched.close()


def its_time_comes(walk: Walker, intent_id: str) -> Claim:
    walk.time_comes("due", intent_id)
    walk.do(walk.ledger.due([intent_id]))
    return walk.claimed(intent_id)


def released(walk: Walker, intent_id: str, after_ms: int) -> None:
    """The gate that holds it opens after a time."""
    row = walk.keys.intent(intent_id)
    walk.watched.redis.hincrby(row, "held_at", -after_ms)
    assert len(walk.do(walk.ledger.release(APPLICATION, [intent_id]))) == 1


def test_a_call_that_failed_costs_a_round_and_age(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.FAILED, wait_ms=HOUR_MS)
    claim = its_time_comes(walk, intent_id)
    assert (claim.rounds, claim.waited_ms) == (1, 0)


def test_a_slot_costs_neither_and_the_status_says_what_it_waits_for(walk: Walker) -> None:
    intent_id = walk.accepted()
    for times in range(3):
        claim = walk.settled(intent_id, Event.FAILED, wait_ms=HOUR_MS, waits_for="a slot")
        assert (claim.rounds, claim.waited_ms) == (0, times * HOUR_MS)
        assert walk.do(statuses_of(walk.keys, [intent_id]))[0].waiting_for == "a slot"
        walk.time_comes("due", intent_id)
        walk.do(walk.ledger.due([intent_id]))
    walk.settled(intent_id, Event.FAILED)
    assert walk.do(statuses_of(walk.keys, [intent_id]))[0].waiting_for == "the time of its next attempt"


def test_a_gate_costs_neither_whether_it_shuts_before_or_after_the_call(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.SHUT)
    released(walk, intent_id, 2 * HOUR_MS)
    walk.do(walk.ledger.gates.shut("hand", APPLICATION, "noon"))
    claim = walk.claimed(intent_id)
    assert claim.waited_ms >= 2 * HOUR_MS
    assert walk.do(walk.ledger.admit([claim], claim.token))[0].outcome == "held"
    released(walk, intent_id, HOUR_MS)
    claim = walk.claimed(intent_id)
    assert claim.rounds == 0
    assert 3 * HOUR_MS <= claim.waited_ms < 4 * HOUR_MS


def test_the_rate_of_a_replay_costs_neither(walk: Walker) -> None:
    letter = walk.dead()
    new = entry_of(an_intent(), walk.settings)
    assert walk.do(walk.ledger.letters.replay([Replay(letter, letter, new, wait_ms=HOUR_MS)])) == ["replayed"]
    claim = its_time_comes(walk, new.intent_id)
    assert (claim.rounds, claim.waited_ms) == (0, HOUR_MS)
