"""
Moves what is in the spool into the ledger. Any number of processes may do it at once, and each may be killed at any moment.

A segment is deleted when the ledger has all its intents. An intent that is moved twice is one message, because the ledger knows its id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from wooshq.errors import FolderUnusable, LedgerUnavailable, SettingsInvalid
from wooshq.intents.accept import Checked, accept_and_ring
from wooshq.intents.entry import entry_of_model
from wooshq.intents.late import why_parked, with_rest_of_ttl
from wooshq.ledger.entry import Entry
from wooshq.ledger.steps import Ask, Steps
from wooshq.settings import Settings
from wooshq.spool.acts import tell_acts
from wooshq.spool.aside import Aside, aside_of_line, aside_of_record, known_keys
from wooshq.spool.client import Client
from wooshq.spool.folder import SpoolFolder, lines_of
from wooshq.spool.record import Record, Unreadable, record_of
from wooshq_schemas import MODEL_VERSION
from wooshq_schemas.intent.door import load_stored

log = logging.getLogger("wooshq.spool")

_MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of lines in one round trip, whatever `accept_batch` says."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one look did. left: something waits that another process is moving just now."""

    accepted: int = 0
    set_aside: int = 0
    left: bool = False

    def __add__(self, other: Moved) -> Moved:
        return Moved(self.accepted + other.accepted, self.set_aside + other.set_aside, self.left or other.left)


def move_spool(client: Client) -> Moved:
    """
    Move what waits in the spool of a client's installation. Does nothing if it has none, or an empty one.

    Raises LedgerUnavailable (what was not moved waits), FolderUnusable, SettingsInvalid.
    """
    folder = SpoolFolder.of(client.settings)
    if folder is None or (folder.is_empty() and not folder.has_acts()):
        return Moved()
    client.do(_knock())
    tell_acts(client, folder)
    folder.seal()
    moved = Moved()
    unusable: FolderUnusable | None = None
    for segment in folder.segments():
        try:
            with folder.taken(segment) as taken:
                moved += Moved(left=True) if taken is None else _Segment(client, folder, *taken).move()
        except FolderUnusable as error:  # such as a full disk: a segment that is moved makes room
            unusable = unusable or error
    if unusable is not None:
        raise unusable
    if moved.accepted or moved.set_aside:
        log.info("spool_moved: %d intents of the spool are in the ledger, %d were set aside", moved.accepted, moved.set_aside)
    return moved


def _knock() -> Steps[None]:
    """A segment counts as tried only if the ledger answers."""
    yield Ask([("TIME",)])


def why_spool_waits(client: Client) -> str | None:
    """A sentence if the ledger's Redis does not answer, so that nothing can be moved; else None. Raises SettingsInvalid."""
    try:
        client.do(_knock())
    except LedgerUnavailable as error:
        return f"{error}. Until it does, intents wait in the spool"
    return None


class _Segment:
    """A segment that this process alone moves. tried_ms: when it was first tried, by this machine's clock."""

    def __init__(self, client: Client, folder: SpoolFolder, path: Path, tried_ms: int) -> None:
        self._client = client
        self._settings = client.settings
        self._folder = folder
        self._path = path
        self._tried_ms = tried_ms
        self._now_ms = time.time_ns() // 1_000_000
        self._unreadable = 0
        self._unusable: FolderUnusable | None = None  # why something could not be set aside
        self._aside_before = known_keys(folder)  # a process that was killed may have set aside some of them

    def move(self) -> Moved:
        """Raises LedgerUnavailable, FolderUnusable: the segment stays."""
        moved = Moved()
        for batch in self._batches():
            moved += self._move_some(batch)
        if self._unusable is not None:
            raise self._unusable
        self._folder.drop(self._path)
        return moved + Moved(set_aside=self._unreadable)

    def _batches(self) -> Iterator[list[Record]]:
        batch: list[Record] = []
        size = 0
        for line in lines_of(self._path):
            try:
                record = record_of(line)
            except Unreadable as error:
                self._unreadable += self._put_aside([aside_of_line(line, str(error), self._now_ms)])
                continue
            batch.append(record)
            size += len(line)
            if len(batch) >= self._settings.accept_batch or size >= _MOST_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _move_some(self, records: Sequence[Record]) -> Moved:
        try:
            checked = [self._checked(index, record) for index, record in enumerate(records)]
            good = [one for one in checked if isinstance(one, Checked)]
            outcomes = self._client.do(accept_and_ring(self._client.ledger, self._settings, good))
        except (LedgerUnavailable, SettingsInvalid):
            raise
        except Exception as error:  # a bug must not hold up the others
            if len(records) > 1:
                return sum((self._move_some([record]) for record in records), Moved())
            log.error("spool_set_aside: %s raised %s", records[0].entry.intent_id, type(error).__name__, exc_info=True)
            why = f"wooshq could not read it ({type(error).__name__}); please report this"
            return Moved(set_aside=self._put_aside([aside_of_record(records[0], why, self._now_ms)]))
        again = {
            one.checked.entry.intent_id: records[one.checked.index].again for one in outcomes if one.conflict is None and one.checked.entry
        }
        if again := {intent_id: cause for intent_id, cause in again.items() if cause}:  # before the segment goes
            self._client.do(self._client.ledger.tried_again(again))
        aside = [one for one in checked if isinstance(one, Aside)]
        for outcome in outcomes:
            if outcome.conflict is not None:
                aside.append(aside_of_record(records[outcome.checked.index], str(outcome.conflict), self._now_ms))
        self._put_aside(aside)
        return Moved(len(records) - len(aside), len(aside))

    def _checked(self, index: int, record: Record) -> Checked | Aside:
        """The entry as it must be accepted now, or why it must not be."""
        first_ms = min(record.at_ms, self._tried_ms) if record.maybe_done else self._tried_ms
        if why := why_parked(self._now_ms - first_ms, self._settings.retention_s):
            return aside_of_record(record, why, self._now_ms, may_be_sent=True)
        try:
            entry = _of_this_version(record, self._settings)
        except ValueError as error:  # IntentInvalid, or a model that is newer than this code
            return aside_of_record(record, str(error), self._now_ms)
        return Checked(index, with_rest_of_ttl(entry, self._now_ms - record.at_ms))

    def _put_aside(self, aside: Sequence[Aside]) -> int:
        new = [one for one in aside if one.key not in self._aside_before]
        if new:
            try:
                self._folder.set_aside([one.to_line() for one in new])
            except FolderUnusable as error:  # the others need no room on this disk
                self._unusable = error
                return 0
            self._aside_before.update(one.key for one in new)
            for one in new:
                log.warning("spool_set_aside: %s; see wooshq spool", one.key)
        return len(aside)


def _of_this_version(record: Record, settings: Settings) -> Entry:
    """Raises ValueError: IntentInvalid, or NewerModel."""
    if record.version == MODEL_VERSION:
        return record.entry
    intent = load_stored(record.entry.body, record.version, platforms=settings.platform_table)
    entry = entry_of_model(intent, settings)
    return replace(entry, intent_id=record.entry.intent_id, digest=entry.digest if record.entry.digest else "", trace=record.entry.trace)
