"""The history on a database: what every call does, whichever database it is."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal_column, or_, select, true

from wooshq.history.acts import KeptAct, WhichActs
from wooshq.history.contract import Forgotten, Size
from wooshq.history.marks import Marks
from wooshq.history.pack import count_recipients
from wooshq.history.person import Person
from wooshq.history.record import Kind, Record
from wooshq.history.sent import SentIntent
from wooshq.history.sql.acts import Acts
from wooshq.history.sql.database import Database, Writer
from wooshq.history.sql.refs import ref_of
from wooshq.history.sql.rows import Row, newest, record_of, row_of, row_of_sent
from wooshq.history.sql.tables import ended
from wooshq.history.sql.where import IN_DOUBT, where
from wooshq.search.tree import Field, Tree

_PAGE: Final = 500
_COLUMNS: Final = tuple(column for column in ended.c if column.name not in ("n", "marks", "texts", "in_doubt"))
_MARKS: Final[ColumnElement[Any]] = literal_column("marks")
"""As the database has them, see `Database.marks_in`."""
_OWN: Final = Record(kind="intent", id="00000000-0000-0000-0000-000000000000", state="sent", ended_ms=0, changed_ms=0, shown={})
"""A record that nobody ever sees."""


class SqlHistory:
    """
    `History` on a database. where: the database as it may be shown. keep_bodies: whether texts, recipients and keys may be kept.
    installation: whose acts these are.
    """

    def __init__(self, database: Database, where: str, *, keep_bodies: bool, installation: str) -> None:
        self.where = where
        self._database = database
        self._keep_bodies = keep_bodies
        self._acts = Acts(installation)

    @property
    def identity(self) -> str:
        """See `History.identity`."""
        return self._database.identity

    def write(self, records: Iterable[Record | SentIntent]) -> None:
        """See `History.write`."""
        marks, given = Marks(self._database.secret), list(records)
        if not given:
            return
        rows = newest(self._row(one, marks) for one in given)
        with self._database.writing() as writer:
            gone = writer.forgotten([mark for row in rows for mark in row.marks])
            if gone:
                whole = [one if isinstance(one, Record) else one.record() for one in given]
                left = (self._left(record, gone, marks) for record in whole)
                rows = newest(self._row(record, marks) for record in left if record is not None)
            writer.upsert(rows)

    def _row(self, one: Record | SentIntent, marks: Marks) -> Row:
        if isinstance(one, Record):
            return row_of(one, marks.of(one), keep_bodies=self._keep_bodies)
        return row_of_sent(one, marks.of_sent(one), keep_bodies=self._keep_bodies)

    def _left(self, record: Record, gone: dict[int, int], marks: Marks) -> Record | None:
        """What may be written of a record. None if everyone whom it is about was forgotten after it was accepted."""
        began_ms = record.accepted_ms or record.ended_ms
        for one in record.recipients:
            if gone.get(marks.mark(Field.RECIPIENT, one), 0) >= began_ms:
                record = Person(one).without_in_record(record)
                if not record.recipients:
                    return None
        return record

    def check(self) -> None:
        """See `History.check`."""
        rows = [row_of(_OWN, (), keep_bodies=self._keep_bodies)]
        with self._database.writing() as writer:
            writer.replace(rows)
            writer.remove([row.ref for row in rows])

    def read(self, record_id: str, kind: Kind = "intent") -> Record | None:
        """See `History.read`."""
        return self.read_many([record_id], kind).get(record_id)

    def read_many(self, ids: Sequence[str], kind: Kind = "intent") -> dict[str, Record]:
        """See `History.read_many`."""
        found: dict[str, Record] = {}
        with self._database.connected() as connection:
            for start in range(0, len(ids), _PAGE):
                refs = [ref_of(kind, one) for one in ids[start : start + _PAGE]]
                records = _records(connection, select(*_COLUMNS).where(ended.c.ref.in_(refs)))
                found.update((record.id, record) for record in records)
        return found

    def find(self, tree: Tree | None, *, limit: int, after: Record | None = None, in_doubt: bool = False) -> list[Record]:
        """See `History.find`."""
        marks = Marks(self._database.secret)
        with self._database.connected() as connection:
            wanted = [] if tree is None else [where(tree, _Finder(self._database, connection, marks))]
            if in_doubt:
                wanted.append(IN_DOUBT)
            if after is not None:
                wanted.append(_older_than(after))
            found = select(*_COLUMNS).where(and_(true(), *wanted)).order_by(ended.c.ended_ms.desc(), ended.c.ref.desc()).limit(limit)
            return _records(connection, found)

    def prune(self, before_ms: int, limit: int) -> int:
        """See `History.prune`."""
        with self._database.writing() as writer:
            writer.drop_forgotten(before_ms)
            return writer.prune(before_ms, limit)

    def forget(self, recipient: str) -> Forgotten:
        """See `History.forget`."""
        mark = Marks(self._database.secret).mark(Field.RECIPIENT, recipient)
        with self._database.writing() as writer:
            writer.forget(mark, time.time_ns() // 1_000_000)
        removed = changed = 0
        while True:
            with self._database.writing() as writer:
                alone, others = self._forget_page(writer, mark, recipient)
            if not alone and not others:
                return Forgotten(removed, changed, self._count(mark), self._forget_in_acts(Person(recipient)))
            removed, changed = removed + alone, changed + others

    def count_person(self, recipient: str) -> Forgotten:
        """See `History.count_person`."""
        mark = Marks(self._database.secret).mark(Field.RECIPIENT, recipient)
        removed = changed = 0
        with self._database.connected() as connection:
            for packed in connection.scalars(select(ended.c.packed).where(self._database.marked(connection, mark))):
                if _is_alone(count_recipients(bytes(packed))):
                    removed += 1
                else:
                    changed += 1
            return Forgotten(removed, changed, 0, self._acts.count_naming(connection, Person(recipient)))

    def _forget_in_acts(self, person: Person) -> int:
        """Take a person out of what operators said. How many acts named the person."""
        changed = 0
        while True:
            with self._database.writing() as writer:
                some = self._acts.naming(writer.connection, person)
                self._acts.write(writer.connection, some)
            if not some:
                return changed
            changed += len(some)

    def _forget_page(self, writer: Writer, mark: int, recipient: str) -> tuple[int, int]:
        """Some of the records of a person: how many are removed, and how many stay without the person."""
        marks = Marks(self._database.secret)
        having = self._database.marked(writer.connection, mark)
        found = writer.connection.execute(select(*_COLUMNS, _MARKS).where(having).limit(_PAGE)).mappings().all()
        alone, others = [], []
        for row in found:
            recipients = count_recipients(bytes(row["packed"]))
            if _is_alone(recipients):
                alone.append(bytes(row["ref"]))
                continue
            record = record_of(dict(row))
            left = Person(recipient).without_in_record(record)
            stay = set(self._database.marks_in(row["marks"])) - {mark} - (set(marks.of(record)) - set(marks.of(left)))
            others.append(row_of(left, sorted(stay), keep_bodies=self._keep_bodies, recipients=recipients - 1))
        writer.remove(alone)
        writer.replace(others)
        return len(alone), len(others)

    def _count(self, mark: int) -> int:
        with self._database.connected() as connection:
            return connection.scalar(select(func.count()).select_from(ended).where(self._database.marked(connection, mark))) or 0

    def write_acts(self, acts: Iterable[KeptAct]) -> None:
        """See `History.write_acts`."""
        with self._database.writing() as writer:
            self._acts.write(writer.connection, acts)

    def find_acts(self, which: WhichActs, limit: int) -> list[KeptAct]:
        """See `History.find_acts`."""
        with self._database.connected() as connection:
            return self._acts.find(connection, which, limit)

    def prune_acts(self, before_ms: int, limit: int) -> int:
        """See `History.prune_acts`."""
        with self._database.writing() as writer:
            return self._acts.prune(writer.connection, before_ms, limit)

    def size(self) -> Size:
        """See `History.size`."""
        with self._database.connected() as connection:
            return Size(*self._database.size(connection))

    def close(self) -> None:
        """See `History.close`."""
        self._database.close()


def _is_alone(recipients: int) -> bool:
    """Whether a record that names somebody is about this person alone."""
    return recipients <= 1


class _Finder:
    """`Finder` on one connection."""

    def __init__(self, database: Database, connection: Connection, marks: Marks) -> None:
        self._database = database
        self._connection = connection
        self._marks = marks

    def marked(self, field: Field, value: str, name: str) -> ColumnElement[bool]:
        return self._database.marked(self._connection, self._marks.mark(field, value, name))

    def contains(self, text: str) -> ColumnElement[bool]:
        return self._database.contains(self._connection, text)


def _records(connection: Connection, wanted: Select[Any]) -> list[Record]:
    return [record_of(dict(row)) for row in connection.execute(wanted).mappings()]


def _older_than(record: Record) -> ColumnElement[bool]:
    """What comes after a record, newest first. The first condition is for the index."""
    at, ref = record.ended_ms, ref_of(record.kind, record.id)
    return and_(ended.c.ended_ms <= at, or_(ended.c.ended_ms < at, ended.c.ref < ref))
