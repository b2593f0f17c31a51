"""A query's tree as a condition of SQL on the records. Pure but for what a `Finder` asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, assert_never

from sqlalchemy import ColumnElement, and_, literal_column, not_, or_

from wooshq.history.record import Kind
from wooshq.history.sql.refs import KINDS, ref_of
from wooshq.history.sql.tables import ended
from wooshq.ledger.states import LetterState, State
from wooshq.search.tree import And, Field, Is, Not, Or, Since, Tree, Until

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Final[tuple[Kind, ...]] = tuple(KINDS)

_DEAD: Final = (str(State.DEAD), *map(str, LetterState))

_STATUS_OK, _CODE_OK = 200, "OK"
"""What nearly all records have: partial indexes have all others."""
UNSENT: Final = ended.c.state != literal_column("'sent'")
_STATUS_IS_RARE: Final = ended.c.status != literal_column("200")
_CODE_IS_RARE: Final = ended.c.code != literal_column("'OK'")
IN_DOUBT: Final = ended.c.in_doubt == literal_column("1")
"""As the partial indexes have them: a condition that implies one says it, too, because databases do not find that out."""


class Finder(Protocol):
    """What differs between SQLite and PostgreSQL. No condition that it makes can be NULL."""

    def marked(self, field: Field, value: str, name: str) -> ColumnElement[bool]:
        """The records that have the mark of a value."""
        ...

    def contains(self, text: str) -> ColumnElement[bool]:
        """The records whose texts contain a text, which is folded."""
        ...


def folded(text: str) -> str:
    """A text as it is searched: without regard to case, and without what a database cannot keep."""
    text = text.casefold().replace("\0", " ")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def where(tree: Tree, finder: Finder) -> ColumnElement[bool]:
    """The records that fit the tree. No comparison in it can be NULL, so NOT finds exactly the others."""
    match tree:
        case Is():
            return _is(tree, finder)
        case Since(at):
            return ended.c.ended_ms >= _ms(at)
        case Until(at):
            return ended.c.ended_ms < _ms(at)
        case Not(part):
            return not_(where(part, finder))
        case And(parts):
            return and_(*(where(part, finder) for part in parts))
        case Or(parts):
            return or_(*(where(part, finder) for part in parts))
        case _:
            assert_never(tree)


def _is(condition: Is, finder: Finder) -> ColumnElement[bool]:
    value = condition.value
    match condition.field:
        case Field.RECIPIENT | Field.TAG | Field.KEY | Field.CAMPAIGN | Field.DETAIL | Field.CAUSE:
            return finder.marked(condition.field, value, condition.name)
        case Field.JOB:
            return or_(finder.marked(Field.JOB, value, ""), ended.c.ref == ref_of("job", value))
        case Field.ID:
            value = value.lower()
            return or_(ended.c.ref.in_([ref_of(kind, value) for kind in _KINDS]), finder.marked(Field.ID, value, ""))
        case Field.TEXT:
            return finder.contains(folded(value))
        case Field.STATUS:
            is_it = ended.c.status == int(value)
            return is_it if int(value) == _STATUS_OK else and_(is_it, _STATUS_IS_RARE)
        case Field.STATE:
            if value == State.SENT:
                return ended.c.state == value
            # Every letter is dead: its own states say what becomes of it.
            return and_(ended.c.state.in_(_DEAD) if value == State.DEAD else ended.c.state == value, UNSENT)
        case Field.REASON:
            return and_(ended.c.reason == value, UNSENT)
        case Field.CODE if value != _CODE_OK:
            return and_(ended.c.code == value, _CODE_IS_RARE)
        case Field.CODE | Field.APP | Field.LANE as field:
            return ended.c[str(field)] == value
        case _:
            assert_never(condition.field)


def _ms(at: datetime) -> int:
    """Whole ms since the epoch, rounded up: a record of the ms before `at` is not since `at`."""
    return -((_EPOCH - at) // timedelta(milliseconds=1))
