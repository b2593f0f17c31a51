"""Acts of operators as the ledger's stream and the history keep them, and which of them a question is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from wooshq.history.person import Person

KINDS: Final = (
    "intent",
    "letter",
    "cause",
    "replay",
    "job",
    "gate",
    "pause",
    "limit",
    "token",
    "recipient",
    "outbox",
    "spool",
    "doubles",
    "history",
)
"""What an act can be about. A pause is a gate that only a person shuts."""

_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLACE: Final = re.compile(r"(\d{1,15})-(\d{1,15})")
_MOST_IDS: Final = 100
_HAND: Final = "hand"


class ActPlace(NamedTuple):
    """Where an act stands in the order, which is that of the ledger's stream: ms since the epoch, and a number. Greater is newer."""

    ms: int
    n: int

    @classmethod
    def read(cls, text: str) -> ActPlace:
        """The place of an act's id. Raises ValueError for what is not one."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError("after: is not the id of an act. Use `after` of the page before")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}"


@dataclass(frozen=True, slots=True)
class KeptAct:
    """One act. row: the fields of the stream, see `note_change` in history.lua. is_changed: it was written again, without a person."""

    place: ActPlace
    row: Mapping[str, str]

    @classmethod
    def of_entry(cls, entry_id: str, row: Mapping[str, str]) -> KeptAct:
        """Of an entry of the stream. An act that was written again, at the end of the stream, keeps its place."""
        return cls(ActPlace.read(row.get("was") or entry_id), row)

    @property
    def is_changed(self) -> bool:
        """Whether it was written again, without a person who was forgotten."""
        return "was" in self.row

    @property
    def kind(self) -> str:
        """One of KINDS."""
        what = self.row["what"]
        if self.row["did"] == "limit":
            return "limit"
        if "|" in what:
            return "pause" if what.partition("|")[0] == _HAND else "gate"
        word = what.partition(" ")[0]
        return "letter" if word == "letters" else word

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids that it names: of what it was done to, and of what came of it."""
        row = self.row
        found = dict.fromkeys(_ID.findall(" ".join((row["what"], row.get("selection", ""), row.get("result", "")))))
        name = row["what"].rpartition(" ")[2]
        if self.kind in ("token", "cause", "outbox", "spool") and " " in row["what"]:
            found[name] = None
        return tuple(found)[:_MOST_IDS]

    def without(self, person: Person) -> KeptAct | None:
        """The act without a person; None if it does not name the person."""
        row = {name: text if name in _NUMBERS else person.scrubbed(text) for name, text in self.row.items()}
        return None if row == self.row else KeptAct(self.place, {**row, "was": str(self.place)})


_NUMBERS: Final = frozenset(("at", "before", "did", "n", "result", "value", "was"))
"""Fields in which nobody wrote anything (a result says how many, or a state). An identifier such as `0` is a part of many numbers, and the act would be written again for ever."""


@dataclass(frozen=True, slots=True)
class WhichActs:
    """
    Which acts a question is about. by: of this person. kind: about such a thing. id: that name this id. since_ms, until_ms: in this time.
    after: only older ones.
    """

    by: str | None = None
    kind: str | None = None
    id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    after: ActPlace | None = None

    def fits(self, act: KeptAct) -> bool:
        """Whether the question is about this act."""
        at = int(act.row["at"])
        return (
            self.by in (None, act.row["by"])
            and self.kind in (None, act.kind)
            and (self.id is None or self.id in act.ids)
            and (self.since_ms is None or at >= self.since_ms)
            and (self.until_ms is None or at < self.until_ms)
            and (self.after is None or act.place < self.after)
        )
