"""The SQL of the outbox: what a relay and an operator ask a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.outbox.database import Statements
from wooshq.outbox.table import NAME, Dialect

_NOW: Final[dict[Dialect, str]] = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)",
    "mysql": "(UNIX_TIMESTAMP() * 1000)",  # whole seconds: NOW(3) is ambiguous in the hour that a clock is set back
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
}
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of the intents of one claim, however many rows that is: they are in memory, and go to Redis in one or few round trips."""
_LONGEST_CLAIM_MS: Final = 3600 * 1000
"""No claim is longer. One that seems to be was made by a clock that was wrong, and must not hold a row up until that time."""
_FREE: Final = f"(claimed_until <= {{now}} OR claimed_until > {{now}} + {_LONGEST_CLAIM_MS})"
_DUE: Final = f"state = 'waiting' AND {_FREE} ORDER BY created_at LIMIT :most"
_CLAIM: Final = "claimed_until = {now} + :lease_ms, first_tried_at = COALESCE(first_tried_at, {now}), tries = tries + 1"
_WAIT_AGAIN: Final = "state = 'waiting', reason = :reason, claimed_until = 0, first_tried_at = NULL"
_READ: Final = "id, body, created_at, first_tried_at, tries"
_FEW: Final = "SELECT due_id FROM (SELECT due_id, SUM(size) OVER (ORDER BY due_at, due_id) - size AS before_it FROM due) AS sized"
"""Of the rows `due`, the first ones: as many as have :most_bytes in all, and the first one in any case."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """
    A row that one relay has. first_tried_at, now: ms since the epoch, by the database's clock. created_at: by the app's. reason: of a row that waits
    again although it may have been sent; it is on record when the ledger has it.

    SQLite keeps a text in a column of numbers, so a row that somebody has written may have anything there: then created_at is None.
    """

    id: str
    body: str
    created_at: int | None
    first_tried_at: int
    tries: int
    reason: str | None
    now: int


def claim(db: Statements, dialect: Dialect, most: int, lease_ms: int, most_bytes: int = MOST_BYTES) -> list[Claimed]:
    """
    Claim the oldest rows that wait and that no other relay has. The claim ends by itself, so a relay that is killed holds nothing up for long.

    most_bytes: of all their intents together; one that is larger is claimed alone. PostgreSQL and MySQL pass over rows that another relay is
    just claiming. SQLite has one writer at a time.
    """
    now = _NOW[dialect]
    due, set_ = _DUE.format(now=now), _CLAIM.format(now=now)
    if dialect == "mysql":
        return _claimed(_claim_in_steps(db, due, set_, now, most, lease_ms, most_bytes))
    # Materialized: a subquery could be run again for each row, and then claim more than its LIMIT.
    lock, materialized = (" FOR UPDATE SKIP LOCKED", "MATERIALIZED ") if dialect == "postgresql" else ("", "")
    sql = (
        f"WITH due AS {materialized}(SELECT id AS due_id, created_at AS due_at, LENGTH(body) AS size FROM {NAME} WHERE {due}{lock}) "
        f"UPDATE {NAME} SET {set_} WHERE id IN ({_FEW} WHERE before_it < :most_bytes) RETURNING {_READ}, reason, {now}"
    )
    return _claimed(db.rows(sql, most=most, lease_ms=lease_ms, most_bytes=most_bytes))


def _claim_in_steps(db: Statements, due: str, set_: str, now: str, most: int, lease_ms: int, most_bytes: int) -> list[tuple[Any, ...]]:
    """For MySQL, whose UPDATE returns no rows."""
    ids: list[str] = []
    size = 0
    for row_id, row_bytes in db.rows(f"SELECT id, LENGTH(body) FROM {NAME} WHERE {due} FOR UPDATE SKIP LOCKED", most=most):
        if size >= most_bytes:
            break
        ids.append(row_id)
        size += row_bytes
    if not ids:
        return []
    db.run(f"UPDATE {NAME} SET {set_} WHERE id IN :ids", ids=ids, lease_ms=lease_ms)
    return db.rows(f"SELECT {_READ}, reason, {now} FROM {NAME} WHERE id IN :ids", ids=ids)


def _claimed(found: Iterable[tuple[Any, ...]]) -> list[Claimed]:
    return [
        Claimed(
            str(row_id),
            str(body),
            _whole(created),
            _whole(first_tried) or int(now),
            _whole(tries) or 1,
            None if reason is None else str(reason),
            int(now),
        )
        for row_id, body, created, first_tried, tries, reason, now in found
    ]


def _whole(value: object) -> int | None:
    """A whole number; None for what is none."""
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return None


def release(db: Statements, ids: Sequence[str]) -> None:
    """End claims: any relay may take these rows now."""
    db.run(f"UPDATE {NAME} SET claimed_until = 0 WHERE id IN :ids", ids=list(ids))


def delete(db: Statements, ids: Sequence[str]) -> int:
    """Rows that are in the ledger go, whoever claimed them."""
    return db.run(f"DELETE FROM {NAME} WHERE id IN :ids", ids=list(ids))


def put_away(db: Statements, row_id: str, state: str, reason: str) -> None:
    """
    A relay does not try this row any more until a person says so.

    A reason may name fields that somebody invented, and not every database can hold every character; so it is written in ASCII.
    """
    sql = f"UPDATE {NAME} SET state = :state, reason = :reason WHERE id = :id AND state = 'waiting'"
    db.run(sql, id=row_id, state=state, reason=_ascii(reason))


def _ascii(reason: str | None) -> str | None:
    return None if reason is None else reason.encode("ascii", "backslashreplace").decode()


# What an operator asks


def depth(db: Statements) -> list[tuple[str, int, int | None]]:
    """For each state: its name, how many rows, and when the oldest was enqueued, ms since the epoch; None if no number says it."""
    found = db.rows(f"SELECT state, COUNT(*), MIN(created_at) FROM {NAME} GROUP BY state")
    return [(str(state), int(n), _whole(at)) for state, n, at in found]


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


def wait_again(db: Statements, row_id: str, *, state: str, reason: str | None) -> bool:
    """
    A row that was put away waits again, and when it was first tried is forgotten. reason: if it may have been sent before. False if it is not in
    `state` any more.
    """
    return db.run(f"UPDATE {NAME} SET {_WAIT_AGAIN} WHERE id = :id AND state = :state", id=row_id, state=state, reason=_ascii(reason)) > 0


def all_wait_again(db: Statements, *, state: str, reason: str | None) -> int:
    """`wait_again` for all rows in a state. Returns how many they were."""
    return db.run(f"UPDATE {NAME} SET {_WAIT_AGAIN} WHERE state = :state", state=state, reason=_ascii(reason))


def edit(db: Statements, row_id: str, body: str, *, state: str, reason: str | None, now: int) -> bool:
    """
    Change the intent of a row that was put away: it counts as enqueued now (ms since the epoch). False if it is not in `state` any more.
    """
    sql = f"UPDATE {NAME} SET body = :body, reason = :reason, created_at = :now WHERE id = :id AND state = :state"
    return db.run(sql, id=row_id, body=body, reason=reason, now=now, state=state) > 0


def discard(db: Statements, row_id: str, *, state: str) -> bool:
    """Delete a row that was put away. False if it is not in `state` any more."""
    return db.run(f"DELETE FROM {NAME} WHERE id = :id AND state = :state", id=row_id, state=state) > 0
