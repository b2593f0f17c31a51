"""Acts of operators go from the ledger's audit log to the history, which keeps them longer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from wooshq.history.acts import KeptAct
from wooshq.history.contract import History, HistoryAway, HistoryNewer, HistoryRefused
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.keeper.history.writing import takes_a_record
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.history")

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
            if not await self._written([act for _, act in found]):
                return
            await self._client.do(self._ledger.acts_are_kept(found[-1][0], len(found)))

    async def _written(self, acts: Sequence[KeptAct]) -> bool:
        """Write these but for those that the database refuses, which the ledger keeps among its last ten thousand. False if it is away."""
        try:
            await self._in_thread(partial(self._history.write_acts, acts))
        except HistoryRefused as error:
            if len(acts) > 1:
                half = len(acts) // 2
                return await self._written(acts[:half]) and await self._written(acts[half:])
            if not await takes_a_record(self._history, self._in_thread):
                return False
            log.error("history_act_refused", act=str(acts[0].place), why=str(error))
        except (HistoryAway, HistoryNewer):
            return False
        return True

    async def prune(self, retention_s: float) -> None:
        """Remove what is older. Raises HistoryAway, HistoryNewer."""
        before_ms = int((time.time() - retention_s) * 1000)
        while await self._in_thread(lambda: self._history.prune_acts(before_ms, PAGE)) == PAGE:
            pass
