"""Is a database away, or did it refuse one statement? What its driver says of an error. Pure."""

from __future__ import annotations

import sqlite3
from typing import Final

_NAMES_OF_VALUES: Final = frozenset({"DataError", "IntegrityError", "NotSupportedError", "ProgrammingError"})
"""Classes of the drivers for what is wrong with a value or a statement, also before it is sent."""
_AWAY: Final = frozenset({"08", "25", "28", "3D", "40", "55", "57"})
"""
Classes of SQLSTATE of which another statement would meet the same, or this one succeeds later: no connection, a server that takes no writes, no user,
no database, a deadlock, a lock, a server that ends. Not among them: a disk or a memory that is full (53), because one record may be too large for it.
"""
_STATEMENT_ENDED: Final = "57014"
"""It took too long for the server, which half of it may not."""
_SQLITE_AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOTADB,
    }
)


def is_refused(error: BaseException) -> bool:
    """
    Whether the database answered, and other statements may succeed. error: of the driver.

    What nobody knows is a refusal: whoever writes then finds out by writing something else.
    """
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return _is_of_a_value(error) if code is None else code & 0xFF not in _SQLITE_AWAY
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is None:  # the server said nothing
        return _is_of_a_value(error)
    return state == _STATEMENT_ENDED or state[:2] not in _AWAY


def _is_of_a_value(error: BaseException) -> bool:
    return any(one.__name__ in _NAMES_OF_VALUES for one in type(error).__mro__) or (
        type(error).__name__ == "InterfaceError" and isinstance(error, sqlite3.Error)
    )
