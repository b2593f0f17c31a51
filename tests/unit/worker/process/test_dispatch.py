"""From the lanes to the batches: no slot stays taken, no message stays unacknowledged, suspects have no neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from wooshq.errors import LedgerUnavailable
from wooshq_worker.intents.batch import Group
from wooshq_worker.jobs.suspects import SuspectLock
from wooshq_worker.process.dispatch import Dispatcher
from wooshq_worker.process.lanes import Lanes
from wooshq_worker.process.tasks import Tasks

GENEROUS_S = 60.0


class World:
    """Lanes of 4 slots, and batches that end when the test allows it."""

    def __init__(self, fails_with: Exception | None = None) -> None:
        self.fails_with = fails_with
        self.left: list[str] = []
        self.sent: list[list[str]] = []
        self.acked: list[str] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.changed = asyncio.Event()
        self.lanes = Lanes({"transactional": 4, "bulk": 4}, 4, lambda: False)
        self.suspects_done = 0

    is_available = True

    async def send(self, ids: Sequence[str], group: Group) -> None:
        self.sent.append(list(ids))
        self.changed.set()
        if self.fails_with is not None:
            raise self.fails_with
        left, self.left = self.left, []
        group.claimed(left)
        await self.may_end.wait()
        group.ended(len(ids))

    def ack(self, name: str) -> None:
        self.acked.append(name)
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

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        tasks = Tasks()
        dispatcher = Dispatcher(self.lanes, self, self, tasks, SuspectLock(), self.on_suspects_done)  # type: ignore[arg-type]
        running = [asyncio.create_task(dispatcher.run_lane("bulk")), asyncio.create_task(dispatcher.run_suspects())]
        yield dispatcher
        self.may_end.set()
        async with asyncio.timeout(GENEROUS_S):
            while len(tasks) or self.lanes.are_waiting:
                await asyncio.sleep(0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @property
    def is_free(self) -> bool:
        return self.lanes.free(self.lanes["bulk"]) == 4


class WhenIdsArrive:
    async def test_as_many_are_claimed_as_there_are_slots(self) -> None:
        world = World()
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.add("bulk", list("abcdef"), lambda: world.ack("first"))
            assert await world.until(1) == [list("abcd")]
            assert world.acked == []  # two of its ids are not claimed yet
            world.may_end.set()
            assert await world.until(2) == [list("abcd"), list("ef")]
        assert world.acked == ["first"]
        assert world.is_free

    async def test_an_id_that_comes_twice_is_claimed_once_and_leaves_no_slot_taken(self) -> None:
        world = World()
        async with world.running() as dispatcher:
            dispatcher.add("bulk", list("aab"), lambda: world.ack("first"))
            assert await world.until(1) == [["a", "b"]]
        assert world.is_free

    async def test_what_a_claim_had_no_room_for_goes_first_the_next_time(self) -> None:
        world = World()
        world.left = ["d"]
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.add("bulk", list("abcd"), lambda: world.ack("first"))
            dispatcher.add("bulk", list("ef"), lambda: world.ack("second"))
            await world.until(1)
            world.may_end.set()
            assert (await world.until(2))[1] == list("def")

    async def test_nothing_more_is_claimed_after_a_stop(self) -> None:
        world = World()
        async with world.running() as dispatcher:
            dispatcher.stop()
            dispatcher.add_suspects("bulk", ["s"], lambda: world.ack("suspects"))
            for _ in range(10):
                await asyncio.sleep(0)
        assert world.sent == []


class WhenABatchFails:
    async def test_an_unavailable_ledger_leaves_nothing_behind(self) -> None:
        world = World(fails_with=LedgerUnavailable("gone", maybe_done=False))
        async with world.running() as dispatcher:
            dispatcher.add("bulk", ["a"], lambda: world.ack("first"))
            await world.until(1)
        assert world.acked == ["first"]
        assert world.is_free

    async def test_a_bug_leaves_nothing_behind_and_the_lane_goes_on(self) -> None:
        world = World(fails_with=ValueError("a bug"))
        async with world.running() as dispatcher:
            dispatcher.add("bulk", ["a"], lambda: world.ack("first"))
            await world.until(1)
            dispatcher.add("bulk", ["b"], lambda: world.ack("second"))
            await world.until(2)
        assert world.acked == ["first", "second"]
        assert world.is_free


class WhenSuspectsArrive:
    async def test_their_message_is_acknowledged_at_once_and_one_group_is_sent_after_the_other(self) -> None:
        world = World()
        world.may_end.clear()
        async with world.running() as dispatcher:
            dispatcher.add_suspects("bulk", ["a", "b"], lambda: world.ack("first"))
            dispatcher.add_suspects("transactional", ["c"], lambda: world.ack("second"))
            assert world.acked == ["first", "second"]
            assert await world.until(1) == [["a", "b"]]
            for _ in range(10):
                await asyncio.sleep(0)
            assert world.sent == [["a", "b"]]
            world.may_end.set()
            assert await world.until(2) == [["a", "b"], ["c"]]
        assert world.is_free
