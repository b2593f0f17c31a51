"""Recipients in CSV: rows under a header, quoted cells, and what happens if a quote is not closed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

from wooshq.errors import IntentInvalid, Problem, RecipientsUnreadable
from wooshq.recipients.encoding import NOT_TEXT
from wooshq.recipients.limits import Limits
from wooshq.recipients.lines import LongLine, Text, split
from wooshq.recipients.rows import BadRow, bad_row, not_a_recipient, too_long
from wooshq_schemas.recipients.columns import Columns
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.recipient import Recipient
from wooshq_schemas.recipients.rules import RowRules

_BOM: Final = "\ufeff"
#: The line that tells Excel the delimiter: sep=; (Excel may add quotes, and delimiters after it).
SEPARATOR_LINE: Final = re.compile(r'"?sep=([^\w"\r\n])"?[;,\t|]*\s*', re.IGNORECASE)
_HEADER_AGAIN: Final = Problem("", "repeats the header", "Remove the line")
_CLOSE_IT: Final = "A cell that begins with a quote must end with a quote"
_NOT_CLOSED: Final = Problem("", "has a quote that is not closed", _CLOSE_IT)
_AFTER_A_QUOTE: Final = Problem("", "has text after a closing quote", 'Inside a quoted cell, write a quote twice: ""')
#: How an error of Python's csv begins → our words. Every other error of it is about text after a closing quote.
_CSV_SAYS: Final = {
    "unexpected end": _NOT_CLOSED,
    "field larger": Problem("", "has a cell that is too long", _CLOSE_IT),
    "new-line": Problem("", "has a carriage return inside the line", "Remove it, or put the cell in quotes"),
}
_MOST_TOLD: Final = 10


class CsvRows:
    """
    Rows under a header, as Python's csv reads them in strict mode. In a quoted cell, `""` is a quote. After its closing quote, only a
    delimiter or the end of the line may follow. In a cell that begins without a quote, quotes are text. Blank lines are skipped.

    A quote that is not closed makes one row of everything up to the next quote. So if a row of several lines is not valid CSV, or is
    longer than a line may be, only its first line is a bad row. The other lines are read again, each as a row of its own.
    """

    def __init__(self, text: Text, delimiter: str, limits: Limits, rules: RowRules, notes: Notes) -> None:
        self._lines = _KeptLines(text, limits.longest_line)
        self._is_not_text = text.is_not_text
        self._delimiter = delimiter
        self._limits = limits
        self._rules = rules
        self._notes = notes
        self._read_again = 0
        self._separator_cells: tuple[str, ...] = ()

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
        # If files were joined, the byte order marks of the later ones stand inside the text.
        first_cells = {header[0], _BOM + header[0], *self._separator_cells}
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
                    if cells[0] in first_cells and (cells[1:] == header[1:] or self._separates(lines.text(row, end))):
                        yield bad_row(row + 1, lines.text(row, end), _HEADER_AGAIN)
                        continue
                    try:
                        recipient = columns.recipient(cells)
                    except IntentInvalid as error:
                        text = lines.text(row, end)
                        if text.strip():
                            yield not_a_recipient(row + 1, text, error, self._is_not_text)
                    else:
                        yield recipient
                return
            except csv.Error as error:
                wrong = self._wrong(error, before + reader.line_num)
            except _RowTooLong:
                wrong = too_long(self._limits, _CLOSE_IT)
            except _AtLongLine as at:
                lines.skip_long_line()
                yield bad_row(lines.row, at.line.text, too_long(self._limits))
                continue
            row = lines.row
            self._count(len(lines.text(row + 1, before + reader.line_num)))
            lines.row += 1
            yield bad_row(row + 1, lines.text(row, row + 1), wrong)

    def _header(self) -> tuple[Sequence[str], int]:
        """The cells of the first row that is not blank, and the line after it. No cells if all rows are blank. A separator line is skipped."""
        lines, before = self._lines, self._lines.row
        reader = lines.reader(self._delimiter)
        try:
            for names in reader:
                end = before + reader.line_num
                text = lines.text(lines.row, end)
                if NOT_TEXT.search(text):
                    raise self._refused(self._is_not_text)
                if SEPARATOR_LINE.fullmatch(text):
                    self._separator_cells = names[0], _BOM + names[0]
                elif text.strip():
                    if not lines.spaces_after_delimiters and len(names) > 1 and all(name.startswith(" ") for name in names[1:]):
                        # "user, city": the spaces are no part of the cells, and a quote after them begins a quoted cell.
                        lines.spaces_after_delimiters = True
                        return self._header()
                    return names, end
                lines.row = end
        except csv.Error as error:
            raise self._refused(self._wrong(error, before + reader.line_num)) from None
        except (_RowTooLong, _AtLongLine):
            raise self._refused(too_long(self._limits, "The first line of a CSV is its header")) from None
        return (), lines.row

    def _separates(self, text: str) -> bool:
        """Whether a row is the separator line again, because files were joined."""
        return bool(self._separator_cells) and SEPARATOR_LINE.fullmatch(text.removeprefix(_BOM)) is not None

    def _columns(self, header: Sequence[str]) -> Columns:
        if len(header) > self._limits.columns:
            problem = f"has more than {self._limits.columns:,} columns"
            raise self._refused(Problem("", problem, "Remove the columns that the template does not use"))
        try:
            return Columns(header, self._rules, self._notes)
        except IntentInvalid as error:
            # Without a known column, the line may be a recipient instead of a header. Then the error shows none of its cells.
            names = [name.strip() for name in header]
            is_header = not self._rules.known.isdisjoint(names)
            shown = [problem for problem in error.problems if is_header or not problem.field or problem.field not in names]
            raise self._refused(*shown) from None

    def _refused(self, *problems: Problem) -> RecipientsUnreadable:
        shown = problems[:_MOST_TOLD]
        told = dict.fromkeys(f"{problem.field}: {problem.problem}" if problem.field else problem.problem for problem in shown)
        hints = dict.fromkeys(problem.hint for problem in shown if problem.hint)
        return RecipientsUnreadable(f"the header cannot be used: {'; '.join(told)}", ". ".join(hints), line=self._lines.row + 1)

    def _wrong(self, error: csv.Error, end: int) -> Problem:
        row = self._lines.row
        if end - row > 1:
            return _NOT_CLOSED if len(self._lines.text(row, end)) <= self._limits.longest_line else too_long(self._limits, _CLOSE_IT)
        said = str(error)
        return next((problem for begins, problem in _CSV_SAYS.items() if said.startswith(begins)), _AFTER_A_QUOTE)

    def _count(self, again: int) -> None:
        """Bounds the time: in some texts, every line opens a quote that no other line closes."""
        self._read_again += again
        if self._read_again > self._limits.read_again:
            raise RecipientsUnreadable("too many quotes are not closed", _CLOSE_IT, line=self._lines.row + 1)


class _RowTooLong(Exception):
    """The row that began at `_KeptLines.row` has more characters than a line may have bytes."""


class _AtLongLine(Exception):
    """The next line was too long to be kept, and no row has begun before it."""

    def __init__(self, line: LongLine) -> None:
        self.line = line


class _Reader(Protocol):
    """The type of csv's reader, which has no public name."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class _KeptLines:
    """
    The lines of a CSV text, with their ends, in the order in which a reader asks for them. Lines from `row` on are kept, so that they can
    be shown and read again.

    row: the number, from 0, of the line where the current row begins. The user of the reader moves it on.
    """

    def __init__(self, text: Text, longest: int) -> None:
        self.row = 0
        self._segments = text.segments
        self._newline = text.newline
        self._longest = longest
        self._kept: list[str] = []
        self._first = 0
        self._size = 0
        self._long: LongLine | None = None
        self.spaces_after_delimiters = False
        """Whether spaces after a delimiter are left out."""

    def reader(self, delimiter: str) -> _Reader:
        """A reader of the rows from `row` on. After it raises csv.Error, _RowTooLong or _AtLongLine, a new one is needed."""
        kept = map(self._kept.__getitem__, range(self.row - self._first, len(self._kept)))
        lines = chain(kept, chain.from_iterable(self))
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=self.spaces_after_delimiters, strict=True)

    def text(self, start: int, end: int) -> str:
        """The kept lines from `start` up to, and without, `end`."""
        return "".join(self._kept[start - self._first : end - self._first])

    def skip_long_line(self) -> None:
        """Go on after the line that was too long."""
        self.row += 1
        self._first = self.row
        self._kept.clear()
        self._long = None

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        """The next lines. The reader asks for them when it has read all earlier ones, also in the middle of a row."""
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
                # A quoted cell keeps the line ends inside it. The last line of the file may have no end of its own.
                lines = [line + self._newline for line in split(segment, self._newline)]
                self._kept += lines
                self._size += sum(map(len, lines))
                return lines
            self._long = segment
        if self._kept:
            raise _RowTooLong
        raise _AtLongLine(self._long)
