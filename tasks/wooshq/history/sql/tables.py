"""The tables of the history, in the SQL of SQLite and of PostgreSQL, and as SQLAlchemy reads them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

VERSION: Final = 1
"""Of these tables. A history of a newer version is not touched."""

METADATA: Final = MetaData()

ended: Final = Table(
    "wooshq_history",
    METADATA,
    Column("ref", LargeBinary),  #: kind and id, see `ref_of`; unique
    Column("ended_ms", BigInteger),  #: ms since the epoch, the ledger's clock
    Column("changed_ms", BigInteger),  #: of its newest move; an older write never overwrites a newer one
    Column("status", SmallInteger),  #: HTTP status of the last answer; 0 without one
    Column("in_doubt", SmallInteger),  #: 1: a person may have got it twice
    Column("state", Text),
    Column("reason", Text),  #: only where the state is not `sent`
    Column("code", Text),
    Column("app", Text),
    Column("lane", Text),
    Column("texts", Text),  #: what `text:` searches, folded by `folded`
    Column("packed", LargeBinary),  #: everything else, see `pack`
    Column("n", BigInteger),  #: SQLite only: its number
    Column("marks", ARRAY(BigInteger)),  #: PostgreSQL: an array; SQLite: 8 bytes each
)
"""No column is ever NULL: `NOT reason:rejected` must find what has no reason, and in SQL a comparison with NULL is neither true nor false."""

NAMES: Final = (
    "ref", "ended_ms", "changed_ms", "status", "in_doubt", "state", "reason", "code", "app", "lane", "texts", "packed", "marks",
)  # fmt: skip
"""The columns that a write gives, in this order."""

ORDER: Final = ("changed_ms", "packed", "ended_ms", "status", "state", "reason", "code", "app", "lane")
"""Two rows with one `ref` are compared by these columns."""

marks: Final = Table("wooshq_history_marks", METADATA, Column("mark", BigInteger), Column("n", BigInteger))
"""SQLite only: which records have a mark."""

_ACTS: Final = """
CREATE TABLE IF NOT EXISTS wooshq_history_acts (installation text NOT NULL, ms bigint NOT NULL, n bigint NOT NULL, at_ms bigint NOT NULL,
 kind text NOT NULL, who text NOT NULL, said text NOT NULL, PRIMARY KEY (installation, ms, n));
CREATE INDEX IF NOT EXISTS wooshq_history_acts_who ON wooshq_history_acts (installation, who, ms);
CREATE TABLE IF NOT EXISTS wooshq_history_act_ids (id text NOT NULL, installation text NOT NULL, ms bigint NOT NULL, n bigint NOT NULL,
 PRIMARY KEY (id, installation, ms, n));
CREATE INDEX IF NOT EXISTS wooshq_history_act_ids_act ON wooshq_history_act_ids (installation, ms, n);
"""

_META: Final = (
    _ACTS
    + """
CREATE TABLE IF NOT EXISTS wooshq_history_meta (name text PRIMARY KEY, value {bytes} NOT NULL);
CREATE TABLE IF NOT EXISTS wooshq_history_forgotten (mark bigint PRIMARY KEY, at_ms bigint NOT NULL);
"""
)

_INDEXES: Final = """
CREATE UNIQUE INDEX IF NOT EXISTS wooshq_history_ref ON wooshq_history (ref);
CREATE INDEX IF NOT EXISTS wooshq_history_ended ON wooshq_history (ended_ms);
CREATE INDEX IF NOT EXISTS wooshq_history_unsent ON wooshq_history (ended_ms) WHERE state <> 'sent';
CREATE INDEX IF NOT EXISTS wooshq_history_in_doubt ON wooshq_history (ended_ms) WHERE in_doubt = 1;
CREATE INDEX IF NOT EXISTS wooshq_history_status ON wooshq_history (status, ended_ms) WHERE status <> 200;
CREATE INDEX IF NOT EXISTS wooshq_history_code ON wooshq_history (code, ended_ms) WHERE code <> 'OK';
"""

_COLUMNS: Final = """ref {bytes} NOT NULL, ended_ms bigint NOT NULL, changed_ms bigint NOT NULL, status smallint NOT NULL, in_doubt smallint NOT NULL,
 state text NOT NULL, reason text NOT NULL, code text NOT NULL, app text NOT NULL, lane text NOT NULL, texts text NOT NULL, packed {bytes} NOT NULL"""

# SQLite would sort all records of an application that most have; PostgreSQL knows better, and keeps each application once if nothing follows it: 8 bytes a
# record and not 73. A number keeps the entries of the marks short. The texts' index has no copy of the texts, and only which records have a run of three letters:
# a fifth of the size; `where` looks at the texts that it finds.
SQLITE: Final = (
    f"CREATE TABLE IF NOT EXISTS wooshq_history (n INTEGER PRIMARY KEY, {_COLUMNS}, marks {{bytes}} NOT NULL);\n".format(bytes="blob")
    + _INDEXES
    + """
CREATE INDEX IF NOT EXISTS wooshq_history_app ON wooshq_history (app, ended_ms);
CREATE TABLE IF NOT EXISTS wooshq_history_marks (mark bigint NOT NULL, n bigint NOT NULL, PRIMARY KEY (mark, n)) WITHOUT ROWID;
CREATE VIRTUAL TABLE IF NOT EXISTS wooshq_history_texts USING fts5
 (texts, content='wooshq_history', content_rowid='n', tokenize='trigram case_sensitive 1', detail='none', columnsize=0);
"""
    + _META.format(bytes="blob")
)

# An array with an inverted index takes half of what a table of marks takes, and rows that are removed need no second statement.
POSTGRESQL: Final = (
    f"CREATE TABLE IF NOT EXISTS wooshq_history ({_COLUMNS}, marks bigint[] NOT NULL);\n".format(bytes="bytea")
    + _INDEXES
    + "CREATE INDEX IF NOT EXISTS wooshq_history_marks ON wooshq_history USING gin (marks);\n"
    + "CREATE INDEX IF NOT EXISTS wooshq_history_app ON wooshq_history (app);\n"
    + _META.format(bytes="bytea")
)

TEXT_INDEX: Final = "CREATE INDEX IF NOT EXISTS wooshq_history_texts ON wooshq_history USING gin (texts gin_trgm_ops) WHERE texts <> ''"
"""PostgreSQL with the extension pg_trgm."""


def statements(ddl: str) -> list[str]:
    """The statements of one of these texts."""
    return [one for one in ddl.split(";\n") if one.strip()]
