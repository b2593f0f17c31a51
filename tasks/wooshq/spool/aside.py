"""What will never be accepted as it is: intents and lines that were set aside, with the reason. For operators: list, retry, discard."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from wooshq.errors import WooshqError
from wooshq.ledger.entry import Entry
from wooshq.ledger.replies import Result, moment
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.record import Record


@dataclass(frozen=True, slots=True)
class Aside:
    """
    key: the intent's id; of a line that cannot be read, `line-` and a digest of it. record: None for such a line, which is in `raw`.

    at_ms: when it was set aside. may_be_sent: it may have been accepted, and forgotten since.
    """

    key: str
    reason: str
    at_ms: int
    record: Record | None = None
    raw: str | None = None
    may_be_sent: bool = False

    def to_line(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), separators=(",", ":")).encode() + b"\n"


def aside_of_record(record: Record, reason: str, now_ms: int, *, may_be_sent: bool = False) -> Aside:
    """An intent that the ledger refuses. The reason has no value of it."""
    return Aside(record.entry.intent_id, reason, now_ms, record, may_be_sent=may_be_sent)


def aside_of_line(line: bytes, reason: str, now_ms: int) -> Aside:
    """A line that is not a record."""
    key = f"line-{hashlib.blake2b(line, digest_size=8).hexdigest()}"
    return Aside(key, reason, now_ms, raw=base64.b64encode(line).decode())


def known_keys(folder: SpoolFolder) -> set[str]:
    """Keys of everything that was set aside."""
    return {aside.key for aside, _ in read_aside(folder) if aside is not None}


@dataclass(frozen=True)
class AsideRow(Result):
    """
    What was set aside, for people. Times are RFC 3339, UTC. id: of the intent; of a line that cannot be read, `line-…`.

    may_be_sent: it may have been accepted before, so a retry may send it twice. can_retry: False for a line that cannot be read.
    """

    id: str
    reason: str
    set_aside_at: str | None
    enqueued_at: str | None
    application: str | None
    lane: str | None
    may_be_sent: bool
    can_retry: bool


class AsideUnknown(WooshqError):
    """Nothing that was set aside has this id: the id is wrong, or somebody has retried or discarded it."""


def list_aside(folder: SpoolFolder) -> Iterator[AsideRow]:
    """Everything that was set aside, the oldest first. Raises FolderUnusable."""
    for aside, _ in read_aside(folder):
        if aside is not None:
            entry = aside.record.entry if aside.record else None
            yield AsideRow(
                id=aside.key,
                reason=aside.reason,
                set_aside_at=moment(aside.at_ms),
                enqueued_at=moment(aside.record.at_ms) if aside.record else None,
                application=entry.application if entry else None,
                lane=entry.lane if entry else None,
                may_be_sent=aside.may_be_sent,
                can_retry=entry is not None,
            )


def retry_aside(folder: SpoolFolder, key: str) -> None:
    """
    Let it be moved again. An intent that may be sent may then be sent twice.

    Raises AsideUnknown, FolderUnusable; ValueError: it is not an intent, so it can only be discarded.
    """

    def waits_again(found: Aside) -> list[bytes]:
        if found.record is None:
            raise ValueError(f"{key}: it cannot be read, so it cannot be retried. Discard it")
        return [replace(found.record, maybe_done=False).to_line()]  # as if it had not been tried: somebody has looked

    _take_out(folder, key, waits_again)


def discard_aside(folder: SpoolFolder, key: str) -> None:
    """Forget it: it will not be sent. Raises AsideUnknown, FolderUnusable."""
    _take_out(folder, key, lambda found: [])


def _take_out(folder: SpoolFolder, key: str, back_of: Callable[[Aside], list[bytes]]) -> None:
    """Remove one. back_of: the lines that wait again for it."""

    def change(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        found = [aside for aside in map(_aside_of, lines) if aside is not None and aside.key == key]
        if not found:
            raise AsideUnknown(f"{key}: nothing that was set aside has this id")
        stay = [line for line in lines if (aside := _aside_of(line)) is None or aside.key != key]
        return stay, back_of(found[0])

    folder.change_set_aside(change)


def read_aside(folder: SpoolFolder) -> Iterator[tuple[Aside | None, bytes]]:
    """Each line, and what it says; None for one that a crash has torn, whose intent is still in its segment."""
    for line in folder.aside():
        yield _aside_of(line), line


def _aside_of(line: bytes) -> Aside | None:
    try:
        fields: dict[str, Any] = json.loads(line)
        record = fields.pop("record")
        if record is not None:
            record = Record(**{**record, "entry": Entry(**record["entry"])})
        return Aside(**fields, record=record)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
