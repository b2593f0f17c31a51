"""The ledger client of the worker's code, for a ledger in memory."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.ledger.run import carry_out
from wooshq.ledger.steps import Steps
from wooshq_worker.ledger_client import LedgerClient

T = TypeVar("T")


class MemoryClient(LedgerClient):
    """A ledger in memory answers at once, so nothing here waits."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._memory = ledger
        self.lost_at = None
        self.back_at = 0.0

    async def do(self, steps: Steps[T]) -> T:
        """Carry out `steps`. Raises LedgerUnavailable while the ledger is away."""
        return carry_out(steps, self._memory.ask)

    async def close(self) -> None:
        """Nothing is open."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing but a ledger in memory. No event loop is needed, and one may be running."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("the coroutine waits for something else than a ledger in memory")
