"""The history in PostgreSQL: any number of writers, each batch one statement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, LargeBinary, and_, bindparam, cast, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from wooshq.history.sql.database import RARE, Database, Writer
from wooshq.history.sql.rows import Row
from wooshq.history.sql.tables import NAMES, ORDER, POSTGRESQL, TEXT_INDEX, ended, statements
from wooshq.settings.patience import patience

_LOCK: Final = 0x776F6F73687168
"""Of PostgreSQL's advisory locks: writers share it; whoever makes tables or forgets someone has it alone."""

_STATEMENT: Final = 32 * 1024 * 1024
"""Characters and bytes of the rows in one statement, unless one row alone has more."""

_TYPES: Final = ("bytea", "bigint", "bigint", "smallint", "smallint", "text", "text", "text", "text", "text", "text", "bytea", "text")
_GIVEN: Final = ", ".join(f"CAST(CAST(:{name} AS text) AS {kind}[])" for name, kind in zip(NAMES, _TYPES, strict=True))
_SET: Final = ", ".join(f"{name} = excluded.{name}" for name in NAMES if name != "ref")
_REPLACE: Final = f"""INSERT INTO wooshq_history ({", ".join(NAMES)})
SELECT {", ".join(NAMES[:-1])}, CAST(marks AS bigint[]) FROM unnest({_GIVEN}) AS given ({", ".join(NAMES)})
ON CONFLICT (ref) DO UPDATE SET {_SET}"""
_TEXTS: Final = frozenset(name for name, kind in zip(NAMES, _TYPES, strict=True) if kind == "text")


def _ordered(table: str) -> str:
    """As Python compares: texts by their code points."""
    return ", ".join(f'{table}.{name} COLLATE "C"' if name in _TEXTS else f"{table}.{name}" for name in ORDER)


_UPSERT: Final = f"{_REPLACE} WHERE ({_ordered('wooshq_history')}) < ({_ordered('excluded')})"
_OLD: Final = "SELECT ref FROM wooshq_history WHERE ended_ms < :before_ms ORDER BY ended_ms LIMIT :most FOR UPDATE SKIP LOCKED"


_BITMAPS: Final = text("SELECT set_config('enable_seqscan', :others, true), set_config('enable_indexscan', :others, true)")
"""Until the transaction ends: `off` for bitmaps of indexes alone."""


class Postgresql(Database):
    """See `Database`."""

    def __init__(self, url: URL) -> None:
        engine = create_engine(
            url, pool_pre_ping=True, isolation_level="READ COMMITTED", pool_size=2, connect_args=patience(url), hide_parameters=True
        )
        super().__init__(engine)

    def make_tables(self, connection: Connection) -> None:
        """See `Database`."""
        connection.rollback()
        with connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            for statement in statements(POSTGRESQL):
                connection.execute(text(statement))
            if _has_trigrams(connection):
                connection.execute(text(TEXT_INDEX))

    def is_complete(self, connection: Connection) -> bool:
        """See `Database`. Somebody may have made the extension later."""
        return super().is_complete(connection) and (_has_text_index(connection) or not _has_extension(connection))

    @contextlib.contextmanager
    def writing(self) -> Iterator[PostgresqlWriter]:
        """See `Database`."""
        with self.connected() as connection, connection.begin():
            yield PostgresqlWriter(connection)

    def marked(self, connection: Connection, mark: int) -> ColumnElement[bool]:
        """See `Database`."""
        condition: ColumnElement[bool] = ended.c.marks.contains([mark])
        return _few_or(connection, condition)

    def contains(self, connection: Connection, value: str) -> ColumnElement[bool]:
        """See `Database`."""
        condition = and_(ended.c.texts != "", ended.c.texts.contains(value, autoescape=True))
        return _few_or(connection, condition) if len(value) >= 3 and _has_text_index(connection) else condition

    def marks_in(self, column: Any) -> Sequence[int]:
        """See `Database`."""
        return list(column)

    def size(self, connection: Connection) -> tuple[int, int, bool]:
        """See `Database`."""
        count = connection.scalar(select(func.count()).select_from(ended)) or 0
        size = connection.scalar(text("SELECT pg_total_relation_size('wooshq_history')")) or 0
        return count, size, _has_text_index(connection)


