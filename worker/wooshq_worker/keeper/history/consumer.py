"""The consumer: what has ended goes from the ledger to the history. Every worker has one, in a process of its own."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.history.aside import AsideLedger
from wooshq.history.contract import History, HistoryAway, HistoryNewer
from wooshq.settings import Settings
from wooshq_worker.keeper.history.acts import ActKeeper
from wooshq_worker.keeper.history.ledger import LOST_AFTER_MS, Ended, Entry, EventLedger, Kept
from wooshq_worker.keeper.history.reading import Part, parts_of
from wooshq_worker.keeper.history.writing import Stopped, Writing
from wooshq_worker.ledger_client import LedgerClient

T = TypeVar("T")
log = structlog.get_logger("wooshq.history")

_ENTRIES: Final = 500
"""Entries of the stream in one take. Each tells the ends of one script: one, or up to as many as a settlement or a chunk has."""
_GROUP: Final = 2000
"""Records in one transaction. The more, the less often the database waits for its disk."""
_FORGET: Final = 500
_PAGE: Final = 1000
_GATHER_S: Final = 0.25
"""How long to wait for more if there were few: a transaction for each message would cost many times as much."""
_LISTEN_EVERY_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.5
_LEDGER_AWAY_S: Final = 0.5
_AFTER_ERROR_S: Final = 0.5
_NEARLY_FULL: Final = 0.8
_SAY_EVERY_S: Final = 60.0


class Consumer:
    """
    Reads rows that have ended, writes them to the history in one transaction, and then has the ledger forget them. While one group is written,
    the next one is read, and the one before is forgotten. A group of large messages is written in parts; its events leave with the last one.
    Killed at any moment, it leaves events that another consumer takes; the history keeps one record of each row however often it is written.

    Of all consumers of an installation one works, and the others only help if it does not keep up: see take.lua. name: of this one.
    """

    def __init__(self, settings: Settings, client: LedgerClient, history: History, name: str, lost_after_ms: int = LOST_AFTER_MS) -> None:
        self._ledger = EventLedger(settings)
        self._client = client
        self._history = history
        self._lost_after_ms = lost_after_ms
        self._most_bytes = settings.events_max_bytes
        self._retention_s = settings.history_retention_s
        self._audit_retention_s = settings.audit_retention_s
        self._acts = ActKeeper(self._ledger, client, history, self._in_thread)
        self._name = name
        self._token = uuid.uuid4().hex
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wooshq-history")
        self._listened_at = 0.0
        self._bytes = 0
        self._untold = 0
        self._full_told = False
        self._may_sweep = False
        self._cursor: int | None = None  #: where a sweep goes on; None while none is made
        self._untold_at_begin = 0
        self._takes_own = True  #: what this name has taken before and not done: the last process of this worker died, or Redis was away
        self._writing: asyncio.Task[None] | None = None
        self._forgetting: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._said = _Said()
        self._aside = AsideLedger(self._ledger.keys)
        self._records = Writing(
            history, self._aside, client, self._stopping, in_thread=self._in_thread, wait=self._wait, meanwhile=self._listen_if_due
        )

    def stop(self) -> None:
        """End when what was taken is written. While the database is away, end at once: another consumer takes it."""
        self._stopping.set()

    def close(self) -> None:
        """After `run` has ended."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._history.close()

    async def run(self) -> None:
        """Until `stop`."""
        failed = 0
        while not self._stopping.is_set():
            pause_s = _AFTER_ERROR_S
            try:
                pause_s = await self._round()
                failed = 0
            except LedgerUnavailable:
                # Also a user of Redis who lacks a right: the others must not hear of it twice a second.
                failed = min(failed + 1, 5)
                self._takes_own = True
                pause_s = _LEDGER_AWAY_S * 2**failed
            except Stopped:
                return
            except Exception:  # a bug must not end this process
                log.error("history_round_failed", exc_info=True)
            await self._wait(pause_s)
        try:
            await self._done_before()
            await self._client.do(self._ledger.leave(self._name))
        except (LedgerUnavailable, Stopped):
            pass

    async def _wait(self, seconds: float) -> None:
        """Not longer than until `stop`."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            pass

    async def _round(self) -> float:
        """How long to rest after it, in seconds. Raises LedgerUnavailable."""
        if time.monotonic() - self._listened_at > _LISTEN_EVERY_S:
            await self._listen()
            await self._acts.move()
        own, self._takes_own = self._takes_own, False
        entries = await self._client.do(self._ledger.take(self._name, _ENTRIES, self._lost_after_ms, own=own, alone=True))
        if entries is None:
            self._listened_at = 0.0  # a Redis that was emptied
            self._takes_own = own
            return 0.0
        n = 0
        for group, names in _groups_of(entries):
            async for part in parts_of(group, self._ledger, self._client):
                await self._written_before()
                self._writing = asyncio.create_task(self._write(part, names if part.is_last else ()))
            n += len(group)
        if own or len(entries) == _ENTRIES:
            return 0.0  # the next one is read while this one is written
        await self._done_before()
        if self._may_sweep and not entries and await self._sweep():
            return 0.0
        return 0.0 if n >= _GROUP else _GATHER_S if n else _LOOK_EVERY_S

    async def _written_before(self) -> None:
        """Until the group before is written. Raises Stopped."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _forgotten_before(self) -> None:
        """Until all that was written before is forgotten."""
        forgetting, self._forgetting = self._forgetting, None
        if forgetting is not None:
            await forgetting

    async def _done_before(self) -> None:
        """Until all groups before are written and forgotten. Raises Stopped."""
        try:
            await self._written_before()
        finally:
            await self._forgotten_before()

    async def _listen(self) -> None:
        self._untold, self._bytes = await self._client.do(self._ledger.listen(self._most_bytes))
        self._listened_at = time.monotonic()
        self._may_sweep = True
        is_full = self._bytes > _NEARLY_FULL * self._most_bytes
        if is_full and not self._full_told:
            hint = "the history does not keep up, or its database is away. Above the limit ends are not told at once, and swept later"
            log.warning("events_nearly_full", bytes=self._bytes, most=self._most_bytes, untold=self._untold, hint=hint)
        self._full_told = is_full
        await self._client.do(self._aside.list())  # so that nobody is told of what the history has by now

    async def _listen_if_due(self) -> None:
        if time.monotonic() - self._listened_at > _LISTEN_EVERY_S:
            await self._listen()

    # One group

    async def _write(self, part: Part, names: Sequence[str]) -> None:
        """Write a part of a group, and begin to have the ledger forget it, and these events. Raises Stopped."""
        kept = await self._kept(part)
        await self._forgotten_before()
        self._forgetting = asyncio.create_task(self._finish(kept, names))

    async def _kept(self, part: Part) -> list[Kept]:
        """What the history has of a part, after it was written. Raises Stopped."""
        for ended, why in part.unread:
            await self._records.set_aside(ended, why)
        return await self._records.written(part.records, part.kept)

    async def _finish(self, kept: Sequence[Kept], names: Sequence[str] = ()) -> None:
        """Have the ledger forget what the history has, and the events."""
        for part in _parts(kept, _FORGET):
            await self._forget([], part)
        for some in _parts(names, _ENTRIES):
            await self._forget(some, [])
        self._said.note(len(kept))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _forget(self, entries: Sequence[str], kept: Sequence[Kept]) -> None:
        """Until the ledger has done it: it may be done twice. Otherwise the same rows would be written again after a while."""
        identity = self._history.identity if kept else ""  # it was written to, so this asks nothing
        while True:
            try:
                await self._client.do(self._ledger.forget(entries, kept, identity))
            except LedgerUnavailable:
                if self._stopping.is_set():
                    return
                await self._wait(_LEDGER_AWAY_S)
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
        for group in _parts(found, _GROUP):
            async for part in parts_of(group, self._ledger, self._client):
                await self._finish(await self._kept(part))
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
            began = time.monotonic()
            while not self._stopping.is_set() and await self._in_thread(lambda: self._history.prune(before_ms, _PAGE)) == _PAGE:
                await self._wait(time.monotonic() - began)  # others write, too
                began = time.monotonic()
            await self._acts.prune(self._audit_retention_s)
        except (HistoryAway, HistoryNewer):
            pass  # the next sweep prunes


class _Said:
    """What was written, for one line a minute."""

    def __init__(self) -> None:
        self._n, self._at, self._cpu_s = 0, time.monotonic(), time.process_time()

    def note(self, n: int) -> None:
        self._n += n
        now = time.monotonic()
        if now - self._at >= _SAY_EVERY_S:
            cpu_s = time.process_time()
            log.info("history_written", records=self._n, within_s=round(now - self._at, 1), cpu_s=round(cpu_s - self._cpu_s, 2))
            self._n, self._at, self._cpu_s = 0, now, cpu_s


def _groups_of(entries: Sequence[Entry]) -> Iterator[tuple[Sequence[Ended], Sequence[str]]]:
    """What entries tell in groups, each thing once; and with each group the entries of which nothing is in a later one."""
    told: dict[Ended, None] = {}
    names: list[str] = []
    for entry in entries:
        told.update(dict.fromkeys(entry.told))
        names.append(entry.name)
        if len(told) >= _GROUP:
            yield list(told), names
            told, names = {}, []
    if names:
        yield list(told), names


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[at : at + size] for at in range(0, len(items), size))
