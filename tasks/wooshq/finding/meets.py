"""Whether an intent or a job of the ledger fits a query, by its row. For letters, see `wooshq.letters.filter`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from wooshq.history.record import Kind
from wooshq.ledger.gates import Gate, holds
from wooshq.ledger.replies import read_kept
from wooshq.ledger.states import HELD, JobState, LetterState, State
from wooshq.letters.filter import comparable
from wooshq.search.content import IN_CONTENT, Content, contains
from wooshq.search.narrow import fits_at, one_of
from wooshq.search.tree import Field, Is, Tree

_STATES: Final[Mapping[Kind, frozenset[str]]] = {
    "intent": frozenset((*State, HELD)) - {State.DEAD},
    "letter": frozenset((*LetterState, State.DEAD)),
    "job": frozenset(JobState),
}
"""The states that things of a kind can have. An intent that is dead is found as its letter."""
_ONLY_LETTERS: Final = (Field.REASON, Field.CAUSE)
_NOT_JOBS: Final = (Field.REASON, Field.CAUSE, Field.DETAIL, Field.STATUS, Field.CODE, Field.RECIPIENT)


def can_fit(kind: Kind, tree: Tree) -> bool:
    """Whether anything of this kind can fit the tree. False saves reading all of it."""
    states = one_of(tree, Field.STATE)
    if states is not None and states.isdisjoint(_STATES[kind]):
        return False
    never: Sequence[Field] = {"intent": _ONLY_LETTERS, "job": _NOT_JOBS}.get(kind, ())
    return all(one_of(tree, field) is None for field in never)


def intent_fits(intent_id: str, row: Mapping[str, str], gates: Sequence[Gate], tree: Tree) -> bool:
    """Whether an intent fits. row: all of it."""
    intent = _Intent(intent_id, row, gates)
    return fits_at(tree, at_ms(row), intent.meets)


def at_ms(row: Mapping[str, str]) -> int:
    """When an intent or a job ended or, if it has not, was accepted."""
    return int(float(row.get("ended") or row.get("at") or 0))


class _Intent:
    def __init__(self, intent_id: str, row: Mapping[str, str], gates: Sequence[Gate]) -> None:
        self._id = intent_id
        self._row = row
        self._gates = gates
        self._content: Content | None = None

    def meets(self, condition: Is) -> bool:
        row = self._row
        value = condition.value
        match condition.field:
            case Field.ID:
                return value.lower() in (self._id, row.get("letter"))
            case Field.STATE:
                return value == self._state()
            case Field.REASON:
                return value == row.get("reason")
            case Field.DETAIL:
                detail = row.get("detail")
                return detail is not None and value in (detail, comparable(detail))
            case Field.STATUS:
                return value == str(self._last().get("http_status"))
            case Field.CODE:
                return value == self._last().get("code")
            case Field.APP:
                return value == row.get("app")
            case Field.LANE:
                return value == row.get("lane")
            case Field.JOB:
                return value.lower() == row.get("bulk")
        return self._says(condition)

    def _state(self) -> str:
        row = self._row
        is_held = row["state"] == State.QUEUED and holds(self._gates, row.get("app", ""), row.get("lane")) is not None
        return HELD if is_held else row["state"]

    def _last(self) -> Mapping[str, Any]:
        kept = self._row.get(f"a:{self._row.get('n')}")
        return {} if kept is None else read_kept(kept)

    def _says(self, condition: Is) -> bool:
        if self._content is None:
            self._content = Content(self._row.get("body", ""))
        if condition.field is Field.TEXT:
            return contains([*self._content.texts(), *self._said()], condition.value)
        return self._content.has(condition)

    def _said(self) -> Iterator[str]:
        yield self._row.get("detail", "")
        for name, kept in self._row.items():
            if name.startswith("a:"):
                yield read_kept(kept)["error"] or ""


def job_fits(job_id: str, row: Mapping[str, str], state: str, tree: Tree, *, recipient: str | None = None) -> bool:
    """Whether a job fits. row: all of it. state: as it is shown. recipient: count it among the job's."""
    content = Content(row.get("template", ""))

    def meets(condition: Is) -> bool:
        value = condition.value
        match condition.field:
            case Field.ID | Field.JOB:
                return value.lower() == job_id
            case Field.STATE:
                return value in (state, row["state"])
            case Field.APP:
                return value == row.get("app")
            case Field.LANE:
                return value == "bulk"
            case Field.CAMPAIGN:
                return value in (row.get("campaign"), content.campaign)
            case Field.RECIPIENT:
                return value == recipient
        return condition.field in IN_CONTENT and content.has(condition)

    return fits_at(tree, at_ms(row), meets)
