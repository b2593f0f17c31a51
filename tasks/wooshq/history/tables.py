"""The tables of the history, for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, MetaData, SmallInteger, Table, Text

METADATA: Final = MetaData()


def _text(name: str) -> Column[Any]:
    # Never NULL: `NOT reason:rejected` must find what has no reason, and in SQL a comparison with NULL is neither true nor false.
    return Column(name, Text, nullable=False, server_default="")


ended: Final = Table(
    "wooshq_ended",
    METADATA,
    Column("id", Text, primary_key=True),  #: of the intent; a second write of the same id changes its row
    Column("ended_ms", BigInteger, nullable=False),  #: ms since the epoch, the ledger's clock
    Column("changed_ms", BigInteger, nullable=False, server_default="0"),  #: of its newest move; an older one never overwrites a newer one
    _text("state"),
    _text("letter_id"),
    _text("letter_state"),  #: "" without a dead letter
    _text("reason"),
    Column("status", SmallInteger, nullable=False, server_default="0"),  #: HTTP status of the last answer; 0 without one
    _text("code"),
    _text("app"),
    _text("lane"),
    _text("job"),
    _text("campaign"),
    _text("key"),
    _text("texts"),  #: what `text:` searches: the texts that were sent, if they may be kept, and what the API said
    _text("record"),  #: JSON: everything that `status` shows, with attempts
    Index("wooshq_ended_at", "ended_ms"),
    Index("wooshq_ended_key", "key"),
    Index("wooshq_ended_job", "job"),
)

recipients: Final = Table(
    "wooshq_ended_recipients",
    METADATA,
    Column("recipient", Text, primary_key=True),
    Column("id", Text, ForeignKey(ended.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

tags: Final = Table(
    "wooshq_ended_tags",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("id", Text, ForeignKey(ended.c.id, ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)
