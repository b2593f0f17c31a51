"""The duties for intents and turns, against a real ledger: what each publishes, and what it leaves alone."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, an_intent, some_settings
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import IntentLedger, Settlement, Taken
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.run import run
from wooshq.ledger.states import Event
from wooshq.ledger.steps import Steps
from wooshq_worker.keeper.due import expire_intents, publish_due_retries
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.keeper.held import release_held
from wooshq_worker.keeper.leases import take_over_intents
from wooshq_worker.keeper.lost_messages import publish_lost
from wooshq_worker.keeper.lost_turns import call_lost_turns
from wooshq_worker.ledger_client import LedgerClient


class Broker:
    """Notes what the keeper tells it. empty: what it says of each lane."""

    def __init__(self) -> None:
        self.empty = True
        self.published: list[str] = []
        self.suspects: list[str] = []
        self.turns = 0

    async def publish(self, taken: Taken) -> None:
        self.published += [i for ids in taken.by_lane.values() for i in ids]
        self.suspects += [one.intent_id for one in taken.suspects]

    async def call_turns(self, chunks: int) -> None:
        self.turns += chunks

    async def is_empty(self, lane: str) -> bool:
        return self.empty


class World:
    """A ledger with intents, and a keeper's context on it."""

    def __init__(self, url: str, **settings: Any) -> None:
        made = {"application": APPLICATION, "republish_after_s": 60, **settings}
        self.settings = some_settings(**made)
        self.ledger, self.jobs = IntentLedger(self.settings), JobLedger(self.settings)
        self.redis = redis.Redis.from_url(url)
        self.client = LedgerClient(url, "the test's Redis")
        self.broker = Broker()
        self.context = DutyContext(self.settings, self.ledger, self.jobs, self.client, self.broker)  # type: ignore[arg-type]

    def do(self, steps: Steps[Any]) -> Any:
        return run(steps, self.redis, "the test's Redis")

    def accepted(self, n: int = 1, **fields: Any) -> list[str]:
        entries = [entry_of(an_intent(f"u{i}", **fields), self.settings) for i in range(n)]
        return [one.intent_id for one in self.do(self.ledger.accept(entries))]

    def settled(self, ids: list[str], event: Event, **fields: Any) -> None:
        claims = self.do(self.ledger.claim(ids, new_id())).claimed
        assert all(self.do(self.ledger.settle([Settlement(claim, event, **fields) for claim in claims])))

    def lost(self, ids: list[str]) -> None:
        """A worker claimed and admitted them, and its leases have ended."""
        token = new_id()
        claims = self.do(self.ledger.claim(ids, token)).claimed
        assert [one.outcome for one in self.do(self.ledger.admit(claims, token))] == ["go"] * len(ids)
        self.redis.zadd(self.ledger.keys.fixed("leases"), dict.fromkeys(ids, 1))

    def states(self, ids: list[str]) -> list[str | None]:
        return [state for (state,) in self.do(self.ledger.fields(ids, "state"))]


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    made = World(redis_url)
    yield made
    await made.client.close()
    made.redis.close()


class WhenTheTimeOfAnIntentHasCome:
    async def test_a_due_retry_is_published_and_a_later_one_waits(self, world: World) -> None:
        (due,), (later,) = world.accepted(), world.accepted()
        world.settled([due], Event.FAILED, wait_ms=0)
        world.settled([later], Event.FAILED, wait_ms=600_000)
        await publish_due_retries(world.context)
        assert world.broker.published == [due]
        assert world.states([due, later]) == ["queued", "retrying"]

    async def test_more_retries_than_one_page_are_published_in_one_round(self, world: World) -> None:
        ids = world.accepted(450)
        for at in range(0, 450, 50):
            world.settled(ids[at : at + 50], Event.FAILED, wait_ms=0)
        await publish_due_retries(world.context)
        assert sorted(world.broker.published) == sorted(ids)

    async def test_an_intent_whose_time_is_over_expires(self, world: World) -> None:
        over, other = world.accepted(2, ttl_s=3600)
        world.redis.zadd(world.ledger.keys.fixed("expiry"), {over: 1})
        world.redis.hset(world.ledger.keys.intent(over), "expires", 1)
        await expire_intents(world.context)
        assert world.states([over, other]) == ["expired", "queued"]


