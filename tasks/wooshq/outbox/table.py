"""The outbox's table: its columns, its states, and the SQL that makes it. Django's model and SQLAlchemy's table say the same; a test holds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

NAME: Final = "wooshq_outbox"

Dialect = Literal["postgresql", "mysql", "sqlite"]
"""mysql is MariaDB, too."""

DIALECTS: Final[tuple[Dialect, ...]] = ("postgresql", "mysql", "sqlite")


class RowState(StrEnum):
    """waiting: a relay will move it. set_aside: the ledger refused it. parked: it may have been accepted so long ago that nobody knows."""

    WAITING = "waiting"
    SET_ASIDE = "set_aside"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Column:
    """kind: `text:<most characters>`, `text` (of any length), or `int` (64 bits). default: None if a row must name a value."""

    name: str
    kind: str
    says: str
    null: bool = False
    default: int | str | None = None


COLUMNS: Final = (
    Column("id", "text:36", "The intent's id, which makes a row that is moved twice one message."),
    Column("body", "text", "The intent, JSON, with its id."),
    Column("created_at", "int", "When it was enqueued, ms since the epoch, by the app's clock."),
    Column("claimed_until", "int", "Until then one relay has it, ms since the epoch, by the database's clock.", default=0),
    Column("first_tried_at", "int", "When a relay first tried to move it, ms since the epoch, by the database's clock.", null=True),
    Column("tries", "int", "How often a relay tried.", default=0),
    Column("state", "text:16", "See RowState.", default=RowState.WAITING.value),
    Column("reason", "text", "Why it is set aside or parked, for a person.", null=True),
)

INDEX: Final = ("wooshq_outbox_waiting", ("state", "created_at"))
"""Its name and its columns. No column of it changes while a row is moved, so moving a row writes no index but the primary key's."""

_TYPES: Final[dict[Dialect, dict[str, str]]] = {
    "postgresql": {"text": "text", "int": "bigint"},
    "mysql": {"text": "longtext", "int": "bigint"},
    "sqlite": {"text": "text", "int": "bigint"},
}


def ddl(dialect: Dialect) -> str:
    """The SQL that makes the table and its index: two statements. Both change nothing if they exist, except on MySQL before MariaDB."""
    lines = [f"    {_column(column, dialect)}" for column in COLUMNS]
    lines.append("    PRIMARY KEY (id)")
    name, columns = INDEX
    if dialect == "mysql":  # CREATE INDEX IF NOT EXISTS is MariaDB's alone
        lines.append(f"    KEY {name} ({', '.join(columns)})")
    end = ") CHARACTER SET utf8mb4" if dialect == "mysql" else ")"
    table = f"CREATE TABLE IF NOT EXISTS {NAME} (\n" + ",\n".join(lines) + f"\n{end};\n"
    index = f"CREATE INDEX IF NOT EXISTS {name} ON {NAME} ({', '.join(columns)});\n"
    return table if dialect == "mysql" else table + index


def _column(column: Column, dialect: Dialect) -> str:
    kind, _, most = column.kind.partition(":")
    sql = f"{column.name} {f'varchar({most})' if most else _TYPES[dialect][kind]}"
    if not column.null:
        sql += " NOT NULL"
    if column.default is not None:
        sql += f" DEFAULT {column.default!r}"
    return sql
