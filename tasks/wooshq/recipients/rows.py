"""Which recipients stand in a text? CSV with a header, or NDJSON, row by row: a row that is none is told, and costs no other one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Protocol

from wooshq.errors import IntentInvalid, Problem, RecipientsUnreadable
from wooshq.recipients.limits import Limits
from wooshq.recipients.lines import LongLine, Segment
from wooshq_schemas.recipients import LIST_OF, Columns, Recipient, recipient_of
from wooshq_schemas.validation.json_text import loads
from wooshq_schemas.validation.problem import MOST_PROBLEMS

_LONGEST_TEXT: Final = 1_000
_BOM: Final = "\ufeff"
#: What `lines` makes of a byte that is not UTF-8.
_NO_UTF8: Final = re.compile("[\udc80-\udcff]")
_IS_NO_UTF8: Final = Problem("", "is not UTF-8", "Save the file as UTF-8")
_HEADER_AGAIN: Final = Problem("", "is the header again", "Remove the line")
_CLOSE_IT: Final = "A quote that opens a cell must be closed at its end"
_NOT_CLOSED: Final = Problem("", "has a quote that is not closed", _CLOSE_IT)
#: How Python's csv begins what it says → what a person is told. Anything else that it says is about text after a closing quote.
_CSV_SAYS: Final = {
    "unexpected end": _NOT_CLOSED,
    "field larger": Problem("", "has a cell that is too long", _CLOSE_IT),
    "new-line": Problem("", "has a carriage return in mid-line", "Remove it, or put its cell into quotes"),
}
_AFTER_A_QUOTE: Final = Problem("", "has text after a closing quote", 'Within a quoted cell a quote is written twice: ""')


@dataclass(frozen=True, slots=True)
class BadRow:
    """
    A row that names no recipient.

    line: of the unpacked text, from 1, on which the row begins. problems: what is wrong, without a value. text: the row itself, its
    first 1,000 characters made one line, for the rejects file: there users meet their own data, and nobody else does.
    """

    line: int
    problems: tuple[Problem, ...]
    text: str


class Rows(Protocol):
    """The rows of one text."""

    @property
    def lines_read(self) -> int:
        """The lines to the end of the row that was given last; at the end, all lines."""

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        """Once. Raises RecipientsUnreadable, with the line, where the text as a whole is of no use."""


class NdjsonRows:
    """Lines, each a JSON object. Blank ones are passed over."""

    def __init__(self, segments: Iterator[Segment], newline: str, limits: Limits) -> None:
        self.lines_read = 0
        self._segments = segments
        self._newline = newline
        self._limits = limits

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        for segment in self._segments:
            if isinstance(segment, LongLine):
                self.lines_read += 1
                yield _bad(self.lines_read, segment.text, _too_long(self._limits))
                continue
            for line in _split(segment, self._newline):
                self.lines_read += 1
                try:
                    recipient = recipient_of(self._value(line))
                except IntentInvalid as error:
                    if line.strip():
                        yield _no_recipient(self.lines_read, line, error)
                else:
                    yield recipient

    def _value(self, line: str) -> Any:
        try:
            value = loads(line)
        except IntentInvalid as error:
            raise IntentInvalid(map(_of_one_line, error.problems)) from None
        if isinstance(value, dict) and len(value) > self._limits.columns:
            raise IntentInvalid(
                [Problem("", f"has more than {self._limits.columns:,} fields", "Leave out what the template does not name")]
            )
        return value


class CsvRows:
    """
    Rows under a header, as Python's csv reads them when it is strict: in a quoted cell `""` is a quote, and after the closing one
    nothing but a delimiter or the line's end may come; in a cell that began without a quote, quotes are text. Blank lines are passed over.

    A quote that nobody closed makes one row of all that follows, up to the next quote. Therefore a row of several lines that is not
    CSV, or longer than a line may be, costs its first line only: the others are read again, as the rows that they may be.
    """

    def __init__(self, segments: Iterator[Segment], newline: str, delimiter: str, limits: Limits) -> None:
        self._lines = _Lines(segments, newline, limits.longest_line)
        self._delimiter = delimiter
        self._limits = limits
        self._read_again = 0

    @property
    def lines_read(self) -> int:
        return self._lines.row

    def __iter__(self) -> Iterator[Recipient | BadRow]:
        header, end = self._header()
        if not header:
            return
        columns = self._columns(header)
        self._lines.row = end
        lines, delimiter, longest = self._lines, self._delimiter, self._limits.longest_line
        # Where files were joined, the later ones' byte order marks are in mid-text.
        first_cells = {header[0], _BOM + header[0]}
        while True:
            before = lines.row
            reader = lines.reader(delimiter)
            try:
                for cells in reader:
                    row, end = lines.row, before + reader.line_num
                    if end - row > 1 and len(lines.text(row, end)) > longest:
                        raise _RowTooLong
                    lines.row = end
                    if not cells:
                        continue
                    if cells[0] in first_cells and cells[1:] == header[1:]:
                        yield _bad(row + 1, lines.text(row, end), _HEADER_AGAIN)
                        continue
                    try:
                        recipient = columns.recipient(cells)
                    except IntentInvalid as error:
                        text = lines.text(row, end)
                        if text.strip():
                            yield _no_recipient(row + 1, text, error)
                    else:
                        yield recipient
                return
            except csv.Error as error:
                wrong = self._wrong(error, before + reader.line_num)
            except _RowTooLong:
                wrong = _too_long(self._limits, _CLOSE_IT)
            except _AtLongLine as at:
                lines.pass_over()
                yield _bad(lines.row, at.line.text, _too_long(self._limits))
                continue
            row = lines.row
            self._count(len(lines.text(row + 1, before + reader.line_num)))
            lines.row += 1
            yield _bad(row + 1, lines.text(row, row + 1), wrong)

    def _header(self) -> tuple[Sequence[str], int]:
        """The cells of the first row that is not blank, and where the next one begins; no cells where all are blank."""
        lines = self._lines
        reader = lines.reader(self._delimiter)
        try:
            for names in reader:
                text = lines.text(lines.row, reader.line_num)
                if _NO_UTF8.search(text):
                    raise self._refused(_IS_NO_UTF8)
                if text.strip():
                    return names, reader.line_num
                lines.row = reader.line_num
        except csv.Error as error:
            raise self._refused(self._wrong(error, reader.line_num)) from None
        except (_RowTooLong, _AtLongLine):
            raise self._refused(_too_long(self._limits, "The first line of a CSV is its header")) from None
        return (), lines.row

    def _columns(self, header: Sequence[str]) -> Columns:
        if len(header) > self._limits.columns:
            raise self._refused(Problem("", f"has more than {self._limits.columns:,} columns", "Leave out what the template does not name"))
        try:
            return Columns(header)
        except IntentInvalid as error:
            # Without a column that is known, it may be no header but somebody: then no cell of it is told.
            is_header = not LIST_OF.keys().isdisjoint(header)
            raise self._refused(*(problem for problem in error.problems if is_header or not problem.field)) from None

    def _refused(self, *problems: Problem) -> RecipientsUnreadable:
        told = dict.fromkeys(f"{problem.field}: {problem.problem}" if problem.field else problem.problem for problem in problems[:10])
        hints = dict.fromkeys(problem.hint for problem in problems[:10] if problem.hint)
        return RecipientsUnreadable(f"the header cannot be used: {'; '.join(told)}", ". ".join(hints), line=self._lines.row + 1)

    def _wrong(self, error: csv.Error, end: int) -> Problem:
        row = self._lines.row
        if end - row > 1:
            return _NOT_CLOSED if len(self._lines.text(row, end)) <= self._limits.longest_line else _too_long(self._limits, _CLOSE_IT)
        said = str(error)
        return next((problem for begins, problem in _CSV_SAYS.items() if said.startswith(begins)), _AFTER_A_QUOTE)

    def _count(self, again: int) -> None:
        """Keeps the time within bounds: there are texts of which every line opens a quote that no other one closes."""
        self._read_again += again
        if self._read_again > self._limits.read_again:
            raise RecipientsUnreadable("there are too many quotes that are not closed", _CLOSE_IT, line=self._lines.row + 1)


class _RowTooLong(Exception):
    """The row that began at `_Lines.row` has more characters than a line may have bytes."""


class _AtLongLine(Exception):
    """No row has begun, and the next line is one that was too long to be kept."""

    def __init__(self, line: LongLine) -> None:
        self.line = line


class _Reader(Protocol):
    """csv's reader, whose type has no public name."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class _Lines:
    """
    The lines of a CSV text, with their ends, as a reader asks for them; from `row` on they are kept, and can be told and read again.

    row: the number, from 0, of the line on which the row begins that is being read. The reader's user moves it on.
    """

    def __init__(self, segments: Iterator[Segment], newline: str, longest: int) -> None:
        self.row = 0
        self._segments = segments
        self._newline = newline
        self._longest = longest
        self._kept: list[str] = []
        self._first = 0
        self._size = 0
        self._long: LongLine | None = None

    def reader(self, delimiter: str) -> _Reader:
        """A reader of the rows from `row` on. It raises csv.Error, _RowTooLong or _AtLongLine; then another one is needed."""
        kept = map(self._kept.__getitem__, range(self.row - self._first, len(self._kept)))
        return csv.reader(chain(kept, chain.from_iterable(self)), delimiter=delimiter, strict=True)

    def text(self, start: int, end: int) -> str:
        """Lines `start` to `end`, `end` not included, of those that are kept."""
        return "".join(self._kept[start - self._first : end - self._first])

    def pass_over(self) -> None:
        """Goes on behind the line that was too long."""
        self.row += 1
        self._first = self.row
        self._kept.clear()
        self._long = None

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        """The next lines: asked for when all of the earlier ones are read, also in mid-row."""
        if self.row > self._first:
            done = self.row - self._first
            self._size -= sum(map(len, self._kept[:done]))
            del self._kept[:done]
            self._first = self.row
        if self._size > self._longest:
            raise _RowTooLong
        if self._long is None:
            segment = next(self._segments)
            if isinstance(segment, str):
                # A cell that goes on over lines holds their ends; the file's last line may lack its own.
                lines = [line + self._newline for line in _split(segment, self._newline)]
                self._kept += lines
                self._size += sum(map(len, lines))
                return lines
            self._long = segment
        if self._kept:
            raise _RowTooLong
        raise _AtLongLine(self._long)


