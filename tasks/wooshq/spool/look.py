"""What is in the spool: how much waits and for how long, and where one intent is."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from wooshq.intents.status import Status
from wooshq.ledger.replies import Result, moment
from wooshq.spool.aside import read_aside
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.record import Record, Unreadable, record_of

SPOOLED = "spooled"
SET_ASIDE = "set_aside"
"""States of an intent that the ledger does not have yet."""


@dataclass(frozen=True)
class SpoolDepth(Result):
    """waiting: intents. oldest_s: for how long the oldest has waited; None if none waits. set_aside: lines. used_bytes, most_bytes: of all files."""

    folder: str
    waiting: int
    oldest_s: float | None
    set_aside: int
    used_bytes: int
    most_bytes: int


def depth(folder: SpoolFolder) -> SpoolDepth:
    """How much is in the spool. Reads all of it. Raises FolderUnusable."""
    waiting, oldest = 0, None
    for line in folder.waiting():
        waiting += 1
        if (record := _record(line)) is not None:
            oldest = record.at_ms if oldest is None else min(oldest, record.at_ms)
    age_s = None if oldest is None else round(max(0.0, time.time() - oldest / 1000), 3)
    return SpoolDepth(str(folder.path), waiting, age_s, sum(1 for _ in folder.aside()), folder.bytes(), folder.most_bytes)


def find(folder: SpoolFolder, name: str, application: str) -> Status | None:
    """The status of an intent in the spool. name: its id, or an idempotency key of `application`. Raises FolderUnusable."""
    parts = {json.dumps(name).encode(), json.dumps(name.lower()).encode()}
    for line in folder.waiting():
        if any(part in line for part in parts) and (record := _record(line)) is not None and _is(record, name, application):
            why = f"Redis to answer; it is in the spool {folder.path} of this machine"
            return _status(record, SPOOLED, waiting_for=why)
    for aside, _ in read_aside(folder):
        if aside is not None and aside.record is not None and _is(aside.record, name, application):
            return _status(
                aside.record, SET_ASIDE, detail=f"{aside.reason}. It is in the spool {folder.path} of this machine; see wooshq spool"
            )
    return None


def _record(line: bytes) -> Record | None:
    try:
        return record_of(line)
    except Unreadable:
        return None


def _is(record: Record, name: str, application: str) -> bool:
    entry = record.entry
    return entry.intent_id == name.lower() or (entry.idempotency_key == name and entry.application == application)


def _status(record: Record, state: str, *, waiting_for: str | None = None, detail: str | None = None) -> Status:
    return Status(
        id=record.entry.intent_id,
        state=state,
        lane=record.entry.lane,
        application=record.entry.application or None,
        accepted_at=moment(record.at_ms),
        ended_at=None,
        message_codes=[],
        unknown_identifiers=[],
        reason=None,
        detail=detail,
        waiting_for=waiting_for,
        next_attempt_at=None,
        attempts=[],
        replay_of=None,
        replays=[],
    )
