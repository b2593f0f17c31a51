"""Count dead letters by cause, and say which act fits. What the ledger has counted is not counted again: 100,000 letters need not be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from wooshq.errors import CauseUnknown
from wooshq.ledger.gates import holds
from wooshq.ledger.gates import read as read_gates
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import moment, ms
from wooshq.ledger.steps import Ask, Flow, Steps
from wooshq.letters.acts import act_for
from wooshq.letters.causes import HALF_HOUR_MS, Cause, CauseState, are_all_counted, largest_causes, line_of, read_causes
from wooshq.letters.filter import ConditionsAndIds, Selection, cause_of, comparable, selection
from wooshq.letters.find import each_page, json_or_text
from wooshq.letters.gone import read_kept
from wooshq.letters.letter import Group, Letter
from wooshq.letters.read import ReadLetter, pages
from wooshq.search.tree import Condition, Field, Is, fits

_MOST: Final = 2000
"""Causes that are read in one round trip."""


def group_letters(keys: Keys, conditions: ConditionsAndIds, *, most: int | None = None) -> Flow[list[Group]]:
    """See `DeadLetters.groups`."""
    wanted = yield from selection(conditions, only_open=True)
    if wanted.is_about_causes and (yield from are_all_counted(keys)):
        causes = yield from _counted(keys, wanted, most)
        found = [_Found.of(cause) for cause in causes]
    else:
        found = yield from _looked_at(keys, wanted)
        found = found[:most]
        known = yield from read_causes(keys, [one.cause for one in found])
        causes = [_with_letters(cause, one) for cause, one in zip(known, found, strict=True)]
    return (yield from _groups(keys, causes, found, whole=wanted.is_about_causes))


def count_letters(keys: Keys, conditions: ConditionsAndIds, *, most: int | None = None) -> Flow[int]:
    """See `DeadLetters.count`."""
    wanted = yield from selection(conditions, only_open=True)
    if (counted := (yield from count_at_once(keys, conditions))) is not None:
        return counted if most is None else min(counted, most)
    n = 0

    def take(letters: Sequence[ReadLetter]) -> bool:
        nonlocal n
        n += len(letters)
        return most is not None and n >= most

    yield from each_page(keys, wanted, take)
    return n if most is None else min(n, most)


def count_at_once(keys: Keys, conditions: ConditionsAndIds) -> Steps[int | None]:
    """How many open letters meet the conditions, if the ledger has counted them; None if each would have to be read."""
    wanted = yield from selection(conditions, only_open=True)
    if not (wanted.is_about_causes and (yield from are_all_counted(keys))):
        return None
    return sum(cause.open for cause in (yield from _counted(keys, wanted, None)))


def show_cause(keys: Keys, cause: str) -> Flow[Group]:
    """See `DeadLetters.cause`."""
    found = (yield from read_causes(keys, [cause]))[0]
    if not found.reason:
        raise CauseUnknown("no dead letters have this cause. Check the id (wooshq dead groups)")
    return (yield from _groups(keys, [found], [_Found.of(found)], whole=True))[0]


@dataclass(slots=True)
class _Found:
    """Letters of one cause, as far as they were found. newest: the newest letter."""

    cause: str
    newest: str
    reason: str
    detail: str
    application: str | None
    first_ms: int
    last_ms: int
    count: int = 0
    filed: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, cause: Cause) -> _Found:
        return cls(cause.id, cause.example, cause.reason, cause.detail, cause.application, cause.oldest, cause.newest, cause.open)

    def add(self, letter: Letter) -> None:
        self.count += 1
        self.first_ms = min(self.first_ms, letter.filed_ms)
        self.last_ms = max(self.last_ms, letter.filed_ms)
        self.filed[letter.filed_ms // HALF_HOUR_MS] += 1


def _counted(keys: Keys, wanted: Selection, most: int | None) -> Steps[list[Cause]]:
    """Causes that fit, as the ledger has counted them."""
    found: list[Cause] = []
    ids = yield from largest_causes(keys, most if wanted.tree is None else None)
    for some in pages(ids, _MOST):
        found += [cause for cause in (yield from read_causes(keys, some)) if cause.open and _fits(cause, wanted)]
    return sorted(found, key=lambda cause: (-cause.open, cause.reason, cause.detail))[:most]


def _fits(cause: Cause, wanted: Selection) -> bool:
    def meets(condition: Condition) -> bool:
        assert isinstance(condition, Is)
        match condition.field:
            case Field.REASON:
                return condition.value == cause.reason
            case Field.DETAIL:
                return condition.value == cause.detail
            case Field.APP:
                return condition.value == cause.application
            case Field.CAUSE:
                return condition.value == cause.id
            case _:  # state:open
                return True

    return wanted.tree is None or fits(wanted.tree, meets)


def _looked_at(keys: Keys, wanted: Selection) -> Flow[list[_Found]]:
    """Letters that fit, each of them read."""
    found: dict[str, _Found] = {}

    def take(letters: Sequence[ReadLetter]) -> bool:
        for letter in (read.letter for read in letters):
            cause = cause_of(letter.reason, letter.detail, letter.application)
            if cause not in found:
                said, at = comparable(letter.detail), letter.filed_ms
                found[cause] = _Found(cause, letter.id, letter.reason, said, letter.application, at, at)
            found[cause].add(letter)
        return False

    yield from each_page(keys, wanted, take)
    return sorted(found.values(), key=lambda one: (-one.count, one.reason, one.detail))


def _with_letters(cause: Cause, found: _Found) -> Cause:
    """A cause, with the letters that were found in place of those that the ledger has counted."""
    return Cause(
        cause.id, cause.now, found.reason, found.detail, found.application, found.count, found.first_ms, found.last_ms, found.newest,
        cause.people, line_of(found.filed, cause.now), cause.back, cause.until, cause.noted, cause.why, cause.by,
    )  # fmt: skip


def _groups(keys: Keys, causes: Sequence[Cause], found: Sequence[_Found], *, whole: bool) -> Flow[list[Group]]:
    acts = yield from _acts(keys, found)
    return [_group(cause, acts[cause.id], whole=whole) for cause in causes]


def _group(cause: Cause, act: str | None, *, whole: bool) -> Group:
    is_ignored = cause.state is CauseState.IGNORED
    return Group(
        reason=cause.reason,
        detail=cause.detail,
        application=cause.application,
        count=cause.open,
        first_at=moment(cause.oldest or None),
        last_at=moment(cause.newest or None),
        act=act,
        example=cause.example or None,
        cause=cause.id,
        people=cause.people if whole else None,
        line=cause.line,
        state=cause.state,
        back_at=moment(cause.back_at) if cause.state is CauseState.BACK else None,
        ignored_until=moment(cause.until) if is_ignored else None,
        ignored_by=cause.by if is_ignored else None,
        ignored_why=cause.why if is_ignored else None,
    )


def _acts(keys: Keys, found: Sequence[_Found]) -> Flow[Mapping[str, str | None]]:
    """Which act fits each group: by its reason, by its newest letter, and by the gates that are shut now."""
    acts: dict[str, str | None] = {}
    time, flat = yield Ask([("TIME",), ("HGETALL", keys.fixed("gates"))])
    now_ms, gates = ms(time), read_gates(flat, ms(time))
    for some in pages(found):
        letters = yield from read_kept(keys, [one.newest for one in some], bodies=True)
        for one, letter in zip(some, letters, strict=True):
            is_shut = holds(gates, one.application or "", letter.letter.lane if letter else None) is not None
            has_expired = letter is not None and _has_expired(letter, now_ms)
            acts[one.cause] = act_for(one.reason, one.detail, has_expired=has_expired, gate_is_shut=is_shut)
    return acts


def _has_expired(read: ReadLetter, now_ms: int) -> bool:
    data = json_or_text(read.kept.body) if read.kept is not None else None
    given = data.get("expires_at") if isinstance(data, dict) else None
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return False
    return at is not None and at.tzinfo is not None and at.timestamp() * 1000 <= now_ms
