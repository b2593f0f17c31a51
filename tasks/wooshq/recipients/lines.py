"""From bytes to whole lines of text, in pieces of bounded size. A line that is too long is reported and skipped."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from wooshq.errors import Problem

#: Bytes read at once: many, so that the number of reads costs nothing; few, so that their lines need little memory.
_PIECE: Final = 1 << 18
#: Bytes that are kept of a line that is too long.
_KEPT: Final = 4_096


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that was skipped because it is too long. text: how it began."""

    text: str


Segment: TypeAlias = str | LongLine
"""Whole lines with their ends (the last line of a file may have no end), or one line that is too long."""


@dataclass(frozen=True, slots=True)
class Text:
    """
    A text, as the formats read it.

    newline: how its lines end. is_not_text: the problem of a row with bytes that the text's encoding does not allow.
    """

    segments: Iterator[Segment]
    newline: str
    is_not_text: Problem


def segments(read: Callable[[int], bytes], newline: bytes, longest: int) -> Iterator[Segment]:
    """
    The lines in order, in segments of at most `longest` bytes plus one piece.

    read: gives at most so many bytes, and none only at the end. longest: bytes of a line, without its end. Bytes that are not UTF-8
    become lone surrogates (`surrogateescape`). `wooshq_schemas` refuses every text that has one.
    """
    # A piece is never longer than a line may be. So only the rest of an earlier piece can make a line too long.
    piece = min(_PIECE, longest)
    kept = min(_KEPT, longest + 1)
    rest = bytearray()
    skipping = False
    while data := read(piece):
        if skipping:
            _, found, data = data.partition(newline)
            skipping = not found
        if end := data.rfind(newline) + 1:
            whole = data[:end]
            if rest:
                first = whole.find(newline)
                if len(rest) + first > longest:
                    yield LongLine(_beginning((bytes(rest[:kept]) + whole[:first])[:kept]))
                    whole = whole[first + 1 :]
                else:
                    whole = bytes(rest) + whole
                rest.clear()
            if whole:
                yield _text(whole)
        rest += data[end:]
        if len(rest) > longest:
            yield LongLine(_beginning(bytes(rest[:kept])))
            rest.clear()
            skipping = True
    if rest:
        yield _text(bytes(rest))


def split(segment: str, newline: str) -> list[str]:
    """The lines of a segment, without their ends."""
    lines = segment.split(newline)
    if not lines[-1]:
        lines.pop()
    return lines


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _beginning(data: bytes) -> str:
    """The text of the first bytes of a line. If they end inside a character, that character is left out."""
    return codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(data)
