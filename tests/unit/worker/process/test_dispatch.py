"""From the lanes to the batches: when a worker looks, no slot stays taken, suspects have no neighbours, and bells are passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import Taken
from wooshq_worker.intents.batch import Group
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.process import dispatch
from wooshq_worker.process.broker_message import MOST_HOPS
from wooshq_worker.process.dispatch import Dispatcher
from wooshq_worker.process.lanes import Lanes
from wooshq_worker.process.tasks import Tasks

GENEROUS_S = 60.0


class World:
    """A ledger in which names wait, lanes of 4 slots, and batches that end when the test allows it."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.suspects: list[str] = []
        self.takes: list[int] = []
        self.woken: list[bool] = []
        self.errors: list[Exception] = []
        self.again_ms: int | None = None
        self.must_ring = False
        self.sent: list[list[str]] = []
        self.rung: list[tuple[str, int]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.changed = asyncio.Event()
        self.lanes = Lanes({"transactional": 4, "bulk": 4}, 4, lambda: False)
        self.suspects_done = 0

    is_available = True

    async def take(self, lane: str, most: int, *, suspects: bool = False, woken: bool = False) -> Taken:
        self.takes.append(most)
        self.woken.append(woken)
        self.changed.set()
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop()
        source = self.suspects if suspects else self.waiting
        size = min(most, 2) if suspects else most
        claims: list[Any] = source[:size]
        del source[:size]
        return Taken(0, claims, bool(source) and not suspects, self.again_ms, len(self.suspects), self.must_ring, ())

    async def send(self, taken: Taken, group: Group) -> None:
        self.sent.append([str(claim) for claim in taken.claims])
        self.changed.set()
        await self.may_end.wait()
        group.close()

    def ring(self, lane: str, hops: int) -> None:
        self.rung.append((lane, hops))
        self.changed.set()

    def on_suspects_done(self) -> None:
        self.suspects_done += 1
        self.changed.set()

    async def until(self, n: int) -> list[list[str]]:
        """Waits until `n` batches have begun."""
        async with asyncio.timeout(GENEROUS_S):
            while len(self.sent) < n:
                self.changed.clear()
                await self.changed.wait()
        return self.sent

    async def until_taken(self, n: int) -> None:
        async with asyncio.timeout(GENEROUS_S):
            while len(self.takes) < n:
                self.changed.clear()
                await self.changed.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        tasks = Tasks()
        dispatcher = Dispatcher(
            self.lanes,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            tasks,
            SuspectLock(),
            self.ring,
            self.on_suspects_done,
        )
        running = [asyncio.create_task(dispatcher.run_lane("bulk")), asyncio.create_task(dispatcher.run_suspects())]
        yield dispatcher
        self.may_end.set()
        async with asyncio.timeout(GENEROUS_S):
            while len(tasks) or self.waiting:
                await asyncio.sleep(0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @property
    def is_free(self) -> bool:
        return self.lanes.free(self.lanes["bulk"]) == 4


class WhenABellIsHeard:
    async def test_the_worker_takes_as_many_as_it_has_slots_until_nothing_is_left(self) -> None:
        world = World()
        world.waiting = list("abcdefghij")
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            assert await world.until(3) == [list("abcd"), list("efgh"), ["i", "j"]]
        assert world.is_free

    async def test_only_the_first_look_after_a_sleep_says_that_the_worker_was_woken(self) -> None:
        """The ledger rings for others more rarely while every bell is heard by a worker that is awake."""
        world = World()
        world.waiting = list("abcdefgh")
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until(1)
            dispatcher.hear_bell("bulk", 0)
            await world.until(2)
            while not dispatcher._lanes["bulk"].sleeps:  # it looks once more, finds nothing, and sleeps
                await asyncio.sleep(0.001)
            takes = len(world.takes)
            assert world.woken == [True] + [False] * (takes - 1)
            dispatcher.hear_bell("bulk", 0)
            await world.until_taken(takes + 1)
            assert world.woken[takes] is True

    async def test_nothing_is_taken_without_a_bell(self) -> None:
        world = World()
        async with world.running():
            await asyncio.sleep(0)
        assert world.takes == []

    async def test_no_more_is_taken_than_there_are_free_slots(self) -> None:
        world = World()
        world.waiting = list("abcdef")
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            assert await world.until(1) == [list("abcd")]
            assert world.takes == [4]
            world.may_end.set()
            await world.until(2)

    async def test_after_a_take_that_gave_something_the_worker_looks_again_by_itself(self) -> None:
        world = World()
        world.waiting = ["a"]
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until_taken(2)
        assert world.sent == [["a"]]

    async def test_it_looks_again_when_something_may_leave(self) -> None:
        world = World()
        world.again_ms = 1
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until_taken(2)

    async def test_a_full_worker_passes_the_bell_on_a_few_times(self) -> None:
        world = World()
        world.waiting = list("abcd")
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until(1)
            dispatcher.hear_bell("bulk", 0)
            dispatcher.hear_bell("bulk", MOST_HOPS)
            assert world.rung == [("bulk", 1)]

    async def test_it_wakes_others_if_the_ledger_says_so(self) -> None:
        world = World()
        world.waiting, world.must_ring = ["a"], True
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until(1)
        assert world.rung[0] == ("bulk", 0)


class WhenTheLedgerIsUnavailable:
    async def test_no_slot_stays_taken_and_it_is_asked_again(self) -> None:
        world = World()
        world.waiting, world.errors = ["a"], [LedgerUnavailable("gone", maybe_done=False)]
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            assert await world.until(1) == [["a"]]
        assert world.is_free


class WhenAWorkerStops:
    async def test_it_takes_nothing_more_and_passes_bells_on(self) -> None:
        world = World()
        async with world.running() as dispatcher:
            dispatcher.stop()
            dispatcher.hear_bell("bulk", 0)
            await asyncio.sleep(0)
            assert (world.takes, world.rung) == ([], [("bulk", 1)])

    async def test_it_goes_to_sleep_and_wakes_another_one_for_what_it_leaves(self) -> None:
        world = World()
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            await world.until_taken(1)
            await asyncio.sleep(0)
            dispatcher.stop()
            world.rung.clear()
            world.must_ring = True
            await dispatcher.go_to_sleep()
            assert (world.takes[-1], world.rung) == (0, [("bulk", 0)])


class WhenThereAreSuspects:
    async def test_they_are_sent_in_groups_one_after_the_other(self) -> None:
        world = World()
        world.suspects = list("abcde")
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", 0)
            assert await world.until(1) == [["a", "b"]]
            world.may_end.set()
            assert await world.until(3) == [["a", "b"], ["c", "d"], ["e"]]
        assert world.suspects_done >= 3
        assert world.is_free


class WhenALaneIsNearlyFull:
    async def test_slots_that_become_free_one_after_the_other_share_a_take(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dispatch, "_GATHER_S", 0.5)
        world = World()
        world.lanes = Lanes({"transactional": 64, "bulk": 64}, 64, lambda: False)
        lane = world.lanes["bulk"]
        world.lanes.take(lane, 64)
        world.waiting = [f"i{n}" for n in range(64)]
        async with world.running() as dispatcher:
            dispatcher.hear_bell("bulk", MOST_HOPS)
            for _ in range(10):
                world.lanes.give_back(lane, 1)
                await asyncio.sleep(0)
            await world.until_taken(1)
            assert world.takes[0] == 10
            world.lanes.give_back(lane, 54)
