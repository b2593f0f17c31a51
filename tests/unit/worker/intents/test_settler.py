"""The settler: nothing that ended is lost, and no settlement stops another one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
from wooshq.ledger.states import Event
from wooshq.settings import Settings
from wooshq_worker.intents import settler as settler_module
from wooshq_worker.intents.settler import Settler
from wooshq_worker.observe.sentry import silent

GENEROUS_S = 60.0


class Ledger:
    """Answers each script when `may_answer` is set; before that it is unavailable `away` times. Fails for an intent called "cursed"."""

    def __init__(self, away: int = 0) -> None:
        self.ran: list[tuple[str, list[Any]]] = []
        self.settled: list[list[str]] = []
        """Ids of each group that was settled."""
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.away = away

    async def do(self, steps: Any) -> Any:
        wanted = next(steps)
        self.asked.set()
        await self.may_answer.wait()
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("gone", maybe_done=False)
        if wanted.script == "gates/report" and any("cursed" in str(arg) for arg in wanted.args):
            raise ValueError("a bug")
        ids = [key.partition(":intent:")[2] for key in wanted.keys if ":intent:" in key]
        if wanted.script == "intents/settle" and "cursed" in ids:
            raise ValueError("a bug")
        self.ran.append((wanted.script, list(wanted.args)))
        if wanted.script == "intents/settle":
            self.settled.append(ids)
        try:
            steps.send([b"settled"] * len(ids))
        except StopIteration as done:
            return done.value


def a_settler(ledger: Ledger) -> Settler:
    return Settler(Settings(), IntentLedger(Settings()), ledger, silent)  # type: ignore[arg-type]


def a_settlement(intent_id: str = "i") -> Settlement:
    return Settlement(Claim(intent_id, "token", "{}", 1, "bulk", "AAAAA-BBBBB", 0, None, 1, 0, 0, 0), Event.HANDED_BACK)


async def settle_all(settler: Settler) -> None:
    task = asyncio.create_task(settler.run())
    assert await settler.settled(GENEROUS_S)
    task.cancel()


async def test_a_longer_retry_after_that_comes_while_a_shorter_one_is_reported_is_reported_too() -> None:
    ledger = Ledger()
    settler = a_settler(ledger)
    task = asyncio.create_task(settler.run())
    ledger.may_answer.clear()
    settler.gates.shut("AAAAA-BBBBB", "not_before", "slow down", 1.0)
    await asyncio.wait_for(ledger.asked.wait(), GENEROUS_S)
    settler.gates.shut("AAAAA-BBBBB", "not_before", "slow down", 600.0)
    settler.add(a_settlement())
    ledger.may_answer.set()
    assert await settler.settled(GENEROUS_S)
    task.cancel()
    assert [args[2] for script, args in ledger.ran if script == "gates/report"] == [1000, 600_000]


async def test_a_gate_is_reported_before_the_intents_that_wait_for_it_are_settled() -> None:
    ledger = Ledger()
    settler = a_settler(ledger)
    settler.add(a_settlement())
    settler.gates.shut("AAAAA-BBBBB", "token", "refused")
    await settle_all(settler)
    assert [script for script, _ in ledger.ran] == ["gates/report", "intents/settle"]


async def test_what_the_ledger_cannot_take_is_kept_until_it_can() -> None:
    ledger = Ledger(away=3)
    settler = a_settler(ledger)
    for n in range(3):
        settler.add(a_settlement(str(n)))
    await settle_all(settler)
    assert settler.unsettled == 0
    assert [script for script, _ in ledger.ran] == ["intents/settle"]


async def test_a_gate_that_cannot_be_reported_stops_no_settlement() -> None:
    ledger = Ledger()
    settler = a_settler(ledger)
    settler.gates.shut("AAAAA-BBBBB", "token", "cursed")
    settler.add(a_settlement())
    task = asyncio.create_task(settler.run())
    async with asyncio.timeout(GENEROUS_S):
        while settler.unsettled:
            await asyncio.sleep(0.01)
    task.cancel()
    assert [script for script, _ in ledger.ran] == ["intents/settle"]
    assert settler.gates.has_news, "it is reported again"


async def test_one_that_cannot_be_written_is_dropped_and_stops_no_other() -> None:
    ledger = Ledger()
    settler = a_settler(ledger)
    for intent_id in ("a", "cursed", "b"):
        settler.add(a_settlement(intent_id))
    await settle_all(settler)
    assert settler.unsettled == 0
    assert ledger.settled == [["a"], ["b"]]


class Gathering:
    """A settler whose time for gathering ends when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls_in_progress: int) -> None:
        self.ledger = Ledger()
        self.settler = a_settler(self.ledger)
        self.settler.calls_in_progress = lambda: calls_in_progress
        self.begun, self.is_over = asyncio.Event(), asyncio.Event()
        self._sleep = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        if seconds != settler_module._GATHER_S:
            return await self._sleep(seconds)
        self.begun.set()
        await self.is_over.wait()


async def test_while_many_calls_are_in_progress_an_answer_waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    gathering = Gathering(monkeypatch, calls_in_progress=33)
    task = asyncio.create_task(gathering.settler.run())
    gathering.settler.add(a_settlement("0"))
    await asyncio.wait_for(gathering.begun.wait(), GENEROUS_S)
    for n in range(1, 10):
        gathering.settler.add(a_settlement(str(n)))
        await asyncio.sleep(0)
    assert gathering.ledger.settled == []
    gathering.is_over.set()
    assert await gathering.settler.settled(GENEROUS_S)
    task.cancel()
    assert gathering.ledger.settled == [[str(n) for n in range(10)]]


@pytest.mark.parametrize(("waiting", "calls_in_progress"), [(1, 32), (32, 33)])
async def test_an_answer_waits_for_nothing_while_few_calls_are_in_progress_or_many_answers_wait(
    monkeypatch: pytest.MonkeyPatch, waiting: int, calls_in_progress: int
) -> None:
    gathering = Gathering(monkeypatch, calls_in_progress)
    for n in range(waiting):
        gathering.settler.add(a_settlement(str(n)))
    await settle_all(gathering.settler)
    assert not gathering.begun.is_set()
    assert gathering.ledger.settled == [[str(n) for n in range(waiting)]]
