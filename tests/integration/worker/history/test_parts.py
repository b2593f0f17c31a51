"""A group of large messages is written in parts: memory holds few of them, and a kill between two parts loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import a_database
from tests.integration.worker.history.desk import KEYS, Desk, until
from tests.rig import GENEROUS_S
from tests.unit.history.records import KINDS
from wooshq.history.record import Record
from wooshq.history.store import History
from wooshq_worker.keeper.history import ledger, reading

BODY = 20_000
PART = 3 * BODY
LARGE = {"push": {"title": "Hi", "body": "x" * BODY}}


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(reading, "PART_BYTES", PART)
    monkeypatch.setattr(ledger, "READ_BYTES", BODY)  # so that each read has two rows
    with a_database(request.param, tmp_path) as url:
        made = Desk(redis_url, tmp_path, history_url=url)
        yield made
        made.close()


class WhenMessagesAreLarge:
    async def test_a_part_has_no_more_than_memory_has_room_for(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=20, message=LARGE)
        parts: list[int] = []

        def write(history: History, records: list[Record]) -> None:
            parts.append(len(records))
            history.write(records)

        desk.write = write
        await desk.consumed(lambda: not desk.rows() and not desk.redis.xlen(KEYS.fixed("events")))
        assert sorted(desk.in_history()) == ids
        assert sum(parts) == 20
        assert max(parts) <= 4, "each read has at most two rows, and three rows are a part"

    async def test_what_a_part_has_leaves_the_ledger_before_the_rest_is_written_and_the_event_stays(self, desk: Desk) -> None:
        desk.listen()
        desk.settled(n=20, message=LARGE)
        parts: list[int] = []
        left: list[tuple[int, int]] = []
        enough = asyncio.Event()
        loop = asyncio.get_running_loop()

        def write(history: History, records: list[Record]) -> None:
            parts.append(len(records))
            history.write(records)
            if len(parts) >= 3:
                left.append((len(desk.rows()), desk.redis.xlen(KEYS.fixed("events"))))
                loop.call_soon_threadsafe(enough.set)

        desk.write = write
        async with desk.consumer():
            await asyncio.wait_for(enough.wait(), GENEROUS_S)
        rows, events = left[0]
        assert rows < 20, "the first part has gone"
        assert events == 1, "it also tells of what was not written"

    @pytest.mark.parametrize("killed_after", [1, 2, 4])
    async def test_a_consumer_that_is_killed_between_two_parts_loses_nothing(self, desk: Desk, killed_after: int) -> None:
        desk.listen()
        ids = desk.settled(n=20, message=LARGE)
        before = {one: desk.status(one) for one in ids}
        parts: list[int] = []
        died, loop = asyncio.Event(), asyncio.get_running_loop()

        def write_and_die(history: History, records: list[Record]) -> None:
            if len(parts) == killed_after:
                loop.call_soon_threadsafe(died.set)
                raise asyncio.CancelledError
            parts.append(len(records))
            history.write(records)

        desk.write = write_and_die
        async with desk.consumer():
            await asyncio.wait_for(died.wait(), GENEROUS_S)
        assert len(desk.in_history()) == sum(parts) < 20
        assert {*desk.in_history(), *desk.rows()} == {*ids}
        assert desk.redis.xlen(KEYS.fixed("events")) == 1
        desk.write = lambda history, records: history.write(records)
        await desk.consumed(lambda: not desk.rows() and not desk.redis.xlen(KEYS.fixed("events")))
        assert sorted(desk.in_history()) == ids
        assert {one: desk.status(one) for one in ids} == before

    async def test_a_sweep_is_cut_in_parts_too(self, desk: Desk) -> None:
        ids = desk.settled(n=20, message=LARGE)
        parts: list[int] = []

        def write(history: History, records: list[Record]) -> None:
            parts.append(len(records))
            history.write(records)

        desk.write = write
        await desk.consumed(lambda: not desk.rows())
        assert sorted(desk.in_history()) == ids
        assert max(parts) <= 4


async def test_a_message_that_is_larger_than_a_part_is_written_alone(desk: Desk) -> None:
    desk.listen()
    ids = desk.settled(n=3, message={"push": {"title": "Hi", "body": "x" * 2 * PART}})
    async with desk.consumer():
        await until(lambda: not desk.rows())
    assert sorted(desk.in_history()) == ids
