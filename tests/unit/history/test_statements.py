"""How many rows go to PostgreSQL in one statement."""

from __future__ import annotations

from wooshq.history.sql.postgresql import parts_of
from wooshq.history.sql.rows import Row


def rows_of(n: int, size: int) -> list[Row]:
    return [Row(bytes([i]), (bytes([i]), 1, "x" * size), [i]) for i in range(n)]


def test_many_small_rows_are_one_statement() -> None:
    rows = rows_of(200, 10)
    assert list(parts_of(rows)) == [rows]
    assert list(parts_of([])) == []


def test_no_statement_of_large_messages_nears_what_the_server_refuses() -> None:
    rows = rows_of(20, 4 * 1024 * 1024 - 2)
    parts = list(parts_of(rows))
    assert [row for part in parts for row in part] == rows
    assert [len(part) for part in parts] == [8, 8, 4]
