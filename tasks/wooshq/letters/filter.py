"""Which dead letters a call is about: ids, and a query of the search language (docs/search.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

from wooshq.errors import QueryInvalid
from wooshq.ledger.replies import ms
from wooshq.ledger.states import LetterState, State
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.letter import Letter
from wooshq.letters.read import ReadLetter
from wooshq.search.content import IN_CONTENT, Content, contains
from wooshq.search.narrow import asks, cheap_first, fits_at, leaves, named, one_of
from wooshq.search.parse import parse
from wooshq.search.tree import Condition, Field, Is, Since, Tree, Until, all_of, any_of
from wooshq.search.values import problem_of
from wooshq.search.write import written

_PLACE: Final = re.compile(r"\[[0-9]+\]")
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z_])[0-9a-fA-F]+(?:-[0-9a-fA-F]+)*(?![0-9A-Za-z_])")
_LONG: Final = 12
"""Digits of a number of an incident or a request: a short one may be the code of a preset."""
_FIELDS: Final = {
    "reason": Field.REASON,
    "application": Field.APP,
    "lane": Field.LANE,
    "campaign": Field.CAMPAIGN,
    "recipient": Field.RECIPIENT,
    "bulk": Field.JOB,
    "detail": Field.DETAIL,
    "state": Field.STATE,
}
"""Keyword → the field of a query that it means."""
_OF_THE_INTENT: Final = (*IN_CONTENT, Field.STATUS)
"""Fields that need the intent of a letter."""
_PRIMES: Final = (16777213, 16777199)
"""As in causes.lua."""
_OF_THE_CAUSE: Final = (Field.CAUSE, Field.REASON, Field.DETAIL, Field.APP)
"""Fields that all letters of a cause have in common, as far as they tell causes apart."""
_IS_OPEN: Final = Is(Field.STATE, LetterState.OPEN)
_WRITTEN_IDS: Final = 20


class Conditions(TypedDict, total=False):
    """
    The filter of dead letters, as keyword arguments. A letter must meet every condition that is given; each is short for a query.

    To add a condition: a key here, its field in `_FIELDS`, an option in `wooshq_worker.cli.filters`.
    """

    where: str | None  #: a query: `reason:rejected since:2h text:"INV-9981"`. Ages count back from the time of the ledger
    reason: str | None  #: one of `Reason`
    application: str | None
    lane: str | None
    since: datetime | None  #: aware; filed at this time or later
    until: datetime | None  #: aware; filed before this time
    campaign: str | None
    tag: tuple[str, str] | None  #: (name, value) of a tag of the intent
    recipient: str | None  #: an exact identifier
    bulk: str | None  #: a job's id
    detail: str | None  #: the exact detail, as a letter or a group shows it
    state: str | None  #: one of `LetterState`; `any` or None for all


class ConditionsAndIds(Conditions, total=False):
    """`Conditions`, and the ids of letters (an intent's id stands for its letter)."""

    ids: Sequence[str]


@dataclass(frozen=True)
class Selection:
    """
    Which letters. ids: in their order; empty for any. tree: what they must fit; None for every letter. only_open: besides, they must be open,
    because nobody asked for another state.
    """

    ids: tuple[str, ...] = ()
    tree: Tree | None = None
    only_open: bool = False

    @property
    def picks_all(self) -> bool:
        """Whether it picks every letter, or every one in some state. A call that changes letters refuses that."""
        return not self.ids and not any(not _is_state(one) for one, _ in self._leaves())

    @property
    def asks_the_intent(self) -> bool:
        """Whether the intent must be read to decide."""
        return self.tree is not None and asks(self.tree, *_OF_THE_INTENT)

    @property
    def is_about_causes(self) -> bool:
        """Whether it picks open letters by their cause alone, so that no letter must be read to count them."""
        return (
            not self.ids and self._is_open and all(_is_of_the_cause(one) or (one == _IS_OPEN and wanted) for one, wanted in self._leaves())
        )

    @property
    def one_cause(self) -> str | None:
        """The cause of which every letter is that fits, and open; None if the selection does not say so."""
        causes = one_of(self.tree, Field.CAUSE) if self.tree is not None and self._is_open else None
        return next(iter(causes)) if causes is not None and len(causes) == 1 else None

    @property
    def _is_open(self) -> bool:
        states = None if self.whole is None else one_of(self.whole, Field.STATE)
        return states is not None and set(states) == {str(LetterState.OPEN)}

    @property
    def whole(self) -> Tree | None:
        """The tree, with `state:open` if nobody asked for another state."""
        wanted_open = (Is(Field.STATE, LetterState.OPEN),) if self.only_open else ()
        parts = (*wanted_open, *((self.tree,) if self.tree is not None else ()))
        return cheap_first(all_of(*parts), _needs_the_intent) if parts else None

    @property
    def in_words(self) -> str:
        """The selection for the record, as a query with absolute times. It names no recipient, key or text: the record outlives the letters."""
        query = "" if self.tree is None else written(self.tree, hide_personal=True)
        if not self.ids:
            return query or "every letter"
        if len(self.ids) > _WRITTEN_IDS:
            return f"{len(self.ids)} ids {query}".rstrip()
        ids = any_of(*(Is(Field.ID, one) for one in self.ids))
        return written(ids if self.tree is None else all_of(ids, self.tree), hide_personal=True)

    def names(self, letter: Letter) -> bool:
        """Whether somebody asked for just this letter, by its id or that of an intent of its history."""
        return bool(self.ids) or (
            self.tree is not None and not {one.lower() for one in named(self.tree, Field.ID)}.isdisjoint(_ids(letter))
        )

    def names_reason(self, reason: str) -> bool:
        """Whether somebody asked for letters with this reason."""
        return self.tree is not None and reason in named(self.tree, Field.REASON)

    def until(self, at: datetime) -> Selection:
        """Without letters that are filed at this time or later."""
        return replace(self, tree=Until(at) if self.tree is None else all_of(self.tree, Until(at)))

    def _leaves(self) -> Iterator[tuple[Condition, bool]]:
        return iter(()) if self.tree is None else leaves(self.tree)


def selection(conditions: ConditionsAndIds, *, only_open: bool = False) -> Steps[Selection]:
    """
    The letters that meet the conditions. only_open: the open ones, unless a state is given. Raises ValueError, QueryInvalid.
    """
    where = conditions.get("where")
    now = None
    if where is not None:
        now = datetime.fromtimestamp(ms((yield Ask([("TIME",)]))[0]) / 1000, UTC)
    return selected(conditions, only_open=only_open, now=now)


def selected(conditions: ConditionsAndIds, *, only_open: bool = False, now: datetime | None = None) -> Selection:
    """See `selection`. now: aware; only a query needs it."""
    parts = list(_parts(conditions))
    where = conditions.get("where")
    if where is not None:
        assert now is not None
        parts.append(parse(where, now=now))
    ids = conditions.get("ids") or ()
    found = Selection(tuple(dict.fromkeys(ids)), all_of(*parts) if parts else None)
    asked = "state" in conditions or any(_is_state_of_letter(one) for one, _ in found._leaves())
    return replace(found, only_open=only_open and not asked)


def names_a_state(query: str) -> bool:
    """Whether a query names a state of letters. False for one that cannot be read: the call that takes it says so."""
    try:
        tree = parse(query, now=datetime.now(UTC))
    except QueryInvalid:
        return False
    return any(_is_state_of_letter(one) for one, _ in leaves(tree))


def _parts(conditions: ConditionsAndIds) -> Iterator[Tree]:
    given: dict[str, Any] = dict(conditions)
    unknown = given.keys() - ConditionsAndIds.__annotations__.keys()
    if unknown:
        raise TypeError(f"there is no condition {min(unknown)!r}")
    for name, field in _FIELDS.items():
        value = given.get(name)
        if value is None or (name == "state" and value == "any"):
            continue
        problem = problem_of(field, value)
        if name == "state" and value not in tuple(LetterState):
            problem = f"state: must be one of {', '.join(LetterState)}, or any"
        if problem:
            raise ValueError(name + problem.removeprefix(field))
        yield Is(field, str(value))
    if (tag := given.get("tag")) is not None:
        if not tag[0]:
            raise ValueError("tag: the name must not be empty")
        if problem := problem_of(Field.TAG, tag[1]):
            raise ValueError(problem)
        yield Is(Field.TAG, tag[1], tag[0])
    for name in ("since", "until"):
        if (at := given.get(name)) is not None:
            if at.tzinfo is None:
                raise ValueError(f"{name}: needs a time zone. Example: 2026-05-01T09:00:00Z")
            yield Since(at.astimezone(UTC)) if name == "since" else Until(at.astimezone(UTC))


def _is_state(condition: Condition) -> bool:
    return isinstance(condition, Is) and condition.field is Field.STATE


def _is_state_of_letter(condition: Condition) -> bool:
    return isinstance(condition, Is) and condition.field is Field.STATE and condition.value in tuple(LetterState)


def _is_of_the_cause(condition: Condition) -> bool:
    """Whether all letters of a cause meet a condition, or none does."""
    if not isinstance(condition, Is) or condition.field not in _OF_THE_CAUSE:
        return False
    return condition.field is not Field.DETAIL or condition.value == comparable(condition.value)


def _needs_the_intent(condition: Condition) -> bool:
    return isinstance(condition, Is) and condition.field in _OF_THE_INTENT


def _ids(letter: Letter) -> tuple[str, ...]:
    """Every id that a letter is known by."""
    return (letter.id, letter.intent_id, *letter.replays)


def letter_fits(read: ReadLetter, tree: Tree) -> bool:
    """Whether a letter fits a tree. Its intent must be there if the tree asks for it; one that is gone meets no condition on it."""
    letter = read.letter
    content: Content | None = None

    def meets(condition: Is) -> bool:
        nonlocal content
        if condition.field not in _OF_THE_INTENT:
            return _meets_itself(letter, condition)
        if condition.field is Field.STATUS:
            return read.http_status == condition.value
        if content is None:
            content = Content(read.kept.body if read.kept is not None else "")
        if condition.field is Field.TEXT:
            return contains([*content.texts(), letter.detail, read.error], condition.value)
        return content.has(condition)

    return fits_at(tree, letter.filed_ms, meets)


def _meets_itself(letter: Letter, condition: Is) -> bool:
    value = condition.value
    match condition.field:
        case Field.ID:
            return value.lower() in _ids(letter)
        case Field.STATE:
            # Every letter is dead: its own states say what becomes of it.
            return value in (letter.state, State.DEAD)
        case Field.REASON:
            return value == letter.reason
        case Field.DETAIL:
            return value in (letter.detail, comparable(letter.detail))
        case Field.CAUSE:
            return value == cause_of(letter.reason, letter.detail, letter.application)
        case Field.CODE:
            return value == letter.code
        case Field.APP:
            return value == letter.application
        case Field.LANE:
            return value == letter.lane
        case Field.JOB:
            return value.lower() == letter.bulk_id
        case _:
            return False


def comparable(detail: str) -> str:
    """
    A detail without what differs from answer to answer, so that letters with the same cause compare equal: `users.list[n]: is not valid`.

    causes.lua does the same; a test holds both together.
    """
    return _NUMBER.sub(_of_one_answer, _PLACE.sub("[n]", detail))


def _of_one_answer(found: re.Match[str]) -> str:
    number = found[0]
    return "#" if len(number) >= _LONG and any(char.isdecimal() for char in number) else number


def cause_of(reason: str, detail: str, application: str | None) -> str:
    """The cause of a letter: 12 hexadecimal digits that stand for its reason, its comparable detail and its application."""
    said = f"{reason}\n{application or ''}\n{comparable(detail)}"
    number = int.from_bytes(said.encode("utf-8", "surrogatepass"), "big")
    return "".join(f"{number % prime:06x}" for prime in _PRIMES)
