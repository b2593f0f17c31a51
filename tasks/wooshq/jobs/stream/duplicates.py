"""Recognises recipients that come again in a job: exactly, however many there are, in bounded memory."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from wooshq.errors import FolderUnusable

#: Up to so many keys stay in memory: most jobs do not touch the disk.
_KEYS_IN_MEMORY: Final = 50_000
_BYTES_IN_MEMORY: Final = 8 << 20

#: The file lives as long as the process, and nothing reads it afterwards: it needs no journal, no sync and no lock.
#: cache_size: KiB of the table that stay in memory. A process with a full table is 21 MiB larger than without one.
_PRAGMAS: Final = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{16 << 10}")
_INSERT: Final = "INSERT OR IGNORE INTO seen VALUES (?)"


def folder_of_tables() -> Path | None:
    """
    The system's folder for temporary files. None if there is none that can be written to, as in a container with a read-only root.

    Then memory grows with a job, by about 150 bytes a recipient: that is better than a job that cannot begin, or that ends half-way.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


class Duplicates:
    """
    The keys of one job: each is new once. A context manager, for one thread at a time.

    Many keys go into a table on disk (20 bytes each if they are short). Its file is unlinked as soon as it is open, so nothing stays
    behind however the process ends.
    """

    def __init__(self, folder: Path | None, *, keys_in_memory: int = _KEYS_IN_MEMORY) -> None:
        """
        folder: for the table, which is made when there are more keys than keys_in_memory, or 8 MiB of them. None keeps all in memory.
        """
        self._folder = folder
        self._keys_in_memory = keys_in_memory
        self._seen: set[str] = set()
        self._bytes = 0
        self._table: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forget all keys and free the disk. The object cannot be used afterwards."""
        self._seen.clear()
        if self._table is not None:
            self._table.close()

    def new(self, keys: Sequence[str]) -> list[bool]:
        """
        For each key, whether it comes for the first time, in this batch or in all.

        keys: texts that UTF-8 can encode, as a Recipient's are (a lone surrogate raises UnicodeEncodeError, at the latest on disk). Raises
        FolderUnusable if the folder is full. After an error some keys of the batch count as seen: the job needs a new Duplicates.
        """
        if self._table is None:
            size = sum(map(sys.getsizeof, keys))
            fits = len(self._seen) + len(keys) <= self._keys_in_memory and self._bytes + size <= _BYTES_IN_MEMORY
            if fits or self._folder is None:
                self._bytes += size
                return self._put_into_set(keys)
        try:
            if self._table is None:
                self._table = self._move_to_disk(self._folder)
            # One statement a key is the fastest way. Looking first, many rows an INSERT with RETURNING, and JSON arrays took as long or
            # longer, because the tree takes the time.
            put = self._table.cursor().execute
            return [put(_INSERT, (key,)).rowcount > 0 for key in keys]
        except (OSError, sqlite3.DatabaseError) as error:
            raise self._unusable(error) from error

    def known(self, key: str) -> bool:
        """Whether a key has come before. It is not taken. Raises FolderUnusable."""
        if self._table is None:
            return key in self._seen
        try:
            return self._table.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone() is not None
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> FolderUnusable:
        what = error.strerror if isinstance(error, OSError) else error
        return FolderUnusable(
            f"The folder {self._folder} cannot hold the list of recipients seen so far ({what}). Make room in it, or set TMPDIR to another folder."
        )

    def _put_into_set(self, keys: Sequence[str]) -> list[bool]:
        seen = self._seen
        answers = []
        for key in keys:
            before = len(seen)
            seen.add(key)
            answers.append(len(seen) > before)
        return answers

    def _move_to_disk(self, folder: Path | None) -> sqlite3.Connection:
        number, name = tempfile.mkstemp(prefix="wooshq-once-", dir=folder)
        os.close(number)
        # Not bound to a thread: an async caller's batches may come from one thread after the other.
        table = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                table.execute(f"PRAGMA {pragma}")
            table.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")
            os.unlink(name)
            # Never committed: what the cache cannot hold is written anyway, and the rest need not be.
            table.execute("BEGIN")
            table.executemany(_INSERT, [(key,) for key in sorted(self._seen)])
        except BaseException:
            table.close()
            Path(name).unlink(missing_ok=True)
            raise
        self._seen = set()
        return table
