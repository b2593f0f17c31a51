"""What was noted about recipients that were taken: counted by kind, and said in one sentence a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Note(StrEnum):
    """A kind of note. The recipient is sent to all the same."""

    LOCALE = "locale"  #: the locale is not one of the API's


_SENTENCES: Final[Mapping[Note, str]] = {
    Note.LOCALE: "the locale is not one that Pushwoosh knows. These recipients get the texts of the locale default",
}


class Notes:
    """The notes of one stream of recipients."""

    def __init__(self) -> None:
        self.counts: Counter[Note] = Counter()
        """Kind of note → rows that have it. A row that repeats an earlier recipient counts, too."""

    def add(self, note: Note) -> None:
        """One more row has it."""
        self.counts[note] += 1

    def sentences(self) -> list[str]:
        """One sentence for each kind that there is, never with a value."""
        return [f"In {n:,} {'row' if n == 1 else 'rows'}, {_SENTENCES[note]}." for note, n in sorted(self.counts.items())]
