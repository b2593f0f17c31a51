"""What has ended is read from the ledger, in parts that memory has room for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq_worker.keeper.history.ledger import Ended, EventLedger, Kept
from wooshq_worker.keeper.history.records import record_of
from wooshq_worker.ledger_client import LedgerClient

Row: TypeAlias = Sequence[Mapping[str, str] | str]
"""What `EventLedger.read` gives for one end."""
log = structlog.get_logger("wooshq.history")

_READ: Final = 250
"""Rows in one read: Redis serves nobody else meanwhile."""
PART_BYTES: Final = 16 * 1024 * 1024
"""Bytes of rows in one part, but for the last read. One part is written while the next one is read."""


@dataclass(slots=True)
class Part:
    """
    Some records of a group, and what the ledger may forget when the history has them. unread: ends whose rows cannot be read, and why. is_last:
    the group has no more.
    """

    records: list[Record | SentIntent] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    unread: list[tuple[Ended, str]] = field(default_factory=list)
    is_last: bool = False

    def add(self, ended: Ended, row: Row) -> None:
        """Add what a row says. One bad row must not stop the others."""
        try:
            record = record_of(ended, row)
        except Exception as error:
            log.error("history_record_failed", of=ended.kind, id=ended.id, exc_info=True)
            self.unread.append((ended, f"its row cannot be read ({type(error).__name__})"))
            return
        if record is not None:
            self.records.append(record[0])
            self.kept.append(record[1])


async def parts_of(group: Sequence[Ended], ledger: EventLedger, client: LedgerClient) -> AsyncIterator[Part]:
    """The records of these ends, in parts; at least one. Raises LedgerUnavailable."""
    part, size, at = Part(), 0, 0
    async with aclosing(_reads(group, ledger, client)) as reads:
        async for rows in reads:
            for ended, row in zip(group[at:], rows, strict=False):
                size += sum(map(_size, row))
                part.add(ended, row)
            at += len(rows)
            if size >= PART_BYTES and at < len(group):
                yield part
                part, size = Part(), 0
    part.is_last = True
    yield part


async def _reads(group: Sequence[Ended], ledger: EventLedger, client: LedgerClient) -> AsyncGenerator[Sequence[Row], None]:
    """The rows of these ends, in their order. While the caller works on some of them, Redis reads the next ones. Raises LedgerUnavailable."""

    def begin(at: int) -> asyncio.Task[list[list[dict[str, str] | str]]] | None:
        return asyncio.create_task(client.do(ledger.read(group[at : at + _READ]))) if at < len(group) else None

    at, coming = 0, begin(0)
    try:
        while coming is not None:
            rows = await coming
            at += len(rows)
            coming = begin(at)
            await asyncio.sleep(0)  # the next request leaves now, and not when the caller waits
            yield rows
    finally:
        if coming is not None:
            coming.cancel()


def _size(row: Mapping[str, str] | str) -> int:
    """Characters, roughly bytes."""
    return len(row) if isinstance(row, str) else sum(map(len, row.values()))
