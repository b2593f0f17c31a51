"""What the relay needs of a database. SQLAlchemy's connections have it (`sessions.py`), and so have Django's (`wooshq.django`)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from wooshq.errors import WooshqError
from wooshq.outbox.table import NAME, Dialect


class Statements(Protocol):
    """Runs statements inside one transaction. Values are named `:name` in a statement; a list stands for all that an `IN :name` compares with."""

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows that a statement returns."""
        ...

    def run(self, sql: str, **values: Any) -> int:
        """How many rows a statement changed."""
        ...


class Database(Protocol):
    """A database that has an outbox. One thread uses it at a time."""

    @property
    def dialect(self) -> Dialect:
        """Which SQL it speaks."""
        ...

    def transaction(self) -> AbstractContextManager[Statements]:
        """Commits at the end, and rolls back if an error leaves it. Opens a connection if the last one was lost. Raises DatabaseAway, TableMissing."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


_of_app: Callable[[], Database] | None = None


def use_database_of_app(open_: Callable[[], Database]) -> None:
    """In this process, commands use this database where no URL is named. For a framework that has its own connections, such as Django."""
    global _of_app
    _of_app = open_


def database_of_app() -> Database | None:
    """A new hold on the database that the app's framework has; None if there is no such framework here."""
    return None if _of_app is None else _of_app()


class TableMissing(WooshqError):
    """The database has no table of the outbox. The message says how to make it."""

    def __init__(self) -> None:
        super().__init__(f"The database has no table {NAME}. Make it by a migration; `wooshq outbox sql` prints the SQL")


_NO_TABLE = ("42P01", "42S02", 1146)
"""The codes of PostgreSQL (SQLSTATE), MySQL (SQLSTATE) and PyMySQL (number). SQLite has only words."""


def is_missing_table(error: BaseException | None) -> bool:
    """Whether a driver's error says that there is no outbox."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or next(iter(getattr(error, "args", ())), None)
    return code in _NO_TABLE or f"no such table: {NAME}" in str(error)


class DatabaseAway(WooshqError):
    """
    The database cannot be reached, or refuses work: it is read-only, full, or lets this user do less. The relay tries again later.

    Its text names no value.
    """

    def __init__(self, which: str, error: BaseException) -> None:
        """which: the database, as a sentence begins. error: of its driver."""
        number = next(iter(error.args), None)
        kind = type(error).__name__ + (f" {number}" if type(number) is int else "")  # PyMySQL has one class for many errors
        super().__init__(f"{which} did no work ({kind})")
