"""Conditions that few records meet are answered by an index, however many records there are; a history of a version before gets the indexes that it lacks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from tests.databases import a_database
from tests.unit.history.records import AT, KINDS, a_record, an_id
from wooshq import Settings
from wooshq.history.store import open_history
from wooshq.search.parse import parse


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history with 2,000 records that were sent, and a dead one."""
    path = tmp_path_factory.mktemp("history") / "history.db"
    history = open_history(Settings(history_url=f"sqlite:///{path}"))
    assert history is not None
    history.write([a_record(n, at_ms=AT + n) for n in range(2000)])
    refused = '["2026-04-24T03:06:39.950Z","dead",400,"INVALID_ARGUMENT"]'
    history.write([a_record(5000, state="dead", reason="rejected", app="RARE0-00000", **{"a:1": refused})])
    history.close()
    with sqlite3.connect(path) as raw:
        raw.execute("ANALYZE")
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, Any]]]:
    """What was asked of databases: (statement, parameters)."""
    found: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        found.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("state:dead", "unsent"),
        ("reason:rejected", "unsent"),
        ("status:400", "status"),
        ("code:INVALID_ARGUMENT", "code"),
        ("app:RARE0-00000", "app"),
        ("since:1h", "ended"),
        ("app:RARE0-00000 status:400", "status"),
    ],
)
def test_an_index_answers(query: str, index: str, file: Path, asked: list[tuple[str, Any]]) -> None:
    history = open_history(Settings(history_url=f"sqlite:///{file}"))
    assert history is not None
    found = history.find(parse(query, now=datetime.fromtimestamp(AT / 1000, UTC)), limit=10)
    history.close()
    assert an_id(5000) in {record.id for record in found} or query == "since:1h"
    statement, parameters = asked[-1]
    with sqlite3.connect(file) as raw:
        plan = " ".join(str(row[3]) for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))
    assert f"wooshq_history_{index}" in plan, plan


@pytest.mark.parametrize("kind", KINDS)
def test_a_history_of_a_version_before_gets_the_indexes_that_it_lacks(kind: str, tmp_path: Path) -> None:
    with a_database(kind, tmp_path) as url:
        for _ in range(2):
            history = open_history(Settings(history_url=url))
            assert history is not None
            history.write([a_record(1)])
            history.close()
            engine = create_engine(url)
            with engine.begin() as sql:
                for name in ("app", "status", "code"):
                    sql.execute(text(f"DROP INDEX wooshq_history_{name}"))
            engine.dispose()
