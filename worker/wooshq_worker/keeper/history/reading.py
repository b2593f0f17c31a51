"""What has ended is read from the ledger, in parts that memory has room for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq_worker.keeper.history.ledger import Ended, EventLedger, Kept
from wooshq_worker.keeper.history.records import record_of
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.history")

_READ: Final = 250
"""Rows in one read: Redis serves nobody else meanwhile."""
PART_BYTES: Final = 16 * 1024 * 1024
"""Bytes of rows in one part, but for the last read. One part is written while the next one is read."""


@dataclass(slots=True)
class Part:
    """Some records of a group, and what the ledger may forget when the history has them. unread: ends whose rows cannot be read, and why. is_last: the group has no more."""

    records: list[Record | SentIntent] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    unread: list[tuple[Ended, str]] = field(default_factory=list)
    is_last: bool = False


async def parts_of(group: Sequence[Ended], ledger: EventLedger, client: LedgerClient) -> AsyncIterator[Part]:
    """The records of these ends, in parts; at least one. Raises LedgerUnavailable."""
    part, size, at = Part(), 0, 0
    while at < len(group):
        rows = await client.do(ledger.read(group[at : at + _READ]))
        for ended, row in zip(group[at:], rows, strict=False):
            size += sum(map(_size, row))
            try:
                record = record_of(ended, row)
            except Exception as error:  # one bad row must not stop the others
                log.error("history_record_failed", of=ended.kind, id=ended.id, exc_info=True)
                part.unread.append((ended, f"its row cannot be read ({type(error).__name__})"))
                continue
            if record is not None:
                part.records.append(record[0])
                part.kept.append(record[1])
        at += len(rows)
        if size >= PART_BYTES and at < len(group):
            yield part
            part, size = Part(), 0
    part.is_last = True
    yield part


def _size(row: Mapping[str, str] | str) -> int:
    """Characters, roughly bytes."""
    return len(row) if isinstance(row, str) else sum(map(len, row.values()))
