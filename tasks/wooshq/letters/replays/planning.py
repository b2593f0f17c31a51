"""What a replay sends for a letter, or why the letter is left out. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from wooshq.errors import IntentInvalid
from wooshq.intents.entry import entry_of_model, new_id
from wooshq.ledger.entry import Entry
from wooshq.ledger.states import LetterState, Reason
from wooshq.ledger.steps import as_json
from wooshq.letters.edit import checked, checked_values
from wooshq.letters.filter import Selection
from wooshq.letters.letter import Letter
from wooshq.letters.read import Kept
from wooshq.letters.replays.rules import Recipe
from wooshq.settings import Settings
from wooshq_schemas import NewerModel, render
from wooshq_schemas.intent.door import migrated
from wooshq_schemas.validation.json_text import loads

IN_DOUBT: Final = (Reason.UNKNOWN, Reason.POISON)
"""Reasons of letters whose last call may have reached the recipient."""
MAY_BE_REACHED: Final = "in doubt: the recipient may have received the message, and would receive it twice"


class LeftOutFor(StrEnum):
    """Why a letter is left out of a replay."""

    INVALID = "invalid"  #: does not pass today's models, as it is or with the recipe
    EXPIRED = "expired"  #: its `expires_at` has come
    REACHED = "closed"  #: an earlier replay was sent
    DISCARDED = "discarded"  #: somebody discarded it
    REPLAYING = "replaying"  #: another replay has it
    IN_DOUBT = "in_doubt"  #: its recipient may have received the message
    IN_VAIN = "in_vain"  #: it was replayed several times, and failed each time
    NEWER = "newer_model"  #: a newer version of wooshq wrote it
    GONE = "gone"  #: it, or its intent, is no longer kept


MEANS: Final[Mapping[LeftOutFor, str]] = {
    LeftOutFor.INVALID: "not valid today",
    LeftOutFor.EXPIRED: "expired",
    LeftOutFor.REACHED: "already reached by an earlier replay",
    LeftOutFor.DISCARDED: "discarded",
    LeftOutFor.REPLAYING: "being replayed",
    LeftOutFor.IN_DOUBT: "in doubt: would perhaps arrive twice",
    LeftOutFor.IN_VAIN: "replayed several times in vain",
    LeftOutFor.NEWER: "written by a newer version of wooshq",
    LeftOutFor.GONE: "no longer kept",
}
"""For a person: a count goes before it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why one letter is left out, in a word and in words."""

    kind: LeftOutFor
    why: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.why}"

    @classmethod
    def of(cls, kept: str) -> LeftOut:
        """From the text that the ledger keeps."""
        kind, _, why = kept.partition(": ")
        return cls(LeftOutFor(kind), why)


@dataclass(frozen=True, slots=True)
class ReadyLetter:
    """A letter that can be replayed, and the intent that is sent for it. before: the intent as it is kept; only where a recipe changes it."""

    letter: Letter
    entry: Entry
    edited: str
    share: str = ""
    """Letters with the same text may share a call; '' if it needs a call of its own."""
    before: Any = None


@dataclass(frozen=True, slots=True)
class Planner:
    """
    Decides for single letters. wanted: what was asked for: a letter in doubt is taken if its id or its reason is named there, and one that was
    replayed in vain if its id is. decided: that was decided before.
    """

    settings: Settings
    now: datetime
    recipe: Recipe
    in_doubt: bool | None = None
    wanted: Selection = field(default_factory=Selection)
    decided: bool = False

    def plan(self, letter: Letter, kept: Kept | None) -> ReadyLetter | LeftOut:
        """The intent that is sent for a letter, checked against today's models; or why there is none."""
        if (left_out := self._by_its_state(letter, kept)) is not None:
            return left_out
        assert kept is not None
        try:
            data = migrated(loads(kept.body), kept.version)
            after = self.recipe.applied(data) if isinstance(data, dict) else data
            intent = checked_values(after, self.settings)
            render(intent, now=self.now, platforms=self.settings.platform_table)
            entry = replace(entry_of_model(intent, self.settings), intent_id=new_id(), digest="")
        except NewerModel:
            return LeftOut(LeftOutFor.NEWER, "was written by a newer version of wooshq; replay it with that version")
        except IntentInvalid as error:
            return LeftOut(LeftOutFor.INVALID, "; ".join(str(p) for p in error.problems))
        expires = intent.expires_at_dt
        if expires is not None and expires <= self.now:
            return LeftOut(LeftOutFor.EXPIRED, "has expired; edit expires_at to send it anyway")
        before = None if self.recipe.changes_nothing else data
        return ReadyLetter(letter, entry, kept.body if kept.edited else "", share_key(letter, entry), before)

    def rendered(self, intent: Any) -> Any:
        """The request that is made of an intent, as JSON; None if it is not valid."""
        try:
            return render(checked(intent, self.settings), now=self.now, platforms=self.settings.platform_table)
        except IntentInvalid:
            return None

    def exact(self, intent: Any) -> Any:
        """An intent in its exact form; as it is if it is not valid."""
        try:
            return json.loads(checked(intent, self.settings).to_json())
        except IntentInvalid:
            return intent

    def _by_its_state(self, letter: Letter, kept: Kept | None) -> LeftOut | None:
        if letter.state != LetterState.OPEN:
            return LeftOut(LeftOutFor(letter.state), f"is {letter.state}")
        if kept is None:
            return LeftOut(LeftOutFor.GONE, "its intent is no longer kept")
        is_named = self.decided or self.wanted.names(letter)
        takes_doubts = self.in_doubt if self.in_doubt is not None else is_named or self.wanted.names_reason(letter.reason)
        if not takes_doubts and letter.reason in IN_DOUBT:
            return LeftOut(LeftOutFor.IN_DOUBT, MAY_BE_REACHED.removeprefix("in doubt: "))
        if not is_named and letter.vain >= self.settings.replays_in_vain:
            return LeftOut(LeftOutFor.IN_VAIN, f"was replayed {letter.vain} times, and failed each time; name its id to try again")
        return None


