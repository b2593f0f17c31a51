"""The consumer that every worker runs: what has ended goes from the ledger to the history, beside the sending."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.history.contract import History, HistoryAway, HistoryNewer
from wooshq.history.record import Record
from wooshq.settings import Settings
from wooshq_worker.keeper.history.ledger import LOST_AFTER_MS, Ended, EventLedger, Kept
from wooshq_worker.keeper.history.pace import Load, rest_s
from wooshq_worker.keeper.history.records import record_of
from wooshq_worker.ledger_client import LedgerClient

T = TypeVar("T")
log = structlog.get_logger("wooshq.history")

_ENTRIES: Final = 64
"""Entries of the stream in one take. Each tells the ends of one script: one, or up to as many as a settlement or a chunk has."""
_ENTRIES_WHILE_BUSY: Final = 8
_GROUP: Final = 500
"""Records in one transaction."""
_READ: Final = 100
_SLICE: Final = 20
"""Records that are made before the event loop has its next turn: a slice takes one or two ms."""
_PAGE: Final = 1000
_LISTEN_EVERY_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.5
_AWAY_FIRST_S: Final = 0.5
_AWAY_MOST_S: Final = 30.0
_LEDGER_AWAY_S: Final = 0.5
_NEARLY_FULL: Final = 0.8


class _Stopped(Exception):
    """The worker stops while the database is away: the events stay, and another consumer takes them."""


class Consumer:
    """
    Reads rows that have ended, writes them to the history in one transaction, and then has the ledger forget them. Killed at any moment, it
    leaves events that another consumer takes; the history keeps one record of each row however often it is written.

    is_busy: whether the worker has messages to send; then it rests most of the time.
    """

    def __init__(
        self,
        settings: Settings,
        client: LedgerClient,
        history: History,
        is_busy: Callable[[], bool],
        lost_after_ms: int = LOST_AFTER_MS,
    ) -> None:
        self._ledger = EventLedger(settings)
        self._client = client
        self._history = history
        self._is_busy = is_busy
        self._lost_after_ms = lost_after_ms
        self._most_bytes = settings.events_max_bytes
        self._retention_s = settings.history_retention_s
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._token = uuid.uuid4().hex
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wooshq-history")
        self._listened_at = 0.0
        self._bytes = 0
        self._untold = 0
        self._full_told = False
        self._may_sweep = False
        self._cursor: int | None = None  #: where a sweep goes on; None while none is made
        self._untold_at_begin = 0
        self._spent_s = 0.0
        self._load = Load()
        self._stopping = False
        self.away_at: float | None = None  #: monotonic: since when the history does no work

    def stop(self) -> None:
        """End soon. What is not written then is written by another consumer."""
        self._stopping = True

    def close(self) -> None:
        """After `run` has ended."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._history.close()

    async def run(self) -> None:
        """Until `stop`."""
        failed = 0
        while not self._stopping:
            try:
                did = await self._round()
                failed = 0
            except LedgerUnavailable:
                # Also a user of Redis who lacks a right: the others must not hear of it twice a second.
                failed = min(failed + 1, 5)
                await asyncio.sleep(_LEDGER_AWAY_S * 2**failed)
            except _Stopped:
                return
            except Exception:  # a bug must not end this task
                log.error("history_round_failed", exc_info=True)
                await asyncio.sleep(_AWAY_FIRST_S)
            else:
                spent, self._spent_s = self._spent_s, 0.0
                self._load.note(spent)
                pause = rest_s(spent, is_busy=self._is_busy(), others=self._load.others, full=self._bytes / self._most_bytes)
                await self._rest(pause)
                await asyncio.sleep(0 if did else _LOOK_EVERY_S)

    async def _rest(self, pause_s: float) -> None:
        """Not longer than the worker has messages to send."""
        ends = time.monotonic() + pause_s
        while (left_s := ends - time.monotonic()) > 0 and self._is_busy() and not self._stopping:
            await asyncio.sleep(min(left_s, _LOOK_EVERY_S / 5))

    async def _round(self) -> bool:
        """Whether there was anything to do, and there may be more. Raises LedgerUnavailable."""
        if time.monotonic() - self._listened_at > _LISTEN_EVERY_S:
            await self._listen()
        most = _ENTRIES_WHILE_BUSY if self._is_busy() else _ENTRIES
        entries = await self._client.do(self._ledger.take(self._name, most, self._lost_after_ms))
        if entries is None:
            self._listened_at = 0.0  # a Redis that was emptied
            return True
        if entries:
            told = list(dict.fromkeys(one for entry in entries for one in entry.told))
            *groups, last = _groups(told, _GROUP) or [[]]
            for group in groups:
                await self._forget([], await self._move(group))
            await self._forget([entry.name for entry in entries], await self._move(last))
            if len(entries) == most:
                return True
        return (await self._sweep() if self._may_sweep else False) or bool(entries)

    async def _listen(self) -> None:
        self._untold, self._bytes = await self._client.do(self._ledger.listen(self._most_bytes))
        self._listened_at = time.monotonic()
        self._may_sweep = True
        is_full = self._bytes > _NEARLY_FULL * self._most_bytes
        if is_full and not self._full_told:
            hint = "the history does not keep up, or its database is away. Above the limit ends are not told at once, and swept later"
            log.warning("events_nearly_full", bytes=self._bytes, most=self._most_bytes, untold=self._untold, hint=hint)
        self._full_told = is_full

    # One group

    async def _move(self, group: Sequence[Ended]) -> list[Kept]:
        """Write the records of these ends. Returns what the ledger may forget now. Raises LedgerUnavailable."""
        records: list[Record] = []
        kept: list[Kept] = []
        at = 0
        while at < len(group):
            rows = await self._client.do(self._ledger.read(group[at : at + _READ]))
            for start in range(0, len(rows), _SLICE):
                began = time.thread_time()
                for ended, row in zip(group[at + start :], rows[start : start + _SLICE], strict=False):
                    try:
                        found = record_of(ended, row)
                    except Exception:  # one bad row must not stop the others; it stays in the ledger until its time is over
                        log.error("history_record_failed", of=ended.kind, id=ended.id, exc_info=True)
                        continue
                    if found is not None:
                        records.append(found[0])
                        kept.append(found[1])
                self._spent_s += time.thread_time() - began
                await asyncio.sleep(0)
            at += len(rows)
        return await self._written(records, kept) if records else []

    async def _written(self, records: Sequence[Record], kept: Sequence[Kept]) -> list[Kept]:
        """Write until it succeeds. What the database never takes, by a bug, is left out."""
        wait_s = _AWAY_FIRST_S
        while True:
            try:
                await self._in_thread(lambda: self._history.write(records))
            except (HistoryAway, HistoryNewer) as error:
                if self.away_at is None:
                    self.away_at = time.monotonic()
                    log.warning("history_away", where=self._history.where, why=str(error))
                if self._stopping:
                    raise _Stopped from None
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _AWAY_MOST_S)
                if time.monotonic() - self._listened_at > _LISTEN_EVERY_S:
                    await self._listen()
            except Exception:
                if self._stopping:  # also a thread that is not there any more
                    raise _Stopped from None
                if len(records) == 1:
                    log.error("history_record_failed", of=kept[0].ended.kind, id=kept[0].ended.id, exc_info=True)
                    return []
                half = len(records) // 2
                first = await self._written(records[:half], kept[:half])
                return first + await self._written(records[half:], kept[half:])
            else:
                if self.away_at is not None:
                    log.info("history_back", after_s=round(time.monotonic() - self.away_at, 1))
                    self.away_at = None
                return list(kept)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        def timed() -> tuple[T, float]:
            began = time.thread_time()
            return call(), time.thread_time() - began

        result, spent_s = await asyncio.get_running_loop().run_in_executor(self._thread, timed)
        self._spent_s += spent_s
        return result

    async def _forget(self, entries: Sequence[str], kept: Sequence[Kept]) -> None:
        """Until the ledger has done it: it may be done twice. Otherwise the same rows would be written again after a while."""
        while True:
            try:
                await self._client.do(self._ledger.forget(entries, kept))
            except LedgerUnavailable:
                if self._stopping:
                    return
                await asyncio.sleep(_LEDGER_AWAY_S)
            else:
                return

    # The sweep

    async def _sweep(self) -> bool:
        """All events are done: one page of the ledger, if rows were not told. Whether a sweep goes on. Raises LedgerUnavailable."""
        if self._cursor is None:
            may, self._untold_at_begin = await self._client.do(self._ledger.sweep(self._token, "begin"))
            if not may:
                self._may_sweep = False
                return False
            self._cursor = 0
        self._cursor, found = await self._client.do(self._ledger.page(self._cursor, _PAGE))
        for group in _groups(found, _GROUP):
            await self._forget([], await self._move(group))
        step: Final = "go on" if self._cursor else "end"
        may, _ = await self._client.do(self._ledger.sweep(self._token, step, self._untold_at_begin))
        if not may or not self._cursor:
            self._cursor = None
            self._may_sweep = False
        if step == "end" and may:
            log.info("history_swept", untold=self._untold_at_begin)
            await self._prune()
        return self._cursor is not None

    async def _prune(self) -> None:
        """Remove what is older than the history's retention."""
        before_ms = int((time.time() - self._retention_s) * 1000)
        try:
            while await self._in_thread(lambda: self._history.prune(before_ms, _PAGE)) == _PAGE:
                await asyncio.sleep(rest_s(self._spent_s, is_busy=self._is_busy(), others=self._load.others, full=0.0))
        except (HistoryAway, HistoryNewer):
            pass  # the next sweep prunes


def _groups(items: Sequence[Ended], size: int) -> list[Sequence[Ended]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
