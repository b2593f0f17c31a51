"""What a history can do, and what it can fail with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wooshq.errors import WooshqError
from wooshq.history.acts import KeptAct, WhichActs
from wooshq.history.record import Kind, Record
from wooshq.history.sent import SentIntent
from wooshq.search.tree import Tree


class HistoryAway(WooshqError):
    """The database cannot be reached, or refuses work for now. Nothing was changed; write the same records again later. Its text names no value."""


class HistoryRefused(HistoryAway):
    """The database answers, and refused this: a value that it does not take, or one statement. Others may succeed. Its text names no value."""


class HistoryNewer(WooshqError):
    """A newer version of wooshq made the tables of the history. Update wooshq."""


@dataclass(frozen=True, slots=True)
class Size:
    """What the history takes. bytes: tables and indexes. has_text_index: False if `text:` must read every text (PostgreSQL without pg_trgm)."""

    records: int
    bytes: int
    has_text_index: bool


@dataclass(frozen=True, slots=True)
class Forgotten:
    """
    What became of the records of a person. removed: were only about this person. changed: have other recipients, too. left: always 0; counted
    afterwards. acts: acts of operators that named the person.
    """

    removed: int
    changed: int
    left: int
    acts: int = 0


class History(Protocol):
    """
    A history that is open. Every call blocks, runs in a transaction of its own, and may be made from any thread; in a loop, use a thread.

    Every call raises HistoryAway if the database does no work.
    """

    @property
    def where(self) -> str:
        """The database as it may be shown: without user and password."""
        ...

    @property
    def identity(self) -> str:
        """The same for everybody who uses this database, and another one for each other database, also for an empty one in its place."""
        ...

    def write(self, records: Iterable[Record | SentIntent]) -> None:
        """
        Write records by kind and id; they are durable when it returns. Any record may come twice and in any order: the one with the newest
        `changed_ms` stays. What the settings do not allow to be kept is left out, and so is who was forgotten.

        Raises HistoryRefused if the database refused one of them, however often it is asked. None of them is written then.
        """
        ...

    def check(self) -> None:
        """Write a record of its own, and remove it again: whether the database takes any record at all. Raises HistoryAway if it does not."""
        ...

    def read(self, record_id: str, kind: Kind = "intent") -> Record | None:
        """One record; None if the history does not have it."""
        ...

    def read_many(self, ids: Sequence[str], kind: Kind = "intent") -> dict[str, Record]:
        """Those of these ids that the history has, by id."""
        ...

    def find(self, tree: Tree | None, *, limit: int, after: Record | None = None, in_doubt: bool = False) -> list[Record]:
        """
        The records that fit, the newest first; at most `limit`. tree: None for all. after: the last record of the page before. in_doubt:
        only those that a person may have got twice.
        """
        ...

    def prune(self, before_ms: int, limit: int) -> int:
        """Remove the oldest records that ended before this time (ms since the epoch), at most `limit`. How many they were."""
        ...

    def forget(self, recipient: str) -> Forgotten:
        """
        Remove a person: records of this recipient alone, and the recipient from the others. What was accepted before now and is written
        later (an event that is delivered again) does not bring the person back.
        """
        ...

    def count_person(self, recipient: str) -> Forgotten:
        """What `forget` would do. Changes nothing."""
        ...

    def write_acts(self, acts: Iterable[KeptAct]) -> None:
        """Write acts of operators; they are durable when it returns. Any of them may come twice."""
        ...

    def find_acts(self, which: WhichActs, limit: int) -> list[KeptAct]:
        """The acts that the question is about, the newest first; at most `limit`."""
        ...

    def prune_acts(self, before_ms: int, limit: int) -> int:
        """Remove the oldest acts of before this time (ms since the epoch), at most `limit`. How many they were."""
        ...

    def size(self) -> Size:
        """How much there is. Counts: this takes a while in a large history."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
