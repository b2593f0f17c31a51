"""The outbox on Django's connections: enqueue in their transaction, and a relay's way to the database."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, router, transaction
from django.db.utils import Error

import wooshq as _wooshq
from wooshq.client import Wooshq
from wooshq.django.models import OutboxRow
from wooshq.errors import SettingsInvalid
from wooshq.intents.entry import IntentLike
from wooshq.outbox import table
from wooshq.outbox.bell import bell_of
from wooshq.outbox.database import DatabaseAway, TableMissing, is_missing_table
from wooshq.outbox.row import new_row, parts_of
from wooshq.outbox.table import Dialect


def enqueue(intent: IntentLike, *, using: str | None = None, wooshq: Wooshq | None = None) -> str:
    """
    Enqueue an intent in the transaction of a connection. Returns the intent's id.

    The message is sent if the transaction commits, and never if it is rolled back. This only inserts a row: it needs no Redis. A relay
    (`manage.py wooshq_relay`) moves the row into the ledger. Outside of `atomic` the row is committed at once.

    using: alias of the database (default: what the routers say for the model, as for every INSERT). wooshq: whose settings count (default:
    those of Django and the environment).

    Raises IntentInvalid with every problem, before anything is inserted; SettingsInvalid; and what the database raises. A conflict (an id or
    idempotency key with other content) shows only when the row is moved: then the row is set aside, and `manage.py wooshq_outbox` lists it.
    """
    owner = wooshq or _wooshq._default
    row = new_row(intent, owner.settings)
    alias = using or router.db_for_write(OutboxRow)
    by_hand = not (transaction.get_connection(alias).in_atomic_block or transaction.get_autocommit(alias))
    if by_hand and owner.installation.memory is not None:
        raise transaction.TransactionManagementError(
            "Without a relay (in tests, or with WOOSHQ_BROKER_URL=memory://), wooshq must know when a transaction ends. Use transaction.atomic"
        )
    OutboxRow(**row.values()).save(using=alias, force_insert=True)
    if by_hand:
        return row.id  # Django knows no end of this transaction either: the relay finds the row by itself
    if owner.installation.memory is None:
        transaction.on_commit(bell_of(owner).ring, using=alias, robust=True)
    else:
        # The test kit, or WOOSHQ_BROKER_URL=memory://: there is no relay.
        transaction.on_commit(_EnqueueNow(row.id, alias, owner), using=alias)
    return row.id


class _EnqueueNow:
    """What a relay would do with a row. ran: whether it was done; the test kit asks."""

    def __init__(self, row_id: str, alias: str, owner: Wooshq) -> None:
        self._row_id = row_id
        self._alias = alias
        self._owner = owner
        self.ran = False

    def __call__(self) -> None:
        self.ran = True
        found = OutboxRow.objects.using(self._alias).filter(id=self._row_id)
        for body in found.values_list("body", flat=True):
            self._owner.enqueue(parts_of(body)[0])
        found.delete()


class DjangoDatabase:
    """A `Database` on one of Django's connections, in this thread."""

    def __init__(self, alias: str = DEFAULT_DB_ALIAS) -> None:
        """alias: of `DATABASES`. Raises SettingsInvalid if its database has no outbox."""
        self._alias = alias
        vendor = connections[alias].vendor
        if vendor not in table.DIALECTS:
            raise SettingsInvalid(f"DATABASES[{alias!r}]: {vendor} has no outbox. Use PostgreSQL, MySQL, MariaDB or SQLite")
        self.dialect: Dialect = vendor

    @contextlib.contextmanager
    def transaction(self) -> Iterator[DjangoStatements]:
        """See `Database.transaction`."""
        connection = connections[self._alias]
        try:
            connection.close_if_unusable_or_obsolete()
            of_its_own = not connection.in_atomic_block
            if self.dialect == "mysql" and of_its_own:  # of the next transaction
                self._read_committed(connection)
            with transaction.atomic(using=self._alias), connection.cursor() as cursor:
                if self.dialect == "postgresql" and of_its_own and connection.settings_dict["OPTIONS"].get("isolation_level"):
                    self._read_committed(connection)  # of this transaction
                yield DjangoStatements(cursor)
        except Error as error:
            if is_missing_table(error.__cause__):
                raise TableMissing from error
            connection.close_if_unusable_or_obsolete()
            raise DatabaseAway(f"The database {self._alias!r}", error.__cause__ or error) from error

    def _read_committed(self, connection: Any) -> None:
        """On MySQL the gap locks of REPEATABLE READ would hold up the apps' INSERTs. On PostgreSQL relays would fail because of each other."""
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def close(self) -> None:
        """Close the connection."""
        connections[self._alias].close()


class DjangoStatements:
    """`Statements` of one transaction."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """See `Statements.rows`."""
        self._cursor.execute(*_in_djangos_style(sql, values))
        return [tuple(row) for row in self._cursor.fetchall()]

    def run(self, sql: str, **values: Any) -> int:
        """See `Statements.run`."""
        self._cursor.execute(*_in_djangos_style(sql, values))
        return int(self._cursor.rowcount)


def _in_djangos_style(sql: str, values: dict[str, Any]) -> tuple[str, list[Any]]:
    """`:name` as `%s`, and `IN :name` with as many as its list has."""
    said: list[Any] = []

    def place(found: re.Match[str]) -> str:
        value = values[found[1]]
        if isinstance(value, list):
            said.extend(value)
            return f"({', '.join(['%s'] * len(value))})"
        said.append(value)
        return "%s"

    return re.sub(r"(?<![:\w]):(\w+)", place, sql.replace("%", "%%")), said
