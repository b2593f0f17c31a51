"""A row of a recipients file: a recipient, or a bad row with its problems. CSV and NDJSON share what stands here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from wooshq.errors import IntentInvalid, Problem
from wooshq.recipients.encoding import NOT_TEXT
from wooshq.recipients.limits import Limits
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_schemas.validation.problem import MOST_PROBLEMS

_LONGEST_TEXT: Final = 1_000


@dataclass(frozen=True, slots=True)
class BadRow:
    """
    A row that is not a recipient.

    line: where the row begins, from 1, in the decompressed text. problems: what is wrong, never with a value. text: the first 1,000
    characters of the row, as one line. It is for the rejects file only: users see their own data there, and nobody else does.
    """

    line: int
    problems: tuple[Problem, ...]
    text: str


class Rows(Protocol):
    """The rows of one text."""

    @property
    def lines_read(self) -> int:
        """The number of lines up to the end of the row that was given last. At the end: all lines."""

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        """Can be called once. Raises RecipientsUnreadable, with the line, if the text as a whole cannot be used."""


def bad_row(line: int, text: str, *problems: Problem) -> BadRow:
    """A bad row, with as many problems and as much of its text as may be kept."""
    return BadRow(line, problems[:MOST_PROBLEMS], _one_line(text.rstrip("\r\n")))


def not_a_recipient(line: int, text: str, error: IntentInvalid, is_not_text: Problem) -> BadRow:
    """The bad row for a row that `wooshq_schemas` refused. is_not_text: said of a row with bytes that its encoding does not allow."""
    # If the row has such bytes, every other problem only follows from them.
    return bad_row(line, text, is_not_text) if NOT_TEXT.search(text) else bad_row(line, text, *error.problems)


def too_long(limits: Limits, hint: str = "") -> Problem:
    """The problem of a row with more bytes than a line may have."""
    return Problem("", f"is longer than {limits.longest_line:,} bytes", hint)


def _one_line(text: str) -> str:
    """The first characters. Line ends, and other characters that a terminal could obey, are escaped as Python does it."""
    text = text[:_LONGEST_TEXT]
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\x{ord(char) - 0xDC00:02x}" if NOT_TEXT.match(char) else char.encode("unicode_escape").decode()
