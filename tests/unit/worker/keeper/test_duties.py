"""The duties for intents and turns, against a real ledger: what each moves or rings for, and what it leaves alone."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, an_intent, change_moments, some_settings, with_fields
from wooshq.intents.entry import entry_of, new_id
from wooshq.ledger.intents import Claim, IntentLedger, Settlement, read_rows
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.replies import ms
from wooshq.ledger.run import run
from wooshq.ledger.states import Event
from wooshq.ledger.steps import Steps
from wooshq_worker.keeper.bells import ring_bells
from wooshq_worker.keeper.due import expire_intents, queue_due_retries
from wooshq_worker.keeper.duty import DutyContext
from wooshq_worker.keeper.leases import take_over_intents
from wooshq_worker.keeper.lost_turns import call_lost_turns
from wooshq_worker.keeper.version_before import take_in_old_intents
from wooshq_worker.ledger_client import LedgerClient


class Broker:
    """Notes what the keeper tells it. empty: what it says of each lane."""

    def __init__(self) -> None:
        self.empty = True
        self.rung: list[str] = []
        self.turns = 0

    async def ring(self, lane: str) -> None:
        self.rung.append(lane)

    async def call_turns(self, chunks: int) -> None:
        self.turns += chunks

    async def is_empty(self, lane: str) -> bool:
        return self.empty


class World:
    """A ledger with intents, and a keeper's context on it."""

    def __init__(self, url: str, **settings: Any) -> None:
        made = {"application": APPLICATION, **settings}
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
        return [one.intent_id for one in self.do(self.ledger.accept(entries)).outcomes]

    def take(self, most: int = 64, *, lane: str = "transactional", suspects: bool = False) -> list[Claim]:
        return self.do(self.ledger.take(lane, most, token=new_id(), taker="a", suspects=suspects)).claims  # type: ignore[no-any-return]

    def settled(self, ids: list[str], event: Event, **fields: Any) -> None:
        """All that wait in the lane end like that; they must be just these."""
        claims: list[Claim] = []
        while some := self.take():
            claims += some
        assert sorted(claim.intent_id for claim in claims) == sorted(ids)
        assert all(self.do(self.ledger.settle([Settlement(claim, event, **fields) for claim in claims])))

    def lost(self, ids: list[str]) -> None:
        """A worker took them, and its leases have ended."""
        taken = self.take() or self.take(suspects=True)
        assert sorted(claim.intent_id for claim in taken) == sorted(ids)
        self.redis.zadd(self.ledger.keys.fixed("leases"), dict.fromkeys(ids, 1))

    def rested(self, ids: list[str]) -> None:
        """The time for which these suspects are left alone is over."""
        self.redis.zadd(self.ledger.keys.suspects("transactional"), dict.fromkeys(ids, 1))

    def states(self, ids: list[str]) -> list[str | None]:
        return [row.get("state") for row in self.do(read_rows(self.ledger.keys, ids)).rows]


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    made = World(redis_url)
    yield made
    await made.client.close()
    made.redis.close()


def server_ms(world: World) -> int:
    return ms(world.redis.time())


class WhenTheTimeOfAnIntentHasCome:
    async def test_a_due_retry_is_queued_and_a_later_one_waits(self, world: World) -> None:
        (due,) = world.accepted()
        world.settled([due], Event.FAILED, wait_ms=0)
        (later,) = world.accepted()
        world.settled([later], Event.FAILED, wait_ms=600_000)
        await queue_due_retries(world.context)
        assert world.states([due, later]) == ["queued", "retrying"]

    async def test_more_retries_than_one_page_are_queued_in_one_round(self, world: World) -> None:
        ids = world.accepted(450)
        world.settled(ids, Event.FAILED, wait_ms=0)
        await queue_due_retries(world.context)
        assert world.states(ids) == ["queued"] * 450

    async def test_an_intent_whose_time_is_over_expires(self, world: World) -> None:
        over, other = world.accepted(2, ttl_s=3600)
        world.redis.zadd(world.ledger.keys.fixed("expiry"), {over: 1})
        change_moments(world.redis, world.ledger.keys.intent(over), expires=1)
        await expire_intents(world.context)
        assert world.states([over, other]) == ["expired", "queued"]