class PostgresqlWriter(Writer):
    """See `Writer`."""

    def upsert(self, rows: Sequence[Row]) -> None:
        """See `Writer`."""
        self._write(_UPSERT, rows)

    def replace(self, rows: Sequence[Row]) -> None:
        """See `Writer`."""
        self._write(_REPLACE, rows)

    def remove(self, refs: Sequence[bytes]) -> None:
        """See `Writer`."""
        if refs:
            self.connection.execute(_REMOVE, {"refs": list(refs)})

    def prune(self, before_ms: int, limit: int) -> int:
        """See `Writer`."""
        old = self.connection.execute(text(_OLD), {"before_ms": before_ms, "most": limit}).scalars().all()
        self.remove(old)
        return len(old)

    def forgotten(self, marks: Sequence[int]) -> dict[int, int]:
        """See `Writer`. Until this transaction ends, nobody is forgotten."""
        self.connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _LOCK})
        return super().forgotten(marks)

    def forget(self, mark: int, at_ms: int) -> None:
        """See `Writer`."""
        self.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        super().forget(mark, at_ms)

    def _write(self, statement: str, rows: Sequence[Row]) -> None:
        for some in parts_of(rows):
            columns: list[Sequence[Any]] = [*zip(*(row.values for row in some), strict=True), [_numbers(row.marks) for row in some]]
            given = {name: _array(kind, column) for name, kind, column in zip(NAMES, _TYPES, columns, strict=True)}
            self.connection.execute(text(statement), given)


_REMOVE: Final = text("DELETE FROM wooshq_history WHERE ref IN :refs").bindparams(bindparam("refs", expanding=True))


def _array(kind: str, values: Sequence[Any]) -> str:
    """An array as PostgreSQL reads it from a text. The driver makes one, too, in ten times as long. values: at least one."""
    if kind == "bytea":
        return '{"\\\\x' + '","\\\\x'.join(map(bytes.hex, values)) + '"}'
    return '{"' + '","'.join(map(_quoted, values)) + '"}' if kind == "text" else _numbers(values)


def _numbers(values: Sequence[int]) -> str:
    return f"{{{','.join(map(str, values))}}}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"') if "\\" in value or '"' in value else value


def parts_of(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows in their order, as many as one statement may have: PostgreSQL ends a connection that sends a parameter of 1 GiB."""
    some: list[Row] = []
    size = 0
    for row in rows:
        n = sum(len(value) for value in row.values if isinstance(value, (str, bytes)))
        if some and size + n > _STATEMENT:
            yield some
            some, size = [], 0
        some.append(row)
        size += n
    if some:
        yield some


def _few_or(connection: Connection, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """
    The condition as a list of refs if few records meet it, which an inverted index knows. The planner guesses, and may read the whole history
    for a recipient who is in none of it. If many meet it, some of the newest do, and they are found without the index.
    """
    connection.execute(_BITMAPS, {"others": "off"})
    refs = connection.scalars(select(ended.c.ref).where(condition).limit(RARE + 1)).all()
    connection.execute(_BITMAPS, {"others": "on"})
    if len(refs) > RARE:
        return condition
    # One parameter, however many refs: a statement may have 65,535. `bool_op`: SQLAlchemy would make `!= ANY` of NOT, which means another thing.
    return ended.c.ref.bool_op("=")(func.any(cast(refs, ARRAY(LargeBinary))))


def _has_text_index(connection: Connection) -> bool:
    return connection.scalar(text("SELECT to_regclass('wooshq_history_texts')")) is not None


def _has_extension(connection: Connection) -> bool:
    return connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")) is not None


def _has_trigrams(connection: Connection) -> bool:
    """Whether the extension is there. It is made if this user may make it."""
    if _has_extension(connection):
        return True
    if not connection.scalar(text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        return False
    try:
        with connection.begin_nested():
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    except DBAPIError:  # this user may not
        return False
    return True
