"""Databases with an outbox for tests: real servers of this machine, and SQLite in a file. A server that is missing is skipped with one line."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from wooshq.outbox.table import Dialect, ddl

#: Where the servers are, as users who may create databases: PostgreSQL over TCP and over its socket, and MariaDB.
SERVERS = {
    "postgresql": os.environ.get("WOOSHQ_TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "postgresql-socket": "postgresql+psycopg://postgres@/postgres?host=/var/run/postgresql",
    "mariadb": os.environ.get("WOOSHQ_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
}
KINDS = ("sqlite", "postgresql", "mariadb")


@functools.cache
def why_missing(kind: str) -> str | None:
    """Why a server cannot be used here; None if it can."""
    engine = sqlalchemy.create_engine(SERVERS[kind], connect_args={"connect_timeout": 10})
    try:
        with engine.connect():
            return None
    except SQLAlchemyError as error:
        return f"no {kind} on this machine ({type(error).__name__}); set WOOSHQ_TEST_{kind.partition('-')[0].upper()}_URL"
    finally:
        engine.dispose()


@contextmanager
def a_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database, dropped at the end. Skips the test if there is no such server here."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'app.db'}"
        return
    if why := why_missing(kind):
        pytest.skip(why)
    name = f"wooshq_{uuid.uuid4().hex[:12]}"
    engine = sqlalchemy.create_engine(SERVERS[kind], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    try:
        yield sqlalchemy.make_url(SERVERS[kind]).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            force = " WITH (FORCE)" if kind.startswith("postgresql") else ""
            connection.execute(sqlalchemy.text(f"DROP DATABASE {name}{force}"))
        engine.dispose()


def dialect_of(url: str) -> Dialect:
    """The dialect of a database's URL, as the outbox names it."""
    name = sqlalchemy.make_url(url).get_backend_name()
    return "postgresql" if name == "postgresql" else "sqlite" if name == "sqlite" else "mysql"


def make_table(url: str) -> None:
    """Make the table by the plain SQL that `wooshq outbox sql` prints."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in ddl(dialect_of(url)).split(";\n"):
            if statement.strip():
                connection.execute(sqlalchemy.text(statement))
    engine.dispose()
