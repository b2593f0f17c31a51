"""Which errors of a driver mean that the database is away, and which that it refused a statement."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from psycopg import errors

from wooshq.history.sql.refusal import is_refused


def of_sqlite(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind("said")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        errors.ProgramLimitExceeded("index row size 2848 exceeds"),
        errors.DiskFull("no space left on device"),
        errors.OutOfMemory("out of memory"),
        errors.NumericValueOutOfRange("bigint"),
        errors.CharacterNotInRepertoire("invalid byte sequence"),
        errors.CheckViolation("check"),
        errors.QueryCanceled("statement timeout"),
        errors.InternalError_("invalid memory alloc request size"),
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        of_sqlite(sqlite3.SQLITE_FULL),
        of_sqlite(sqlite3.SQLITE_TOOBIG, sqlite3.DataError),
        of_sqlite(sqlite3.SQLITE_CONSTRAINT_TRIGGER, sqlite3.IntegrityError),
        of_sqlite(sqlite3.SQLITE_CORRUPT_VTAB, sqlite3.DatabaseError),
        sqlite3.InterfaceError("Error binding parameter"),
        sqlite3.ProgrammingError("type 'list' is not supported"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_these_are_refusals(error: BaseException) -> None:
    assert is_refused(error)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.InterfaceError("the connection is closed"),
        errors.AdminShutdown("terminating connection"),
        errors.CannotConnectNow("starting up"),
        errors.ReadOnlySqlTransaction("a replica"),
        errors.DeadlockDetected("deadlock"),
        errors.InvalidPassword("no"),
        errors.LockNotAvailable("lock timeout"),
        of_sqlite(sqlite3.SQLITE_BUSY),
        of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED),
        of_sqlite(sqlite3.SQLITE_CANTOPEN),
        sqlite3.OperationalError("the file cannot be opened"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_with_these_it_is_away(error: BaseException) -> None:
    assert not is_refused(error)
