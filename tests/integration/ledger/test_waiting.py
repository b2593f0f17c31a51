"""Waiting is not failing: time for a gate, a slot or a turn costs neither a round of the backoff nor age."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.ledger.walker import HOUR_MS, Walker
from tests.rig import APPLICATION
from tests.watched_ledger import WatchedLedger
from wooshq.intents.status import statuses_of
from wooshq.ledger.gates import Heard
from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason


@pytest.fixture
def walk(redis_url: str) -> Iterator[Walker]:
    watched = WatchedLedger(redis_url)
    yield Walker(watched)
    watched.close()


def its_time_comes(walk: Walker, intent_id: str) -> Claim:
    walk.time_comes("due", intent_id)
    walk.do(walk.ledger.due([intent_id]))
    return walk.claimed(intent_id)


def time_passes(walk: Walker, intent_id: str, ms: int) -> None:
    """It has waited for so long in its queue."""
    walk.watched.redis.hincrby(walk.keys.intent(intent_id), "queued_at", -ms)


def test_a_call_that_failed_costs_a_round_and_age(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.FAILED, wait_ms=HOUR_MS)
    claim = its_time_comes(walk, intent_id)
    assert claim.rounds == 1
    assert claim.failed_at_ms is not None
    assert claim.waited_ms < HOUR_MS


def test_the_wait_before_the_first_failure_is_no_age(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.HANDED_BACK)
    time_passes(walk, intent_id, 2 * HOUR_MS)
    claim = walk.claimed(intent_id)
    assert (claim.failed_at_ms, claim.rounds, claim.waited_ms) == (None, 0, 0)


def test_a_wait_for_a_newer_worker_costs_neither_and_the_status_says_what_it_waits_for(walk: Walker) -> None:
    intent_id = walk.accepted()
    for times in range(3):
        claim = walk.settled(intent_id, Event.FAILED, wait_ms=HOUR_MS, waits_for="a newer worker")
        assert (claim.rounds, claim.waited_ms) == (0, times * HOUR_MS)
        assert walk.do(statuses_of(walk.keys, [intent_id]))[0].waiting_for == "a newer worker"
        walk.time_comes("due", intent_id)
        walk.do(walk.ledger.due([intent_id]))
    walk.settled(intent_id, Event.FAILED)
    assert walk.do(statuses_of(walk.keys, [intent_id]))[0].waiting_for == "the time of its next attempt"


def test_a_gate_costs_neither_after_a_failure(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.FAILED)
    walk.time_comes("due", intent_id)
    walk.do(walk.ledger.due([intent_id]))
    walk.do(walk.ledger.gates.shut("hand", APPLICATION, "noon"))
    time_passes(walk, intent_id, 2 * HOUR_MS)
    assert walk.taken_now(intent_id) is None
    status = walk.do(statuses_of(walk.keys, [intent_id]))[0]
    assert (status.state, status.waiting_for) == ("held", "paused: noon")
    walk.do(walk.ledger.gates.open("hand", APPLICATION))
    claim = walk.claimed(intent_id)
    assert claim.rounds == 1
    assert 2 * HOUR_MS <= claim.waited_ms < 3 * HOUR_MS


def test_a_slot_costs_neither_and_the_status_says_so(walk: Walker) -> None:
    walk = Walker(walk.watched, rate_per_s=1)
    first, second = walk.accepted(lane="bulk"), walk.accepted(lane="bulk")
    walk.claimed(first)
    assert walk.taken_now(second) is None
    assert "slot" in walk.do(statuses_of(walk.keys, [second]))[0].waiting_for
    assert "rounds" not in walk.row(second)


@pytest.mark.parametrize("event", [Event.GIVEN_UP, Event.HANDED_BACK])
def test_what_was_taken_and_not_called_gives_its_slot_back(walk: Walker, event: Event) -> None:
    """Such as one that cannot be rendered."""
    walk = Walker(walk.watched, rate_per_s=1)
    first, second = walk.accepted(lane="bulk"), walk.accepted(lane="bulk")
    claim = walk.claimed(first)
    assert walk.taken_now(second) is None
    assert walk.do(walk.ledger.settle([Settlement(claim, event, reason=Reason.INVALID, detail="no")])) == [True]
    assert walk.taken_now(second) is not None


def test_a_probe_that_was_not_called_lets_another_one_go(walk: Walker) -> None:
    walk = Walker(walk.watched, probes=1)
    walk.do(walk.ledger.gates.report(APPLICATION, Heard(failed=walk.settings.breaker_failures)))
    gates = walk.keys.fixed("gates")
    for field, kept in walk.watched.redis.hgetall(gates).items():
        walk.watched.redis.hset(gates, field, json.dumps({**json.loads(kept), "until_ms": 1}))
    first, second = walk.accepted(), walk.accepted()
    claim = walk.claimed(first)
    assert walk.taken_now(second) is None
    assert walk.do(walk.ledger.settle([Settlement(claim, Event.GIVEN_UP, reason=Reason.INVALID, detail="no")])) == [True]
    assert walk.claimed(second).probe
