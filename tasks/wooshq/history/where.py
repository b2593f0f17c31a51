"""A query's tree as a condition of SQL on the rows of the history. Pure: nothing here connects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from sqlalchemy import ColumnElement, and_, not_, or_, select

from wooshq.history.tables import ended, recipients, tags
from wooshq.ledger.states import LetterState
from wooshq.search.tree import And, Field, Is, Not, Or, Since, Tree, Until

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTER_STATES: Final = frozenset(map(str, LetterState))


def where(tree: Tree) -> ColumnElement[bool]:
    """The rows of `ended` that fit the tree. No comparison in it can be NULL, so NOT finds exactly the others."""
    match tree:
        case Is():
            return _is(tree)
        case Since(at):
            return ended.c.ended_ms >= _ms(at)
        case Until(at):
            return ended.c.ended_ms < _ms(at)
        case Not(part):
            return not_(where(part))
        case And(parts):
            return and_(*map(where, parts))
        case Or(parts):
            return or_(*map(where, parts))
        case _:
            assert_never(tree)


def _is(condition: Is) -> ColumnElement[bool]:
    value = condition.value
    match condition.field:
        case Field.RECIPIENT:
            return ended.c.id.in_(select(recipients.c.id).where(recipients.c.recipient == value))
        case Field.TAG:
            return ended.c.id.in_(select(tags.c.id).where(tags.c.name == condition.name, tags.c.value == value))
        case Field.TEXT:
            return ended.c.texts.icontains(value, autoescape=True)
        case Field.ID:
            return or_(ended.c.id == value, ended.c.letter_id == value)
        case Field.STATE:
            return (ended.c.letter_state if value in _LETTER_STATES else ended.c.state) == value
        case Field.STATUS:
            return ended.c.status == int(value)
        case field:
            return ended.c[str(field)] == value


def _ms(at: datetime) -> int:
    """Whole ms since the epoch, rounded up: a row of the ms before `at` is not since `at`."""
    return -((_EPOCH - at) // timedelta(milliseconds=1))