class WhenAWorkerIsLost:
    async def test_its_intents_are_published_again(self, world: World) -> None:
        ids = world.accepted(3)
        world.lost(ids)
        await take_over_intents(world.context)
        assert sorted(world.broker.published) == sorted(ids)

    async def test_the_intents_own_wish_counts_for_those_in_doubt(self, world: World) -> None:
        (resent,), (dead,) = world.accepted(on_unknown="resend"), world.accepted(on_unknown="dead_letter")
        world.lost([resent, dead])
        await take_over_intents(world.context)
        assert world.broker.published == [resent]
        assert world.states([resent, dead]) == ["queued", "dead"]

    async def test_an_intent_that_lost_several_workers_is_a_suspect(self, world: World) -> None:
        ids = world.accepted()
        for _ in range(world.settings.suspect_after):
            world.lost(ids)
            world.broker.published.clear()
            await take_over_intents(world.context)
        assert (world.broker.published, world.broker.suspects) == ([], ids)

    async def test_an_intent_whose_lease_has_not_ended_is_left_alone(self, world: World) -> None:
        ids = world.accepted()
        world.do(world.ledger.claim(ids, new_id()))
        await take_over_intents(world.context)
        assert world.broker.published == []


class WhenAGateHoldsIntents:
    def held(self, world: World, n: int) -> list[str]:
        ids = world.accepted(n)
        world.settled(ids, Event.SHUT, gate="hand")
        assert world.states(ids) == ["held"] * n
        return ids

    async def test_none_is_released_while_the_gate_is_shut(self, world: World) -> None:
        ids = self.held(world, 3)
        world.do(world.ledger.gates.shut("hand", APPLICATION, "for the test"))
        await release_held(world.context)
        assert (world.broker.published, world.states(ids)) == ([], ["held"] * 3)

    async def test_all_are_released_when_it_is_open(self, world: World) -> None:
        ids = self.held(world, 3)
        await release_held(world.context)
        assert sorted(world.broker.published) == sorted(ids)
        assert world.states(ids) == ["queued"] * 3

    async def test_no_more_than_the_rate_allows_leave_in_a_round(self, world: World, redis_url: str) -> None:
        slow = World(redis_url, release_per_s=8, keeper_tick_s=0.25)
        self.held(slow, 5)
        await release_held(slow.context)
        await slow.client.close()
        assert len(slow.broker.published) == 2

    async def test_only_its_probes_are_released_while_it_is_tested(self, world: World) -> None:
        self.held(world, 5)
        past = int(time.time() * 1000) - 1000
        gate = {"why": "", "since_ms": past, "until_ms": past, "wait_ms": 1000}
        world.redis.hset(world.ledger.keys.fixed("gates"), f"circuit|{APPLICATION}", json.dumps(gate))
        await release_held(world.context)
        assert len(world.broker.published) == world.settings.probes < 5


class WhenTheBrokerLostMessages:
    async def test_intents_that_are_queued_for_too_long_are_published_again(self, world: World) -> None:
        old, new = world.accepted(2)
        world.redis.zadd(world.ledger.keys.queued("transactional"), {old: 1})
        await publish_lost(world.context)
        assert world.broker.published == [old]
        assert world.states([old, new]) == ["queued", "queued"]

    async def test_a_lane_without_queued_intents_is_not_asked_about(self, world: World) -> None:
        async def must_not_be_asked(lane: str) -> bool:
            raise AssertionError(lane)

        world.broker.is_empty = must_not_be_asked  # type: ignore[method-assign]
        await publish_lost(world.context)


class WhenTheBrokerLostTurns:
    def waiting_chunks(self, world: World, n: int) -> None:
        job = NewJob(id=new_id(), template="{}", digest="d", application=APPLICATION, list_limit=1)
        assert world.do(world.jobs.open(job)) == ""
        keys = world.jobs.keys
        world.redis.zadd(keys.job_part(job.id, "queued"), {str(i): i for i in range(n)})
        world.redis.zadd(keys.fixed("turns"), {job.id: 1})

    async def test_a_turn_is_called_for_each_waiting_chunk_if_the_lane_is_empty(self, world: World) -> None:
        self.waiting_chunks(world, 3)
        await call_lost_turns(world.context)
        assert world.broker.turns == 3

    async def test_none_is_called_while_the_lane_has_messages(self, world: World) -> None:
        self.waiting_chunks(world, 3)
        world.broker.empty = False
        await call_lost_turns(world.context)
        assert world.broker.turns == 0

    async def test_none_is_called_behind_a_shut_gate(self, world: World) -> None:
        self.waiting_chunks(world, 3)
        world.do(world.ledger.gates.shut("hand", APPLICATION, "for the test"))
        await call_lost_turns(world.context)
        assert world.broker.turns == 0