def share_key(letter: Letter, entry: Entry) -> str:
    """Letters of one job with the same key differ in their recipient alone: one call is enough for them."""
    if not letter.bulk_id:
        return ""
    data = json.loads(entry.body)
    to = data.pop("to", None)
    if recipient_in(to) is None:
        return ""
    return json.dumps([letter.bulk_id, next(iter(to)), data], sort_keys=True, ensure_ascii=False)


def recipient_in(to: Any) -> str | None:
    """The only recipient of a target; None if it is another kind of target."""
    if isinstance(to, dict) and len(to) == 1:
        (listed,) = to.values()
        if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], str):
            return listed[0]
    return None


def together(entries: Sequence[Entry]) -> Entry:
    """One intent for all recipients of entries with the same share key."""
    if len(entries) == 1:
        return entries[0]
    data = json.loads(entries[0].body)
    (kind,) = data["to"]
    data["to"] = {kind: [recipient_in(json.loads(entry.body)["to"]) for entry in entries]}
    return replace(entries[0], intent_id=new_id(), body=as_json(data))


@dataclass(slots=True)
class Chosen:
    """Letters in the order in which they are replayed: the oldest first; letters that may share calls stand together."""

    _ready: dict[str, list[str]] = field(default_factory=dict)
    """Share key → letters' ids. A letter with a call of its own has its id as the key."""
    _key_of: dict[str, str] = field(default_factory=dict)
    _application_of: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, LeftOut]] = field(default_factory=list)

    def add(self, letter_id: str, plan: ReadyLetter | LeftOut) -> None:
        if isinstance(plan, LeftOut):
            self.left_out.append((letter_id, plan))
            return
        if plan.share:
            self._key_of[letter_id] = plan.share
        key = plan.share or letter_id
        self._ready.setdefault(key, []).append(letter_id)
        self._application_of.setdefault(key, plan.entry.application)

    def leave_out(self, letter_id: str, why: LeftOut) -> None:
        """A letter is left out after all."""
        key = self._key_of.get(letter_id, letter_id)
        if letter_id in self._ready.get(key, ()):
            self._ready[key].remove(letter_id)
            self.left_out.append((letter_id, why))

    @property
    def letters(self) -> int:
        """Letters that will be replayed."""
        return sum(map(len, self._ready.values()))

    def calls(self, list_limit: int) -> Counter[str]:
        """API calls that they need, by application."""
        calls: Counter[str] = Counter()
        for key, group in self._ready.items():
            calls[self._application_of[key]] += -(-len(group) // list_limit)
        return calls

    def in_order(self) -> Iterable[tuple[str, str]]:
        """(letter's id, why it is left out or ''), as the ledger keeps them."""
        for group in self._ready.values():
            yield from ((letter_id, "") for letter_id in group)
        for letter_id, left_out in self.left_out:
            yield letter_id, str(left_out)

    def counted(self) -> dict[str, int]:
        """Why letters are left out → how many."""
        return dict(Counter(str(left_out.kind) for _, left_out in self.left_out).most_common())
