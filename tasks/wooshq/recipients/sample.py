"""A part of a long text: its head, and short pieces from all over the rest. So a file of any size can be judged in a second or two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from wooshq.recipients.lines import LongLine, Segment

_HEAD: Final = 100_000
_PIECE: Final = 1_000
_LONGEST_CELL: Final = 8
"""Segments that a cell may need: two times as much as a row may have."""
_THIN_OUT: Final = 10
"""The gap before the next piece is a tenth of the segments before it, so the number of pieces grows only with the logarithm of the text."""


class Sample:
    """Chooses lines of a text. is_whole: whether the lines chosen so far are all lines so far."""

    def __init__(self, *, head: int = _HEAD, piece: int = _PIECE) -> None:
        """head: lines, at least 1, that are taken from the beginning. piece: lines, at most, that are taken together afterwards."""
        self._head = head
        self._piece = piece
        self.is_whole = True

    def of(self, segments: Iterator[Segment], newline: str) -> Iterator[Segment]:
        """The segments that are chosen, or parts of them, always of whole lines."""
        lines = more = after_head = next_piece = 0
        inside_quotes = False
        for segment in segments:
            quotes = 0 if isinstance(segment, LongLine) else segment.count('"')
            # The head does not end inside a cell. A cell is short: if none ends, a quote was written alone somewhere.
            if lines < self._head or (inside_quotes and not after_head and more < _LONGEST_CELL):
                more += lines >= self._head
                lines += 1 if isinstance(segment, LongLine) else segment.count(newline)
                inside_quotes ^= bool(quotes % 2)
                yield segment
                continue
            self.is_whole = False
            # In a CSV, an odd number of quotes before a line means that a cell goes on there: the line is no row.
            if after_head >= next_piece and not inside_quotes and not isinstance(segment, LongLine):
                piece = _first_lines(segment, newline, self._piece)
                if piece.count('"') % 2 == 0:
                    yield piece
                    next_piece = after_head + 1 + after_head // _THIN_OUT
            inside_quotes ^= bool(quotes % 2)
            after_head += 1


def _first_lines(segment: str, newline: str, most: int) -> str:
    parts = segment.split(newline, most)
    return segment if len(parts) <= most else segment[: len(segment) - len(parts[-1])]
