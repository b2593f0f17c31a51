"""Rows go into the history, and are found and removed there. Any batch may come twice, and in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, delete, event, select
from sqlalchemy.dialects import postgresql, sqlite

from wooshq.history.tables import METADATA, ended, recipients, tags
from wooshq.history.where import where
from wooshq.search.tree import Tree


@dataclass(frozen=True, slots=True)
class Row:
    """
    What has ended. ended_ms, changed_ms: when, and when it last moved (a letter can be closed later); ms since the epoch.
    columns: the other columns of `ended`, by name. recipients, tags: as the privacy settings allow.
    """

    id: str
    ended_ms: int
    changed_ms: int
    columns: Mapping[str, str | int]
    recipients: Sequence[str] = ()
    tags: Sequence[tuple[str, str]] = ()


def sqlite_engine(file: Path) -> Engine:
    """The embedded history in this file: WAL, so that readers and the one writer do not wait for each other; a second writer waits 30 s."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _options(connection: Any, _: Any) -> None:
        for option in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {option}")

    METADATA.create_all(engine)
    return engine


def write(sql: Connection, batch: Iterable[Row]) -> None:
    """Write rows by id, in the caller's transaction. Of two rows with one id, the one that moved last stays, whichever comes first."""
    newest: dict[str, Row] = {}
    for row in batch:  # PostgreSQL refuses a statement that changes one row twice
        if row.id not in newest or newest[row.id].changed_ms <= row.changed_ms:
            newest[row.id] = row
    if not newest:
        return
    rows = [
        newest[name] for name in sorted(newest)
    ]  # one order for all writers, so that two of them do not wait for each other in PostgreSQL
    names = [column.name for column in ended.c]
    blank: dict[str, str | int] = {name: 0 if name == "status" else "" for name in names}
    records = [{**blank, **row.columns, "id": row.id, "ended_ms": row.ended_ms, "changed_ms": row.changed_ms} for row in rows]
    into = _insert(sql, ended)
    update = {name: into.excluded[name] for name in names if name != "id"}
    sql.execute(
        into.on_conflict_do_update(index_elements=[ended.c.id], set_=update, where=into.excluded.changed_ms >= ended.c.changed_ms), records
    )
    if people := [{"recipient": one, "id": row.id} for row in rows for one in row.recipients]:
        sql.execute(_insert(sql, recipients).on_conflict_do_nothing(), people)
    if named := [{"name": name, "value": value, "id": row.id} for row in rows for name, value in row.tags]:
        sql.execute(_insert(sql, tags).on_conflict_do_nothing(), named)


def find(sql: Connection, tree: Tree, *, limit: int) -> Sequence[Mapping[str, Any]]:
    """The rows that fit, newest first, as mappings of the columns of `ended`. limit: most rows."""
    found = select(ended).where(where(tree)).order_by(ended.c.ended_ms.desc(), ended.c.id).limit(limit)
    return [dict(row) for row in sql.execute(found).mappings()]


def prune(sql: Connection, *, before_ms: int, limit: int) -> int:
    """Remove the oldest rows that ended before this time (ms since the epoch), at most `limit`, with their recipients and tags. How many they were."""
    old = select(ended.c.id).where(ended.c.ended_ms < before_ms).order_by(ended.c.ended_ms).limit(limit)
    return sql.execute(delete(ended).where(ended.c.id.in_(old))).rowcount


def _insert(sql: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if sql.dialect.name == "postgresql" else sqlite.insert(table)
