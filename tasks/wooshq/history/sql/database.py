"""What SQLite and PostgreSQL do differently."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, inspect, text
from sqlalchemy.exc import DBAPIError, TimeoutError

from wooshq.history.contract import HistoryAway, HistoryNewer, HistoryRefused
from wooshq.history.sql.refusal import is_refused
from wooshq.history.sql.rows import Row
from wooshq.history.sql.tables import VERSION

RARE: Final = 2_000
"""Up to so many records, those that have a mark or a text are looked up; with more, the newest records are asked one by one, which finds some soon."""

_FORGOTTEN: Final = text("SELECT mark, at_ms FROM wooshq_history_forgotten WHERE mark IN :marks").bindparams(
    bindparam("marks", expanding=True)
)
_FORGET: Final = text(
    "INSERT INTO wooshq_history_forgotten (mark, at_ms) VALUES (:mark, :at_ms) ON CONFLICT (mark) DO UPDATE SET at_ms = excluded.at_ms"
)
_ANY_FORGOTTEN: Final = text("SELECT 1 FROM wooshq_history_forgotten LIMIT 1")


class Writer(ABC):
    """Writes within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @abstractmethod
    def upsert(self, rows: Sequence[Row]) -> None:
        """Write rows, each with another `ref` and in the order of refs. A row that is there stays if its `order` is not less."""

    @abstractmethod
    def replace(self, rows: Sequence[Row]) -> None:
        """Write rows instead of those that are there, whatever their `order`."""

    @abstractmethod
    def remove(self, refs: Sequence[bytes]) -> None:
        """Remove rows."""

    @abstractmethod
    def prune(self, before_ms: int, limit: int) -> int:
        """See `History.prune`."""

    def forgotten(self, marks: Sequence[int]) -> dict[int, int]:
        """Of these marks, those of people who were forgotten → when, ms since the epoch."""
        if not marks or self.connection.scalar(_ANY_FORGOTTEN) is None:  # nearly always
            return {}
        found: dict[int, int] = {}
        for start in range(0, len(marks), 1000):
            found.update(self.connection.execute(_FORGOTTEN, {"marks": marks[start : start + 1000]}).tuples().all())
        return found

    def forget(self, mark: int, at_ms: int) -> None:
        """From now on `forgotten` has this mark. Whoever asked before has committed."""
        self.connection.execute(_FORGET, {"mark": mark, "at_ms": at_ms})

    def drop_forgotten(self, before_ms: int) -> None:
        """People who were forgotten before this time: nothing so old is written any more."""
        self.connection.execute(text("DELETE FROM wooshq_history_forgotten WHERE at_ms < :at_ms"), {"at_ms": before_ms})


class Database(ABC):
    """
    A database with a history. Every use of `connected` and `writing` raises HistoryAway if it does no work, or HistoryRefused. Makes its tables
    at the first use.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._secret: bytes | None = None

    @abstractmethod
    def make_tables(self, connection: Connection) -> None:
        """Make the tables that are not there, in a transaction of its own. Two processes may do so at the same time."""

    def is_complete(self, connection: Connection) -> bool:
        """Whether nothing is left to make for tables that are there: those of versions before have no acts, or fewer indexes."""
        found = inspect(connection)
        return found.has_table("wooshq_history_act_ids") and found.has_index("wooshq_history", "wooshq_history_app")

    @abstractmethod
    def writing(self) -> AbstractContextManager[Writer]:
        """A transaction. It commits at the end, and is rolled back if an error leaves it."""

    @abstractmethod
    def marked(self, connection: Connection, mark: int) -> ColumnElement[bool]:
        """See `Finder.marked`."""

    @abstractmethod
    def contains(self, connection: Connection, value: str) -> ColumnElement[bool]:
        """See `Finder.contains`."""

    @abstractmethod
    def marks_in(self, column: Any) -> Sequence[int]:
        """The marks in the column `marks` of a row."""

    @abstractmethod
    def size(self, connection: Connection) -> tuple[int, int, bool]:
        """The fields of `Size`."""

    @property
    def secret(self) -> bytes:
        """The key of this history's marks."""
        if self._secret is None:
            with self._lock, self._working() as connection:
                found = _meta(connection)
                if "secret" not in found or not self.is_complete(connection):  # another process may be between its two INSERTs
                    self.make_tables(connection)
                    found = _made(connection)
                self._secret = found["secret"]
        return self._secret

    @property
    def identity(self) -> str:
        """See `History.identity`. It does not give the secret away."""
        return hashlib.blake2b(b"identity", digest_size=8, key=self.secret).hexdigest()

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection, to read or, in `writing`, to write."""
        self.secret  # noqa: B018 - makes the tables
        with self._working() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _working(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise _said(error.orig) from error
        except TimeoutError as error:  # no connection of the pool became free
            raise HistoryAway(_why(error)) from error
        except self._engine.dialect.loaded_dbapi.Error as error:  # SQLite's writer uses the driver itself
            raise _said(error) from error


def _meta(connection: Connection) -> dict[str, bytes]:
    """What the history says about itself; empty if it was not made yet. Raises HistoryNewer."""
    if not inspect(connection).has_table("wooshq_history_meta"):
        return {}
    rows = connection.execute(text("SELECT name, value FROM wooshq_history_meta")).tuples().all()
    found = {str(name): bytes(value) for name, value in rows}
    if int(found.get("version", b"0")) > VERSION:
        raise HistoryNewer("A newer version of wooshq made this history. Update wooshq, or name another database in WOOSHQ_HISTORY_URL")
    return found


def _made(connection: Connection) -> dict[str, bytes]:
    """Says that the tables are made. If two processes make them at the same time, both have the secret of the first one."""
    connection.rollback()  # what it has read before is older
    keep = text("INSERT INTO wooshq_history_meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING")
    for name, value in (("version", str(VERSION).encode()), ("secret", secrets.token_bytes(16))):
        connection.execute(keep, {"name": name, "value": value})
    connection.commit()
    return _meta(connection)


def _said(error: BaseException | None) -> HistoryAway:
    """What is raised for an error of the driver."""
    if error is None or not is_refused(error):
        return HistoryAway(_why(error))
    return HistoryRefused(f"The database of the history refused it ({type(error).__name__}). Nothing was changed")


def _why(error: BaseException | None) -> str:
    """Why a database did no work, without values: drivers put statements and values into their texts."""
    return f"The database of the history did no work ({type(error).__name__}). Nothing was changed; it is safe to call again"
