"""Writes records to the history: again while its database is away, and without those that it refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.history.aside import AsideLedger
from wooshq.history.contract import History, HistoryAway, HistoryNewer, HistoryRefused
from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq_worker.keeper.history.ledger import Ended, Kept
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.history")

AWAY_FIRST_S: Final = 0.5
AWAY_MOST_S: Final = 30.0
_LEDGER_AWAY_S: Final = 0.5
_SAME_TRIES: Final = 8
"""After so many tries in vain, a minute and a half, the same records may be why the database seems away: one can end its connection each time."""


class Stopped(Exception):
    """The process ends while the database is away: the events stay, and another consumer takes them."""


async def takes_a_record(history: History, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> bool:
    """Whether its database works, so that what it refused is at fault. in_thread: carries out what blocks."""
    try:
        await in_thread(history.check)
    except Exception:  # whatever it is: nothing else is at fault then
        return False
    return True


class Writing:
    """
    Tells a database that is away from a record that is refused: of a group that fails, halves are written until the record stands alone, and the
    database then takes another one.

    in_thread: carries out what blocks. wait: not longer than until the process ends. meanwhile: what must go on while the database is away.
    """

    def __init__(
        self,
        history: History,
        aside: AsideLedger,
        client: LedgerClient,
        stopping: asyncio.Event,
        *,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        wait: Callable[[float], Awaitable[None]],
        meanwhile: Callable[[], Awaitable[None]],
    ) -> None:
        self._history = history
        self._aside = aside
        self._client = client
        self._stopping = stopping
        self._in_thread = in_thread
        self._wait = wait
        self._meanwhile = meanwhile
        self._away_at: float | None = None

    async def written(self, records: Sequence[Record | SentIntent], kept: Sequence[Kept]) -> list[Kept]:
        """Write until it succeeds. Returns what the history has then: what is refused is set aside. Raises Stopped, LedgerUnavailable."""
        if not records:
            return []
        wait_s, tries = AWAY_FIRST_S, 0
        while True:
            tries += 1
            try:
                await self._in_thread(lambda: self._history.write(records))
            except Exception as error:
                if self._stopping.is_set():  # also a thread that is not there any more
                    raise Stopped from None
                is_away = isinstance(error, (HistoryAway, HistoryNewer)) and not isinstance(error, HistoryRefused)
                if not is_away or (tries % _SAME_TRIES == 0 and await takes_a_record(self._history, self._in_thread)):
                    if len(records) > 1:
                        half = len(records) // 2
                        first = await self.written(records[:half], kept[:half])
                        return first + await self.written(records[half:], kept[half:])
                    if await takes_a_record(self._history, self._in_thread):
                        await self._refused(kept[0].ended, error)
                        return []
                self._say_away(error)
                await self._wait(wait_s)
                wait_s = min(2 * wait_s, AWAY_MOST_S)
                await self._meanwhile()
            else:
                self._say_back()
                return list(kept)

    async def set_aside(self, ended: Ended, why: str) -> None:
        """Until the ledger has noted it. Raises Stopped."""
        while True:
            try:
                is_listed = await self._client.do(self._aside.put(ended.kind, ended.id, why))
            except LedgerUnavailable:
                if self._stopping.is_set():
                    raise Stopped from None
                await self._wait(_LEDGER_AWAY_S)
            else:
                hint = "its row stays in Redis for its time. See wooshq history" if is_listed else "1,000 are listed: this one is not"
                log.error("history_record_refused", of=ended.kind, id=ended.id, why=why, hint=hint)
                return

    async def _refused(self, ended: Ended, error: Exception) -> None:
        if not isinstance(error, (HistoryAway, HistoryNewer)):  # a bug; what the drivers say has values in it
            log.error("history_record_failed", of=ended.kind, id=ended.id, exc_info=True)
        await self.set_aside(ended, str(error) if isinstance(error, HistoryAway) else f"it cannot be written ({type(error).__name__})")

    def _say_away(self, error: Exception) -> None:
        if self._away_at is None:
            self._away_at = time.monotonic()
            why = str(error) if isinstance(error, (HistoryAway, HistoryNewer)) else type(error).__name__
            log.warning("history_away", where=self._history.where, why=why)

    def _say_back(self) -> None:
        if self._away_at is not None:
            log.info("history_back", after_s=round(time.monotonic() - self._away_at, 1))
            self._away_at = None
