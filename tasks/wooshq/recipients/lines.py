"""Where does a line end? Bytes as text of whole lines, in pieces that bound the memory, without the lines that are too long for it."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

#: Bytes read at once: enough that their number costs nothing, few enough that their lines do not show in the memory.
_PIECE: Final = 1 << 18
#: Bytes that are kept of a line which is too long.
_KEPT: Final = 4_096


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that was passed over for its length. text: how it began."""

    text: str


Segment: TypeAlias = str | LongLine
"""Whole lines with their ends (the file's last may have none), or one line that is too long."""


def segments(read: Callable[[int], bytes], newline: bytes, longest: int) -> Iterator[Segment]:
    """
    The lines in their order, in segments of at most `longest` bytes and one piece.

    read: gives at most so many bytes, and none only at the end. longest: bytes of a line, without its end. Bytes that are not UTF-8
    become lone surrogates (`surrogateescape`), of which `wooshq_schemas` lets none pass.
    """
    # No piece is longer than a line may be, so that only what is left of the piece before can make a line too long.
    piece = min(_PIECE, longest)
    kept = min(_KEPT, longest + 1)
    rest = bytearray()
    passing_over = False
    while data := read(piece):
        if passing_over:
            _, found, data = data.partition(newline)
            passing_over = not found
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
            passing_over = True
    if rest:
        yield _text(bytes(rest))


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _beginning(data: bytes) -> str:
    """The text of bytes that were cut off, without the character that the cut may have gone through."""
    return codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(data)
