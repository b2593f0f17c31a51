"""Recipients in NDJSON: each line is one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wooshq.errors import IntentInvalid, Problem
from wooshq.recipients.limits import Limits
from wooshq.recipients.lines import LongLine, Text, split
from wooshq.recipients.rows import BadRow, bad_row, not_a_recipient, too_long
from wooshq_schemas.recipients.mapping import recipient_of
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_schemas.recipients.rules import RowRules
from wooshq_schemas.validation.json_text import loads


class NdjsonRows:
    """The rows of an NDJSON text. Blank lines are skipped."""

    def __init__(self, text: Text, limits: Limits, rules: RowRules, notes: Notes) -> None:
        self.lines_read = 0
        self._text = text
        self._limits = limits
        self._rules = rules
        self._notes = notes

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        for segment in self._text.segments:
            if isinstance(segment, LongLine):
                self.lines_read += 1
                yield bad_row(self.lines_read, segment.text, too_long(self._limits))
                continue
            for line in split(segment, self._text.newline):
                self.lines_read += 1
                try:
                    recipient = recipient_of(self._value(line), self._rules, self._notes)
                except IntentInvalid as error:
                    if line.strip():
                        yield not_a_recipient(self.lines_read, line, error, self._text.is_not_text)
                else:
                    yield recipient

    def _value(self, line: str) -> Any:
        try:
            value = loads(line)
        except IntentInvalid as error:
            raise IntentInvalid(map(_of_one_line, error.problems)) from None
        if isinstance(value, dict) and len(value) > self._limits.columns:
            problem = f"has more than {self._limits.columns:,} fields"
            raise IntentInvalid([Problem("", problem, "Remove the fields that the template does not use")])
        return value


def _of_one_line(problem: Problem) -> Problem:
    """The JSON reader's problem, in the words for one line of a file: the line's number stands before it anyway."""
    if not problem.problem.startswith("is not JSON"):
        return problem
    return Problem("", problem.problem.replace(": line 1, column", ": column"), 'Write one JSON object on each line: {"user": "u1"}')
