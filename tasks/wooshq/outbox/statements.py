"""The SQL of the outbox: what a relay and an operator ask a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.outbox.database import Statements
from wooshq.outbox.table import NAME, Dialect

_NOW: Final[dict[Dialect, str]] = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)",
    "mysql": "(UNIX_TIMESTAMP() * 1000)",  # whole seconds: NOW(3) is ambiguous in the hour that a clock is set back
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
}
_DUE: Final = "state = 'waiting' AND claimed_until <= {now} ORDER BY created_at LIMIT :most"
_CLAIM: Final = "claimed_until = {now} + :lease_ms, first_tried_at = COALESCE(first_tried_at, {now}), tries = tries + 1"
_WAIT_AGAIN: Final = "state = 'waiting', reason = NULL, claimed_until = 0, first_tried_at = NULL"
_READ: Final = "id, body, created_at, first_tried_at, tries"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that one relay has. first_tried_at, now: ms since the epoch, by the database's clock. created_at: by the app's."""

    id: str
    body: str
    created_at: int
    first_tried_at: int
    tries: int
    now: int


def claim(db: Statements, dialect: Dialect, most: int, lease_ms: int) -> list[Claimed]:
    """
    Claim the oldest rows that wait and that no other relay has. The claim ends by itself, so a relay that is killed holds nothing up for long.

    PostgreSQL and MySQL pass over rows that another relay is just claiming. SQLite has one writer at a time.
    """
    now = _NOW[dialect]
    due, set_ = _DUE.format(now=now), _CLAIM.format(now=now)
    if dialect == "postgresql":
        # Materialized: a subquery could be run again for each row, and then claim more than its LIMIT.
        sql = (
            f"WITH due AS MATERIALIZED (SELECT id AS due_id FROM {NAME} WHERE {due} FOR UPDATE SKIP LOCKED) "
            f"UPDATE {NAME} SET {set_} FROM due WHERE id = due_id RETURNING {_READ}, {now}"
        )
        found = db.rows(sql, most=most, lease_ms=lease_ms)
    elif dialect == "sqlite":
        sql = f"UPDATE {NAME} SET {set_} WHERE id IN (SELECT id FROM {NAME} WHERE {due}) RETURNING {_READ}, {now}"
        found = db.rows(sql, most=most, lease_ms=lease_ms)
    else:
        found = [
            (*row[:3], row[3] or row[5], row[4] + 1, row[5])
            for row in db.rows(f"SELECT {_READ}, {now} FROM {NAME} WHERE {due} FOR UPDATE SKIP LOCKED", most=most)
        ]
        if found:
            db.run(f"UPDATE {NAME} SET {set_} WHERE id IN :ids", ids=[row[0] for row in found], lease_ms=lease_ms)
    return [Claimed(str(row[0]), str(row[1]), *map(int, row[2:])) for row in found]


def release(db: Statements, ids: Sequence[str]) -> None:
    """End claims: any relay may take these rows now."""
    db.run(f"UPDATE {NAME} SET claimed_until = 0 WHERE id IN :ids", ids=list(ids))


def delete(db: Statements, ids: Sequence[str]) -> int:
    """Rows that are in the ledger go, whoever claimed them."""
    return db.run(f"DELETE FROM {NAME} WHERE id IN :ids", ids=list(ids))


def put_away(db: Statements, row_id: str, state: str, reason: str) -> None:
    """A relay does not try this row any more until a person says so."""
    db.run(
        f"UPDATE {NAME} SET state = :state, reason = :reason WHERE id = :id AND state = 'waiting'", id=row_id, state=state, reason=reason
    )


# What an operator asks


def depth(db: Statements) -> list[tuple[str, int, int]]:
    """For each state: its name, how many rows, and when the oldest was enqueued, ms since the epoch."""
    return [
        (str(state), int(n), int(at)) for state, n, at in db.rows(f"SELECT state, COUNT(*), MIN(created_at) FROM {NAME} GROUP BY state")
    ]


def page(db: Statements, *, state: str | None, after: tuple[int, str] | None, most: int) -> list[tuple[Any, ...]]:
    """The oldest rows: id, body, created_at, first_tried_at, tries, state, reason. after: created_at and id of the last row of the page before."""
    where = ["1 = 1"]
    values: dict[str, Any] = {}
    if state is not None:
        where.append("state = :state")
        values["state"] = state
    if after is not None:
        where.append("(created_at > :at OR (created_at = :at AND id > :after))")
        values |= {"at": after[0], "after": after[1]}
    sql = f"SELECT {_READ}, state, reason FROM {NAME} WHERE {' AND '.join(where)} ORDER BY created_at, id LIMIT :most"
    return db.rows(sql, most=most, **values)


def read(db: Statements, row_id: str) -> tuple[Any, ...] | None:
    """One row, as `page` has it; None if there is none."""
    found = db.rows(f"SELECT {_READ}, state, reason FROM {NAME} WHERE id = :id", id=row_id)
    return found[0] if found else None


def wait_again(db: Statements, row_id: str, *, state: str) -> bool:
    """A row that was put away waits again, and when it was first tried is forgotten. False if it is not in `state` any more."""
    return db.run(f"UPDATE {NAME} SET {_WAIT_AGAIN} WHERE id = :id AND state = :state", id=row_id, state=state) > 0


def all_wait_again(db: Statements, *, state: str) -> int:
    """`wait_again` for all rows in a state. Returns how many they were."""
    return db.run(f"UPDATE {NAME} SET {_WAIT_AGAIN} WHERE state = :state", state=state)


def edit(db: Statements, row_id: str, body: str, *, state: str, reason: str | None, now: int) -> bool:
    """
    Change the intent of a row that was put away: it counts as enqueued now (ms since the epoch). False if it is not in `state` any more.
    """
    sql = f"UPDATE {NAME} SET body = :body, reason = :reason, created_at = :now WHERE id = :id AND state = :state"
    return db.run(sql, id=row_id, body=body, reason=reason, now=now, state=state) > 0


def discard(db: Statements, row_id: str, *, state: str) -> bool:
    """Delete a row that was put away. False if it is not in `state` any more."""
    return db.run(f"DELETE FROM {NAME} WHERE id = :id AND state = :state", id=row_id, state=state) > 0
