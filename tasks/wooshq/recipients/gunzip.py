"""What is packed in a gzip? Its bytes in small pieces, and an error where they do not come whole or are a bomb."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.limits import Limits

MAGIC: Final = b"\x1f\x8b"

#: Packed bytes read at once. What is left of them is copied for each member, and some gzips have very small ones.
_PIECE: Final = 1 << 16
_GZIP_ONLY: Final = 31


class Gunzip:
    """
    The unpacked bytes of one or several gzip members, as `cat a.gz b.gz` makes them. Zeros after a member are a tape's padding.

    Python's own gzip module would do but for two things: it does not say how much went in, and without that no ratio can be kept.
    """

    def __init__(self, read: Callable[[int], bytes], limits: Limits) -> None:
        """read: gives at most so many of the packed bytes, and none only at their end."""
        self._read = read
        self._limits = limits
        self._member = zlib.decompressobj(_GZIP_ONLY)
        self._packed = b""
        self._taken = 0
        self._given = 0

    def read(self, most: int) -> bytes:
        """
        The next bytes, 1 to `most` of them, and none at the end.

        Raises RecipientsUnreadable where the packed bytes are cut off, damaged, followed by something else, or unpack beyond the limits.
        What came before is right as far as it goes, and is not all.
        """
        while True:
            if self._member.eof and not self._begin_next():
                return b""
            try:
                # Also with nothing new to put in: of what went in before, something may not have come out yet.
                data = self._member.decompress(self._packed, most)
            except zlib.error as error:
                raise RecipientsUnreadable("the gzip is damaged here", "Pack the file again") from error
            self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if data:
                self._count(len(data))
                return data
            if not self._member.eof and not self._packed and not self._fill():
                raise RecipientsUnreadable("the gzip is cut off here", "It was copied or written by halves: fetch or pack it again")

    def _begin_next(self) -> bool:
        """Whether there is another member, and it has been begun."""
        while not (rest := self._packed.lstrip(b"\0")):
            if not self._fill():
                return False
        self._packed = rest
        if len(rest) < len(MAGIC) and self._fill():
            self._packed = rest + self._packed
        if not self._packed.startswith(MAGIC):
            # It may be the rest of a member that lost its beginning: people who would silently be left out.
            raise RecipientsUnreadable("something that is not packed follows the gzip here", "Pack the file again")
        self._member = zlib.decompressobj(_GZIP_ONLY)
        return True

    def _fill(self) -> bool:
        self._packed = self._read(_PIECE)
        self._taken += len(self._packed)
        return bool(self._packed)

    def _count(self, given: int) -> None:
        self._given += given
        limits = self._limits
        if self._given > limits.unpacked:
            raise RecipientsUnreadable(f"more than {limits.unpacked:,} bytes come out of the gzip", "Cut it into several files")
        if self._given > limits.ratio_from and self._given > limits.ratio * (self._taken - len(self._packed)):
            raise RecipientsUnreadable(
                f"more than {limits.ratio:,} bytes come out of the gzip for each that is in it",
                "No list of people packs so well; if this one does, unpack it first",
            )
