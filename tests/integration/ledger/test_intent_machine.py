"""The ledger against a dictionary that walks MOVES: real scripts in any order, each held to its header."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.integration.ledger.replays import replay_one
from tests.rig import APPLICATION, an_intent, change_moments, read_row, some_settings
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
from wooshq.ledger.states import FINAL, MOVES, Event, LetterState, Reason, State
from wooshq.ledger.steps import Steps
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq_worker.keeper.history.ledger import EventLedger

#: So far away that it never comes while a test runs; the tests move it.
HOUR_MS = 3_600_000

LANE_NAMES = ("transactional", "bulk")
LANES = st.sampled_from(LANE_NAMES)
FEW = 4  #: intents of which a run goes on to make moves: with more, two workers seldom meet over one
HOW_IT_ENDED = st.sampled_from([Event.ACCEPTED, Event.FAILED, Event.GIVEN_UP, Event.HANDED_BACK, Event.EXPIRE])


@dataclass
class Known:
    """What must be true of one intent."""

    lane: str
    state: State = State.QUEUED
    claim: Claim | None = None
    letter: str | None = None  #: the letter of which it is a replay
    begun: bool = False
    calls: int = 0
    replays: list[str] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """Each rule does to the ledger what producers, workers, the keeper and operators do, and walks the table beside it."""

    url = ""

    ids = Bundle("ids")
    stale = Bundle("stale")

    @initialize()
    def start(self) -> None:
        self.watched = WatchedLedger(self.url)
        self.redis = self.watched.redis
        self.redis.flushdb()
        self.settings = some_settings(lease_s=3600.0, poison_after=3, suspect_after=1, suspect_rest_s=0.0)
        self.ledger = IntentLedger(self.settings)
        self.do(EventLedger(self.settings).listen(10**9))
        self.known: dict[str, Known] = {}
        self.n = 0
        self.letters: dict[str, LetterState] = {}

    def teardown(self) -> None:
        if hasattr(self, "watched"):
            self.watched.close()

    def do(self, steps: Steps[Any]) -> Any:
        return self.watched.do(steps)

    def move(self, intent_id: str, event: Event) -> bool:
        """Walk the table; False where there is no such way."""
        known = self.known[intent_id]
        if event not in MOVES.get(known.state, {}):
            return False
        known.state = MOVES[known.state][event]
        if known.state is not State.SENDING:
            known.claim, known.begun = None, False
        if known.state is State.DEAD:
            self.letters[known.letter or intent_id] = LetterState.OPEN
        elif known.letter is not None and known.state in FINAL:
            self.letters[known.letter] = LetterState.CLOSED if known.state is State.SENT else LetterState.OPEN
        return True

    def in_this_order(self, ids: list[str], lane: str) -> None:
        """Let them stand in their queue in an order that does not depend on the clock, so that hypothesis can make a run again."""
        for intent_id in ids:
            self.n += 1
            change_moments(self.redis, self.ledger.keys.intent(intent_id), at=self.n)
            self.redis.zadd(self.ledger.keys.queue(lane, APPLICATION), {intent_id: self.n}, xx=True)

    # Producers

    @precondition(lambda self: len(self.known) < FEW)
    @rule(target=ids, lane=LANES, n=st.integers(1, 4), twice=st.booleans(), expires=st.booleans())
    def accept(self, lane: str, n: int, twice: bool, expires: bool) -> Any:
        more: dict[str, Any] = {"ttl_s": 1000} if expires else {}
        entries = [entry_of(an_intent(lane=lane, **more), self.settings) for _ in range(n)]
        first = self.do(self.ledger.accept(entries)).outcomes
        assert all(one.new for one in first)
        if twice:
            again = self.do(self.ledger.accept(entries)).outcomes
            assert [one.intent_id for one in again] == [one.intent_id for one in first]
            assert not any(one.new or one.clash for one in again)
        self.known |= {entry.intent_id: Known(lane) for entry in entries}
        self.in_this_order([entry.intent_id for entry in entries], lane)
        return multiple(*(entry.intent_id for entry in entries))

    # Workers

    @rule(target=stale, lane=LANES, most=st.integers(1, 4), suspects=st.booleans(), twice=st.booleans())
    def take(self, lane: str, most: int, suspects: bool, twice: bool) -> Any:
        token = new_id()
        taken = self.do(self.ledger.take(lane, most, token=token, taker="a", suspects=suspects))
        if twice:
            assert self.do(self.ledger.take(lane, most, token=token, taker="a", suspects=suspects)).claims == taken.claims
        for claim in taken.claims:
            known = self.known[claim.intent_id]
            assert known.lane == lane
            assert self.move(claim.intent_id, Event.TAKEN)
            assert claim.attempts == known.calls
            known.claim, known.begun = claim, True
        if not suspects and len(taken.claims) < most:
            assert not taken.has_more
            assert not self.members(self.ledger.keys.queue(lane, APPLICATION)), "nothing that may leave is left behind"
        return multiple(*taken.claims)

    @rule(claim=stale, event=HOW_IT_ENDED, calls=st.integers(0, 2), twice=st.booleans())
    def settle(self, claim: Claim, event: Event, calls: int, twice: bool) -> None:
        """A worker that lost the lease changes nothing."""
        known = self.known[claim.intent_id]
        holds = known.claim == claim
        attempt = {"at": "2026-05-01T09:00:00.000Z", "outcome": "retry"}
        settlement = Settlement(claim, event, [attempt] * calls, message_code="M-1", reason=Reason.REJECTED, detail="no", wait_ms=HOUR_MS)
        before = read_row(self.redis, self.ledger.keys.intent(claim.intent_id))
        settled = self.do(self.ledger.settle([settlement]))
        if holds:
            assert settled == [True]
            known.calls += calls
            assert self.move(claim.intent_id, event)
        if twice:
            after = read_row(self.redis, self.ledger.keys.intent(claim.intent_id))
            assert self.do(self.ledger.settle([settlement])) == settled
            assert read_row(self.redis, self.ledger.keys.intent(claim.intent_id)) == after
        if settled == [False]:
            assert read_row(self.redis, self.ledger.keys.intent(claim.intent_id)) == before

    @rule(target=stale, lane=LANES, event=HOW_IT_ENDED)
    def a_worker_s_round(self, lane: str, event: Event) -> Any:
        """The usual order, which chance alone seldom finds: take, settle."""
        claim = self.take(lane, 1, suspects=False, twice=False)
        if not isinstance(claim, Claim):
            return multiple()
        self.settle(claim, event, 1, twice=False)
        return claim

    # The keeper

    @rule(intent_id=ids)
    def a_lease_ends(self, intent_id: str) -> None:
        known = self.known[intent_id]
        if known.state is not State.SENDING:
            return
        self.redis.zadd(self.ledger.keys.fixed("leases"), {intent_id: 1})
        lost = int(read_row(self.redis, self.ledger.keys.intent(intent_id)).get("lost", 0)) + 1
        doubts = self.redis.xlen(self.ledger.keys.fixed("doubts"))
        taken = self.do(self.ledger.take_over([intent_id], {}))
        assert self.redis.xlen(self.ledger.keys.fixed("doubts")) == doubts + known.begun, "a call that may have left is in doubt"
        known.calls += known.begun
        poison = lost >= self.settings.poison_after
        assert self.move(intent_id, Event.GIVEN_UP if poison else Event.LEASE_ENDED)
        assert len(taken) == (0 if poison else 1)
        assert len(self.do(self.ledger.take_over([intent_id], {}))) == 0

    @rule(intent_id=ids)
    def its_time_comes(self, intent_id: str) -> None:
        if self.known[intent_id].state is State.RETRYING:
            assert len(self.do(self.ledger.due([intent_id]))) == 0, "not before its time"
            self.redis.zadd(self.ledger.keys.fixed("due"), {intent_id: 1})
            assert len(self.do(self.ledger.due([intent_id]))) == 1
            self.move(intent_id, Event.DUE)
        assert len(self.do(self.ledger.due([intent_id]))) == 0

    @rule(intent_id=ids)
    def it_expires(self, intent_id: str) -> None:
        expiry = self.ledger.keys.fixed("expiry")
        if self.redis.zscore(expiry, intent_id) is None:
            return
        self.redis.zadd(expiry, {intent_id: 1})
        waits = self.known[intent_id].state is not State.SENDING
        assert self.do(self.ledger.expire([intent_id])) == ([intent_id] if waits else [])
        if waits:
            assert self.move(intent_id, Event.EXPIRE)
        else:
            self.redis.zadd(expiry, {intent_id: 4e12})

    # Operators

    @rule(intent_id=ids)
    def cancel(self, intent_id: str) -> None:
        self.move(intent_id, Event.CANCEL)
        for _ in range(2):
            assert self.do(self.ledger.cancel(intent_id)) == self.known[intent_id].state

    @precondition(lambda self: self.letters)
    @rule(target=ids, data=st.data(), lane=LANES, twice=st.booleans())
    def replay(self, data: st.DataObject, lane: str, twice: bool) -> Any:
        letter = data.draw(st.sampled_from(sorted(self.letters)))
        new = entry_of(an_intent(lane=lane), self.settings)
        replayed = self.do(replay_one(ReplayLedger(self.settings), letter, new, twice=twice))
        assert replayed is (self.letters[letter] is LetterState.OPEN)
        if not replayed:
            return multiple()
        self.letters[letter] = LetterState.REPLAYING
        self.known[new.intent_id] = Known(lane, State.QUEUED, letter=letter)
        self.in_this_order([new.intent_id], lane)
        return new.intent_id

    # What is always true

    @invariant()
    def every_intent_is_where_the_table_says_and_nowhere_else(self) -> None:
        if not hasattr(self, "redis"):
            return
        keys = self.ledger.keys
        places = {
            State.QUEUED: {
                i for lane in LANE_NAMES for name in (keys.queue(lane, APPLICATION), keys.suspects(lane)) for i in self.members(name)
            },
            State.SENDING: self.members(keys.fixed("leases")),
            State.RETRYING: self.members(keys.fixed("due")),
        }
        for state, members in places.items():
            assert members == {i for i, known in self.known.items() if known.state is state}
        assert not self.members(keys.fixed("expiry")) & {i for i, known in self.known.items() if known.state in FINAL}
        for intent_id, known in self.known.items():
            row = read_row(self.redis, keys.intent(intent_id))
            assert row["state"] == known.state
            assert int(row.get("n", 0)) == known.calls == sum(name.startswith("a:") for name in row)
            assert (self.redis.pttl(keys.intent(intent_id)) > 0) is (known.state in FINAL), "kept until it ends, and then for a time"
            assert json.loads(row["body"])["to"] == {"users": ["u1"]}
        for letter, state in self.letters.items():
            assert (self.redis.hget(keys.letter(letter), "state") or b"").decode() == state

    def members(self, key: str) -> set[str]:
        return {i.decode() for i in self.redis.zrange(key, 0, -1)}


@pytest.mark.timeout(600)
def test_no_order_of_moves_loses_or_doubles_an_intent(redis_url: str) -> None:
    Machine.url = redis_url
    run_state_machine_as_test(
        Machine,
        settings=settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)),
    )
