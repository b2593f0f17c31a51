"""The outbox with SQLAlchemy 2: enqueue in a session's transaction, and a relay's way to the database."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import weakref
from collections.abc import Awaitable, Iterator
from typing import Any, Final, cast, overload

from sqlalchemy import (
    BLANK_SCHEMA,
    BigInteger,
    Column,
    Engine,
    Index,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    bindparam,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy import delete as sql_delete
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
from sqlalchemy.orm import Session, scoped_session

import wooshq as _wooshq
from wooshq.client import Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.intents.entry import IntentLike
from wooshq.outbox import table
from wooshq.outbox.bell import bell_of
from wooshq.outbox.database import DatabaseAway, TableMissing, is_missing_table
from wooshq.outbox.row import NewRow, new_row, parts_of
from wooshq.outbox.table import COLUMNS, INDEX, NAME, Dialect
from wooshq.settings.patience import patience


def outbox_table(metadata: MetaData) -> Table:
    """
    The outbox's table, in your metadata: `create_all` makes it, and Alembic finds it. Returns the one that is there already.

    It is in the schema where the connections of your app and of the relay look first, also if the metadata names another one.
    """
    if NAME in metadata.tables:
        return metadata.tables[NAME]
    name, columns = INDEX
    return Table(NAME, metadata, *map(_column, COLUMNS), Index(name, *columns), schema=BLANK_SCHEMA)


def _column(column: table.Column) -> Column[Any]:
    kind, _, most = column.kind.partition(":")
    kinds: dict[str, Any] = {
        "text": String(int(most)) if most else Text().with_variant(LONGTEXT(), "mysql", "mariadb"),
        "int": BigInteger(),
    }
    default = None if column.default is None else text(repr(column.default))
    return Column(column.name, kinds[kind], primary_key=column.name == "id", nullable=column.null, server_default=default)


_table: Final = outbox_table(MetaData())
_insert: Final = insert(_table)


@overload
def enqueue_in(
    session: AsyncSession | AsyncConnection | async_scoped_session[Any], intent: IntentLike, *, wooshq: Wooshq | None = None
) -> Awaitable[str]: ...
@overload
def enqueue_in(session: Session | Connection | scoped_session[Any], intent: IntentLike, *, wooshq: Wooshq | None = None) -> str: ...
def enqueue_in(session: Any, intent: IntentLike, *, wooshq: Wooshq | None = None) -> str | Awaitable[str]:
    """
    Enqueue an intent in the transaction of a session or connection. Returns the intent's id; with an async session, await it.

    The message is sent if the transaction commits, and never if it is rolled back. This only inserts a row: it needs no Redis. A relay moves
    the row into the ledger, see docs/outbox.md. wooshq: whose settings count (default: the environment's).

    Raises IntentInvalid with every problem, before anything is inserted; SettingsInvalid; and what the database raises. A conflict (an id or
    idempotency key with other content) shows only when the row is moved: then the row is set aside, and `wooshq outbox` lists it.
    """
    owner = wooshq or _wooshq._default
    row = new_row(intent, owner.settings)
    if isinstance(session, (scoped_session, async_scoped_session)):
        session = session()
    if isinstance(session, (AsyncSession, AsyncConnection)):
        return _insert_async(session, row, owner)
    with _without_values():
        session.execute(_insert, row.values())
    _when_committed(session, row, owner)
    return row.id


@contextlib.contextmanager
def _without_values() -> Iterator[None]:
    """SQLAlchemy puts the values of a statement into its errors, and here they are a message and its recipients."""
    try:
        yield
    except StatementError as error:
        error.hide_parameters = True
        raise


async def _insert_async(session: AsyncSession | AsyncConnection, row: NewRow, owner: Wooshq) -> str:
    with _without_values():
        await session.execute(_insert, row.values())
    inner = session.sync_session if isinstance(session, AsyncSession) else session.sync_connection
    _when_committed(cast(Any, inner), row, owner)
    return row.id


@dataclasses.dataclass
class _Pending:
    """What a session's transaction has in the outbox: whose rows, and the ids of those that no relay will move (see `_take_without_relay`)."""

    owners: set[Wooshq] = dataclasses.field(default_factory=set)
    without_relay: dict[str, Wooshq] = dataclasses.field(default_factory=dict)
    bodies: list[tuple[str, Wooshq]] = dataclasses.field(default_factory=list)

    def clear(self) -> None:
        self.owners.clear()
        self.without_relay.clear()
        self.bodies.clear()


#: Not in their `info`: a connection's belongs to the pool, and outlives the connection.
_pending: Final[weakref.WeakKeyDictionary[Session | Connection, _Pending]] = weakref.WeakKeyDictionary()


def _when_committed(session: Session | Connection, row: NewRow, owner: Wooshq) -> None:
    """Ring for the relays after the commit."""
    pending = _pending.get(session)
    if pending is None:
        pending = _pending[session] = _Pending()
        if isinstance(session, Session):
            event.listen(session, "before_commit", _session_commits)
            event.listen(session, "after_commit", _session_committed)
            event.listen(session, "after_rollback", _session_rolled_back)
        else:
            event.listen(session, "commit", _connection_commits)
            event.listen(session, "rollback", _connection_rolled_back)
    pending.owners.add(owner)
    if owner.installation.memory is not None:
        pending.without_relay[row.id] = owner


def _session_commits(session: Session) -> None:
    if session.get_nested_transaction() is None:
        _take_without_relay(session, _pending[session])


def _session_committed(session: Session) -> None:
    pending = _pending[session]
    for owner in pending.owners:
        bell_of(owner).ring()
    if session.get_nested_transaction() is None:
        _enqueue_without_relay(pending)


def _session_rolled_back(session: Session) -> None:
    if session.get_nested_transaction() is None:
        _pending[session].clear()


def _connection_commits(connection: Connection) -> None:
    pending = _pending[connection]
    _take_without_relay(connection, pending)
    for owner in pending.owners:
        bell_of(owner).ring(before_commit=True)
    _enqueue_without_relay(pending)


def _connection_rolled_back(connection: Connection) -> None:
    _pending[connection].clear()


# A ledger in memory (the test kit, or WOOSHQ_BROKER_URL=memory://) has no relay. Its rows are taken out of the table just before the commit,
# so the database says which of them no savepoint has taken back; and they are enqueued after it.


def _take_without_relay(session: Session | Connection, pending: _Pending) -> None:
    if not pending.without_relay:
        return
    mine = _table.c.id.in_(pending.without_relay)
    found = session.execute(select(_table.c.id, _table.c.body).where(mine)).all()
    pending.bodies = [(body, pending.without_relay[row_id]) for row_id, body in sorted(map(tuple, found))]
    session.execute(sql_delete(_table).where(mine))


def _enqueue_without_relay(pending: _Pending) -> None:
    bodies = list(pending.bodies)
    pending.clear()
    for body, owner in bodies:
        owner.enqueue(parts_of(body)[0])


# The relay's side


class SqlAlchemyDatabase:
    """A `Database` on an engine of its own, with one connection."""

    def __init__(self, url: str) -> None:
        """url: as SQLAlchemy takes it, such as `postgresql+psycopg://…`. Raises SettingsInvalid if it cannot be used."""
        self._engine = _engine(url)
        self.dialect: Dialect = _dialect(self._engine)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[SqlAlchemyStatements]:
        """See `Database.transaction`."""
        try:
            with self._engine.begin() as connection:
                yield SqlAlchemyStatements(connection)
        except DBAPIError as error:
            error.hide_parameters = True
            if is_missing_table(error.orig):
                raise TableMissing from error
            raise DatabaseAway("The database of the outbox", error.orig or error) from error

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class SqlAlchemyStatements:
    """`Statements` of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """See `Statements.rows`."""
        return [tuple(row) for row in self._connection.execute(_prepared(sql), values)]

    def run(self, sql: str, **values: Any) -> int:
        """See `Statements.run`."""
        return self._connection.execute(_prepared(sql), values).rowcount


@functools.cache
def _prepared(sql: str) -> TextClause:
    statement = text(sql)
    return statement.bindparams(bindparam("ids", expanding=True)) if ":ids" in sql else statement


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return create_engine(parsed, pool_pre_ping=True, connect_args={"timeout": 30})
        # InnoDB's gap locks of REPEATABLE READ would hold up the apps' INSERTs.
        return create_engine(
            parsed,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            pool_size=1,
            connect_args=patience(parsed),
        )
    except ArgumentError:
        raise SettingsInvalid("WOOSHQ_OUTBOX_URL: is not a URL of SQLAlchemy, such as postgresql+psycopg://user@host/database") from None
    except (ModuleNotFoundError, SQLAlchemyError) as error:
        name = getattr(error, "name", None)
        driver = f"its driver {name} is not installed" if name else "SQLAlchemy does not know this kind of database"
        raise SettingsInvalid(f"WOOSHQ_OUTBOX_URL: {driver}") from None


def _dialect(engine: Engine) -> Dialect:
    name = {"mariadb": "mysql"}.get(engine.dialect.name, engine.dialect.name)
    if name not in table.DIALECTS:
        raise SettingsInvalid(f"WOOSHQ_OUTBOX_URL: {name} has no outbox. Use PostgreSQL, MySQL, MariaDB or SQLite")
    return name
