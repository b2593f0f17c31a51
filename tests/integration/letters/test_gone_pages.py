"""Pages of dead letters, read while the letters leave Redis for the history: none is missing, and none comes twice."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from tests.integration.letters.dead_letters import letters_of, users
from tests.integration.letters.gone import letter_rows
from tests.integration.worker.history.desk import KEYS, Desk, until
from wooshq import Wooshq
from wooshq.history.store import open_history
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.find import look_for
from wooshq_worker.keeper.history.records import record_of


def leave_at_once(desk: Desk, letters: list[str]) -> None:
    """Bring these letters to the history, as a consumer does it, without one."""
    entries = desk.wooshq.do(desk.events.take("the test", 1000, 0)) or []
    told = [one for entry in entries for one in entry.told if one.kind != "letter" or one.id in letters]
    records = [found for one, rows in zip(told, desk.wooshq.do(desk.events.read(told)), strict=True) if (found := record_of(one, rows))]
    history = open_history(desk.settings)
    assert history is not None
    history.write([record for record, _ in records])
    history.close()
    desk.wooshq.do(desk.events.forget([], [kept for _, kept in records], "one"))


def _score(desk: Desk, letter: str) -> Steps[float]:
    return float((yield Ask([("ZSCORE", KEYS.fixed("letters"), letter)]))[0])


class WhenPagesAreReadWhileLettersLeave:
    @pytest.fixture
    def filed(self, desk: Desk) -> list[str]:
        """Letters, many of one millisecond, half of them discarded."""
        ids = letters_of(desk.wooshq, users(24))
        for n, one in enumerate(ids):
            at = 1_777_000_000_000 + n // 5
            desk.redis.zadd(KEYS.fixed("letters"), {one: at})
            desk.redis.hset(KEYS.letter(one), "filed", at)
        return ids

    @rounds(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        where=st.sampled_from(("state:dead", "reason:rejected")),
        size=st.integers(1, 9),
        reads=st.integers(1, 30),
        moves=st.lists(st.lists(st.integers(0, 23), max_size=3, unique=True), max_size=24),
    )
    def test_each_letter_comes_once_and_in_order(
        self, desk: Desk, filed: list[str], where: str, size: int, reads: int, moves: list[list[int]]
    ) -> None:
        """moves: which letters leave after each page; those of the examples before have left already."""
        client, keys = desk.wooshq, desk.wooshq.ledger.keys
        newest_first = sorted(filed, key=lambda one: (client.do(_score(desk, one)), one), reverse=True)
        query: Any = {"where": where}
        found: list[str] = []
        after: tuple[int, str] | None = None
        for move in itertools.chain(moves, itertools.repeat([])):
            there = letter_rows(desk)
            if some := [filed[n] for n in move if filed[n] in there]:
                client.dead_letters.discard(*some)
                leave_at_once(desk, some)
            page, after = client.do(look_for(keys, query, most=size, after=after, reads=reads))
            found += [one.id for one in page]
            if after is None:
                break
        assert found == newest_first
        assert [one.id for one in client.dead_letters.list()] == newest_first

    async def test_a_consumer_that_moves_them_all_the_while_hides_none(self, desk: Desk) -> None:
        ids = letters_of(desk.wooshq, users(60))

        def look(stop: threading.Event) -> list[tuple[list[str], int, list[str]]]:
            seen = []
            with Wooshq(desk.settings) as other:
                while not stop.is_set():
                    listed = [one.id for one in other.dead_letters.list()]
                    shown = [other.dead_letters.show(one).id for one in ids[::7]]
                    seen.append((listed, other.count("state:dead").count, shown))
            return seen

        stop = threading.Event()
        async with desk.consumer():
            looks = [asyncio.create_task(asyncio.to_thread(look, stop)) for _ in range(2)]
            for start in range(0, 60, 6):
                await asyncio.to_thread(desk.wooshq.dead_letters.discard, *ids[start : start + 6])
                await until(lambda start=start: not {*ids[start : start + 6]} & {*letter_rows(desk)})
            stop.set()
            seen = [one for task in looks for one in await task]
        assert len(seen) >= 2
        for listed, count, shown in seen:
            assert (listed, count, shown) == (ids[::-1], 60, ids[::7])