def _split(segment: str, newline: str) -> list[str]:
    """A segment's lines, without their ends."""
    lines = segment.split(newline)
    if not lines[-1]:
        lines.pop()
    return lines


def _bad(line: int, text: str, *problems: Problem) -> BadRow:
    return BadRow(line, problems[:MOST_PROBLEMS], _one_line(text.rstrip("\r\n")))


def _no_recipient(line: int, text: str, error: IntentInvalid) -> BadRow:
    # What else is told of such a text only follows from it: that a column is not valid Unicode.
    return _bad(line, text, _IS_NO_UTF8) if _NO_UTF8.search(text) else _bad(line, text, *error.problems)


def _too_long(limits: Limits, hint: str = "") -> Problem:
    return Problem("", f"is longer than {limits.longest_line:,} bytes", hint)


def _of_one_line(problem: Problem) -> Problem:
    """What JSON's reader says of a text, said of a line of a file."""
    if not problem.problem.startswith("is not JSON"):
        return problem
    return Problem("", problem.problem.replace(": line 1, column", ": column"), 'Right would be an object on each line: {"user": "u1"}')


def _one_line(text: str) -> str:
    """Its first characters; line ends, and whatever else a terminal might obey, as Python writes them."""
    text = text[:_LONGEST_TEXT]
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\x{ord(char) - 0xDC00:02x}" if _NO_UTF8.match(char) else char.encode("unicode_escape").decode()
