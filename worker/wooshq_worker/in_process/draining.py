"""Send everything that was enqueued, now: the worker's own code, against the sandbox, with a clock that skips what nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from wooshq.client import Wooshq
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.settings import Settings
from wooshq_worker.in_process.clock import by_the_ledgers_clock
from wooshq_worker.in_process.loop import LoopWithoutWorld
from wooshq_worker.in_process.work import WorkHere
from wooshq_worker.sandbox.stand_in import StandIn

_SANDBOX: Final = "http://127.0.0.1:80"
"""Nothing is sent to it: the event loop hands every connection to the sandbox."""
_TICK_S: Final = 0.001
"""The ledger counts in milliseconds. The machine's clock may stand still: a test may have frozen it."""
_MOST_ROUNDS: Final = 10_000


def drain(settings: Settings, namespaces: Iterable[str], ledger: MemoryLedger, sandbox: StandIn, for_s: float) -> None:
    """
    Send what may be sent now, and what comes due within the next `for_s` seconds: the clock goes from one moment to the next.

    settings: of the worker. namespaces: of the installations that enqueued. It may be called while an event loop is running.
    """
    wooshqs = [Wooshq(settings.model_copy(update={"namespace": name, "base_url": _SANDBOX})) for name in sorted(namespaces)]

    def run() -> None:
        loop = LoopWithoutWorld(ledger.clock, sandbox)
        try:
            with by_the_ledgers_clock(ledger.clock):
                loop.run_until_complete(_drain(wooshqs, ledger, for_s))
        finally:
            loop.close()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        run()
    else:
        with ThreadPoolExecutor(1, "wooshq-drain") as thread:
            thread.submit(run).result()
    ledger.advance(0)  # what the loop skipped is over for the keys, too


async def _drain(wooshqs: Sequence[Wooshq], ledger: MemoryLedger, for_s: float) -> None:
    ends_at = ledger.clock.now() + for_s
    workers = [WorkHere(wooshq, ledger) for wooshq in wooshqs]
    try:
        for _ in range(_MOST_ROUNDS):
            looked_at = ledger.clock.now()  # what is due by then is done below
            while any([await worker.round() for worker in workers]):
                pass
            if ledger.clock.now() >= ends_at - _TICK_S:
                return
            moments = [at_ms / 1000 for worker in workers if (at_ms := await worker.next_at_ms(looked_at * 1000)) is not None]
            ledger.advance(max(0.0, min([*(moment + _TICK_S for moment in moments), ends_at]) - ledger.clock.now()))
        raise RuntimeError(
            f"after {_MOST_ROUNDS} rounds there is still something to do before {for_s:g} s are over. Drain for a shorter time"
        )
    finally:
        for worker in workers:
            await worker.close()
