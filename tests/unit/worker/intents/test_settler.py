"""The settler: news that comes while other news is told is not lost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
from wooshq.ledger.states import Event
from wooshq.settings import Settings
from wooshq_worker.intents.settler import Settler
from wooshq_worker.observe.sentry import silent


class SlowLedger:
    """Answers every script after a turn of the loop; `away` times it is out of reach first."""

    def __init__(self, away: int = 0) -> None:
        self.ran: list[tuple[str, list[Any]]] = []
        self.under_way = asyncio.Event()
        self.away = away

    async def do(self, steps: Any) -> Any:
        wanted = next(steps)
        self.under_way.set()
        await asyncio.sleep(0.05)
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("gone", maybe_done=False)
        if wanted.script == "intents/settle" and any("cursed" in str(arg) for arg in wanted.args):
            raise ValueError("a bug")
        self.ran.append((wanted.script, list(wanted.args)))
        try:
            steps.send([b"settled"] * (len(wanted.args) - 2) if wanted.script == "intents/settle" else [])
        except StopIteration as done:
            return done.value


def a_claim(intent_id: str = "i") -> Claim:
    return Claim(intent_id, "token", "{}", 1, "bulk", "AAAAA-BBBBB", 0, None, 1, 0, 0, 0)


async def settle_all(settler: Settler) -> None:
    task = asyncio.create_task(settler.run())
    assert await settler.settled(30)
    task.cancel()


async def test_a_longer_retry_after_that_comes_while_a_shorter_is_told_is_told_too() -> None:
    ledger = SlowLedger()
    settler = Settler(Settings(), IntentLedger(Settings()), ledger, silent)  # type: ignore[arg-type]
    task = asyncio.create_task(settler.run())
    settler.gates.shut("AAAAA-BBBBB", "not_before", "slow down", 1.0)
    await ledger.under_way.wait()
    settler.gates.shut("AAAAA-BBBBB", "not_before", "slow down", 600.0)
    settler.add(Settlement(a_claim(), Event.HANDED_BACK))
    assert await settler.settled(30)
    task.cancel()
    assert [args[7] for script, args in ledger.ran if script == "gates/report"] == [1000, 600_000]


async def test_what_the_ledger_cannot_take_is_kept_until_it_can() -> None:
    ledger = SlowLedger(away=3)
    settler = Settler(Settings(), IntentLedger(Settings()), ledger, silent)  # type: ignore[arg-type]
    for n in range(3):
        settler.add(Settlement(a_claim(str(n)), Event.HANDED_BACK))
    await settle_all(settler)
    assert settler.unsettled == 0
    assert [script for script, _ in ledger.ran] == ["intents/settle"]


async def test_one_that_cannot_be_written_is_left_to_its_lease_and_stops_no_other() -> None:
    ledger = SlowLedger()
    settler = Settler(Settings(), IntentLedger(Settings()), ledger, silent)  # type: ignore[arg-type]
    for intent_id in ("a", "cursed", "b"):
        settler.add(Settlement(a_claim(intent_id), Event.HANDED_BACK))
    await settle_all(settler)
    assert settler.unsettled == 0
    written = [json.loads(arg)["id"] for _, args in ledger.ran for arg in args[2:]]
    assert written == ["a", "b"]
