"""The history in a SQLite file: one writer at a time, readers never wait (WAL)."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, and_, create_engine, event, func, literal_column, select, text
from sqlalchemy.engine import URL

from wooshq.history.sql.database import RARE, Database, Writer
from wooshq.history.sql.rows import Row
from wooshq.history.sql.tables import NAMES, ORDER, SQLITE, ended, marks, statements

_WAITS_S: Final = 30.0
"""For how long a writer waits for another one."""
_CACHE_KB: Final = 64 * 1024
"""Of each connection, at most. The marks of a batch are all over their table."""
_CHECKPOINT_PAGES: Final = 20_000
"""How long the write-ahead log becomes (80 MB) before it goes into the file: a page that many batches change is then written once."""

_INSERT: Final = f"INSERT INTO wooshq_history (n, {', '.join(NAMES)})"
_MARKS: Final = "INSERT INTO wooshq_history_marks (mark, n)"
_TEXTS: Final = "INSERT INTO wooshq_history_texts (rowid, texts)"
_TOGETHER: Final = 500
"""Rows in one statement. SQLite lets the interpreter go for each statement, and to get it back from a busy thread takes a while."""
_UNTEXT: Final = "INSERT INTO wooshq_history_texts (wooshq_history_texts, rowid, texts) VALUES ('delete', ?, ?)"


class Sqlite(Database):
    """See `Database`."""

    def __init__(self, url: URL) -> None:
        """url: of a file, which is made if it is not there, with its folder."""
        self._file = Path(url.database or "")
        super().__init__(_engine(url, self._file))

    def make_tables(self, connection: Connection) -> None:
        """See `Database`."""
        raw = _raw(connection)
        raw.execute("BEGIN IMMEDIATE")
        with _ends(raw):
            for statement in statements(SQLITE):
                raw.execute(statement)

    @contextlib.contextmanager
    def writing(self) -> Iterator[SqliteWriter]:
        """See `Database`."""
        with self.connected() as connection:
            raw = _raw(connection)
            raw.execute("BEGIN IMMEDIATE")
            with _ends(raw):
                yield SqliteWriter(connection, raw)

    def marked(self, connection: Connection, mark: int) -> ColumnElement[bool]:
        """See `Database`."""
        having = select(marks.c.n).where(marks.c.mark == mark)
        if _is_rare(connection, having):
            return ended.c.n.in_(having)
        return having.where(marks.c.n == ended.c.n).exists()

    def contains(self, connection: Connection, value: str) -> ColumnElement[bool]:
        """See `Database`."""
        is_in = and_(ended.c.texts != "", func.instr(ended.c.texts, value) > 0)
        if len(value) < 3:
            return is_in
        runs = " ".join(f'"{run}"' for run in sorted({value[i : i + 3].replace('"', '""') for i in range(len(value) - 2)}))
        found = (
            select(text("rowid")).select_from(text("wooshq_history_texts")).where(literal_column("wooshq_history_texts").op("MATCH")(runs))
        )
        return and_(ended.c.n.in_(found), is_in) if _is_rare(connection, found) else is_in

    def marks_in(self, column: Any) -> Sequence[int]:
        """See `Database`."""
        return _unpacked(column)

    def size(self, connection: Connection) -> tuple[int, int, bool]:
        """See `Database`."""
        count = connection.scalar(select(func.count()).select_from(ended)) or 0
        files = (self._file, self._file.with_name(self._file.name + "-wal"))
        return count, sum(file.stat().st_size for file in files if file.exists()), True


class SqliteWriter(Writer):
    """See `Writer`."""

    def __init__(self, connection: Connection, raw: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._raw = raw

    def upsert(self, rows: Sequence[Row]) -> None:
        """See `Writer`."""
        known = self._known([row.ref for row in rows])
        newer = [row for row in rows if row.ref not in known or known[row.ref][1] < row.order]
        self._insert(newer, [known[row.ref][0] for row in newer if row.ref in known])

    def replace(self, rows: Sequence[Row]) -> None:
        """See `Writer`."""
        self._insert(rows, [n for n, _ in self._known([row.ref for row in rows]).values()])

    def remove(self, refs: Sequence[bytes]) -> None:
        """See `Writer`."""
        self._remove([n for n, _ in self._known(refs).values()])

    def prune(self, before_ms: int, limit: int) -> int:
        """See `Writer`."""
        found = self._raw.execute("SELECT n FROM wooshq_history WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?", (before_ms, limit))
        numbers = [n for (n,) in found]
        self._remove(numbers)
        return len(numbers)

    def _insert(self, rows: Sequence[Row], instead_of: Sequence[int]) -> None:
        self._remove(instead_of)
        (last,) = self._raw.execute("SELECT coalesce(max(n), 0) FROM wooshq_history").fetchone()
        numbered = list(enumerate(rows, last + 1))
        self._add(_INSERT, [(n, *row.values, _packed(row.marks)) for n, row in numbered])
        # In the order of their table, which is not that of the records.
        have = sorted((mark, n) for n, row in numbered for mark in row.marks)
        self._add(_MARKS, have)
        self._add(_TEXTS, [(n, row.values[10]) for n, row in numbered if row.values[10]])

    def _add(self, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, many in a statement."""
        if not rows:
            return
        one = f"({','.join('?' * len(rows[0]))})"
        together = min(_TOGETHER, self._raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(rows[0]))
        whole = len(rows) - len(rows) % together
        for start in range(0, whole, together):
            values = tuple(itertools.chain.from_iterable(rows[start : start + together]))
            self._raw.execute(f"{into} VALUES {','.join([one] * together)}", values)
        self._raw.executemany(f"{into} VALUES {one}", rows[whole:])

    def _remove(self, numbers: Sequence[int]) -> None:
        for some in _parts(numbers):
            found = self._raw.execute(f"SELECT n, marks, texts FROM wooshq_history WHERE n IN ({_many(some)})", some).fetchall()
            have = sorted((mark, n) for n, packed, _ in found for mark in _unpacked(packed))
            self._raw.executemany("DELETE FROM wooshq_history_marks WHERE mark = ? AND n = ?", have)
            self._raw.executemany(_UNTEXT, [(n, texts) for n, _, texts in found if texts])
            self._raw.execute(f"DELETE FROM wooshq_history WHERE n IN ({_many(some)})", some)

    def _known(self, refs: Sequence[bytes]) -> dict[bytes, tuple[int, tuple[Any, ...]]]:
        """Number and `order` of those that are there."""
        found: dict[bytes, tuple[int, tuple[Any, ...]]] = {}
        for some in _parts(refs):
            asked = self._raw.execute(f"SELECT ref, n, {', '.join(ORDER)} FROM wooshq_history WHERE ref IN ({_many(some)})", some)
            found.update((ref, (n, tuple(order))) for ref, n, *order in asked)
        return found


