"""What was noted about recipients that were taken: counted by kind, and said in one sentence a kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Note(StrEnum):
    """A kind of note. The recipient is sent to all the same."""

    EXCEL_TEXT = "excel_text"  #: a cell had the marks that Excel writes around a text
    INVISIBLE = "invisible"  #: the identifier had invisible characters
    EMAIL = "email"  #: the address had mailto: or a name beside it
    LOCALE = "locale"  #: the locale is not one of the API's
    SPELLING = "spelling"  #: the email address differs from an earlier one only in capital letters


_SENTENCES: Final[Mapping[Note, str]] = {
    Note.EXCEL_TEXT: 'the marks that spreadsheets write around a text were removed, as in ="00123" or \'00123',
    Note.INVISIBLE: "invisible characters, such as byte order marks, were removed from the identifier",
    Note.EMAIL: "mailto:, or a name beside the email address, was removed",
    Note.SPELLING: "the email address differs from an earlier one only in capital letters. Each spelling is sent to. To send once, use "
    "--fold-emails (RowRules(fold_emails=True))",
    Note.LOCALE: "the locale is not one that Pushwoosh knows. These recipients get the texts of the locale default",
}


class Notes:
    """The notes of one stream of recipients. columns: gets the names of all columns, also of those that are not read; None to save the time."""

    def __init__(self, *, columns: set[str] | None = None) -> None:
        self.columns = columns
        self.counts: Counter[Note] = Counter()
        """Kind of note → rows that have it. A row that repeats an earlier recipient counts, too."""

    def add(self, note: Note) -> None:
        """One more row has it."""
        self.counts[note] += 1

    def sentences(self) -> list[str]:
        """One sentence for each kind that there is, never with a value."""
        return [f"In {n:,} {'row' if n == 1 else 'rows'}, {_SENTENCES[note]}." for note, n in sorted(self.counts.items())]
