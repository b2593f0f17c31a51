"""A batch of the history may come twice and in any order: the history is the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, event, func, select, text

from wooshq.history.store import Row, find, prune, sqlite_engine, write
from wooshq.history.tables import METADATA, recipients, tags
from wooshq.search.parse import parse

ANY = parse("since:2020-01-01", now=datetime(2026, 5, 1, tzinfo=UTC))
AT = 1_777_000_000_000
MOVES = [
    Row(name, AT + at, AT + at + moved, {"state": "dead", "letter_state": state}, [f"u-{name}"], [("order", name)])
    for at, name in enumerate("abc")
    for moved, state in enumerate(["open", "replaying", "closed"])
]


def in_memory() -> Engine:
    engine = create_engine("sqlite://")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    METADATA.create_all(engine)
    return engine


@given(st.permutations([*MOVES, *MOVES]), st.integers(1, 18))
def test_doubled_and_out_of_order_it_holds_each_id_once_with_its_last_move(moves: list[Row], size: int) -> None:
    with in_memory().begin() as sql:
        for start in range(0, len(moves), size):
            write(sql, moves[start : start + size])
        assert [(row["id"], row["letter_state"]) for row in find(sql, ANY, limit=10)] == [("c", "closed"), ("b", "closed"), ("a", "closed")]
        assert sql.scalar(select(func.count()).select_from(recipients)) == 3
        assert sql.scalar(select(func.count()).select_from(tags)) == 3


def test_what_is_old_leaves_with_its_recipients_oldest_first(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "history.db")
    with engine.begin() as sql:
        assert sql.scalar(text("PRAGMA journal_mode")) == "wal"
        write(sql, MOVES)
        assert prune(sql, before_ms=AT + 2, limit=1) == 1
        assert [row["id"] for row in find(sql, ANY, limit=10)] == ["c", "b"]
        assert prune(sql, before_ms=AT + 2, limit=10) == 1
        assert sql.scalars(select(recipients.c.recipient)).all() == ["u-c"]
    engine.dispose()
