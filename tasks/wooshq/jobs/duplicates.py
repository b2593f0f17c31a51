"""Has this recipient been met before in this job? Exactly, however many there are, in a bounded memory."""

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

#: Up to here the keys stay in a set: most jobs touch no disk.
_KEYS_IN_MEMORY: Final = 50_000
_BYTES_IN_MEMORY: Final = 8 << 20

#: The file lives as long as the process and is nobody's afterwards: nothing in it is worth a journal, a sync or somebody else's lock.
#: cache_size: KiB of the table that stay in memory; a process that holds a full one is 21 MiB larger than without.
_PRAGMAS: Final = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{16 << 10}")
_INSERT: Final = "INSERT OR IGNORE INTO met VALUES (?)"


class Duplicates:
    """
    The keys of one job, each of them new once. A context manager, to be used by one thread at a time.

    Many keys go into a table on disk (20 bytes each where they are short), whose file loses its name as soon as it is open: whatever
    ends the process, nothing stays behind.
    """

    def __init__(self, folder: Path, *, keys_in_memory: int = _KEYS_IN_MEMORY) -> None:
        """folder: where the table lies once there are more keys than keys_in_memory, or 8 MiB of them; untouched until then."""
        self._folder = folder
        self._keys_in_memory = keys_in_memory
        self._met: set[str] = set()
        self._bytes = 0
        self._table: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Forgets all keys, and gives the disk back. Nothing can be asked any more."""
        self._met.clear()
        if self._table is not None:
            self._table.close()

    def new(self, keys: Sequence[str]) -> list[bool]:
        """
        For each key whether it is met for the first time, be it in this batch or in an earlier one.

        keys: texts that UTF-8 can write, as a Recipient's are (a lone surrogate is a UnicodeEncodeError, at the latest on disk). Raises FolderUnusable
        where the folder takes no more. After either, some of the batch's keys count as met: the job needs a new Once.
        """
        if self._table is None:
            size = sum(map(sys.getsizeof, keys))
            if len(self._met) + len(keys) <= self._keys_in_memory and self._bytes + size <= _BYTES_IN_MEMORY:
                self._bytes += size
                return self._put_into_set(keys)
        try:
            if self._table is None:
                self._table = self._moved_to_disk()
            # One statement a key is as quick as it gets: looking first, INSERTs of many rows with RETURNING and JSON arrays take as long
            # or longer, for the time goes into the tree.
            put = self._table.cursor().execute
            return [put(_INSERT, (key,)).rowcount > 0 for key in keys]
        except (OSError, sqlite3.DatabaseError) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise FolderUnusable(
                f"The folder {self._folder} cannot hold the recipients that were met ({what}). Make room in it, or name another one."
            ) from error

    def _put_into_set(self, keys: Sequence[str]) -> list[bool]:
        met = self._met
        answers = []
        for key in keys:
            before = len(met)
            met.add(key)
            answers.append(len(met) > before)
        return answers

    def _moved_to_disk(self) -> sqlite3.Connection:
        number, name = tempfile.mkstemp(prefix="wooshq-once-", dir=self._folder)
        os.close(number)
        # Not bound to a thread: an async caller's batches come from a pool, from one thread after the other.
        table = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        try:
            for pragma in _PRAGMAS:
                table.execute(f"PRAGMA {pragma}")
            table.execute("CREATE TABLE met (key TEXT PRIMARY KEY) WITHOUT ROWID")
            os.unlink(name)
            # Never committed: what the cache cannot hold is written all the same, and the rest need not be.
            table.execute("BEGIN")
            table.executemany(_INSERT, [(key,) for key in sorted(self._met)])
        except BaseException:
            table.close()
            Path(name).unlink(missing_ok=True)
            raise
        self._met = set()
        return table