def _engine(url: URL, file: Path) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _WAITS_S}, isolation_level="AUTOCOMMIT", hide_parameters=True)

    @event.listens_for(engine, "do_connect")
    def _private_file(*_: Any) -> None:
        """
        Nobody else on this machine may read it. SQLite gives its other files the same rights.

        A file that is there is never opened here: closing it would drop the locks that this process's other connections have on it. Another
        process that closes the database would then think that it is the last one, and delete the log under them: what they write is lost.
        """
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise sqlite3.OperationalError("the file cannot be opened") from error

    @event.listens_for(engine, "connect")
    def _options(connection: Any, _: Any) -> None:
        # FULL: a row leaves Redis when this has it, so it must survive a power cut.
        for option in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"cache_size = -{_CACHE_KB}",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
        ):
            connection.execute(f"PRAGMA {option}")

    return engine


def _raw(connection: Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


@contextlib.contextmanager
def _ends(raw: sqlite3.Connection) -> Iterator[None]:
    """Commits; rolls back if an error leaves it."""
    try:
        yield
    except BaseException:
        raw.execute("ROLLBACK")
        raise
    raw.execute("COMMIT")


def _is_rare(connection: Connection, found: Any) -> bool:
    return (connection.scalar(select(func.count()).select_from(found.limit(RARE + 1).subquery())) or 0) <= RARE


def _many(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """At most as many as SQLite takes in one statement."""
    for start in range(0, len(values), 1000):
        yield values[start : start + 1000]


def _packed(found: Sequence[int]) -> bytes:
    return b"".join(mark.to_bytes(8, "big", signed=True) for mark in found)


def _unpacked(packed: bytes) -> list[int]:
    return [int.from_bytes(packed[at : at + 8], "big", signed=True) for at in range(0, len(packed), 8)]