class WhenAWorkerIsLost:
    async def test_its_intents_are_queued_again(self, world: World) -> None:
        ids = world.accepted(3)
        world.lost(ids)
        await take_over_intents(world.context)
        assert sorted(claim.intent_id for claim in world.take()) == sorted(ids)

    async def test_the_intents_own_wish_counts_for_those_in_doubt(self, world: World) -> None:
        (resent,), (dead,) = world.accepted(on_unknown="resend"), world.accepted(on_unknown="dead_letter")
        world.lost([resent, dead])
        await take_over_intents(world.context)
        assert world.states([resent, dead]) == ["queued", "dead"]

    async def test_an_intent_that_lost_several_workers_is_a_suspect(self, world: World) -> None:
        ids = world.accepted()
        for _ in range(world.settings.suspect_after):
            world.lost(ids)
            await take_over_intents(world.context)
        assert world.take() == []
        world.rested(ids)
        assert [claim.intent_id for claim in world.take(suspects=True)] == ids

    async def test_a_suspect_is_left_alone_twice_as_long_with_each_further_lost_worker(self, world: World) -> None:
        """Workers that are lost one after the other for another reason must not make an innocent intent poison."""
        ids = world.accepted()
        rests = []
        for _ in range(world.settings.poison_after - 1):
            world.lost(ids)
            before = server_ms(world)
            await take_over_intents(world.context)
            until = world.redis.zscore(world.ledger.keys.suspects("transactional"), ids[0])
            if until is not None:
                assert world.take(suspects=True) == []
                rests.append((until - server_ms(world), until - before))
                world.rested(ids)
        wanted = [world.settings.suspect_rest_s * 1000 * 2**n for n in range(len(rests))]
        assert len(rests) == world.settings.poison_after - world.settings.suspect_after
        assert all(least <= rest <= most for rest, (least, most) in zip(wanted, rests, strict=True))

    async def test_an_intent_whose_lease_has_not_ended_is_left_alone(self, world: World) -> None:
        ids = world.accepted()
        world.take()
        await take_over_intents(world.context)
        assert world.states(ids) == ["sending"]


class WhenWorkWaitsAndNoWorkerKnowsOfIt:
    def no_worker_is_awake(self, world: World) -> None:
        world.redis.delete(world.ledger.keys.fixed("bells"))

    async def test_the_bell_of_its_lane_is_rung_and_not_again_at_once(self, world: World) -> None:
        world.accepted(lane="bulk")
        self.no_worker_is_awake(world)
        await ring_bells(world.context)
        await ring_bells(world.context)
        assert world.broker.rung == ["bulk"]

    async def test_a_bell_that_nobody_has_answered_for_a_second_is_rung_again(self, world: World) -> None:
        world.accepted()
        await ring_bells(world.context)
        assert world.broker.rung == [], "the producer has rung"
        world.redis.hincrby(world.ledger.keys.fixed("bells"), "transactional:rung", -1001)
        await ring_bells(world.context)
        assert world.broker.rung == ["transactional"]

    async def test_a_worker_that_is_awake_needs_no_bell(self, world: World) -> None:
        world.accepted(2)
        assert len(world.take(1)) == 1
        world.redis.hset(world.ledger.keys.fixed("bells"), "transactional", 0)
        await ring_bells(world.context)
        assert world.broker.rung == []

    async def test_none_is_rung_while_a_gate_holds_everything(self, world: World) -> None:
        world.accepted()
        self.no_worker_is_awake(world)
        world.do(world.ledger.gates.shut("hand", APPLICATION, "for the test"))
        await ring_bells(world.context)
        assert world.broker.rung == []
        world.do(world.ledger.gates.open("hand", APPLICATION))
        await ring_bells(world.context)
        assert world.broker.rung == ["transactional"]

    async def test_it_is_rung_when_the_time_of_a_gate_has_come(self, world: World) -> None:
        world.accepted()
        self.no_worker_is_awake(world)
        past = int(time.time() * 1000) - 1000
        gate = {"why": "", "since_ms": past, "until_ms": past, "wait_ms": 1000}
        world.redis.hset(world.ledger.keys.fixed("gates"), f"circuit|{APPLICATION}", json.dumps(gate))
        await ring_bells(world.context)
        assert world.broker.rung == ["transactional"]

    async def test_it_is_rung_for_suspects(self, world: World) -> None:
        ids = world.accepted()
        for _ in range(world.settings.suspect_after):
            world.lost(ids)
            await take_over_intents(world.context)
        self.no_worker_is_awake(world)
        await ring_bells(world.context)
        assert world.broker.rung == []  # it is left alone for a while
        world.rested(ids)
        await ring_bells(world.context)
        assert world.broker.rung == ["transactional"]


class WhenTheLedgerIsOfTheVersionBefore:
    async def test_what_was_queued_or_held_is_queued(self, world: World) -> None:
        """It kept one set for each lane, and a set of held intents for each application."""
        (queued,), (held,) = world.accepted(lane="bulk"), world.accepted()
        keys = world.ledger.keys
        world.redis.delete(
            keys.queue("bulk", APPLICATION), keys.queue("transactional", APPLICATION), keys.ring("bulk"), keys.ring("transactional")
        )
        world.redis.zadd(keys.before_queues("queued:bulk"), {queued: 1})
        with_fields(world.redis, keys.intent(held), state="held", gate="hand", held_at=1)
        with_fields(world.redis, keys.intent(queued))
        world.redis.zadd(keys.before_queues(f"held:{APPLICATION}"), {held: 1})
        world.redis.sadd(keys.before_queues("held_applications"), APPLICATION)
        await take_in_old_intents(world.context)
        assert world.states([queued, held]) == ["queued", "queued"]
        assert [claim.intent_id for claim in world.take(lane="bulk")] == [queued]
        assert [claim.intent_id for claim in world.take()] == [held]
        assert world.redis.keys("*queued:*") == world.redis.keys("*held*") == []


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
