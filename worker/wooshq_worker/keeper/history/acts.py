"""Acts of operators go from the ledger's audit log to the history, which keeps them longer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from wooshq.history.contract import History, HistoryAway, HistoryNewer
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.ledger_client import LedgerClient

PAGE: Final = 500


class ActKeeper:
    """
    Two may do it at once, and one may be killed at any point: the history keeps one record of each act. While the history is away, the acts wait
    in the ledger. in_thread: carries out what blocks.
    """

    def __init__(
        self, ledger: EventLedger, client: LedgerClient, history: History, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._history = history
        self._in_thread = in_thread

    async def move(self) -> None:
        """Write all that the history does not have. Raises LedgerUnavailable."""
        while found := await self._client.do(self._ledger.acts(PAGE)):
            acts = [act for _, act in found]
            try:
                await self._in_thread(partial(self._history.write_acts, acts))
            except (HistoryAway, HistoryNewer):
                return
            await self._client.do(self._ledger.acts_are_kept(found[-1][0], len(found)))

    async def prune(self, retention_s: float) -> None:
        """Remove what is older. Raises HistoryAway, HistoryNewer."""
        before_ms = int((time.time() - retention_s) * 1000)
        while await self._in_thread(lambda: self._history.prune_acts(before_ms, PAGE)) == PAGE:
            pass
