"""What will never be accepted as it is: intents and lines that were set aside, with the reason. For operators: list, show, edit, retry, discard."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from wooshq.errors import WooshqError
from wooshq.gates.who import said
from wooshq.intents.edited import CHANGED, edited_entry
from wooshq.intents.entry import IntentLike
from wooshq.intents.late import tried_again
from wooshq.ledger.entry import Entry
from wooshq.ledger.replies import Result, moment
from wooshq.settings import Settings
from wooshq.spool.acts import act_line
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

    intent: as it will be enqueued; None of a line that cannot be read. line: such a line, as far as it is text.
    """

    id: str
    reason: str
    set_aside_at: str | None
    enqueued_at: str | None
    application: str | None
    lane: str | None
    may_be_sent: bool
    can_retry: bool
    intent: dict[str, Any] | None = field(default=None, metadata={"shown": False})
    line: str | None = field(default=None, metadata={"shown": False})

    @property
    def was_refused(self) -> bool:
        """Whether the ledger refused just this intent: unchanged, it will refuse it again, unless its cause is gone."""
        return self.can_retry and not self.may_be_sent and self.reason != CHANGED


class AsideUnknown(WooshqError):
    """Nothing that was set aside has this id: the id is wrong, or somebody has retried or discarded it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: nothing that was set aside has this id")


def list_aside(folder: SpoolFolder) -> Iterator[AsideRow]:
    """Everything that was set aside, the oldest first. Raises FolderUnusable."""
    for aside, _ in read_aside(folder):
        if aside is not None:
            yield _shown(aside)


def show_aside(folder: SpoolFolder, key: str) -> AsideRow:
    """One of them, with its intent. Raises AsideUnknown, FolderUnusable."""
    for row in list_aside(folder):
        if row.id == key:
            return row
    raise AsideUnknown(key)


def edit_aside(folder: SpoolFolder, key: str, intent: IntentLike, settings: Settings, *, why: str = "", by: str | None = None) -> None:
    """
    Give it another intent; its id stays. It stays set aside until it is retried.

    intent: also what `show` prints, with its `intent` changed. It counts as spooled now: `ttl_s` begins again, and a schedule is checked as of
    now. Raises AsideUnknown, FolderUnusable, IntentInvalid; ValueError: it is not an intent, so it can only be discarded.
    """

    def edited(found: Aside) -> tuple[list[bytes], list[bytes]]:
        record = _record_of(found, "edited")
        entry = edited_entry(intent, key, settings, mark="set_aside_at")
        fresh = Record(entry, time.time_ns() // 1_000_000, record.maybe_done)
        return [replace(found, record=fresh, reason=found.reason if found.may_be_sent else CHANGED).to_line().rstrip(b"\n")], []

    _change(folder, key, edited, act_line("edit", key, "edited", why, by))


def retry_aside(folder: SpoolFolder, key: str, *, why: str = "", by: str | None = None) -> None:
    """
    Let it be moved again. An intent that may be sent may then be sent twice: that is on record when the ledger has it.

    why, by: for the audit log; by: None for the user and host. Raises AsideUnknown, FolderUnusable; ValueError: it is not an intent, so it can only be discarded.
    """

    def waits_again(found: Aside) -> tuple[list[bytes], list[bytes]]:
        again = tried_again(said(why, by)[1]) if found.may_be_sent else ""
        # As if it had not been tried: somebody has looked.
        return [], [replace(_record_of(found, "retried"), maybe_done=False, again=again).to_line()]

    _change(folder, key, waits_again, act_line("retry", key, "waiting again", why, by))


def discard_aside(folder: SpoolFolder, key: str, *, why: str = "", by: str | None = None) -> None:
    """Forget it: it will not be sent. Raises AsideUnknown, FolderUnusable."""
    _change(folder, key, lambda found: ([], []), act_line("discard", key, "deleted", why, by))


def _record_of(found: Aside, done: str) -> Record:
    if found.record is None:
        raise ValueError(f"{found.key}: it cannot be read, so it cannot be {done}. Discard it")
    return found.record


def _change(folder: SpoolFolder, key: str, change: Callable[[Aside], tuple[list[bytes], list[bytes]]], act: bytes) -> None:
    """change: the lines that stay instead of one, without their ends, and those that wait again for it."""

    def change_all(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        stay: list[bytes] = []
        back: list[bytes] = []
        found = False
        for line in lines:
            if (aside := _aside_of(line)) is None or aside.key != key:
                stay.append(line)
            elif not found:  # another one with its key is the same: a process was killed
                found = True
                instead, back = change(aside)
                stay += instead
        if not found:
            raise AsideUnknown(key)
        return stay, back

    folder.change_set_aside(change_all, act)


def _shown(aside: Aside) -> AsideRow:
    entry = aside.record.entry if aside.record else None
    return AsideRow(
        id=aside.key,
        reason=aside.reason,
        set_aside_at=moment(aside.at_ms),
        enqueued_at=moment(aside.record.at_ms) if aside.record else None,
        application=entry.application if entry else None,
        lane=entry.lane if entry else None,
        may_be_sent=aside.may_be_sent,
        can_retry=entry is not None,
        intent=json.loads(entry.body) if entry else None,
        line=None if aside.raw is None else base64.b64decode(aside.raw).decode(errors="replace"),
    )


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
