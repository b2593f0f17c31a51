"""When the ledger says that a bell must be rung: once while nobody answers, for others while work is left, and then more rarely."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.rig import an_intent, some_settings
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import IntentLedger, Taken
from wooshq.ledger.run import run


class Desk:
    """A producer and a worker of the transactional lane, on a ledger whose last bell can be made older."""

    def __init__(self, url: str) -> None:
        self.settings = some_settings()
        self.ledger = IntentLedger(self.settings)
        self.redis = redis.Redis.from_url(url)

    def accept(self, n: int = 1) -> bool:
        """Whether the producer must ring."""
        entries = [entry_of(an_intent(f"u{i}"), self.settings) for i in range(n)]
        return run(self.ledger.accept(entries), self.redis, "here").bells == ["transactional"]

    def take(self, most: int = 1, *, woken: bool = False) -> Taken:
        return run(self.ledger.take("transactional", most, token=new_id(), taker="a", woken=woken), self.redis, "here")

    def ms_pass(self, ms: int) -> None:
        """Since the last bell."""
        self.redis.hincrby(self.ledger.keys.fixed("bells"), "transactional:rung", -ms)

    @property
    def every_ms(self) -> int:
        return int(self.redis.hget(self.ledger.keys.fixed("bells"), "transactional:every") or 0)


@pytest.fixture
def desk(redis_url: str) -> Iterator[Desk]:
    made = Desk(redis_url)
    yield made
    made.redis.close()


class WhenIntentsAreAccepted:
    def test_one_bell_is_rung_until_a_worker_answers_it(self, desk: Desk) -> None:
        assert [desk.accept() for _ in range(3)] == [True, False, False]
        desk.take(10)
        assert not desk.accept()  # the worker is awake


class WhenAWorkerLeavesSomethingBehind:
    def test_it_rings_for_others_and_more_rarely_while_nobody_is_woken(self, desk: Desk) -> None:
        desk.accept(100)
        desk.take(woken=True)
        every = []
        for _ in range(8):
            desk.ms_pass(desk.every_ms)
            assert desk.take().must_ring
            every.append(desk.every_ms)
            assert not desk.take().must_ring
        assert every == [100, 200, 400, 800, 1000, 1000, 1000, 1000]

    def test_a_worker_that_was_woken_makes_bells_frequent_again(self, desk: Desk) -> None:
        """Each one that is woken wakes the next, so that a backlog has all workers soon."""
        desk.accept(100)
        for _ in range(5):
            desk.ms_pass(2000)
            assert desk.take().must_ring
        desk.take(woken=True)
        assert desk.every_ms == 50

    def test_an_empty_lane_makes_them_frequent_again(self, desk: Desk) -> None:
        desk.accept(3)
        desk.ms_pass(2000)
        assert desk.take().must_ring
        assert desk.every_ms == 100
        desk.take(10)
        assert desk.every_ms == 50
